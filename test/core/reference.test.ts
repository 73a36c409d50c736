import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AmountOutcome } from "../../src/core/outcome.ts";
import {
  isUnusual,
  learnAmount,
  lossOfAmount,
  newReference,
  REFERENCE_AMOUNTS,
  type Reference,
} from "../../src/core/reference.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import { after, NOW, policyOf, segmentOf, START, stateOf } from "../loop/loop-fixture.ts";

const referenceOf = (amounts: Iterable<number>): Reference => {
  const reference = newReference("pace", null);
  for (const amount of amounts) learnAmount(reference, amount);
  return reference;
};
/** 1, 2 … 200, in an order that is not theirs. */
const evenly = Array.from({ length: REFERENCE_AMOUNTS }, (_, i) => ((i * 77) % REFERENCE_AMOUNTS) + 1);
const amounts = fc.array(fc.nat(1e7), {
  minLength: REFERENCE_AMOUNTS,
  maxLength: REFERENCE_AMOUNTS,
});

describe("a healthy reference", () => {
  test("says nothing until it has heard enough, and forgets the amounts then", () => {
    const reference = referenceOf(evenly.slice(1));
    expect(lossOfAmount(reference, 100)).toBeNull();
    expect(isUnusual(reference, 1e9)).toBe(false);
    learnAmount(reference, evenly[0]!);
    expect(lossOfAmount(reference, 100)).not.toBeNull();
    expect(reference.learnt).toEqual([]);
  });

  test("is the same whatever comes after it is frozen", () => {
    const reference = referenceOf(evenly);
    const before = lossOfAmount(reference, 150);
    for (let i = 0; i < 1000; i++) learnAmount(reference, 1e6);
    expect(lossOfAmount(reference, 150)).toBe(before);
  });

  test("gives the mean of the midrank, of being above the usual limit, and of the share of four such limits", () => {
    const reference = referenceOf(evenly);
    const limit = 190.05;
    expect(lossOfAmount(reference, 0)).toBe(0);
    expect(lossOfAmount(reference, 100.5)).toBeCloseTo((0.5 + 0 + 100.5 / (4 * limit)) / 3, 9);
    expect(lossOfAmount(reference, limit - 0.01)).toBeCloseTo((0.95 + 0 + 1 / 4) / 3, 3);
    expect(lossOfAmount(reference, limit + 0.01)).toBeCloseTo((0.95 + 1 + 1 / 4) / 3, 3);
    expect(lossOfAmount(reference, 2 * limit)).toBeCloseTo((1 + 1 + 1 / 2) / 3, 9);
    expect(lossOfAmount(reference, 1e12)).toBe(1);
  });

  test("counts equal amounts by half, so that a constant one is the middle of what is usual", () => {
    const reference = referenceOf(Array.from({ length: REFERENCE_AMOUNTS }, () => 7));
    expect(lossOfAmount(reference, 7)).toBeCloseTo((0.5 + 0 + 1 / 4) / 3, 9);
    expect(lossOfAmount(reference, 6.9)).toBeLessThan(0.1);
    expect(lossOfAmount(reference, 7.1)).toBeGreaterThan(0.7);
  });

  test("finds any amount the worst where nothing ever came to more than 0", () => {
    const reference = referenceOf(Array.from({ length: REFERENCE_AMOUNTS }, () => 0));
    expect([0, 1e-9].map((amount) => lossOfAmount(reference, amount))).toEqual([0.5 / 3, 1]);
  });

  test("is not blunted by one amount that is out of all proportion", () => {
    const reference = referenceOf([...evenly.slice(1), 1e9]);
    expect(lossOfAmount(reference, 600)).toBeGreaterThan(lossOfAmount(reference, 210)! + 0.15);
  });

  test("gives a loss in [0,1] that never falls as the amount grows, and does not depend on the unit", () => {
    fc.assert(
      fc.property(amounts, fc.nat(1e8), fc.nat(1e8), (known, a, b) => {
        const reference = referenceOf(known);
        const [low, high] = [lossOfAmount(reference, Math.min(a, b))!, lossOfAmount(reference, Math.max(a, b))!];
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(high + 1e-12);
        const inOtherUnit = referenceOf(known.map((amount) => amount * 1024));
        expect(lossOfAmount(inOtherUnit, a * 1024)).toBeCloseTo(lossOfAmount(reference, a)!, 9);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a relative metric", () => {
  const paced = (given = {}, spec = {}) =>
    policyOf(
      [segmentOf("alpha", { objectives: [{ metric: "pace", against: "baseline", tolerance: 0.01 }], ...given })],
      { metrics: { pace: { from: "latency", ...spec } } },
    );
  const published = (state: ControlState, policy = paced()): ControlState =>
    after(state, [{ type: "policy.published", policy, prompts: {} }], START);
  const start = published(stateOf());
  let ids = 0;
  const observe = (scoreboard: Scoreboard, amount: number, given: Partial<AmountOutcome> = {}): boolean =>
    scoreboard.observe({
      policy: "chat",
      segment: "alpha",
      variant: "first",
      metric: "pace",
      at: NOW,
      predictionId: `p${(ids += 1)}`,
      amount,
      ...given,
    });
  const calibrated = (state = start, saved?: unknown): Scoreboard => {
    const scoreboard = createScoreboard(saved);
    scoreboard.calibrate(state, NOW);
    return scoreboard;
  };
  const taught = (scoreboard = calibrated()): Scoreboard => {
    for (const amount of evenly) observe(scoreboard, amount);
    return scoreboard;
  };
  const levelOf = (scoreboard: Scoreboard, variant = "first") =>
    scoreboard.level({ policy: "chat", segment: "alpha", variant, metric: "pace" });

  test("has no loss while it is learnt what is usual, though each answer is heard of once", () => {
    const scoreboard = calibrated();
    expect(observe(scoreboard, 5, { predictionId: "same" })).toBe(true);
    expect(observe(scoreboard, 5, { predictionId: "same" })).toBe(false);
    expect(levelOf(scoreboard)).toBeNull();
  });

  test("puts every variant of the segment on the scale of its incumbent, whatever the others were like before", () => {
    const scoreboard = calibrated();
    for (let i = 0; i < 300; i++) observe(scoreboard, 1e6, { variant: "second" });
    taught(scoreboard);
    observe(scoreboard, 100.5);
    observe(scoreboard, 100.5, { variant: "second" });
    expect(levelOf(scoreboard)?.lossMean).toBeCloseTo((0.5 + 100.5 / 760.2) / 3, 9);
    expect(levelOf(scoreboard, "second")).toEqual(levelOf(scoreboard));
  });

  test("is not taught by what was served before the incumbency", () => {
    const scoreboard = calibrated();
    for (let i = 0; i < 300; i++) observe(scoreboard, 1e6, { at: START - 1 });
    taught(scoreboard);
    observe(scoreboard, 1e6);
    expect(levelOf(scoreboard)?.lossMean).toBe(1);
  });

  test("alarms when answers take three times as long, and not while they take as long as ever", () => {
    const scoreboard = taught();
    const alarmed = () => scoreboard.isAlarmed("chat", paced().segments[0]!, "first");
    for (let i = 0; i < 2000; i++) observe(scoreboard, evenly[(i * 7) % evenly.length]!);
    expect(alarmed()).toBe(false);
    for (let i = 0; i < 60; i++) observe(scoreboard, 3 * evenly[(i * 7) % evenly.length]!);
    expect(alarmed()).toBe(true);
  });

  test("counts what is a lower bound only where that is unusual already, and never learns from it", () => {
    const scoreboard = calibrated();
    for (let i = 0; i < 300; i++) observe(scoreboard, 1e6, { isAtLeast: true });
    taught(scoreboard);
    observe(scoreboard, 180, { isAtLeast: true });
    expect(levelOf(scoreboard)).toBeNull();
    observe(scoreboard, 200, { isAtLeast: true });
    expect(levelOf(scoreboard)?.labels).toBe(1);
  });

  test("goes on after a restart where it was, half learnt or whole", () => {
    const half = calibrated();
    for (const amount of evenly.slice(0, 150)) observe(half, amount);
    const resumed = calibrated(start, JSON.parse(JSON.stringify(half.save())));
    for (const amount of evenly.slice(150)) observe(resumed, amount);
    const again = calibrated(start, JSON.parse(JSON.stringify(resumed.save())));
    observe(again, 100.5);
    expect(levelOf(again)?.lossMean).toBeCloseTo((0.5 + 100.5 / 760.2) / 3, 9);
  });

  test("is learnt anew when other requests are the segment's, and stays when only words changed", () => {
    const scoreboard = taught();
    scoreboard.calibrate(published(start, paced({}, { description: "How long it takes." })), NOW);
    observe(scoreboard, 1);
    expect(levelOf(scoreboard)?.labels).toBe(1);
    scoreboard.calibrate(published(start, paced({ when: "1 == 1" })), NOW);
    for (let i = 0; i < REFERENCE_AMOUNTS; i++) observe(scoreboard, 1e6);
    expect(levelOf(scoreboard)).toBeNull();
    observe(scoreboard, 1e6);
    expect(levelOf(scoreboard)?.lossMean).toBeCloseTo((0.5 + 1 / 4) / 3, 9);
  });

  test("takes no baseline from the ledger, which does not have the scale that it is on", () => {
    const about = { policy: "chat", segment: "alpha", variant: "first", metric: "pace" };
    const frozen = after(start, [{ type: "baseline.frozen", ...about, lossMean: 0.9, labels: 2000 }], START);
    const scoreboard = taught(calibrated(frozen));
    observe(scoreboard, 100.5);
    expect(scoreboard.baseline(about)).toMatchObject({ labels: 1, frozen: false });
  });

  test.each([-1, Number.NaN, Infinity])("refuses an amount of %s", (amount) => {
    expect(() => observe(calibrated(), amount)).toThrow(`an amount of ${amount} on pace`);
  });
});
