import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { oracleDelay } from "../../src/replay/cusum-oracle.ts";
import { coinLosses } from "../core/seeded-random.ts";

const rise = (healthy: number, degraded: number): number => Math.log(degraded / healthy);
const fall = (healthy: number, degraded: number): number => Math.log((1 - healthy) / (1 - degraded));

/** Levels in whole hundredths, the greater one last, and the drop in score between them. */
const levels = fc
  .tuple(fc.integer({ min: 1, max: 98 }), fc.integer({ min: 1, max: 98 }))
  .filter(([one, other]) => one !== other)
  .map(([one, other]) => [Math.min(one, other) / 100, Math.max(one, other) / 100] as const);

/** Kullback-Leibler divergence of losses of mean `from` to those of mean `to`, in nats a label. */
const divergence = (from: number, to: number): number =>
  from * Math.log(from / to) + (1 - from) * Math.log((1 - from) / (1 - to));

describe("worked by hand", () => {
  test("an alarm at the first label costs one label", () => expect(oracleDelay(0.2, 0.3, 1)).toBe(1));

  test.each([
    { healthy: 0.1, degraded: 0.5 },
    { healthy: 0.25, degraded: 0.4 },
    { healthy: 0.7, degraded: 0.9 },
  ])(
    "an alarm at the first loss takes 1/$healthy healthy labels and 1/$degraded degraded ones",
    ({ healthy, degraded }) => expect(oracleDelay(healthy, degraded, 1 / healthy)).toBeCloseTo(1 / degraded, 9),
  );

  // The first loss alarms, and of the other labels one in nine: 1/(.1 + .9/9) = 5 healthy labels, 1/(.5 + .5/9) = 1.8 degraded ones.
  test("between two thresholds it draws lots", () => expect(oracleDelay(0.1, 0.5, 5)).toBeCloseTo(1.8, 9));

  // Levels that mirror each other move the CUSUM by one step either way: the time in which such a walk, held at 0, climbs n steps.
  const climb = (up: number, steps: number): number => {
    const down = 1 - up;
    return steps / (up - down) - (down / (up - down) ** 2) * (1 - (down / up) ** steps);
  };
  test.each([1, 2, 3, 5, 8])("mirrored levels climb %i steps as a simple random walk does", (steps) => {
    expect(oracleDelay(0.2, 0.8, climb(0.2, steps))).toBeCloseTo(climb(0.8, steps), 8);
    expect(oracleDelay(0.35, 0.65, climb(0.35, steps))).toBeCloseTo(climb(0.65, steps), 8);
  });
});

describe("as the CUSUM itself", () => {
  const meanRun = (
    next: () => number,
    [up, down, threshold]: readonly [number, number, number],
    runs: number,
  ): number => {
    let labels = 0;
    for (let run = 0; run < runs; run++)
      for (let cusum = 0; cusum < threshold; labels++) cusum = Math.max(0, cusum + (next() === 1 ? up : -down));
    return labels / runs;
  };

  test.each([
    { healthy: 0.3, degraded: 0.5, threshold: 3.5 },
    { healthy: 0.05, degraded: 0.4, threshold: 4.3 },
    { healthy: 0.8, degraded: 0.9, threshold: 2.9 },
    { healthy: 0.2, degraded: 0.3, threshold: 2.5 },
  ])(
    "simulated from $healthy to $degraded, some 500 labels between false alarms",
    ({ healthy, degraded, threshold }) => {
      const coin = coinLosses(7);
      const rule = [rise(healthy, degraded), fall(healthy, degraded), threshold] as const;
      const gamma = meanRun(() => coin(healthy), rule, 6000);
      const delay = meanRun(() => coin(degraded), rule, 20_000);
      expect(gamma).toBeGreaterThan(300);
      expect(gamma).toBeLessThan(700);
      expect(Math.abs(oracleDelay(healthy, degraded, gamma) / delay - 1)).toBeLessThan(0.02);
    },
  );

  /** Solves (I − P)L = 1 by Gauss, on so many points below the threshold, each step split between its neighbours. */
  const solvedRun = (
    mean: number,
    [up, down, threshold]: readonly [number, number, number],
    points: number,
  ): number => {
    const rows = Array.from({ length: points }, (_, at) => {
      const row = new Float64Array(points + 1);
      row[at] = 1;
      row[points] = 1;
      for (const [chance, step] of [
        [mean, up],
        [1 - mean, -down],
      ] as const) {
        const landing = Math.max(0, at + (step * points) / threshold);
        for (const column of [Math.floor(landing), Math.floor(landing) + 1])
          if (column < points) row[column] = (row[column] ?? 0) - chance * (1 - Math.abs(landing - column));
      }
      return row;
    });
    // From the top state down, so that the first row is left with its own unknown alone.
    for (const [index, pivotRow] of [...rows.entries()].reverse())
      for (const row of rows.slice(0, index)) {
        const factor = (row[index] ?? 0) / (pivotRow[index] ?? 1);
        if (factor !== 0)
          for (let column = 0; column <= points; column++)
            row[column] = (row[column] ?? 0) - factor * (pivotRow[column] ?? 0);
      }
    return (rows[0]?.[points] ?? 0) / (rows[0]?.[0] ?? 1);
  };

  test.each([
    { healthy: 0.3, degraded: 0.5 },
    { healthy: 0.07, degraded: 0.31 },
    { healthy: 0.15, degraded: 0.62 },
    { healthy: 0.2, degraded: 0.3 },
  ])(
    "solved on a grid from $healthy to $degraded, some 100 000 labels between false alarms",
    ({ healthy, degraded }) => {
      const rule = [rise(healthy, degraded), fall(healthy, degraded), 8.7] as const;
      const gamma = solvedRun(healthy, rule, 300);
      expect(gamma).toBeGreaterThan(3e4);
      expect(Math.abs(oracleDelay(healthy, degraded, gamma) / solvedRun(degraded, rule, 300) - 1)).toBeLessThan(0.01);
    },
  );
});

