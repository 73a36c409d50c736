import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/core/switchover.ts";
import {
  newTogether,
  newTrial,
  observeTrial,
  observeVeto,
  readTrial,
  type Together,
  type TrialState,
} from "../../src/core/trial.ts";
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

/** One loss of a trial that is part of no incident. */
const observe = (trial: TrialState, change: Change, arm: "candidate" | "incumbent", loss: number): void =>
  observeTrial({ trial, change, together: undefined }, arm, loss);
const read = (trial: TrialState, change: Change, labelsMax: number, alsoLabelled: readonly string[] = []) =>
  readTrial(trial, change, { labelsMax, alsoLabelled });

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
    observe(trial, change, arm, next(arms[arm]));
    const { verdict } = read(trial, change, 200);
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

  /** Labels of one kind until the trial ends. */
  const labelsUntilEnd = (about: Change, loss: number): number => {
    const trial = newTrial(0);
    while (read(trial, about, 1000).verdict === "inconclusive") observe(trial, about, "candidate", loss);
    return trial.candidate.labels;
  };

  test("is given up after far fewer labels than a move, however many are allowed", () => {
    expect(labelsUntilEnd(changeOf("degraded"), 0)).toBe(1000);
    expect(labelsUntilEnd(changeOf("recovered"), 0)).toBeLessThanOrEqual(200);
  });

  test("is given up sooner than a move that is as bad, because the degraded variant is served while it lasts", () => {
    const evidence = { lossMean: 0.55, lossTolerated: 0.55, labels: 500 };
    const [probe, move] = [changeOf("recovered", evidence), changeOf("degraded", evidence)];
    expect(labelsUntilEnd(probe, 1)).toBeLessThan(labelsUntilEnd(move, 1));
  });
});

describe("what a trial says", () => {
  const change = changeOf("degraded", { lossMean: 0.9, labels: 50 });
  const told = (candidate: readonly number[], incumbent: readonly number[] = []): TrialState => {
    const trial = newTrial(0);
    for (const loss of incumbent) observe(trial, change, "incumbent", loss);
    for (const loss of candidate) observe(trial, change, "candidate", loss);
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
    const trial = read(told(candidate, incumbent), change, 200);
    expect(trial).toMatchObject({ verdict, stepLabels: candidate.length });
  });

  test("is degraded as soon as it is clearly worse, long before the labels that are allowed", () => {
    const mild = changeOf("degraded", { lossMean: 0.3, labels: 50 });
    const trial = newTrial(0);
    for (let label = 0; label < 15; label++) observe(trial, mild, "candidate", 1);
    expect(read(trial, mild, 200)).toMatchObject({
      verdict: "degraded",
      because: expect.stringContaining("worse"),
    });
  });

  test("names both arms and never claims a loss where there are no labels", () => {
    expect(read(told([]), change, 200).because).toBe(
      "no labels yet: candidate no loss known over 0 labels, incumbent no loss known over 0",
    );
    expect(read(told([0, 1], [1]), change, 200).because).toContain(
      "candidate loss 0.500 over 2 labels, incumbent loss 1.000 over 1",
    );
  });

  test("bets on nothing while there is nothing to compare with", () => {
    const unknown = changeOf("degraded");
    const trial = newTrial(0);
    for (let label = 0; label < 19; label++) observe(trial, unknown, "incumbent", 1);
    for (let label = 0; label < 50; label++) observe(trial, unknown, "candidate", 0);
    expect(trial.better.wealth.every((wealth) => wealth === 1)).toBe(true);
    observe(trial, unknown, "incumbent", 1);
    observe(trial, unknown, "candidate", 0);
    expect(trial.better.wealth.every((wealth) => wealth > 1)).toBe(true);
  });

  test("fixes the level before it sees the loss: what was bet does not depend on later labels", () => {
    const first = told([0, 0, 0]);
    const wealth = [...first.better.wealth];
    observe(first, change, "incumbent", 0);
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
        for (const [side, loss] of [...first, ...second]) observe(whole, any, side, loss);
        const before = newTrial(0);
        for (const [side, loss] of first) observe(before, any, side, loss);
        const restarted: TrialState = JSON.parse(JSON.stringify(before));
        for (const [side, loss] of second) observe(restarted, any, side, loss);
        expect(restarted).toStrictEqual(whole);
        for (const wealth of [...whole.better.wealth, ...whole.worse.wealth]) {
          expect(wealth).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(wealth)).toBe(true);
        }
      }),
    ));
});

