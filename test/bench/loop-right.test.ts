import { describe, expect, test } from "vitest";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { Event } from "../../src/core/event.ts";
import type { TimedEntry } from "../../src/replay/explain-segment.ts";
import type { SegmentFault } from "../../src/replay/faults.ts";
import type { FaultRecord } from "../../src/replay/referee.ts";
import type { Move } from "../../bench/loop-moves.ts";
import { judge, type JudgedRun } from "../../bench/loop-right.ts";

const OLD = 0;
const NEW = 1;

const move = (given: Partial<Move> = {}): Move => ({
  place: 0,
  from: OLD,
  to: NEW,
  cause: "degraded",
  incident: null,
  began: 200,
  confirmed: 300,
  rolledBack: null,
  ...given,
});
const back = (given: Partial<Move> = {}): Move =>
  move({ from: NEW, to: OLD, cause: "recovered", began: 600, confirmed: 650, ...given });

const record = (given: Partial<FaultRecord> = {}): FaultRecord => ({
  place: 0,
  metric: "score",
  start: 100,
  end: 500,
  healthy: 0.9,
  degraded: 0.4,
  alternative: 0.8,
  isSudden: true,
  labels: 0,
  requests: 0,
  alarm: null,
  begun: true,
  recoveryRequests: null,
  ratioToOracle: null,
  ...given,
});

const fault = (given: Partial<SegmentFault>): SegmentFault => ({
  kind: "scale",
  model: OLD,
  start: 100,
  end: Infinity,
  ramp: 0,
  scores: null,
  mean: Number.NaN,
  factor: 1,
  latency: 1,
  cost: 1,
  weight: 1,
  rate: 1,
  ...given,
});

const timed = (request: number, event: unknown): TimedEntry => ({
  request,
  entry: { event: event as Event } as LedgerEntry,
});
const opened = (kind: string, id = "i1"): TimedEntry => timed(150, { type: "incident.opened", id, scope: { kind } });
const alarm = (segment: string, metric: string, request = 150, variant = "old"): TimedEntry =>
  timed(request, { type: "signal.recorded", signal: { segment, variant, metric, status: "degraded" } });

const PLACES = [0, 1, 2];
const replayed = (metrics: readonly string[] = []) =>
  ({
    policy: { metrics: Object.fromEntries(metrics.map((name) => [name, {}])) },
    segmentIds: PLACES.map((place) => `seg-${place}`),
    variantIds: PLACES.map(() => ["old", "new"]),
  }) as unknown as JudgedRun["replayed"];

const run = (id: string, given: Partial<JudgedRun> = {}): JudgedRun => ({
  scenario: {
    id,
    requests: 1_000_000,
    labels: { rate: 0.2, delay: 0, onSuspicion: 1 },
    traffic: { perSecond: 1 },
  } as JudgedRun["scenario"],
  segments: PLACES.map(() => ({ primary: OLD, means: [0.9, 0.8] })),
  faults: PLACES.map(() => []),
  mean: () => 0.5,
  tally: { falseSwitchovers: 0, wrongTarget: 0 },
  records: [],
  moves: [],
  entries: [],
  replayed: replayed(),
  ...given,
});
const isRight = (id: string, given: Partial<JudgedRun> = {}): boolean | undefined => judge(run(id, given))?.isRight;
const wrongMoves = (falseSwitchovers: number) => ({ tally: { falseSwitchovers, wrongTarget: 0 } });

