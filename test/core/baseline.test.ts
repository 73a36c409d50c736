import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BASELINE_MAX,
  BASELINE_MIN,
  BASELINE_NUMBERS,
  baselineLabels,
  baselineLossSum,
  forgetDoubted,
  freeze,
  isFrozen,
  learn,
  levelMean,
  newBaseline,
  toleratedAround,
  toleratedByBaseline,
  type Baseline,
} from "../../src/core/baseline.ts";
import { fill, numbersOf } from "../../src/core/slab.ts";

const loss = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1));
const losses = fc.array(loss, { maxLength: 3000 });
/** Losses with whether each may belong to a change. */
const labels = fc.array(fc.tuple(loss, fc.boolean()), { maxLength: BASELINE_MAX - 1 });
const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

const shown = (baseline: Baseline) => ({
  labels: baselineLabels(baseline),
  lossSum: baselineLossSum(baseline),
  frozen: isFrozen(baseline),
});
const taught = (count: number, value: number, isDoubted = false, baseline = newBaseline()): Baseline => {
  for (let label = 0; label < count; label++) learn(baseline, value, isDoubted);
  return baseline;
};

describe("a baseline", () => {
  test.each([
    { learnt: 1, counted: 1, frozen: false, because: "a label that nobody doubts counts at once" },
    { learnt: BASELINE_MAX - 1, counted: BASELINE_MAX - 1, frozen: false, because: "it goes on learning" },
    { learnt: BASELINE_MAX, counted: BASELINE_MAX, frozen: true, because: "it is long enough" },
    { learnt: 9000, counted: BASELINE_MAX, frozen: true, because: "a frozen one never changes" },
  ])("counts $counted of $learnt labels that are not in doubt: $because", ({ learnt, counted, frozen }) =>
    expect(shown(taught(learnt, 0.25))).toStrictEqual({ labels: counted, frozen, lossSum: counted / 4 }),
  );

  test("is not biased: doubted or not, every label counts once as soon as one comes that is not in doubt", () =>
    fc.assert(
      fc.property(labels, (given) => {
        const baseline = newBaseline();
        for (const [value, isDoubted] of given) learn(baseline, value, isDoubted);
        const sure = given.slice(0, given.findLastIndex(([, isDoubted]) => !isDoubted) + 1).map(([value]) => value);
        expect(baselineLabels(baseline)).toBe(sure.length);
        expect(baselineLossSum(baseline)).toBeCloseTo(sumOf(sure), 6);
      }),
      { numRuns: 50 },
    ));

  test("never counts what was in doubt when an alarm came, though it learns on afterwards", () => {
    const baseline = taught(250, 1, true, taught(200, 0));
    forgetDoubted(baseline);
    expect(shown(taught(3000, 0, false, baseline))).toStrictEqual({ labels: BASELINE_MAX, lossSum: 0, frozen: true });
  });

  test("never counts what was in doubt before an alarm that came before it had enough", () => {
    const baseline = taught(BASELINE_MIN, 1, true, taught(BASELINE_MIN - 1, 0));
    forgetDoubted(baseline);
    expect(baselineLossSum(taught(3000, 0, false, baseline))).toBe(0);
  });

  test("can be judged against from the least labels on, and those in doubt are none of them", () => {
    expect(toleratedByBaseline(taught(100, 0.5, true, taught(BASELINE_MIN - 1, 0.5)), 0.01)).toBeNull();
    expect(toleratedByBaseline(taught(BASELINE_MIN, 0.5), 0.01)).toBeGreaterThan(0.5);
  });

  test("says that its level changed exactly when what it tolerates may", () =>
    fc.assert(
      fc.property(labels, (given) => {
        const baseline = newBaseline();
        for (const [value, isDoubted] of given) {
          const before = baselineLabels(baseline);
          const changed = learn(baseline, value, isDoubted);
          expect(changed).toBe(baselineLabels(baseline) >= BASELINE_MIN && baselineLabels(baseline) !== before);
        }
      }),
      { numRuns: 20 },
    ));

  test("that is taken over frozen has the level that it was frozen with, and never changes", () => {
    const baseline = taught(50, 1, true, taught(350, 1));
    freeze(baseline, 2000, 0.25);
    expect(toleratedByBaseline(baseline, 0.01)).toBeCloseTo(toleratedAround(0.25, 2000, 0.01) ?? 0, 12);
    const before = shown(baseline);
    forgetDoubted(taught(1000, 1, false, taught(1000, 1, true, baseline)));
    expect(shown(baseline)).toStrictEqual(before);
    expect(before).toMatchObject({ labels: 2000, frozen: true });
  });

  test("goes on from its JSON as if nothing had happened", () =>
    fc.assert(
      fc.property(labels, losses, (first, second) => {
        const whole = newBaseline();
        for (const [value, isDoubted] of first) learn(whole, value, isDoubted);
        const restarted = newBaseline();
        fill(restarted, JSON.parse(JSON.stringify(numbersOf(whole, BASELINE_NUMBERS))));
        for (const value of second) for (const baseline of [whole, restarted]) learn(baseline, value, false);
        expect(restarted).toStrictEqual(whole);
      }),
      { numRuns: 30 },
    ));
});

