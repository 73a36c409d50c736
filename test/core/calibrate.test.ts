import { describe, expect, test } from "vitest";
import {
  BASELINE_MIN,
  baselineLabels,
  baselineMean,
  isFrozen,
  levelMean,
  toleratedAround,
} from "../../src/core/baseline.ts";
import { addStream, createBoards, findStream, segmentBoard, type Boards } from "../../src/core/boards.ts";
import { calibrateBoards, type Calibrated } from "../../src/core/calibrate.ts";
import { createCases } from "../../src/core/cases.ts";
import { isAlarmed, statisticOf } from "../../src/core/detector.ts";
import type { Event } from "../../src/core/event.ts";
import type { ControlState } from "../../src/core/state.ts";
import { countLabel, feedStream, sinceOf, toleratedOf, type Stream } from "../../src/core/stream.ts";
import {
  after,
  changeOf,
  HOUR,
  MINUTE,
  moved,
  NOW,
  proposed,
  segmentOf,
  signalOf,
  START,
  stateOf,
  switchoverOf,
  withCanary,
  withSegment,
} from "../loop/loop-fixture.ts";

const rest = [{ metric: "helpful", against: "rest" as const, tolerance: 0.05 }];
const own = [{ metric: "helpful", against: "baseline" as const, tolerance: 0.01 }];

interface Labels {
  readonly segment?: string;
  readonly variant?: string;
  readonly metric?: string;
  readonly labels: number;
  readonly loss: number;
  readonly at?: number;
}
const feed = (stream: Stream, labels: number, loss: number, at = NOW): void => {
  for (let label = 0; label < labels; label++) {
    countLabel(stream, loss, at);
    feedStream(stream, loss, at);
  }
};
const boardsWith = (...rows: readonly Labels[]): Boards => {
  const boards = createBoards();
  for (const { segment = "alpha", variant = "first", metric = "helpful", labels, loss, at } of rows)
    feed(addStream(boards, segmentBoard(boards, "chat", segment), variant, metric), labels, loss, at);
  return boards;
};
const streamIn = (boards: Boards, variant = "first", segment = "alpha"): Stream =>
  findStream(segmentBoard(boards, "chat", segment), variant, "helpful")!;
const calibrated = (boards: Boards, state: ControlState, before: Calibrated | null = null, now = NOW) =>
  calibrateBoards({ ...boards, cases: createCases() }, before, state, now);
const toleratedIn = (boards: Boards, state: ControlState) => {
  calibrated(boards, state);
  return toleratedOf(streamIn(boards).watches[0]!);
};

