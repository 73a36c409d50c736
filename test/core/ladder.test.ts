import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lossUpperBound, nextRung, type LiveLevel } from "../../src/core/ladder.ts";
import type { Rung } from "../../src/core/policy.ts";

const rung = (variant: string, score?: number, items = 200): Rung =>
  score === undefined ? { variant } : { variant, validated: { score, items } };
const nothing = () => null;
const live = (known: Record<string, LiveLevel>) => (variant: string) => known[variant] ?? null;
const none: ReadonlySet<string> = new Set();

describe("the next rung", () => {
  const ladder = [rung("first", 0.9), rung("second", 0.85), rung("third", 0.7), rung("untested")];
  test.each([
    { degraded: 0.9, excluded: ["first"], chosen: "second", because: "it is the best of the others" },
    { degraded: 0.9, excluded: ["first", "second"], chosen: "third", because: "the better ones are excluded" },
    { degraded: 0.9, excluded: ["first", "second", "third"], chosen: null, because: "only an unvalidated one is left" },
    { degraded: 0.25, excluded: ["first"], chosen: "second", because: "it is still clearly better" },
    { degraded: 0.17, excluded: ["first"], chosen: null, because: "its upper bound is not clearly below" },
    { degraded: 0.3, excluded: ["first", "second"], chosen: null, because: "it is as bad as what degraded" },
    { degraded: null, excluded: ["first"], chosen: "second", because: "nobody measured what degraded" },
    { degraded: null, excluded: ["first", "second", "third"], chosen: null, because: "nothing validated is left" },
    { degraded: 0, excluded: [], chosen: null, because: "nothing is better than perfect" },
  ])("is $chosen below a loss of $degraded without $excluded: $because", ({ degraded, excluded, chosen }) =>
    expect(nextRung(ladder, degraded, nothing, new Set(excluded))?.variant ?? null).toBe(chosen),
  );

  test("is not the one that validated best when live labels say otherwise", () => {
    const known = live({ first: { labels: 300, lossMean: 0.6 } });
    expect(nextRung(ladder, 0.9, known, none)?.variant).toBe("second");
  });

  test("is the better known of two equal ones, because doubt counts against a rung", () =>
    expect(nextRung([rung("few", 0.8, 20), rung("many", 0.8, 300)], 0.9, nothing, none)?.variant).toBe("many"));

  test("lets live labels overrule any amount of validation", () => {
    const grand = [rung("boasted", 0.95, 1_000_000)];
    expect(nextRung(grand, 0.5, nothing, none)?.variant).toBe("boasted");
    expect(nextRung(grand, 0.5, live({ boasted: { labels: 600, lossMean: 0.9 } }), none)).toBeNull();
  });

  const score = fc.double({ min: 0, max: 1, noNaN: true });
  const anyLevel = fc.record({ labels: fc.integer({ min: 1, max: 2000 }), lossMean: score });
  const anyRung = fc.record(
    { validated: fc.record({ score, items: fc.integer({ min: 1, max: 5000 }) }), known: anyLevel },
    { requiredKeys: [] },
  );
  const anyLadder = fc.array(anyRung, { minLength: 1, maxLength: 6 }).map((list) => {
    const rungs = list.map(({ validated }, i): Rung => ({ variant: `v${i}`, ...(validated ? { validated } : {}) }));
    return { rungs, known: Object.fromEntries(list.flatMap(({ known }, i) => (known ? [[`v${i}`, known]] : []))) };
  });
  const anyExcluded = fc.array(fc.nat(5)).map((list) => new Set(list.map((i) => `v${i}`)));
  const degraded = fc.option(score);

  test("is validated, not excluded and clearly better, and no other such rung has a lower bound", () =>
    fc.assert(
      fc.property(anyLadder, anyExcluded, degraded, ({ rungs, known }, excluded, lossDegraded) => {
        const chosen = nextRung(rungs, lossDegraded, live(known), excluded);
        for (const single of rungs) {
          const alone = nextRung([single], lossDegraded, live(known), excluded);
          if (excluded.has(single.variant) || single.validated === undefined) expect(alone).toBeNull();
          if (alone !== null) expect(chosen!.lossMax).toBeLessThanOrEqual(alone.lossMax);
        }
        if (chosen === null) return;
        expect(excluded.has(chosen.variant)).toBe(false);
        expect(rungs.find(({ variant }) => variant === chosen.variant)?.validated).toBeDefined();
        if (lossDegraded !== null) expect(chosen.lossMax).toBeLessThan(lossDegraded);
      }),
    ));

  test("stays the choice when its live losses were lower, and when what degraded was worse", () =>
    fc.assert(
      fc.property(anyLadder, degraded, score, ({ rungs, known }, lossDegraded, factor) => {
        const chosen = nextRung(rungs, lossDegraded, live(known), none);
        fc.pre(chosen !== null);
        const level = known[chosen.variant];
        const better = level && { ...known, [chosen.variant]: { ...level, lossMean: level.lossMean * factor } };
        expect(nextRung(rungs, lossDegraded, live(better ?? known), none)?.variant).toBe(chosen.variant);
        if (lossDegraded === null) return;
        const worse = lossDegraded + (1 - lossDegraded) * factor;
        expect(nextRung(rungs, worse, live(known), none)?.variant).toBe(chosen.variant);
      }),
    ));
});

describe("the upper bound of a mean loss", () => {
  test.each([
    { lossMean: 0, labels: 1, least: 0.4, most: 0.8, because: "one perfect answer says little" },
    { lossMean: 0.1, labels: 100, least: 0.12, most: 0.17, because: "a hundred leave a doubt of some points" },
    { lossMean: 0.5, labels: 300, least: 0.51, most: 0.55, because: "three hundred leave less than five" },
    { lossMean: 1, labels: 10, least: 1, most: 1, because: "nothing is worse than one" },
  ])("is $least to $most for $lossMean over $labels labels: $because", ({ lossMean, labels, least, most }) => {
    expect(lossUpperBound(lossMean, labels)).toBeGreaterThanOrEqual(least);
    expect(lossUpperBound(lossMean, labels)).toBeLessThanOrEqual(most);
  });

  test("is in [0,1], at least the mean, and falls with more labels", () =>
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 5000 }), (lossMean, labels) => {
        const bound = lossUpperBound(lossMean, labels);
        expect(bound).toBeGreaterThanOrEqual(lossMean - 1e-12);
        expect(bound).toBeLessThanOrEqual(1);
        expect(lossUpperBound(lossMean, labels * 2)).toBeLessThanOrEqual(bound + 1e-12);
      }),
    ));
});