describe("what is tolerated around a level", () => {
  const mean = fc.double({ min: 0, max: 1, noNaN: true });
  const count = fc.integer({ min: BASELINE_MIN, max: BASELINE_MAX });
  const tolerance = fc.double({ min: 0, max: 0.5, noNaN: true });

  test("is between .02 and .98 or nothing at all, grows with the tolerance and shrinks with the labels", () =>
    fc.assert(
      fc.property(mean, count, tolerance, (lossMean, n, width) => {
        // Nothing is tolerated above every level, so it counts as the highest.
        const around = (of: number, given: number): number => toleratedAround(lossMean, of, given) ?? Infinity;
        const tolerated = around(n, width);
        expect(tolerated).toBeGreaterThanOrEqual(0.02);
        expect(tolerated <= 0.98 || tolerated === Infinity).toBe(true);
        expect(around(n, width + 0.1)).toBeGreaterThanOrEqual(tolerated);
        expect(around(n * 4, width)).toBeLessThanOrEqual(tolerated);
      }),
    ));

  const doubtAt = (lossMean: number, of: number) => (toleratedAround(lossMean, of, 0) ?? Infinity) - lossMean;
  const standardError = (lossMean: number, of: number) => Math.sqrt((lossMean * (1 - lossMean)) / of);

  test("is at least half a standard error above the level, and the more of them the fewer the labels", () => {
    const errors = [BASELINE_MIN, 100, 200, 350, 500, 1000, BASELINE_MAX].map(
      (of) => Math.round((1e6 * doubtAt(0.3, of)) / standardError(0.3, of)) / 1e6,
    );
    expect(errors).toStrictEqual(errors.toSorted((a, b) => b - a));
    expect(errors[0]).toBeGreaterThan(errors.at(-1)!);
    expect(errors.at(-1)).toBeGreaterThanOrEqual(0.5);
  });

  test("is the least level that can be bet on where nothing ever failed", () =>
    expect(toleratedAround(levelMean(200, 0), 200, 0.01)).toBe(0.02));

  test("leaves the most doubt in the middle", () => {
    expect(doubtAt(0.5, 200)).toBeGreaterThan(doubtAt(0.1, 200));
    expect(doubtAt(0.5, 200)).toBeGreaterThan(doubtAt(0.9, 200));
  });

  test("is at least the level itself, below the clip", () =>
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.97, noNaN: true }), count, (lossMean, n) => {
        expect(toleratedAround(lossMean, n, 0) ?? Infinity).toBeGreaterThanOrEqual(lossMean);
      }),
    ));
});
