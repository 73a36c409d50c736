import { describe, expect, test } from "vitest";
import { calibrateStreams, calibrateTrials, streamKey } from "../../src/core/calibrate.ts";
import { baselineMean } from "../../src/core/baseline.ts";
import type { Event } from "../../src/core/event.ts";
import type { ControlState } from "../../src/core/state.ts";
import { newStream, observeStream, type Stream } from "../../src/core/stream.ts";
import type { TrialState } from "../../src/core/trial.ts";
import {
  after,
  changeOf,
  HOUR,
  NOW,
  segmentOf,
  START,
  stateOf,
  withCanary,
  withSegment,
} from "../loop/loop-fixture.ts";

const rest = [{ metric: "helpful", against: "rest" as const, tolerance: 0.05 }];
const own = [{ metric: "helpful", against: "baseline" as const, tolerance: 0.01 }];
const key = (segment: string, variant = "first", metric = "helpful") =>
  streamKey({ policy: "chat", segment, variant, metric });
const fed = (labels: number, loss: number, at = NOW): Stream => {
  const stream = newStream();
  for (let label = 0; label < labels; label++) observeStream(stream, loss, at);
  return stream;
};
const toleratedOf = (streams: Record<string, Stream>, state: ControlState, against: "bound" | "baseline" | "rest") => {
  calibrateStreams(streams, state, NOW);
  return streams[key("alpha")]!.watches[against]?.tolerated;
};

describe("what is tolerated", () => {
  test("against a bound is the bound", () =>
    expect(toleratedOf({ [key("alpha")]: newStream() }, stateOf(), "bound")).toBe(0.2));

  test.each([
    { labels: 199, tolerated: null, because: "its own labels are too few" },
    { labels: 200, tolerated: 0.581, because: "two standard errors and the tolerance are added" },
  ])("against its own baseline is $tolerated when $because", ({ labels, tolerated }) => {
    const found = toleratedOf(
      { [key("alpha")]: fed(labels, 0.5) },
      stateOf([segmentOf("alpha", { objectives: own })]),
      "baseline",
    );
    if (tolerated === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(tolerated, 3);
  });

  const state = stateOf([segmentOf("alpha", { objectives: rest }), segmentOf("beta"), segmentOf("gamma")]);
  test.each([
    { others: { [key("beta")]: fed(200, 0) }, tolerated: 0.0595, because: "another segment has enough labels" },
    {
      others: { [key("beta")]: fed(100, 0), [key("gamma")]: fed(100, 0) },
      tolerated: 0.0595,
      because: "others have enough together",
    },
    { others: { [key("beta")]: fed(199, 0) }, tolerated: null, because: "the others have too few labels" },
    {
      others: { [key("beta")]: fed(999, 0, NOW - HOUR) },
      tolerated: null,
      because: "the others' labels are an hour old",
    },
    { others: { [key("beta", "second")]: fed(999, 0) }, tolerated: null, because: "they are not of what serves there" },
    {
      others: { [key("beta", "first", "polite")]: fed(999, 0) },
      tolerated: null,
      because: "they are of another metric",
    },
    { others: {}, tolerated: null, because: "its own labels do not count" },
  ])("against the rest is $tolerated when $because", ({ others, tolerated }) => {
    const found = toleratedOf({ [key("alpha")]: fed(999, 1), ...others }, state, "rest");
    if (tolerated === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(tolerated, 3);
  });
});

describe("the detectors of a row", () => {
  const alarmedStream = (state: ControlState): Record<string, Stream> => {
    const streams = { [key("alpha")]: newStream(), [key("alpha", "second")]: newStream() };
    calibrateStreams(streams, state, NOW);
    for (const stream of Object.values(streams)) for (let i = 0; i < 50; i++) observeStream(stream, 1, NOW);
    return streams;
  };
  const statistic = (stream: Stream | undefined) => stream!.watches.bound!.detector.statistics[0];

  test("go on while the same variant serves", () => {
    const streams = alarmedStream(stateOf());
    const before = structuredClone(streams);
    calibrateStreams(streams, stateOf(), NOW);
    expect(streams).toStrictEqual(before);
  });

  test("begin again when the variant becomes the incumbent, and only its own do", () => {
    const streams = alarmedStream(stateOf());
    calibrateStreams(streams, withSegment(stateOf(), "alpha", { incumbent: "second", since: NOW }), NOW);
    expect(statistic(streams[key("alpha", "second")])).toBe(0);
    expect(statistic(streams[key("alpha")])).toBeGreaterThan(0);
  });

  test("begin again when the variant becomes the candidate, and only its own do", () => {
    const streams = alarmedStream(stateOf());
    calibrateStreams(streams, withCanary(stateOf()), NOW);
    expect(statistic(streams[key("alpha", "second")])).toBe(0);
    expect(statistic(streams[key("alpha")])).toBeGreaterThan(0);
    expect(streams[key("alpha", "second")]!.since).toBe(NOW);
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
  const state = after(stateOf(), [frozen]);

  test("replaces one that was still learning, and is frozen", () => {
    const streams = { [key("alpha")]: fed(350, 1) };
    calibrateStreams(streams, state, NOW);
    expect(streams[key("alpha")]!.baseline).toMatchObject({ labels: 2000, frozen: true, waiting: [] });
    expect(baselineMean(streams[key("alpha")]!.baseline)).toBeCloseTo(0.25, 3);
  });

  test("is the same healthy level after as before it was lost", () => {
    const healthy = fed(2301, 0);
    const lossMean = baselineMean(healthy.baseline);
    const streams = { [key("alpha")]: newStream() };
    calibrateStreams(streams, after(stateOf(), [{ ...frozen, lossMean }]), NOW);
    expect(baselineMean(streams[key("alpha")]!.baseline)).toBeCloseTo(lossMean, 9);
  });

  test("does not touch one that is frozen already", () => {
    const stream = fed(2301, 0);
    const before = structuredClone(stream.baseline);
    calibrateStreams({ [key("alpha")]: stream }, state, NOW);
    expect(stream.baseline).toStrictEqual(before);
  });
});

describe("trials", () => {
  const canary = withCanary(stateOf([segmentOf("alpha"), segmentOf("beta")]));
  const switchover = canary.switchovers["alpha-1"]!;
  const open = new Map([["chat/alpha", switchover]]);

  test("are opened at the time that the canary began, once", () => {
    const trials: Record<string, TrialState> = {};
    calibrateTrials(trials, canary, open);
    const trial = trials["alpha-1"];
    expect(trial).toMatchObject({ startedAt: NOW, step: 0, stepLabels: 0 });
    calibrateTrials(trials, canary, open);
    expect(trials["alpha-1"]).toBe(trial);
  });

  test("are dropped when the switchover is no canary any more, or unknown", () => {
    const trials: Record<string, TrialState> = {};
    calibrateTrials(trials, canary, open);
    calibrateTrials(trials, stateOf(), new Map());
    expect(trials).toStrictEqual({});
  });

  test("do not begin for a proposal", () => {
    const trials: Record<string, TrialState> = {};
    const waiting = {
      ...switchover,
      change: changeOf(canary),
      phase: { kind: "proposed", since: START, expiresAt: NOW },
    } as const;
    calibrateTrials(trials, canary, new Map([["chat/alpha", waiting]]));
    expect(trials).toStrictEqual({});
  });
});
