import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lossBounds, lossTrend, type Sum } from "../../src/reports/loss-interval.ts";

const sum = fc
  .integer({ min: 1, max: 2000 })
  .chain((labels) => fc.integer({ min: 0, max: labels }).map((lost): Sum => ({ labels, sum: lost })));

describe("the interval of a mean loss", () => {
  test("is Wilson's", () => {
    // Newcombe (1998), table I: 81 of 263.
    const { low, high } = lossBounds({ labels: 263, sum: 81 });
    expect([low.toFixed(4), high.toFixed(4)]).toEqual(["0.2553", "0.3662"]);
  });

  test("is open where no loss was seen, for the next one may be", () => {
    const { low, high } = lossBounds({ labels: 20, sum: 0 });
    expect(low).toBe(0);
    expect(high).toBeCloseTo(0.1611, 4);
  });

  test("holds the mean, and nothing that a loss cannot be", () =>
    fc.assert(
      fc.property(sum, (given) => {
        const { low, high } = lossBounds(given);
        const mean = given.sum / given.labels;
        expect([low >= 0, low <= mean + 1e-12, mean <= high + 1e-12, high <= 1]).toEqual([true, true, true, true]);
      }),
    ));
});

describe("the trend of a loss", () => {
  test.each([
    { now: [96, 480], before: [24, 480], trend: "worse", because: "it is four times as high" },
    { now: [24, 480], before: [96, 480], trend: "better", because: "it is a quarter" },
    { now: [2, 10], before: [1, 20], trend: "unclear", because: "so few labels may be chance" },
    { now: [48, 480], before: [48, 480], trend: "unclear", because: "nothing changed" },
    // Newcombe (1998), table II, contrast (a): 56/70 − 48/80 is .2, at 95 % within .0524 and .3339.
    { now: [56, 70], before: [48, 80], trend: "worse", because: "the interval leaves 0 out" },
  ] as const)("is $trend for $now after $before: $because", ({ now, before, trend }) =>
    expect(lossTrend({ sum: now[0], labels: now[1] }, { sum: before[0], labels: before[1] })).toBe(trend),
  );

  test("is the opposite when told backwards", () =>
    fc.assert(
      fc.property(sum, sum, (now, before) => {
        const opposite = { better: "worse", worse: "better", unclear: "unclear" };
        expect(lossTrend(before, now)).toBe(opposite[lossTrend(now, before)]);
      }),
    ));
});
