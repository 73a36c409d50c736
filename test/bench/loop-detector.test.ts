import { describe, expect, test } from "vitest";
import type { TableSegment } from "../../src/replay/outcome-table.ts";
import { levelPairs, measureDelays, measureHealthy, pairsIn } from "../../bench/loop-detector.ts";

const ITEMS = 100;
const scores = (mean: number, one = 1): Float64Array =>
  Float64Array.from({ length: ITEMS }, (_, item) => (item < mean * ITEMS ? one : 0));
const segment = (id: string, columns: readonly Float64Array[]): TableSegment => ({
  id,
  line: { file: "t.csv", line: 2 },
  models: columns.map((_, model) => `m${model}`),
  items: ITEMS,
  itemIds: [],
  scores: columns,
  costUsd: null,
  latencyMs: null,
  epochs: new Map(),
  attributes: new Map(),
});

describe("pairs of levels", () => {
  test("are the best model's and each weaker one's, of tables of zeros and ones", () => {
    const table = {
      segments: [
        segment("good", [scores(0.7), scores(0.9), scores(0.82), scores(0.9)]),
        segment("even", [scores(0.7), scores(0.5)]),
        segment("graded", [scores(0.9, 0.5), scores(0.7)]),
        segment("weak", [scores(0.4), scores(0.2)]),
      ],
    };
    const pairs = levelPairs(table);
    expect(pairs.map((pair) => [pair.segment, pair.healthyMean, pair.degradedMean])).toEqual([
      ["good", 0.9, 0.7],
      ["good", 0.9, 0.82],
      ["even", 0.7, 0.5],
    ]);
    expect(pairsIn(pairs, "small")).toHaveLength(1);
    // .7 − .5 is a little less than .2 in doubles.
    expect(pairsIn(pairs, "large")).toHaveLength(2);
    expect(pairsIn(pairs, "medium")).toHaveLength(0);
  });
});

describe("the detector's figures", () => {
  const table = { segments: [segment("one", [scores(0.9), scores(0.3)])] };

  test("a collapse is noticed about as fast as the oracle does, the same at every run", () => {
    const options = { baselineLabels: 500, pairs: 5, runs: 5, seed: 1 };
    const { bands } = measureDelays(table, options);
    const large = bands.find(({ band }) => band === "large");
    expect(large).toMatchObject({ pairs: 1, undetected: 0 });
    expect(large?.delay).toBeGreaterThan(3);
    expect(large?.ratio).toBeLessThan(3);
    expect(bands.find(({ band }) => band === "small")).toMatchObject({ pairs: 0, ratio: null });
    expect(measureDelays(table, options)).toEqual({ baselineLabels: 500, bands });
  });

  test("healthy streams count every label after the baseline", () => {
    const healthy = measureHealthy(table, { baselineLabels: 500, streams: 3, labels: 2000, seed: 1 });
    expect(healthy.labels).toBe(healthy.streams * 2000);
    expect(healthy.falseAlarmsPer1e6Labels).toBe((healthy.falseAlarms * 1e6) / healthy.labels);
  });
});