describe("another metric of the segment", () => {
  const change = changeOf("degraded", { lossMean: 0.9, labels: 50 });
  const better = (): TrialState => {
    const trial = newTrial(0);
    for (let label = 0; label < 50; label++) observe(trial, change, "candidate", 0);
    expect(read(trial, change, 200).verdict).toBe("healthy");
    return trial;
  };
  const seen = (trial: TrialState, metric: string, losses: number, labels: number): TrialState => {
    for (let label = 0; label < labels; label++) observeVeto(trial, metric, label < losses ? 1 : 0, 0.2);
    return trial;
  };

  test("vetoes a candidate that is worse on it than what it replaces was held to, however much better it is else", () =>
    expect(read(seen(better(), "polite", 20, 20), change, 200, ["polite"])).toMatchObject({
      verdict: "degraded",
      because: expect.stringContaining("polite is worse"),
    }));

  test("vetoes though it is none that the candidate has to be seen on", () =>
    expect(read(seen(better(), "polite", 20, 20), change, 200).verdict).toBe("degraded"));

  test("vetoes a candidate that is as good as what it replaces was held to in at most 5 % of runs", () => {
    let vetoed = 0;
    for (let run = 0; run < 300; run++) {
      const next = coinLosses(run * 13 + 1);
      const trial = newTrial(0);
      for (let label = 0; label < 200; label++) {
        observeVeto(trial, "polite", next(0.2), 0.2);
        if (read(trial, change, 200).verdict !== "degraded") continue;
        vetoed += 1;
        break;
      }
    }
    expect(vetoed).toBeLessThanOrEqual(15);
  });

  test("that is labelled must have been seen on the candidate before it is adopted, and the trial says which", () => {
    const trial = better();
    expect(read(trial, change, 200, ["polite"])).toMatchObject({
      verdict: "inconclusive",
      because: expect.stringContaining("too few labels of polite"),
    });
    expect(read(seen(trial, "polite", 0, 3), change, 200, ["polite"]).verdict).toBe("inconclusive");
    expect(read(seen(trial, "polite", 0, 30), change, 200, ["polite"]).verdict).toBe("healthy");
    expect(read(trial, change, 200, ["polite", "brief"]).because).toContain("too few labels of brief");
  });

  test("that is hardly labelled does not keep a canary open for ever: it ends after the labels that are allowed", () => {
    const trial = newTrial(0);
    for (let label = 0; label < 200; label++) observe(trial, change, "candidate", 0.9);
    expect(read(trial, change, 200, ["polite"]).verdict).toBe("degraded");
  });

  test("goes on from its JSON", () => {
    const whole = seen(better(), "polite", 3, 10);
    const restarted: TrialState = JSON.parse(JSON.stringify(whole));
    expect(seen(restarted, "polite", 5, 9)).toStrictEqual(seen(whole, "polite", 5, 9));
  });
});

describe("the canaries of an incident", () => {
  const change = { ...changeOf("degraded", { lossMean: 0.6, labels: 30 }), incident: "one" };
  const canaries = (count: number): TrialState[] => Array.from({ length: count }, () => newTrial(0));
  const told = (trials: readonly TrialState[], loss: number, labels: number, together: Together): void => {
    for (const trial of trials)
      for (let label = 0; label < labels; label++) {
        observeTrial({ trial, change, together }, "incumbent", 0.6);
        observeTrial({ trial, change, together }, "candidate", loss);
      }
  };
  const verdict = (trial: TrialState, together: Together, alsoLabelled: readonly string[] = [], of = change) =>
    readTrial(trial, of, { labelsMax: 200, alsoLabelled, together }).verdict;

  test("show together what none of them shows alone", () => {
    const together = newTogether();
    const trials = canaries(20);
    told(trials, 0, 2, together);
    for (const trial of trials) {
      expect(read(trial, change, 200).verdict).toBe("inconclusive");
      expect(verdict(trial, together)).toBe("healthy");
    }
  });

  test("carry along one whose candidate has no labels yet, and none of which nothing was heard at all", () => {
    const together = newTogether();
    told(canaries(20), 0, 2, together);
    expect(verdict(newTrial(0), together)).toBe("healthy");
    const unheard = { ...change, evidence: { ...change.evidence, labels: 0 } };
    expect(verdict(newTrial(0), together, [], unheard)).toBe("inconclusive");
  });

  test("carry along none that looks worse by itself", () => {
    const together = newTogether();
    told(canaries(20), 0, 2, together);
    const worse = newTrial(0);
    for (let label = 0; label < 6; label++) observe(worse, change, "candidate", 1);
    expect(read(worse, change, 200).verdict).toBe("inconclusive");
    expect(verdict(worse, together)).toBe("inconclusive");
  });

  test("carry along none that was not seen on another metric that is labelled", () => {
    const together = newTogether();
    told(canaries(20), 0, 2, together);
    expect(verdict(newTrial(0), together, ["polite"])).toBe("inconclusive");
  });

  test("need to be surer together than one alone: what is enough for one carries no other", () => {
    const together = newTogether();
    const one = newTrial(0);
    while (read(one, change, 200).verdict === "inconclusive") told([one], 0, 1, together);
    expect(read(one, change, 200).verdict).toBe("healthy");
    expect(verdict(newTrial(0), together)).toBe("inconclusive");
  });

  test("that are as bad as what they replace carry nobody along in more than 1 % of runs", () => {
    let carried = 0;
    for (let run = 0; run < 200; run++) {
      const next = coinLosses(run * 17 + 1);
      const together = newTogether();
      for (const trial of canaries(15))
        for (let label = 0; label < 20; label++) {
          observeTrial({ trial, change, together }, "incumbent", next(0.6));
          observeTrial({ trial, change, together }, "candidate", next(0.6));
        }
      if (verdict(newTrial(0), together) === "healthy") carried += 1;
    }
    expect(carried).toBeLessThanOrEqual(2);
  });
});