describe("laws", () => {
  test("a greater drop is found sooner", () =>
    fc.assert(
      fc.property(levels, ([healthy, degraded]) => {
        expect(oracleDelay(healthy, degraded + 0.01)).toBeLessThan(oracleDelay(healthy, degraded));
      }),
    ));

  test("rarer false alarms cost delay", () =>
    fc.assert(
      fc.property(levels, fc.double({ min: 1, max: 1e5, noNaN: true }), ([healthy, degraded], gamma) => {
        expect(oracleDelay(healthy, degraded, gamma * 1.1)).toBeGreaterThan(oracleDelay(healthy, degraded, gamma));
      }),
    ));

  /**
   * Lorden's bound log γ / KL holds up to a constant. A CUSUM is a row of tests between 0 and its threshold h, so with N the labels of
   * a test and U its alarm, γ = E₀N / P₀(U) and delay = E₁N / P₁(U); Wald's identity and data processing give
   *     delay · KL₁ ≥ ln(1 / P₀(U)) − ln(1 / P₁(U)) − 1 ≥ ln γ − ln(E₀N / P₁(U)) − 1.
   * Here E₀N ≤ fall / KL₀, as a test ends at most one fall below 0, and P₁(U) ≥ the drop. The other way, the CUSUM is no lower than
   * the sum of its steps, which passes h by at most a rise, and e^h ≤ γ; the lots may cost another step.
   */
  test("the delay is log γ / KL, within constants that can be stated", () =>
    fc.assert(
      fc.property(levels, fc.double({ min: 100, max: 1e6, noNaN: true }), ([healthy, degraded], gamma) => {
        const nats = oracleDelay(healthy, degraded, gamma) * divergence(degraded, healthy);
        const tests = fall(healthy, degraded) / divergence(healthy, degraded) / (degraded - healthy);
        expect(nats).toBeGreaterThan(Math.log(gamma) - Math.log(tests) - 1);
        expect(nats).toBeLessThan(Math.log(gamma) + 2 * rise(healthy, degraded));
      }),
    ));
});

describe("levels", () => {
  test("of 0 and 1 are clipped, as their ratio is infinite", () =>
    expect(oracleDelay(0, 1)).toBe(oracleDelay(0.001, 0.999)));

  test("are rounded to 1e-4, whichever was asked first", () => {
    expect(oracleDelay(0.41234, 0.51236)).toBe(oracleDelay(0.4123, 0.5124));
    expect(oracleDelay(0.4124, 0.5124)).not.toBe(oracleDelay(0.4123, 0.5124));
  });

  test("are remembered for their own γ only", () =>
    expect(oracleDelay(0.4, 0.6, 1e3)).toBeLessThan(oracleDelay(0.4, 0.6, 1e4)));

  test("that rounding makes the same take as long as a false alarm", () =>
    expect(oracleDelay(0.30001, 0.30004, 2e4)).toBe(2e4));

  test.each([
    { healthy: 0.3, degraded: 0.3 },
    { healthy: 0.3, degraded: 0.2 },
    { healthy: -0.1, degraded: 0.2 },
    { healthy: 0.3, degraded: 1.1 },
    { healthy: Number.NaN, degraded: 0.2 },
    { healthy: 0.3, degraded: Number.NaN },
  ])("from $healthy to $degraded are refused by name", ({ healthy, degraded }) => {
    const refused = expect(() => oracleDelay(healthy, degraded));
    refused.toThrow(expect.objectContaining({ code: "invalid_request" }));
    refused.toThrow(`${healthy} to ${degraded}`);
  });

  test.each([0.9, -1, Infinity, Number.NaN])("with γ = %d are refused", (gamma) =>
    expect(() => oracleDelay(0.3, 0.5, gamma)).toThrow(`not ${gamma}`),
  );
});
