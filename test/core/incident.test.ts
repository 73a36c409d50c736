import { describe, expect, test } from "vitest";
import { ALARM_THRESHOLD } from "../../src/core/detector.ts";
import {
  findIncident,
  isInScope,
  isSpared,
  looksShared,
  type Finding,
  type IncidentScope,
  type Pools,
} from "../../src/core/incident.ts";
import { rowOf, variantOf } from "../../src/core/spread.ts";
import { upstreamOf } from "../../src/core/upstream.ts";
import {
  fleetState,
  measuredFleet,
  servedBy,
  tell,
  times,
  type Fleet,
  type Variant,
} from "../loop/incident-fixture.ts";
import { HOUR, NOW } from "../loop/loop-fixture.ts";
import { coinLosses } from "./seeded-random.ts";

const fleet: Fleet = { first: 20, sibling: 20, second: 20, third: 20 };
const { policy } = fleetState(fleet).policies.chat!;
const upstreamOfRow = (row: string): string => upstreamOf(policy, variantOf(row));

/** So many segments of a variant, with the losses of each. */
interface Rows {
  readonly variant: Variant;
  readonly rows: number;
  readonly losses: readonly number[];
}

/** What the pools say after these labels, one of each segment in turn. */
function poolsAfter(...given: readonly Rows[]): Pools {
  const scoreboard = measuredFleet(fleet);
  for (let label = 0; label < Math.max(...given.map(({ losses }) => losses.length)); label++)
    for (const { variant, rows, losses } of given)
      tell(
        scoreboard,
        { variant, segments: servedBy(fleet, variant).segments.slice(0, rows) },
        losses.slice(label, label + 1),
      );
  return scoreboard.pooled("chat", "helpful")!;
}

/** What is found while incidents of these scopes are open. */
const found = (pools: Pools, open: readonly IncidentScope[] = []): Finding =>
  findIncident(pools, {
    upstreamOf: upstreamOfRow,
    isKnown: (row) => open.some((scope) => isInScope(policy, variantOf(row), scope)),
    threshold: ALARM_THRESHOLD,
  });
const scopeOf = (finding: Finding) => (finding.kind === "found" ? finding.scope : finding.kind);

const bad = times(4, 1);
const well = times(12, 0);
const first: Rows = { variant: "first", rows: 10, losses: bad };
const sibling: Rows = { variant: "sibling", rows: 10, losses: bad };
const second: Rows = { variant: "second", rows: 10, losses: bad };
const ofUp: IncidentScope = { kind: "upstream", upstream: "up/large", isAlone: false };
const ofOther: IncidentScope = { kind: "upstream", upstream: "other/small", isAlone: false };
const ofFirst: IncidentScope = { kind: "variant", variant: "first" };

describe("what failed", () => {
  test.each<{ rows: Rows[]; scope: unknown; because: string }>([
    { rows: [{ ...first, losses: well }], scope: "none", because: "all is well" },
    {
      rows: [{ ...first, rows: 2, losses: times(500, 1) }],
      scope: "none",
      because: "two rows fail, however badly",
    },
    {
      rows: [
        { ...first, rows: 3, losses: times(500, 1) },
        { ...second, losses: well },
      ],
      scope: "none",
      because: "a few fail among many that are well",
    },
    { rows: [first, { ...second, losses: well }], scope: ofUp, because: "another upstream is well" },
    {
      rows: [first, sibling, { ...second, losses: well }],
      scope: ofUp,
      because: "all of its variants fail, and another upstream is well",
    },
    { rows: [first], scope: { ...ofUp, isAlone: true }, because: "no other upstream was seen to be well" },
    {
      rows: [first, { ...second, rows: 1, losses: [0] }],
      scope: { ...ofUp, isAlone: true },
      because: "one answer of another upstream shows nothing",
    },
    {
      rows: [first, { ...sibling, losses: times(4, 0) }, { ...second, losses: times(4, 0) }],
      scope: ofFirst,
      because: "the upstream serves another variant well",
    },
    {
      rows: [
        { ...first, rows: 8 },
        { ...sibling, rows: 20, losses: times(4, 0) },
        { ...second, rows: 20, losses: times(4, 0) },
      ],
      scope: ofFirst,
      because: "it is few of many, and the upstream serves the others well",
    },
    {
      rows: [first, { ...sibling, losses: times(4, 0) }],
      scope: ofFirst,
      because: "the upstream serves another variant well, which nobody else need show",
    },
    { rows: [first, second], scope: { kind: "evaluator" }, because: "both upstreams fail" },
    {
      rows: [first, sibling, { ...second, rows: 4 }],
      scope: { kind: "evaluator" },
      because: "some rows of another upstream fail as well",
    },
    { rows: [first, { ...second, rows: 2 }], scope: "unclear", because: "two rows of another upstream fail as well" },
  ])("is $scope when $because", ({ rows, scope }) => {
    expect(scopeOf(found(poolsAfter(...rows)))).toStrictEqual(scope);
    // In whatever order the rows were first heard of.
    expect(scopeOf(found(poolsAfter(...rows.toReversed())))).toStrictEqual(scope);
  });

  test("is told from the evidence that the ledger keeps", () => {
    const finding = found(poolsAfter(first, { ...second, losses: well }));
    expect(finding).toMatchObject({
      kind: "found",
      evidence: { threshold: ALARM_THRESHOLD, labels: 40, rows: 10, lossMean: 1 },
    });
    if (finding.kind !== "found") return;
    expect(finding.evidence.statistic).toBeGreaterThanOrEqual(ALARM_THRESHOLD);
    expect(finding.evidence.breadth).toBeGreaterThan(Math.log(100));
    expect(finding.evidence.breadthElsewhere).toBeLessThanOrEqual(0);
  });

  test("is nothing in 2 000 answers of forty rows that are as usual, in any of thirty runs", () => {
    for (let seed = 0; seed < 30; seed++) {
      const next = coinLosses(seed * 101 + 7);
      const scoreboard = measuredFleet(fleet);
      for (let label = 0; label < 50; label++)
        for (const variant of ["first", "second"] as const)
          for (const segment of servedBy(fleet, variant).segments)
            tell(scoreboard, { variant, segments: [segment] }, [next(0.1)]);
      expect(scopeOf(found(scoreboard.pooled("chat", "helpful")!))).toBe("none");
    }
  });
});

