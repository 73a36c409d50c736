import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountDifference, intervalOf, scoreDifference, weightedMean } from "../../src/core/intervals.ts";

const score = fc.double({ min: 0, max: 1, noNaN: true });
const differences = fc.array(
  fc.tuple(score, score).map(([before, after]) => after - before),
  { minLength: 2, maxLength: 60 },
);
const repeated = (value: number, times: number): number[] => Array.from({ length: times }, () => value);

/** ln(n!) */
const logFactorial = (n: number): number => (n < 2 ? 0 : Math.log(n) + logFactorial(n - 1));

/** How often the interval covers the truth when pairs gain 1 with probability `gain` and lose 1 with `loss`: by enumeration. */
function coverage(pairs: number, gain: number, loss: number): number {
  let covered = 0;
  for (let gains = 0; gains <= pairs; gains++)
    for (let losses = 0; gains + losses <= pairs; losses++) {
      const same = pairs - gains - losses;
      const chance = Math.exp(logFactorial(pairs) - logFactorial(gains) - logFactorial(losses) - logFactorial(same));
      const probability = chance * gain ** gains * loss ** losses * (1 - gain - loss) ** same;
      if (probability < 1e-9) continue;
      const sample = [...repeated(1, gains), ...repeated(-1, losses), ...repeated(0, same)];
      const { low, high } = intervalOf(scoreDifference(sample), 1);
      if (low <= gain - loss && gain - loss <= high) covered += probability;
    }
  return covered;
}

describe("the interval of a score's difference", () => {
  test.each([
    [0.001, 0.001],
    [0.01, 0.01],
    [0.05, 0.01],
    [0.05, 0.001],
    [0.2, 0.01],
    [0.3, 0.3],
    [0.5, 0.05],
    [0.9, 0.01],
    [0.97, 0.01],
  ])("covers the truth in 94.6 %% of samples or more when %d gain and %d lose, from 30 pairs on", (gain, loss) => {
    for (const pairs of [30, 60])
      expect([pairs, coverage(pairs, gain, loss)]).toEqual([pairs, expect.toSatisfy((value: number) => value > 0.946)]);
  });

  test("has the variance of Bonett and Price: that of the pairs and of one that gains and one that loses", () => {
    // 12 of 40 gain, 4 lose: (13 + 5)/42 − (8/42)², divided by 42.
    const sample = [...repeated(1, 12), ...repeated(-1, 4), ...repeated(0, 24)];
    const { mean, variance, freedom } = scoreDifference(sample);
    expect([mean, freedom]).toEqual([0.2, 39]);
    expect(variance).toBeCloseTo((18 / 42 - (8 / 42) ** 2) / 42, 12);
  });

  test("is open where no pair differs, for the next one may", () => {
    const { low, high } = intervalOf(scoreDifference(repeated(0, 100)), 1);
    expect(low).toBeLessThan(-0.02);
    expect(high).toBeGreaterThan(0.02);
  });

  test("holds the mean and nothing that a difference of scores cannot be", () =>
    fc.assert(
      fc.property(differences, (sample) => {
        const { mean, low, high } = intervalOf(scoreDifference(sample), 1);
        expect(low).toBeGreaterThanOrEqual(-1);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(mean);
        expect(high).toBeGreaterThanOrEqual(mean);
      }),
    ));

  test("is negated with the differences", () =>
    fc.assert(
      fc.property(differences, (sample) => {
        const forth = intervalOf(scoreDifference(sample), 1);
        const back = intervalOf(scoreDifference(sample.map((value) => -value)), 1);
        expect(0 - back.mean).toBeCloseTo(forth.mean, 12);
        expect(0 - back.low).toBeCloseTo(forth.high, 12);
        expect(0 - back.high).toBeCloseTo(forth.low, 12);
      }),
    ));
});

describe("the interval of an amount's difference", () => {
  test("is Student's", () => {
    // Mean 5.5, s² = 55/6, and t(9) = 2.2622.
    const { mean, low, high } = intervalOf(amountDifference([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    expect(mean).toBe(5.5);
    expect(low).toBeCloseTo(5.5 - 2.2622 * Math.sqrt(55 / 60), 3);
    expect(high).toBeCloseTo(5.5 + 2.2622 * Math.sqrt(55 / 60), 3);
  });

  test.each([
    [7, 2.3646],
    [29, 2.0452],
    [120, 1.9799],
    [1e9, 1.96],
  ])("with %d degrees of freedom reaches %d standard errors far, as the tables have it", (freedom, point) => {
    expect(Math.abs(intervalOf({ mean: 0, variance: 1, freedom }).high - point)).toBeLessThan(0.001);
  });
});

describe("a weighted mean", () => {
  const part = fc.record({ weight: fc.integer({ min: 1, max: 1000 }), estimate: differences.map(scoreDifference) });

  test("of one part is that part", () =>
    fc.assert(
      fc.property(part, ({ weight, estimate }) => {
        const total = weightedMean([{ weight, estimate }]);
        expect(total.mean).toBeCloseTo(estimate.mean, 12);
        expect(total.variance).toBeCloseTo(estimate.variance, 12);
        expect(total.freedom).toBeCloseTo(estimate.freedom, 6);
      }),
    ));

  test("of equal parts is four times as sure with sixteen of them", () => {
    const estimate = { mean: 0.2, variance: 0.04, freedom: 29 };
    const total = weightedMean(Array.from({ length: 16 }, () => ({ weight: 50, estimate })));
    expect(total.mean).toBeCloseTo(0.2, 12);
    expect(Math.sqrt(total.variance)).toBeCloseTo(0.05, 12);
    expect(total.freedom).toBeCloseTo(16 * 29, 9);
  });

  test("has Satterthwaite's degrees of freedom, fewer than those of its parts together", () => {
    // Variances .01 and .0025 of the halves: .0125² / (.01²/29 + .0025²/9).
    const parts = [
      { weight: 1, estimate: { mean: 0, variance: 0.04, freedom: 29 } },
      { weight: 1, estimate: { mean: 1, variance: 0.01, freedom: 9 } },
    ];
    expect(weightedMean(parts)).toEqual({
      mean: 0.5,
      variance: expect.closeTo(0.0125, 12),
      freedom: expect.closeTo(0.0125 ** 2 / (0.01 ** 2 / 29 + 0.0025 ** 2 / 9), 9),
    });
  });

  test("lies between its parts", () =>
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const means = parts.map(({ estimate }) => estimate.mean);
        const { mean } = weightedMean(parts);
        expect(mean).toBeGreaterThanOrEqual(Math.min(...means) - 1e-12);
        expect(mean).toBeLessThanOrEqual(Math.max(...means) + 1e-12);
      }),
    ));

  test("of amounts that are certain is certain", () => {
    const estimate = amountDifference([2, 2, 2]);
    expect(
      intervalOf(
        weightedMean([
          { weight: 1, estimate },
          { weight: 3, estimate },
        ]),
      ),
    ).toEqual({ mean: 2, low: 2, high: 2 });
  });
});
