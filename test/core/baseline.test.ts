import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BASELINE_MAX,
  BASELINE_MIN,
  baselineMean,
  discardWaiting,
  learn,
  newBaseline,
  toleratedAround,
} from "../../src/core/baseline.ts";

const losses = fc.array(fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1)), {
  maxLength: 3000,
});
const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

describe("a baseline", () => {
  test.each([
    { learnt: 199, labels: 199, frozen: false, because: "the first labels count at once" },
    { learnt: 200, labels: 200, frozen: false, because: "the least that can be judged against is there" },
    { learnt: 500, labels: 200, frozen: false, because: "three blocks wait" },
    { learnt: 501, labels: 300, frozen: false, because: "a fourth block began" },
    { learnt: 601, labels: 400, frozen: false, because: "another began" },
    { learnt: 2200, labels: 1900, frozen: false, because: "the last block still waits" },
    { learnt: 2201, labels: 2000, frozen: true, because: "it is long enough" },
    { learnt: 9000, labels: 2000, frozen: true, because: "a frozen one never changes" },
  ])("counts $labels of $learnt labels: $because", ({ learnt, labels, frozen }) => {
    const baseline = newBaseline();
    for (let label = 0; label < learnt; label++) learn(baseline, 0.25);
    expect(baseline).toMatchObject({ labels, frozen, lossSum: labels / 4 });
  });

  test("is always the first labels and never, once it has enough, one of the last two hundred", () =>
    fc.assert(
      fc.property(losses, (values) => {
        const baseline = newBaseline();
        for (const value of values) learn(baseline, value);
        expect(baseline.lossSum).toBeCloseTo(sumOf(values.slice(0, baseline.labels)), 6);
        expect(baseline.labels).toBeLessThanOrEqual(
          Math.min(BASELINE_MAX, Math.max(BASELINE_MIN, values.length - 200)),
        );
        expect(baseline.waiting.length).toBeLessThanOrEqual(4);
      }),
      { numRuns: 50 },
    ));

  test("never counts what waited when an alarm came, though it learns on afterwards", () => {
    const baseline = newBaseline();
    for (let label = 0; label < 450; label++) learn(baseline, label < 200 ? 0 : 1);
    discardWaiting(baseline);
    for (let label = 0; label < 3000; label++) learn(baseline, 0);
    expect(baseline).toMatchObject({ labels: BASELINE_MAX, lossSum: 0, frozen: true });
  });

  test("never counts the labels before an alarm that came before it had enough", () => {
    const baseline = newBaseline();
    for (let label = 0; label < 150; label++) learn(baseline, label < 100 ? 0 : 1);
    discardWaiting(baseline);
    for (let label = 0; label < 3000; label++) learn(baseline, 0);
    expect(baseline.lossSum).toBe(0);
  });

  test("goes on from its JSON as if nothing had happened", () =>
    fc.assert(
      fc.property(losses, losses, (first, second) => {
        const whole = newBaseline();
        for (const value of [...first, ...second]) learn(whole, value);
        const before = newBaseline();
        for (const value of first) learn(before, value);
        const restarted = JSON.parse(JSON.stringify(before));
        for (const value of second) learn(restarted, value);
        expect(restarted).toStrictEqual(whole);
      }),
      { numRuns: 30 },
    ));
});

describe("what is tolerated around a level", () => {
  const mean = fc.double({ min: 0, max: 1, noNaN: true });
  const labels = fc.integer({ min: BASELINE_MIN, max: BASELINE_MAX });
  const tolerance = fc.double({ min: 0, max: 0.5, noNaN: true });

  test("is between .02 and .98 or nothing at all, grows with the tolerance and shrinks with the labels", () =>
    fc.assert(
      fc.property(mean, labels, tolerance, (lossMean, n, width) => {
        // Nothing is tolerated above every level, so it counts as the highest.
        const around = (count: number, given: number): number => toleratedAround(lossMean, count, given) ?? Infinity;
        const tolerated = around(n, width);
        expect(tolerated).toBeGreaterThanOrEqual(0.02);
        expect(tolerated <= 0.98 || tolerated === Infinity).toBe(true);
        expect(around(n, width + 0.1)).toBeGreaterThanOrEqual(tolerated);
        expect(around(n * 4, width)).toBeLessThanOrEqual(tolerated);
      }),
    ));

  test.each([
    { lossSum: 0, labels: 200, tolerated: 0.02, because: "nothing ever failed" },
    { lossSum: 20, labels: 200, tolerated: 0.1548, because: "200 labels leave two standard errors of doubt" },
    { lossSum: 200, labels: 2000, tolerated: 0.1236, because: "2 000 labels leave less doubt" },
    { lossSum: 1000, labels: 2000, tolerated: 0.5324, because: "the doubt is greatest in the middle" },
  ])("is $tolerated after $lossSum of $labels lost: $because", ({ tolerated, ...baseline }) =>
    expect(toleratedAround(baselineMean(baseline), baseline.labels, 0.01)).toBeCloseTo(tolerated, 4),
  );

  test("is at least the level itself, below the clip", () =>
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.97, noNaN: true }), labels, (lossMean, n) => {
        expect(toleratedAround(lossMean, n, 0) ?? Infinity).toBeGreaterThanOrEqual(lossMean);
      }),
    ));
});
