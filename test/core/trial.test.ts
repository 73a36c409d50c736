import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/core/switchover.ts";
import { newTrial, observeTrial, readTrial, type TrialState } from "../../src/core/trial.ts";
import { coinLosses, seededRandom } from "./seeded-random.ts";

const changeOf = (cause: Change["cause"], evidence: Change["evidence"] = {}): Change => ({
  policy: "support-chat",
  segment: "emea-free",
  from: "first",
  to: "second",
  cause,
  metric: "helpful",
  steps: [{ share: 0.9, labelsMin: 10, secondsMin: 0 }],
  basedOn: 1,
  evidence,
});

interface Arms {
  readonly candidate: number;
  readonly incumbent: number;
}

/** How a trial of these mean losses ends, with nine answers in ten from the candidate. */
function outcomeOf(change: Change, arms: Arms, seed: number, share = 0.9): "healthy" | "degraded" | "open" {
  const random = seededRandom(seed);
  const next = coinLosses(seed + 1_000_003);
  const trial = newTrial(0);
  for (let label = 0; label < 5000; label++) {
    const arm = random() < share ? "candidate" : "incumbent";
    observeTrial(trial, change, arm, next(arms[arm]));
    const { verdict } = readTrial(trial, change, 200);
    if (verdict !== "inconclusive" && trial.candidate.labels >= 10) return verdict;
  }
  return "open";
}

const shareAdopted = (change: Change, arms: Arms, runs = 300): number =>
  Array.from({ length: runs }, (_, run) => outcomeOf(change, arms, run * 31 + 5)).filter((end) => end === "healthy")
    .length / runs;

describe("a trial against what degraded", () => {
  test.each([
    { candidate: 0.1, incumbent: 0.1, min: 0, max: 0.1, because: "equal at a low loss" },
    { candidate: 0.5, incumbent: 0.5, min: 0, max: 0.1, because: "equal in the middle" },
    { candidate: 0.9, incumbent: 0.9, min: 0, max: 0.1, because: "equal at a high loss" },
    { candidate: 0.1, incumbent: 0.9, min: 1, max: 1, because: "very much better" },
    { candidate: 0.2, incumbent: 0.5, min: 0.98, max: 1, because: "much better" },
    { candidate: 0.6, incumbent: 0.5, min: 0, max: 0.01, because: "worse" },
    { candidate: 0.9, incumbent: 0.5, min: 0, max: 0, because: "much worse" },
  ])("adopts a candidate of loss $candidate for one of $incumbent in $min to $max of runs: $because", (given) => {
    const change = changeOf("degraded", { lossMean: given.incumbent, labels: 500 });
    const adopted = shareAdopted(change, given);
    expect(adopted).toBeGreaterThanOrEqual(given.min);
    expect(adopted).toBeLessThanOrEqual(given.max);
  });

  test("adopts an equal candidate in at most 5 % of runs when only the two arms are known", () =>
    expect(shareAdopted(changeOf("degraded"), { candidate: 0.5, incumbent: 0.5 })).toBeLessThanOrEqual(0.05));

  test("always ends, because a candidate without gain is given up after the labels that were allowed", () => {
    for (let run = 0; run < 100; run++) {
      const change = changeOf("degraded", { lossMean: 0.5, labels: 100 });
      expect(outcomeOf(change, { candidate: 0.5, incumbent: 0.5 }, run)).not.toBe("open");
    }
  });

  test.each([{ labels: 1 }, { labels: 5 }])(
    "adopts an equal candidate in at most 10 % of runs when the level rests on $labels labels",
    ({ labels }) => {
      let adopted = 0;
      for (let run = 0; run < 300; run++) {
        const next = coinLosses(run * 13 + 1);
        let lossSum = 0;
        for (let label = 0; label < labels; label++) lossSum += next(0.1);
        const change = changeOf("degraded", { lossMean: (lossSum + 0.5) / (labels + 1), labels });
        if (outcomeOf(change, { candidate: 0.1, incumbent: 0.1 }, run * 31 + 5) === "healthy") adopted += 1;
      }
      expect(adopted).toBeLessThanOrEqual(30);
    },
  );
});

describe("a trial that a person asked for", () => {
  const change = changeOf("manual");
  test.each([
    { candidate: 0.05, incumbent: 0.3, min: 0.95, max: 1, because: "clearly better" },
    { candidate: 0.6, incumbent: 0.3, min: 0, max: 0.01, because: "clearly worse" },
    { candidate: 0.45, incumbent: 0.3, min: 0, max: 0.05, because: "worse by more than is allowed" },
  ])("adopts $candidate for $incumbent in $min to $max of runs: $because", ({ min, max, ...arms }) => {
    const adopted =
      Array.from({ length: 200 }, (_, run) => outcomeOf(change, arms, run * 7 + 1, 0.5)).filter(
        (end) => end === "healthy",
      ).length / 200;
    expect(adopted).toBeGreaterThanOrEqual(min);
    expect(adopted).toBeLessThanOrEqual(max);
  });
});