describe("what is tolerated", () => {
  test("against a bound is the bound", () =>
    expect(toleratedIn(boardsWith({ labels: 0, loss: 0 }), stateOf())).toBe(0.2));

  test.each([
    { labels: BASELINE_MIN - 1, tolerated: null, because: "its own labels are too few" },
    { labels: BASELINE_MIN, tolerated: toleratedAround(0.5, BASELINE_MIN, 0.01), because: "they are enough" },
    { labels: 400, tolerated: toleratedAround(0.5, 400, 0.01), because: "all of them count" },
  ])("against its own baseline is $tolerated when $because", ({ labels, tolerated }) => {
    const found = toleratedIn(boardsWith({ labels, loss: 0.5 }), stateOf([segmentOf("alpha", { objectives: own })]));
    expect(found).toBe(tolerated);
  });

  const state = stateOf([segmentOf("alpha", { objectives: rest }), segmentOf("beta"), segmentOf("gamma")]);
  const ofPerfectRest = toleratedAround(levelMean(200, 0), 200, 0.05)!;
  test.each<{ others: Labels[]; tolerated: number | null; because: string }>([
    {
      others: [{ segment: "beta", labels: 200, loss: 0 }],
      tolerated: ofPerfectRest,
      because: "another segment has enough labels",
    },
    {
      others: [
        { segment: "beta", labels: 100, loss: 0 },
        { segment: "gamma", labels: 100, loss: 0 },
      ],
      tolerated: ofPerfectRest,
      because: "others have enough together",
    },
    { others: [{ segment: "beta", labels: 199, loss: 0 }], tolerated: null, because: "the others have too few labels" },
    {
      others: [{ segment: "beta", labels: 999, loss: 0, at: NOW - 2 * HOUR }],
      tolerated: null,
      because: "the others' labels are old",
    },
    {
      others: [{ segment: "beta", variant: "second", labels: 999, loss: 0 }],
      tolerated: null,
      because: "they are not of what serves there",
    },
    {
      others: [{ segment: "beta", metric: "polite", labels: 999, loss: 0 }],
      tolerated: null,
      because: "they are of another metric",
    },
    { others: [], tolerated: null, because: "its own labels do not count" },
  ])("against the rest is $tolerated when $because", ({ others, tolerated }) => {
    const found = toleratedIn(boardsWith({ labels: 999, loss: 1 }, ...others), state);
    if (tolerated === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(tolerated, 9);
  });

  test("against the rest follows the others within a minute, though the state stays the same", () => {
    const boards = boardsWith({ labels: 1, loss: 0 }, { segment: "beta", labels: 200, loss: 0 });
    const first = calibrated(boards, state);
    feed(streamIn(boards, "first", "beta"), 200, 1);
    const told = () => toleratedOf(streamIn(boards).watches[0]!);
    calibrated(boards, state, first, NOW + 1);
    expect(told()).toBeCloseTo(ofPerfectRest, 9);
    calibrated(boards, state, first, NOW + MINUTE);
    expect(told()).toBeGreaterThan(0.5);
  });
});

describe("the detectors of a row", () => {
  const alarmedIn = (state: ControlState): { boards: Boards; before: Calibrated } => {
    const boards = boardsWith({ labels: 0, loss: 0 }, { variant: "second", labels: 0, loss: 0 });
    const before = calibrated(boards, state);
    for (const variant of ["first", "second"]) feed(streamIn(boards, variant), 50, 1);
    return { boards, before };
  };
  const statistic = (boards: Boards, variant?: string) => statisticOf(streamIn(boards, variant).watches[0]!);

  test("go on while the same variant serves, looked at afresh or as what did not change", () => {
    const { boards, before } = alarmedIn(stateOf());
    const statisticBefore = statistic(boards);
    calibrated(boards, stateOf());
    calibrated(boards, stateOf(), before);
    expect(statistic(boards)).toBe(statisticBefore);
    expect(isAlarmed(streamIn(boards).watches[0]!)).toBe(true);
  });

  test("begin again when the variant becomes the incumbent, and only its own do", () => {
    const { boards, before } = alarmedIn(stateOf());
    calibrated(boards, withSegment(before.state, "alpha", { incumbent: "second", since: NOW }), before);
    expect(statistic(boards, "second")).toBe(0);
    expect(statistic(boards)).toBeGreaterThan(0);
  });

  test("begin again when the variant becomes the candidate, and only its own do", () => {
    const { boards, before } = alarmedIn(stateOf());
    calibrated(boards, withCanary(before.state), before);
    expect(statistic(boards, "second")).toBe(0);
    expect(statistic(boards)).toBeGreaterThan(0);
    expect(sinceOf(streamIn(boards, "second"))).toBe(NOW);
  });

  test("answer for an alarm that another process recorded since the last look, and not twice for the same", () => {
    const boards = boardsWith({ labels: 0, loss: 0 });
    const before = calibrated(boards, stateOf());
    const state = after(before.state, [signalOf({ source: "detector:bound" })], NOW);
    const alarmed = calibrated(boards, state, before);
    expect(isAlarmed(streamIn(boards).watches[0]!)).toBe(true);
    feed(streamIn(boards), 300, 0);
    expect(isAlarmed(streamIn(boards).watches[0]!)).toBe(false);
    calibrated(boards, withSegment(state, "alpha", { revertFails: 1 }), alarmed);
    expect(isAlarmed(streamIn(boards).watches[0]!)).toBe(false);
  });
});

describe("a baseline that the ledger knows", () => {
  const frozen: Event = {
    type: "baseline.frozen",
    policy: "chat",
    segment: "alpha",
    variant: "first",
    metric: "helpful",
    lossMean: 0.25,
    labels: 2000,
  };
  const state = stateOf();

  test.each([
    { looked: false, when: "at the first look" },
    { looked: true, when: "when another process froze it since" },
  ])("replaces one that was still learning, and is frozen: $when", ({ looked }) => {
    const boards = boardsWith({ labels: 350, loss: 1 });
    const before = looked ? calibrated(boards, state) : null;
    calibrated(boards, after(state, [frozen]), before);
    expect(baselineLabels(streamIn(boards))).toBe(2000);
    expect(isFrozen(streamIn(boards))).toBe(true);
    expect(baselineMean(streamIn(boards))).toBeCloseTo(0.25, 3);
  });

  test("is the same healthy level after as before it was lost", () => {
    const lossMean = baselineMean(streamIn(boardsWith({ labels: 2301, loss: 0 })));
    const boards = boardsWith({ labels: 0, loss: 0 });
    calibrated(boards, after(state, [{ ...frozen, lossMean }]));
    expect(baselineMean(streamIn(boards))).toBeCloseTo(lossMean, 9);
  });

  test("does not touch one that is frozen already", () => {
    const boards = boardsWith({ labels: 2301, loss: 0 });
    const before = baselineMean(streamIn(boards));
    calibrated(boards, after(state, [frozen]));
    expect(baselineMean(streamIn(boards))).toBe(before);
  });
});

describe("trials", () => {
  const start = stateOf([segmentOf("alpha"), segmentOf("beta")]);
  const canary = withCanary(start);
  const trialIn = (boards: Boards) => segmentBoard(boards, "chat", "alpha").canary;

  test("are opened at the time that the canary began, once", () => {
    const boards = createBoards();
    const before = calibrated(boards, canary);
    const { trial } = trialIn(boards)!;
    expect(trial).toMatchObject({ startedAt: NOW, step: 0, stepLabels: 0 });
    calibrated(boards, withSegment(canary, "alpha", { revertFails: 1 }), before);
    expect(trialIn(boards)!.trial).toBe(trial);
  });

  test("are moved to the canary's step, though only the switchover changed", () => {
    const boards = createBoards();
    const before = calibrated(boards, canary);
    const phase = { kind: "canary", step: 1, share: 0.9, since: NOW + 1, startedAt: NOW } as const;
    calibrated(boards, after(canary, [moved("alpha-1", phase)], NOW + 1), before);
    expect(trialIn(boards)!.trial.step).toBe(1);
  });

  test("are dropped when the switchover is no canary any more, or unknown", () => {
    const boards = createBoards();
    calibrated(boards, stateOf(), calibrated(boards, canary));
    expect(trialIn(boards)).toBeNull();
  });

  test("do not begin for a proposal", () => {
    const boards = createBoards();
    const phase = { kind: "proposed", since: START, expiresAt: NOW } as const;
    calibrated(boards, after(start, [proposed(switchoverOf(start, { change: changeOf(start), phase }))]));
    expect(trialIn(boards)).toBeNull();
  });
});
