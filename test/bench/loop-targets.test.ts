import { describe, expect, test } from "vitest";
import type { ReplayFigures } from "../../src/replay/replay-figures.ts";
import { scenarioResult, type ScenarioResult, type SeedRun } from "../../bench/loop-run.ts";
import { targetsOf, type Results, type Target } from "../../bench/loop-targets.ts";
import { resultsMarkdown, resultsText } from "../../bench/loop-text.ts";

const nothing: Results = { scenarios: [], delays: [], healthy: null, cost: null, millionMs: null };

const delays = { median: null, p95: null };
const figures = (given: Partial<ReplayFigures>): ReplayFigures => ({
  scenario: "s0-healthy",
  seed: 1,
  requests: 1000,
  labels: 100_000,
  falseAlarmsPer1e6Labels: 0,
  falseSwitchovers: 0,
  missed: 0,
  wrongTarget: 0,
  switchovers: 0,
  rollbacks: 0,
  reverts: 0,
  flaps: 0,
  escalations: 0,
  approvalsAsked: 0,
  delay: { labels: delays, requests: delays, ratioToOracle: { median: null } },
  regret: { served: 0, doNothing: 0, removedShare: null },
  servedDegraded: 0,
  recoveryRequests: null,
  bytesPerStream: null,
  microsecondsPerSample: null,
  wallMs: 1,
  ledgerDigest: "d",
  ...given,
});
const regret = (served: number, doNothing: number) => ({
  regret: { served, doNothing, removedShare: 1 - served / doNothing },
});
const run = (given: Partial<ReplayFigures>, isRight = true): SeedRun => ({
  figures: figures(given),
  segments: 50,
  right: { isRight, found: ["1 moved"], wrong: isRight ? [] : ["1 moved"] },
});
const result = (scenario: string, ...runs: readonly SeedRun[]): ScenarioResult => scenarioResult(scenario, runs);
const target = (results: Partial<Results>, id: string): Target | undefined =>
  targetsOf({ ...nothing, ...results }).find((one) => one.id === id);

describe("the targets", () => {
  test("have no value and no verdict where nothing was measured", () => {
    const targets = targetsOf(nothing);
    expect(targets.every(({ value, met }) => value === null && met === null)).toBe(true);
    expect(new Set(targets.map(({ id }) => id)).size).toBe(targets.length);
  });

  test("false alarms are pooled over S0 and S5 and all of their seeds, and unknown while one of both is missing", () => {
    const s0 = result("s0-healthy", run({ falseAlarmsPer1e6Labels: 20 }), run({ labels: 300_000 }));
    const s5 = result("s5-mix-shift", run({ falseAlarmsPer1e6Labels: 40 }));
    expect(target({ scenarios: [s0] }, "falseAlarmsPer1e6Labels")?.value).toBeNull();
    // Six alarms in half a million labels.
    expect(target({ scenarios: [s0, s5] }, "falseAlarmsPer1e6Labels")).toMatchObject({ value: 12, met: false });
  });

  test("regret removed is the mean over seeds, and pooled beside it", () => {
    const s1 = result("s1-single", run(regret(10, 100)), run(regret(400, 1000)));
    expect(target({ scenarios: [s1] }, "regretRemoved.s1")).toMatchObject({ value: 0.75, met: false });
    expect(s1.removedSharePooled).toBeCloseTo(1 - 410 / 1100);
  });

  test("a bound is met when it is reached exactly, but the time of a million requests must stay below it", () => {
    const s0 = result("s0-healthy", run({ falseSwitchovers: 2 }), run({}));
    expect(target({ scenarios: [s0] }, "wrongSwitchovers.s0")).toMatchObject({ value: 1, met: true });
    expect(target({ millionMs: 3000 }, "cost.millionRequestsMs")?.met).toBe(false);
    expect(target({ millionMs: 2999 }, "cost.millionRequestsMs")?.met).toBe(true);
  });

  test("right means right on every seed", () => {
    const s6 = result("s6-reverse-simpson", run({}), run({}, false));
    expect(target({ scenarios: [s6] }, "right.s6")).toMatchObject({ value: 0.5, met: false });
    expect(target({ scenarios: [result("s6-x", run({}))] }, "right.s6")).toMatchObject({ value: 1, met: true });
  });

  test("what is measured beyond the targets says so", () => {
    const ids = targetsOf(nothing).filter((one) => one.target.includes("not in the targets"));
    expect(ids.map(({ id }) => id)).toEqual(expect.arrayContaining(["right.s2", "right.s13", "right.s14"]));
    expect(ids.map(({ id }) => id)).not.toContain("right.s6");
  });

  test("the worst share of segments that flapped counts, of all scenarios and seeds", () => {
    const scenarios = [result("s0-a", run({})), result("s1-a", run({}), run({ flaps: 5 }))];
    expect(target({ scenarios }, "flaps")).toMatchObject({ value: 0.1, met: false });
  });

  test("the delays' targets are about baselines from 2 000 labels", () => {
    const bands = (ratio: number) => [
      { band: "large" as const, pairs: 1, runs: 1, delay: 1, oracle: 1, ratio, undetected: 0 },
    ];
    const both = [
      { baselineLabels: 500, bands: bands(9) },
      { baselineLabels: 2000, bands: bands(1.1) },
    ];
    expect(target({ delays: both }, "delayRatio.large")).toMatchObject({ value: 1.1, met: true });
  });
});

describe("as text", () => {
  const scenarios = [result("s6-a", run({ scenario: "s6-a" }), run({ scenario: "s6-a", seed: 2 }, false))];
  const results = { ...nothing, scenarios };

  test("only what was measured stands in the table, and what was wrong under it", () => {
    const text = resultsText(targetsOf(results), results);
    expect(text).toMatch(/^right\.s6 .* 0\.5 +no$/m);
    expect(text).not.toContain("delayRatio");
    expect(text.split("\n").at(-1)).toBe("s6-a, seed 2: 1 moved");
  });

  test("every row of the Markdown tables has as many cells as its header", () => {
    for (const table of resultsMarkdown(targetsOf(results), results).split("\n\n")) {
      const cells = table.split("\n").map((line) => line.split("|").length);
      expect(new Set(cells).size).toBe(1);
    }
  });
});