describe("a probe of a former variant", () => {
  const change = changeOf("recovered", { lossMean: 0.9, lossTolerated: 0.15 });
  const ends = (arms: Arms): string[] =>
    Array.from({ length: 200 }, (_, run) => outcomeOf(change, arms, run * 7 + 1, 0.5));

  test("returns to one whose level is back", () =>
    expect(ends({ candidate: 0.1, incumbent: 0.3 }).filter((end) => end === "healthy").length).toBeGreaterThan(195));

  test("never returns to one that is as degraded as it was", () =>
    expect(ends({ candidate: 0.9, incumbent: 0.3 })).not.toContain("healthy"));

  test("does not return to one that recovered only in part and is clearly worse than what serves now", () =>
    expect(ends({ candidate: 0.3, incumbent: 0.05 }).filter((end) => end === "healthy").length).toBeLessThan(20));

  test("is given up after 120 labels, however many are allowed", () => {
    const trial = newTrial(0);
    const unknown = changeOf("recovered");
    for (let label = 0; label < 119; label++) observeTrial(trial, unknown, "candidate", 0);
    expect(readTrial(trial, unknown, 1000).verdict).toBe("inconclusive");
    observeTrial(trial, unknown, "candidate", 0);
    expect(readTrial(trial, unknown, 1000).verdict).toBe("degraded");
  });
});

describe("what a trial says", () => {
  const change = changeOf("degraded", { lossMean: 0.9, labels: 50 });
  const told = (candidate: readonly number[], incumbent: readonly number[] = []): TrialState => {
    const trial = newTrial(0);
    for (const loss of incumbent) observeTrial(trial, change, "incumbent", loss);
    for (const loss of candidate) observeTrial(trial, change, "candidate", loss);
    return trial;
  };
  const times = (count: number, loss: number): number[] => Array.from({ length: count }, () => loss);

  test.each([
    { candidate: [], incumbent: [], verdict: "inconclusive", because: "there are no labels" },
    { candidate: [], incumbent: times(500, 1), verdict: "inconclusive", because: "the candidate has none" },
    { candidate: times(2, 0), incumbent: [], verdict: "inconclusive", because: "two labels prove nothing" },
    { candidate: times(10, 0), incumbent: [], verdict: "healthy", because: "ten perfect answers are clearly better" },
    { candidate: times(200, 1), incumbent: [], verdict: "degraded", because: "it is worse" },
    { candidate: times(200, 0.9), incumbent: [], verdict: "degraded", because: "it shows no gain within 200 labels" },
    { candidate: times(199, 0.9), incumbent: [], verdict: "inconclusive", because: "one label is still allowed" },
  ])("is $verdict when $because", ({ candidate, incumbent, verdict }) => {
    const trial = readTrial(told(candidate, incumbent), change, 200);
    expect(trial).toMatchObject({ verdict, stepLabels: candidate.length });
  });

  test("is degraded as soon as it is clearly worse, long before the labels that are allowed", () => {
    const mild = changeOf("degraded", { lossMean: 0.3, labels: 50 });
    const trial = newTrial(0);
    for (let label = 0; label < 15; label++) observeTrial(trial, mild, "candidate", 1);
    expect(readTrial(trial, mild, 200)).toMatchObject({
      verdict: "degraded",
      because: expect.stringContaining("worse"),
    });
  });

  test("names both arms and never claims a loss where there are no labels", () => {
    expect(readTrial(told([]), change, 200).because).toBe(
      "no labels yet: candidate no loss known over 0 labels, incumbent no loss known over 0",
    );
    expect(readTrial(told([0, 1], [1]), change, 200).because).toContain(
      "candidate loss 0.500 over 2 labels, incumbent loss 1.000 over 1",
    );
  });

  test("bets on nothing while there is nothing to compare with", () => {
    const unknown = changeOf("degraded");
    const trial = newTrial(0);
    for (let label = 0; label < 19; label++) observeTrial(trial, unknown, "incumbent", 1);
    for (let label = 0; label < 50; label++) observeTrial(trial, unknown, "candidate", 0);
    expect(trial.better.wealth.every((wealth) => wealth === 1)).toBe(true);
    observeTrial(trial, unknown, "incumbent", 1);
    observeTrial(trial, unknown, "candidate", 0);
    expect(trial.better.wealth.every((wealth) => wealth > 1)).toBe(true);
  });

  test("fixes the level before it sees the loss: what was bet does not depend on later labels", () => {
    const first = told([0, 0, 0]);
    const wealth = [...first.better.wealth];
    observeTrial(first, change, "incumbent", 0);
    expect(first.better.wealth).toStrictEqual(wealth);
  });

  const arm = fc.tuple(
    fc.constantFrom("candidate", "incumbent"),
    fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1)),
  );
  const evidence = fc.record(
    {
      lossMean: fc.double({ min: 0, max: 1, noNaN: true }),
      lossTolerated: fc.double({ min: 0, max: 1, noNaN: true }),
      labels: fc.nat(500),
    },
    { requiredKeys: [] },
  );
  const cause = fc.constantFrom("degraded", "recovered", "manual");

  test("is finite and goes on from its JSON as if nothing had happened, for any losses, evidence and cause", () =>
    fc.assert(
      fc.property(cause, evidence, fc.array(arm), fc.array(arm), (why, known, first, second) => {
        const any = changeOf(why, known);
        const whole = newTrial(0);
        for (const [side, loss] of [...first, ...second]) observeTrial(whole, any, side, loss);
        const before = newTrial(0);
        for (const [side, loss] of first) observeTrial(before, any, side, loss);
        const restarted: TrialState = JSON.parse(JSON.stringify(before));
        for (const [side, loss] of second) observeTrial(restarted, any, side, loss);
        expect(restarted).toStrictEqual(whole);
        for (const wealth of [...whole.better.wealth, ...whole.worse.wealth]) {
          expect(wealth).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(wealth)).toBe(true);
        }
      }),
    ));
});
