import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attributes } from "../../src/core/attributes.ts";
import { Blame, blame, blameText } from "../../src/core/blame.ts";
import type { Case, Split } from "../../src/core/cases.ts";
import { seededRandom } from "./seeded-random.ts";

/** Values with their shares of the traffic, and how much more such answers lose while all is well. */
const WORLD: Readonly<Record<string, readonly (readonly [value: string, share: number, loss: number])[]>> = {
  region: [
    ["eu", 0.4, 0.02],
    ["us", 0.4, 0],
    ["apac", 0.2, 0.04],
  ],
  tier: [
    ["free", 0.6, 0.02],
    ["pro", 0.4, 0],
  ],
  intent: [
    ["ask", 0.5, 0],
    ["refund", 0.3, 0.06],
    ["cancel", 0.2, 0.1],
  ],
  noise: Array.from({ length: 6 }, (_, value) => [`noise-${value}`, 1 / 6, 0] as const),
};

interface Fault {
  readonly slice: Attributes;
  /** Added to what the slice loses. */
  readonly rise: number;
  /** Added to what everything loses. */
  readonly everywhere?: number;
  /** The part of every score that is lost. */
  readonly lost?: number;
}

/** Answers of the world above with losses of 0 and 1: 400 healthy ones, and degraded ones until `labels` of them are in the slice. */
function world(seed: number, { slice, rise, everywhere = 0, lost = 0 }: Fault, labels = 60): Split {
  const random = seededRandom(seed * 7919 + 13);
  const drawn = (isDegraded: boolean): Case => {
    const attributes: Record<string, string> = { user: `user-${Math.floor(random() * 1000)}` };
    let loss = 0.02;
    for (const [name, values] of Object.entries(WORLD)) {
      let left = random();
      const [value, , more] = values.find(([, share]) => (left -= share) < 0) ?? values[0]!;
      attributes[name] = value;
      loss += more;
    }
    if (isDegraded) loss += (1 - loss) * lost + everywhere + (isIn(slice, attributes) ? rise : 0);
    const predictionId = `p${random().toString(36).slice(2)}`;
    return { predictionId, attributes, loss: random() < loss ? 1 : 0, at: isDegraded ? 2 : 1 };
  };
  const healthy = Array.from({ length: 400 }, () => drawn(false));
  const degraded: Case[] = [];
  for (let within = 0; within < labels;) {
    const one = drawn(true);
    degraded.push(one);
    if (isIn(slice, one.attributes)) within += 1;
  }
  return { healthy, degraded };
}

const isIn = (slice: Attributes, attributes: Attributes): boolean =>
  Object.entries(slice).every(([name, value]) => attributes[name] === value);

/** Every slice of one to three of the world's conditions that has at least a twentieth of the traffic. */
const SLICES: readonly Attributes[] = ["region", "tier", "intent"]
  .reduce<readonly { attributes: Attributes; share: number }[]>(
    (slices, name) =>
      slices.flatMap((slice) => [
        slice,
        ...WORLD[name]!.map(([value, share]) => ({
          attributes: { ...slice.attributes, [name]: value },
          share: slice.share * share,
        })),
      ]),
    [{ attributes: {}, share: 1 }],
  )
  .flatMap(({ attributes, share }) => (share >= 0.05 && share < 1 ? [attributes] : []));

const named = (found: Blame | null): Attributes | null =>
  found === null
    ? null
    : Object.fromEntries(found.slice.map((one) => [one.attribute, "value" in one ? one.value : "not by value"]));

const count = (seeds: number, isRight: (seed: number) => boolean): number =>
  Array.from({ length: seeds }, (_, seed) => isRight(seed)).filter(Boolean).length;

/** `count` cases that each lose `loss`. */
const alike = (count: number, loss: number, attributes: Attributes, given: Partial<Case> = {}): Case[] =>
  Array.from({ length: count }, (_, place) => ({
    predictionId: `${JSON.stringify(attributes)}/${loss}/${given.at ?? 1}/${place}`,
    attributes,
    loss,
    at: 1,
    ...given,
  }));