describe("it is right", () => {
  test("of a scenario that nothing is laid down for, to say nothing", () => {
    expect(judge(run("my-own"))).toBeNull();
  });

  test.each(["s0-a", "s5-a", "s14-a"])("in %s, to move one segment for no reason at most", (id) => {
    expect(isRight(id, wrongMoves(1))).toBe(true);
    expect(isRight(id, wrongMoves(2))).toBe(false);
  });

  test.each(["s1-a", "s2-a"])("in %s, to move most of what moving mends, confirmed, and to something better", (id) => {
    const records = [record(), record({ place: 1, alternative: 0.3 })];
    expect(isRight(id, { records, moves: [move()] })).toBe(true);
    expect(isRight(id, { records, moves: [move({ confirmed: null, rolledBack: 250 })] })).toBe(false);
    const tally = { falseSwitchovers: 0, wrongTarget: 1 };
    expect(isRight(id, { records, moves: [move()], tally })).toBe(false);
  });

  test("in S3, to come back", () => {
    expect(isRight("s3", { records: [record()], moves: [move(), back()] })).toBe(true);
    expect(isRight("s3", { records: [record()], moves: [move(), back({ confirmed: null })] })).toBe(false);
  });

  describe("in S4", () => {
    const records = [record(), record({ place: 1 })];
    const incident = "i1";
    const moves = [0, 1].flatMap((place) => [move({ place, incident }), back({ place, incident })]);
    const entries = [opened("upstream")];

    test("to open one incident, and to move all of its segments and bring them back with it", () => {
      expect(isRight("s4", { records, moves, entries })).toBe(true);
    });

    test("not to open two, or to take it for the evaluator's", () => {
      expect(isRight("s4", { records, moves, entries: [...entries, opened("upstream", "i2")] })).toBe(false);
      expect(isRight("s4", { records, moves, entries: [opened("evaluator")] })).toBe(false);
    });

    test("not to leave a segment out, to move it alone, or not to bring it back", () => {
      expect(isRight("s4", { records, moves: moves.slice(0, 2), entries })).toBe(false);
      expect(isRight("s4", { records, moves: [...moves.slice(0, 2), move({ place: 1 })], entries })).toBe(false);
      expect(isRight("s4", { records, moves: moves.slice(0, 3), entries })).toBe(false);
      const alone = [...moves.slice(0, 3), back({ place: 1 })];
      expect(isRight("s4", { records, moves: alone, entries })).toBe(false);
    });
  });

  test("in S6, to move the collapsed segment and to begin nothing else", () => {
    const records = [record()];
    expect(isRight("s6", { records, moves: [move()] })).toBe(true);
    expect(isRight("s6", { records, moves: [] })).toBe(false);
    expect(isRight("s6", { records, moves: [move(), move({ place: 1, confirmed: null })] })).toBe(false);
  });

  test("in S7, to freeze, to tell people, and to move five for no reason at most", () => {
    const entries = [opened("evaluator"), timed(150, { type: "freeze.set" })];
    expect(isRight("s7", { entries, ...wrongMoves(5) })).toBe(true);
    expect(isRight("s7", { entries, ...wrongMoves(6) })).toBe(false);
    expect(isRight("s7", { entries: entries.slice(0, 1) })).toBe(false);
    expect(isRight("s7", { entries: entries.slice(1) })).toBe(false);
  });

  test("in S8, to leave the improved segment alone, though a canary may be undone, and to move most of the others", () => {
    const faults = [[fault({ kind: "replace" })], [fault({ kind: "replace" })], []];
    const mean = (_: number, place: number): number => (place === 0 ? 0.4 : 0.95);
    const given = { faults, mean, records: [record()] };
    expect(isRight("s8", { ...given, moves: [move(), move({ place: 1, confirmed: null, rolledBack: 9 })] })).toBe(true);
    expect(isRight("s8", { ...given, moves: [move(), move({ place: 1 })] })).toBe(false);
    expect(isRight("s8", { ...given, moves: [] })).toBe(false);
  });

  test("in S9, not to confirm a bad candidate that is worse than what it replaces", () => {
    const faults = [[fault({ kind: "candidate", model: NEW })], [], []];
    const level = (candidate: number) => (_: number, __: number, model: number) => (model === NEW ? candidate : 0.5);
    expect(isRight("s9", { faults, mean: level(0.4), moves: [move({ confirmed: null, rolledBack: 9 })] })).toBe(true);
    expect(isRight("s9", { faults, mean: level(0.4), moves: [move()] })).toBe(false);
    expect(isRight("s9", { faults, mean: level(0.6), moves: [move()] })).toBe(true);
  });

  test("in S10, not to confirm the hacked candidate", () => {
    const faults = [[fault({ kind: "hack", model: NEW })], [], []];
    expect(isRight("s10", { faults, moves: [move({ confirmed: null }), move({ place: 1 })] })).toBe(true);
    expect(isRight("s10", { faults, moves: [move()] })).toBe(false);
  });

  test("in S11, to move with an incident only", () => {
    expect(isRight("s11", { moves: [move({ incident: "i1" }), back()] })).toBe(true);
    expect(isRight("s11", { moves: [move()] })).toBe(false);
    expect(isRight("s11", { moves: [], ...wrongMoves(1) })).toBe(false);
  });

  describe("in S12", () => {
    const faults = [[fault({ kind: "labels", model: null, rate: 0 })], [], []];

    test("to leave a segment without feedback where it is, whatever it did before", () => {
      expect(isRight("s12", { faults, moves: [move({ began: 50 }), move({ place: 1 })] })).toBe(true);
      expect(isRight("s12", { faults, moves: [move()] })).toBe(false);
    });

    test("to call it neither healthy nor degraded, an hour after its last label", () => {
      expect(isRight("s12", { faults, entries: [alarm("seg-1", "score")] })).toBe(true);
      expect(isRight("s12", { faults, entries: [alarm("seg-0", "score")] })).toBe(false);
      const late = [[fault({ kind: "labels", model: null, rate: 0, start: 999_999 })], [], []];
      expect(isRight("s12", { faults: late })).toBe(false);
    });
  });

  describe("in S13", () => {
    const given = {
      faults: [[fault({ latency: 3 })], [fault({ cost: 3 })], []],
      replayed: replayed(["score", "latency", "cost"]),
    };
    const right = [alarm("seg-0", "latency"), alarm("seg-1", "cost")];

    test("to alarm on the metric that suffers, and on no other", () => {
      expect(isRight("s13", { ...given, entries: right })).toBe(true);
      expect(isRight("s13", { ...given, entries: right.slice(1) })).toBe(false);
      expect(isRight("s13", { ...given, entries: [...right, alarm("seg-0", "score")] })).toBe(false);
      expect(isRight("s13", { ...given, entries: [...right, alarm("seg-0", "latency", 50)] })).toBe(false);
    });

    test("nothing can be right where latency and cost are no metrics", () => {
      expect(isRight("s13", { ...given, entries: right, replayed: replayed(["score"]) })).toBe(false);
    });
  });
});