describe("while an incident is open", () => {
  test.each<{ rows: Rows[]; open: IncidentScope; because: string }>([
    { rows: [first, { ...second, losses: well }], open: ofUp, because: "of the upstream" },
    { rows: [first], open: { ...ofUp, isAlone: true }, because: "of the upstream that is alone" },
    {
      rows: [first, { ...sibling, losses: well }, { ...second, losses: well }],
      open: ofFirst,
      because: "of the variant, though it is most of its upstream's loss",
    },
    {
      rows: [
        { ...first, rows: 20 },
        { ...sibling, rows: 2, losses: [1, ...times(11, 0)] },
      ],
      open: ofFirst,
      because: "of the variant, whose upstream hardly serves any other",
    },
  ])("it is not found again: $because", ({ rows, open }) => {
    expect(scopeOf(found(poolsAfter(...rows), [open]))).toBe("none");
    expect(scopeOf(found(poolsAfter(...rows.toReversed()), [open]))).toBe("none");
  });

  test("of one upstream, another one that fails is found as another incident", () =>
    expect(
      scopeOf(found(poolsAfter(first, second, { variant: "third", rows: 10, losses: well }), [ofUp])),
    ).toStrictEqual(ofOther));

  test("of two upstreams, nothing is left to find", () =>
    expect(scopeOf(found(poolsAfter(first, second), [ofUp, ofOther]))).toBe("none"));

  test("of one upstream, a few rows of another are none", () =>
    expect(scopeOf(found(poolsAfter(first, { ...second, rows: 2 }), [ofUp]))).toBe("none"));

  test("of one variant, a sibling that fails is found too, and nothing waits for ever", () => {
    const rows = [first, sibling, { ...second, losses: well }];
    for (const ordered of [rows, rows.toReversed()])
      expect(found(poolsAfter(...ordered), [ofFirst]).kind).toBe("found");
  });
});

describe("a row that fails", () => {
  const alone = rowOf("alone", "first");
  const long = NOW - 24 * HOUR;
  const none = (): boolean => false;

  test("looks shared when others look bad too, and not because of itself", () => {
    expect(
      looksShared(poolsAfter({ ...first, rows: 2 }), rowOf("first-0", "first"), { since: long, isKnown: none }),
    ).toBe(false);
    expect(looksShared(poolsAfter(first), alone, { since: long, isKnown: none })).toBe(true);
    expect(looksShared(poolsAfter({ ...first, losses: well }), alone, { since: long, isKnown: none })).toBe(false);
    expect(
      looksShared(poolsAfter({ ...first, rows: 2 }, { ...second, losses: well }), alone, {
        since: long,
        isKnown: none,
      }),
    ).toBe(false);
  });

  test("does not look shared because of others that nobody has asked of late", () =>
    expect(looksShared(poolsAfter(first), alone, { since: NOW + HOUR, isKnown: none })).toBe(false));

  test("is spared what the others do when its own labels say that it is well, and not for want of labels", () => {
    const { all } = poolsAfter({ ...first, rows: 20 }, { ...sibling, rows: 4, losses: times(6, 0) });
    expect(isSpared(all.spread, rowOf("sibling-0", "sibling"))).toBe(true);
    expect(isSpared(all.spread, rowOf("first-0", "first"))).toBe(false);
    expect(isSpared(all.spread, alone)).toBe(false);
    const one = poolsAfter(first, { ...sibling, losses: [0] });
    expect(isSpared(one.all.spread, rowOf("sibling-0", "sibling"))).toBe(false);
  });
});

test.each<{ scope: IncidentScope; variants: string[]; because: string }>([
  { scope: ofUp, variants: ["first", "sibling"], because: "they are served by it" },
  { scope: ofFirst, variants: ["first"], because: "its siblings are well" },
  { scope: { kind: "evaluator" }, variants: [], because: "only the measure failed" },
])("with $scope.kind fail $variants: $because", ({ scope, variants }) =>
  expect(Object.keys(policy.variants).filter((variant) => isInScope(policy, variant, scope))).toStrictEqual(variants),
);
