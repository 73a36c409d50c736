import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Measurement, VariantName } from "../../bench/overhead/measurement.ts";
import { gateFailures, reportOf, type Machine } from "../../bench/overhead/report.ts";
import { ratiosOf, rowsOf } from "../../bench/overhead/results.ts";
import { median, quantile } from "../../bench/overhead/statistics.ts";
import { reportText } from "../../bench/overhead/text.ts";

const measured = (
  variant: VariantName,
  round: number,
  cpuUsPerRequest: number | null,
  given: Partial<Measurement> = {},
): Measurement => ({
  round,
  variant,
  mode: "json",
  load: "c32",
  requests: 1000,
  seconds: 2,
  cpuUsPerRequest,
  cpuShare: 0.9,
  latencyMsP50: 1,
  latencyMsP99: 4,
  ttftMsP50: null,
  rssMb: 100,
  errors: 0,
  problems: [],
  ...given,
});

const machine: Machine = {
  cpu: "a CPU",
  cores: 2,
  memoryGb: 8,
  system: "linux x64",
  node: "v24.0.0",
  pinned: true,
  loadBefore: 0,
};
const micro = {
  decisions: [{ segments: 10, us: 1.23456, bytes: 100, compileMs: 1 }],
  exposureUs: 4,
  spanUs: 1,
} as const;

describe("a quantile", () => {
  test("of nothing is null, and lies between the least and the greatest value", () => {
    expect(median([])).toBeNull();
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1])).toBe(2.5);
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 }),
        fc.double({ noNaN: true, min: 0, max: 1 }),
        (values, share) => {
          const value = quantile(values, share) ?? NaN;
          expect(value).toBeGreaterThanOrEqual(Math.min(...values) - 1e-6);
          expect(value).toBeLessThanOrEqual(Math.max(...values) + 1e-6);
        },
      ),
    );
  });

  test("does not reorder what it is given", () => {
    const values = [3, 1, 2];
    quantile(values, 0.9);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe("a ratio", () => {
  test("is the median over rounds, each with its own partner, not a ratio of medians", () => {
    const { ratios, refused } = ratiosOf([
      // The machine was three times as slow in the last round, for both.
      measured("raw", 0, 100),
      measured("segue", 0, 120),
      measured("raw", 1, 100),
      measured("segue", 1, 130),
      measured("raw", 2, 300),
      measured("segue", 2, 330),
    ]);
    expect(ratios.cpuVsRaw).toEqual({ json: 1.2, stream: null, paced: null });
    expect(refused).toEqual([]);
  });

  test("says how many times Segue's CPU Portkey takes", () => {
    const { ratios } = ratiosOf([
      measured("segue", 0, 100),
      measured("portkey", 0, 800),
      measured("segue", 0, 500, { load: "400rps" }),
      measured("portkey", 0, 1500, { load: "400rps" }),
    ]);
    expect(ratios.cpuVsPortkey).toEqual({ json: 8, stream: null, "400rps": 3 });
  });

  test.each(["raw", "segue"] as const)("is refused when one request of %s failed in one of its rounds", (failing) => {
    const clean = [0, 1, 2].flatMap((round) => [measured("raw", round, 100), measured("segue", round, 120)]);
    const all = clean.map((one) =>
      one.variant === failing && one.round === 1 ? { ...one, errors: 1, problems: ["status 500"] } : one,
    );
    const { ratios, refused } = ratiosOf(all);
    expect(ratios.cpuVsRaw.json).toBeNull();
    expect(refused).toHaveLength(1);
    expect(refused[0]).toContain(`${failing} failed 1 in round 2 (status 500)`);
  });

  test("is not refused for failures of another load, nor of a variant that it does not compare", () => {
    const { ratios, refused } = ratiosOf([
      measured("raw", 0, 100),
      measured("segue", 0, 120),
      measured("segue", 0, 120, { load: "c128", errors: 3 }),
      measured("direct", 0, null, { errors: 3 }),
    ]);
    expect(ratios.cpuVsRaw.json).toBe(1.2);
    expect(refused).toEqual([]);
  });

  test("is null without a refusal where CPU is not known, or nothing was asked", () => {
    const { ratios, refused } = ratiosOf([measured("raw", 0, null), measured("segue", 0, 120)]);
    expect(ratios.cpuVsRaw.json).toBeNull();
    expect(refused).toEqual([]);
  });
});

describe("a row", () => {
  test("adds to direct of the same round only", () => {
    const rows = rowsOf([
      measured("direct", 0, null, { latencyMsP50: 1 }),
      measured("segue", 0, 100, { latencyMsP50: 1.5, latencyMsP99: 6 }),
      measured("direct", 1, null, { latencyMsP50: 10 }),
      measured("segue", 1, 100, { latencyMsP50: 10.5, latencyMsP99: 6 }),
    ]);
    expect(rows.map(({ name }) => name)).toEqual(["direct", "segue"]);
    expect(rows[0]).toMatchObject({ addedMsP50: null, cpuUsPerRequest: null, rps: 500 });
    expect(rows[1]).toMatchObject({ addedMsP50: 0.5, addedMsP99: 2, ttftAddedMsP50: null });
  });

  test("counts every error, and leaves rounds with one out of its figures", () => {
    const [row] = rowsOf([
      measured("segue", 0, 100),
      measured("segue", 1, 1, { errors: 2 }),
      measured("segue", 2, 1, { errors: 1 }),
    ]);
    expect(row).toMatchObject({ cpuUsPerRequest: 100, errors: 3 });
  });
});

describe("the report", () => {
  const pair = [measured("raw", 0, 100), measured("segue", 0, 120)];

  test("has the members that its readers rely on", () => {
    const { report } = reportOf(machine, pair, micro);
    expect(Object.keys(report)).toEqual(["machine", "rows", "ratios", "decisionUs", "telemetryShare"]);
    expect(report.decisionUs).toEqual({ "10": 1.235 });
    expect(report.telemetryShare).toBe(0.042);
    expect(reportText(report)).toContain("CPU of Segue over raw");
  });

  test("fails its gate above the limit, and where the ratio is missing, in the modes that were measured", () => {
    const { report } = reportOf(machine, pair, micro);
    expect(gateFailures(report, 1.2, ["json"])).toEqual([]);
    expect(gateFailures(report, 1.1, ["json"])).toEqual(["cpuVsRaw.json is 1.2, and must not be above 1.1."]);
    expect(gateFailures(report, 2, ["json", "stream"])).toEqual([
      "cpuVsRaw.stream is missing, and must not be above 2.",
    ]);
  });
});