/** `labels` cases of which a share of `loss` lost all. */
const coins = (labels: number, loss: number, attributes: Attributes, given: Partial<Case> = {}): Case[] => {
  const lost = Math.round(labels * loss);
  return [...alike(lost, 1, attributes, given), ...alike(labels - lost, 0, attributes, given)];
};

describe("blame", () => {
  test("finds the planted slice, of one to three conditions, in 95 of 100 worlds whose slice rose by .4 to .6", () => {
    const right = count(300, (seed) => {
      const slice = SLICES[seed % SLICES.length]!;
      return isSame(named(blame(world(seed, { slice, rise: 0.4 + (seed % 21) / 100 }))), slice);
    });
    expect(right).toBeGreaterThanOrEqual(285);
  });

  test.each([
    { because: "every answer loses .1 more", fault: { everywhere: 0.1 } },
    { because: "every answer loses .4 more", fault: { everywhere: 0.4 } },
    { because: "a fifth of every score is lost", fault: { lost: 0.2 } },
    { because: "nine tenths of every score are lost", fault: { lost: 0.9 } },
    { because: "nothing changed", fault: {} },
  ])("says everywhere in 95 of 100 worlds where $because", ({ fault }) => {
    const right = count(140, (seed) => {
      const found = blame(world(seed + 2000, { slice: {}, rise: 0, ...fault }, 100));
      return found?.slice.length === 0;
    });
    expect(right).toBeGreaterThanOrEqual(133);
  });

  test("names the slice that rose by more where everything rose, and how much of it that explains", () => {
    const right = count(100, (seed) => {
      const found = blame(world(seed + 3000, { slice: { region: "eu" }, rise: 0.5, everywhere: 0.1 }, 80));
      return isSame(named(found), { region: "eu" }) && found!.explained > 0.6 && found!.explained < 0.95;
    });
    expect(right).toBeGreaterThanOrEqual(95);
  });

  const attributes = fc.dictionary(
    fc.constantFrom("a", "b", "constructor", "__proto__", "d"),
    fc.oneof(fc.constantFrom("x", "y", "z".repeat(300)), fc.boolean(), fc.double(), fc.nat(20)),
    { maxKeys: 4 },
  );
  const loss = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));
  const aCase = fc.record({
    predictionId: fc.oneof(fc.string({ maxLength: 4 }), fc.constant("p".repeat(300))),
    attributes,
    loss,
    at: fc.nat(5),
    session: fc.option(fc.constantFrom("one", "two"), { nil: undefined }),
  });
  const split = fc.record({
    healthy: fc.array(aCase, { maxLength: 80, size: "max" }),
    degraded: fc.array(aCase, { maxLength: 80, size: "max" }),
  });

  test("is always evidence that a ledger takes, whatever the cases", () =>
    fc.assert(
      fc.property(split, (cases) => {
        const found = blame(cases);
        if (found === null) return;
        expect(Blame.parse(JSON.parse(JSON.stringify(found)))).toEqual(found);
        expect(blameText(found)).toMatch(/^[^\n]+$/);
      }),
      { numRuns: 300 },
    ));

  test("is the same in whatever order the cases come", () =>
    fc.assert(
      fc.property(fc.nat(500), fc.integer(), fc.boolean(), (seed, order, isCoarse) => {
        const slice = SLICES[seed % SLICES.length]!;
        const cases = world(seed, { slice, rise: 0.5 }, 30);
        // Sums of such losses differ with their order.
        const graded = (one: Case): Case =>
          isCoarse ? one : { ...one, loss: one.loss * 0.7 + 0.1 / one.predictionId.length };
        const given = { healthy: cases.healthy.map(graded), degraded: cases.degraded.map(graded) };
        const random = seededRandom(order);
        const shuffled = (list: readonly Case[]): Case[] =>
          list
            .map((one) => ({ one, place: random() }))
            .sort((a, b) => a.place - b.place)
            .map(({ one }) => one);
        expect(blame({ healthy: shuffled(given.healthy), degraded: shuffled(given.degraded) })).toEqual(blame(given));
      }),
      { numRuns: 40 },
    ));

  test.each([
    { healthy: 19, degraded: 100, because: "too few healthy cases" },
    { healthy: 100, degraded: 5, because: "too few degraded cases" },
  ])("is null for $because", ({ healthy, degraded }) => {
    const cases = { healthy: alike(healthy, 0, {}), degraded: alike(degraded, 1, {}, { at: 2 }) };
    expect(blame(cases)).toBeNull();
    expect(blame({ healthy: [...cases.healthy, ...alike(1, 0, {})], degraded: cases.degraded }) === null).toBe(
      healthy > 19,
    );
  });

  test("measures what the slice and the rest lost and lose, and the worst and latest answers in it", () => {
    const eu = { region: "eu", tier: "free" };
    const us = { region: "us", tier: "free" };
    const found = blame({
      healthy: [...coins(100, 0.1, eu), ...coins(100, 0.05, us)],
      degraded: [
        ...coins(30, 0.8, eu, { at: 2 }),
        ...alike(1, 1, eu, { at: 4 }),
        ...alike(2, 1, eu, { at: 3 }),
        ...alike(7, 0.9, eu, { at: 5 }),
        ...coins(60, 0.05, us, { at: 2 }),
      ],
    });
    expect(found).toMatchObject({
      slice: [{ attribute: "region", value: "eu" }],
      how: "worse",
      labels: 40,
      lossMean: 0.8325,
      lossMeanBefore: 0.1,
      lossMeanElsewhere: 0.05,
      share: 0.4,
      shareBefore: 0.5,
    });
    expect(found!.explained).toBeGreaterThan(0.97);
    const at = (id: string): string => id.split("/")[2]!;
    expect(found!.examples.map(at)).toEqual(["4", "3", "3", "2", "2"]);
  });

  test("says everywhere of answers that cannot be told apart, with what all of them lost and lose", () => {
    const found = blame({
      healthy: coins(100, 0.1, { region: "eu" }),
      degraded: coins(50, 0.8, { region: "eu" }, { at: 2 }),
    });
    expect(found).toMatchObject({
      slice: [],
      how: "worse",
      explained: 1,
      share: 1,
      shareBefore: 1,
      labels: 50,
      lossMean: 0.8,
      lossMeanBefore: 0.1,
      lossMeanElsewhere: null,
    });
    expect(found!.examples).toHaveLength(5);
  });

  test("does not blame answers that always were bad, nor what others did to them", () => {
    const hard = { intent: "cancel" };
    const easy = { intent: "ask" };
    const found = blame({
      healthy: [...coins(100, 0.6, hard), ...coins(100, 0.1, easy)],
      degraded: [...coins(50, 0.6, hard, { at: 2 }), ...coins(50, 0.6, easy, { at: 2 })],
    });
    expect(named(found)).toEqual({ intent: "ask" });
    expect(found!.explained).toBeGreaterThan(0.95);
  });

  test("does not blame answers that had more to lose when all of them lose half of their score", () => {
    const hard = { intent: "cancel" };
    const easy = { intent: "ask" };
    const found = blame({
      healthy: [...coins(200, 0.5, hard), ...coins(200, 0.04, easy)],
      degraded: [...coins(100, 0.75, hard, { at: 2 }), ...coins(100, 0.52, easy, { at: 2 })],
    });
    expect(found!.slice).toEqual([]);
  });

  test("explains all of the drop by a slice when everything else got better", () => {
    const found = blame({
      healthy: [...coins(100, 0.3, { region: "eu" }), ...coins(100, 0.3, { region: "us" })],
      degraded: [...coins(50, 0.8, { region: "eu" }, { at: 2 }), ...coins(50, 0.1, { region: "us" }, { at: 2 })],
    });
    expect(found).toMatchObject({ slice: [{ attribute: "region", value: "eu" }], explained: 1 });
  });

  test("says that there are more of answers that always were bad, which none of them got worse for", () => {
    const hard = { intent: "cancel" };
    const easy = { intent: "ask" };
    const found = blame({
      healthy: [...coins(40, 0.6, hard), ...coins(360, 0.05, easy)],
      degraded: [...coins(60, 0.6, hard, { at: 2 }), ...coins(40, 0.05, easy, { at: 2 })],
    });
    expect(found).toMatchObject({
      slice: [{ attribute: "intent", value: "cancel" }],
      how: "more",
      share: 0.6,
      shareBefore: 0.1,
    });
    expect(found!.explained).toBeGreaterThan(0.9);
    expect(blameText(found!)).toMatch(
      /^intent = cancel: 60 % of the traffic, was 10 %, explains \d+ % of the drop \(loss 0\.60, was 0\.60; elsewhere 0\.05\)/,
    );
  });

  const tokens = (seed: number, count: number, at: number, lossOf: (tokens: number) => number): Case[] => {
    const random = seededRandom(seed);
    return Array.from({ length: count }, (_, place) => {
      const attributes = { tokens: Math.floor(random() * 1000), turns: Math.ceil(random() * 3) };
      return { predictionId: `${seed}-${place}`, attributes, at, loss: random() < lossOf(attributes.tokens) ? 1 : 0 };
    });
  };

  test("names a range of a number, bounded by the healthy answers' quantiles", () => {
    const healthy = tokens(1, 400, 1, () => 0.05);
    const found = blame({ healthy, degraded: tokens(2, 200, 2, (value) => (value >= 750 ? 0.8 : 0.05)) });
    const [{ attribute, from, to }] = found!.slice as [{ attribute: string; from: number; to: number | null }];
    expect([found!.slice.length, attribute, to]).toEqual([1, "tokens", null]);
    expect(Math.abs(from - 750)).toBeLessThan(60);
    const low = blame({ healthy, degraded: tokens(3, 200, 2, (value) => (value < 250 ? 0.8 : 0.05)) });
    expect(blameText(low!)).toMatch(/^tokens < 2\d\d: /);
    const middle = blame({
      healthy,
      degraded: tokens(4, 200, 2, (value) => (value >= 375 && value < 625 ? 0.8 : 0.05)),
    });
    expect(blameText(middle!)).toMatch(/^3\d\d ≤ tokens < 6\d\d: /);
  });

  test("names numbers that lie beyond all healthy ones", () => {
    const found = blame({
      healthy: tokens(1, 200, 1, () => 0.05),
      degraded: [...tokens(2, 60, 2, () => 0.05), ...coins(20, 0.9, { tokens: 5000, turns: 2 }, { at: 2 })],
    });
    expect(found).toMatchObject({
      slice: [{ attribute: "tokens", from: 5000, to: null }],
      lossMeanBefore: null,
      shareBefore: 0,
    });
    expect(blameText(found!)).toContain("tokens ≥ 5000: ");
    expect(blameText(found!)).toContain("(loss 0.90, no such answers before; elsewhere 0.0");
  });

  test("names one of few numbers by its value", () => {
    const found = blame({
      healthy: [
        ...coins(100, 0.05, { turns: 1 }),
        ...coins(100, 0.05, { turns: 2 }),
        ...coins(100, 0.05, { turns: 3 }),
      ],
      degraded: [
        ...coins(40, 0.05, { turns: 1 }, { at: 2 }),
        ...coins(40, 0.8, { turns: 2 }, { at: 2 }),
        ...coins(40, 0.05, { turns: 3 }, { at: 2 }),
      ],
    });
    expect(found!.slice).toEqual([{ attribute: "turns", value: 2 }]);
  });

  test("names answers that lack an attribute, and a value of another type by itself", () => {
    const found = (bad: Attributes, ...others: readonly Attributes[]) =>
      blame({
        healthy: [bad, ...others].flatMap((one) => coins(100, 0.05, one)),
        degraded: [...coins(40, 0.8, bad, { at: 2 }), ...others.flatMap((one) => coins(40, 0.05, one, { at: 2 }))],
      })!;
    expect(found({}, { region: "absent" }).slice).toEqual([{ attribute: "region", absent: true }]);
    expect(blameText(found({}, { region: "absent" }))).toContain("region is absent: ");
    expect(found({}, { constructor: "ours" }).slice).toEqual([{ attribute: "constructor", absent: true }]);
    expect(found({ beta: true }, { beta: "true" }, { beta: 1 }).slice).toEqual([{ attribute: "beta", value: true }]);
  });

  test("names no value and no attribute that is too long for a ledger", () => {
    const found = (bad: Attributes, good: Attributes) =>
      blame({
        healthy: [...coins(100, 0.05, bad), ...coins(100, 0.05, good)],
        degraded: [...coins(40, 0.8, bad, { at: 2 }), ...coins(40, 0.05, good, { at: 2 })],
      });
    expect(named(found({ region: "x".repeat(256) }, { region: "us" }))).toEqual({ region: "x".repeat(256) });
    expect(named(found({ region: "x".repeat(257) }, { region: "us" }))).toEqual({});
    expect(named(found({ ["x".repeat(257)]: "eu" }, { ["x".repeat(257)]: "us" }))).toEqual({});
  });

  test("does not name one of many values, unless it has a twentieth of the degraded answers", () => {
    const users = (count: number, at: number): Case[] =>
      Array.from({ length: count }, (_, place) =>
        alike(1, place % 10 === 0 ? 1 : 0, { user: `user-${place}` }, { at }),
      ).flat();
    const heavy = (labels: number): Case[] => coins(labels, 1, { user: "user-0" }, { at: 2 });
    const found = (labels: number) =>
      blame({ healthy: users(300, 1), degraded: [...users(200, 2), ...heavy(labels)] })!;
    expect(found(8).slice).toEqual([]);
    expect(found(30).slice).toEqual([{ attribute: "user", value: "user-0" }]);
  });

  test("counts the answers of one session as one", () => {
    const cases = (session: string | undefined) => ({
      healthy: [...coins(100, 0.1, { region: "eu" }), ...coins(100, 0.1, { region: "us" })],
      degraded: [
        ...coins(20, 1, { region: "eu" }, { at: 2, session }),
        ...coins(40, 0.1, { region: "eu" }, { at: 3 }),
        ...coins(60, 0.1, { region: "us" }, { at: 2 }),
      ],
    });
    expect(named(blame(cases(undefined)))).toEqual({ region: "eu" });
    expect(blame(cases("one"))).toMatchObject({ slice: [], labels: 120 });
  });

  test("reads like a sentence, on one line that a terminal does not obey", () => {
    const found: Blame = {
      slice: [
        { attribute: "region", value: "eu" },
        { attribute: "tier", value: "free\u001b[31m\nnow" },
      ],
      how: "worse",
      labels: 31,
      lossMean: 0.709,
      lossMeanBefore: 0.08,
      lossMeanElsewhere: 0.09,
      explained: 0.84,
      share: 0.12,
      shareBefore: 0.1,
      examples: ["p-1", "p 2", "p-3"],
    };
    expect(blameText(found)).toBe(
      'region = eu and tier = "free\\u001b[31m\\nnow": 84 % of the drop in 12 % of the traffic (loss 0.71, was 0.08; elsewhere 0.09); e.g. p-1, "p 2"',
    );
    const everywhere = { ...found, slice: [], lossMeanElsewhere: null, examples: [] };
    expect(blameText(everywhere)).toBe("everywhere: loss 0.71, was 0.08 (31 labels)");
  });
});

const isSame = (found: Attributes | null, slice: Attributes): boolean =>
  found !== null && Object.keys(found).length === Object.keys(slice).length && isIn(slice, found);
