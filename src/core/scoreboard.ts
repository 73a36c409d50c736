import { baselineLabels, baselineMean, isFrozen } from "./baseline.ts";
import type { Blame } from "./blame.ts";
import { createBoards, findStream, segmentBoard, type Boards, type Canary, type SegmentBoard } from "./boards.ts";
import { calibrateBoards, streamKey, streamOf, type Calibrated, type Measured, type Row } from "./calibrate.ts";
import { createCases } from "./cases.ts";
import { loadBoards, saveBoards } from "./checkpoint.ts";
import { evidenceOf, isAlarmed } from "./detector.ts";
import { assert } from "./errors.ts";
import { measureAmount } from "./measure-amount.ts";
import type { AmountOutcome, Outcome } from "./outcome.ts";
import { isRelative, type Objective, type Segment } from "./policy.ts";
import { observePool, type PoolReading } from "./pool.ts";
import { alarmReader } from "./read-alarms.ts";
import { poolReader } from "./read-pools.ts";
import { createSeen } from "./seen.ts";
import { observeSpread, rowOf } from "./spread.ts";
import type { Pools } from "./incident.ts";
import { createSessionValues } from "./session-values.ts";
import type { SignalEvidence } from "./signal.ts";
import type { ControlState } from "./state.ts";
import { countLabel, feedStream, labelsOf, lossSumOf, ownTolerated, recent, sinceOf, type Stream } from "./stream.ts";
import type { Switchover, Trial } from "./switchover.ts";
import { countExposure, exposuresOf, trafficShare } from "./traffic.ts";
import { newTogether, observeTrial, observeVeto, readTrial, type Together } from "./trial.ts";
import { wantsLabels } from "./wants-labels.ts";

/** What a detector says of one objective of one row. */
export interface Reading extends Row {
  readonly against: Objective["against"];
  readonly alarmed: boolean;
  /** Whether labels after the alarm bear it out. */
  readonly lasted: boolean;
  readonly evidence: SignalEvidence;
}

export interface Level {
  readonly labels: number;
  readonly lossMean: number;
}

/** The measured side of the loop: what was served, what came of it, and what the detectors make of that. */
export interface Scoreboard {
  /** @returns false when this outcome was counted before */
  readonly observe: (outcome: Outcome | AmountOutcome) => boolean;
  readonly expose: (policy: string, segment: string, at: number) => void;
  /** Brings watches and trials in line with the state, and hands on the values of sessions that ended. Cheap where nothing changed. */
  readonly calibrate: (state: ControlState, now: number) => void;
  /** What the detectors of a row's objectives say. */
  readonly readings: (policy: string, segment: Segment, variant: string) => readonly Reading[];
  /** Which of a row's answers got worse, by the detector of one objective; null while too few labelled answers are known. */
  readonly blame: (row: Row, against: Objective["against"]) => Blame | null;
  /** Whether any of them is alarmed: a cheap question, asked of every segment. */
  readonly isAlarmed: (policy: string, segment: Segment, variant: string) => boolean;
  /** The metrics of the row's objectives whose healthy level is frozen. */
  readonly frozenMetrics: (policy: string, segment: Segment, variant: string) => readonly string[];
  /** Labels and mean loss of a row's metric: over about the last minutes (an hour at most), or over all time. */
  readonly level: (row: Row, window?: { readonly now: number; readonly minutes: number }) => Level | null;
  /** Whether labels of a variant's answers on a segment are wanted beyond the usual share: they decide something now. */
  readonly wantsLabels: (policy: string, segment: string, variant: string) => boolean;
  readonly baseline: (row: Row) => (Level & { readonly frozen: boolean }) | null;
  /** Odds that the moves of an incident help, by all of its canaries together; 1 while nothing is known. */
  readonly togetherOdds: (incident: string) => number;
  readonly trial: (switchover: Switchover, labelsMax: number) => Trial;
  /** Share of the policy's exposures in about the last hour that were the segment's, in [0,1]. */
  readonly share: (policy: string, segment: string, now: number) => number;
  /** The segment's exposures in about the last hour. */
  readonly requests: (policy: string, segment: string, now: number) => number;
  /** What a detector over many streams says: `all`, `upstream:PROVIDER/MODEL` or `variant:ID`. Null while it was told nothing. */
  readonly pool: (policy: string, metric: string, pool: string) => PoolReading | null;
  /** What the pools of a metric say together; null while nothing was pooled. */
  readonly pooled: (policy: string, metric: string) => Pools | null;
  readonly pools: (policy: string) => readonly { metric: string; pool: string; reading: PoolReading }[];
  /** Begins a pool again: nothing else calls its alarm off. */
  readonly resetPool: (policy: string, metric: string, pool: string) => void;
  /**
   * What changed since the last call that the loop may act on, as `policy/segment`: an alarm was raised or called off, a
   * baseline frozen, a trial fed. `policy/*` stands for a pool of the policy that alarmed.
   */
  readonly takeNews: () => ReadonlySet<string>;
  /** Plain JSON for a checkpoint. */
  readonly save: () => unknown;
}

/**
 * @param saved what `save` returned before a restart; a shape that is not ours throws `ZodError`
 * @param cases labelled answers, which have a checkpoint of their own: they are many, and change little
 */
export function createScoreboard(saved?: unknown, cases = createCases()): Scoreboard {
  const boards: Measured = { ...createBoards(), cases };
  const loaded = saved === undefined || saved === null ? null : loadBoards(boards, saved);
  let calibrated: Calibrated | null = null;
  const seen = createSeen(loaded?.seen ?? []);
  const sessions = createSessionValues(loaded?.sessions ?? null, ({ board, stream, at }, loss) =>
    feed(boards, { board, stream, loss, at }),
  );
  return {
    ...reader(boards),
    observe: (outcome) => {
      const { policy, segment, metric, predictionId, at, session } = outcome;
      checkRange(outcome);
      if (!seen.isNew(predictionId, metric)) return false;
      const board = segmentBoard(boards, policy, segment);
      const stream = streamOf(boards, board, outcome, calibrated);
      const loss = "loss" in outcome ? outcome.loss : measureAmount(board, stream, outcome);
      if (loss !== null) {
        countLabel(stream, loss, at);
        keepCase(boards, outcome, stream, loss);
      }
      sessions.hear(at);
      if (loss === null) return true;
      if (session === undefined) feed(boards, { board, stream, loss, at });
      else sessions.take({ session, board, stream, loss, at });
      return true;
    },
    expose: (policy, segment, at) => countExposure(boards.slabs.exposures, segmentBoard(boards, policy, segment), at),
    calibrate: (state, now) => {
      calibrated = calibrateBoards(boards, calibrated, state, now);
      sessions.calibrate(now);
    },
    takeNews: () => {
      const { news } = boards;
      if (news.size > 0) boards.news = new Set();
      return news;
    },
    save: () => saveBoards(boards, sessions.state(), seen.last()),
  };
}

/** The messages are only put together when they are needed: this runs for every label. */
function checkRange(outcome: Outcome | AmountOutcome): void {
  if ("loss" in outcome) {
    const { loss, metric } = outcome;
    if (!(loss >= 0 && loss <= 1)) assert(false, `a loss of ${loss} on ${metric}`);
  } else if (!(outcome.amount >= 0 && outcome.amount < Infinity))
    assert(false, `an amount of ${outcome.amount} on ${outcome.metric}`);
}

/** Keeps the answer itself, where its label is evidence of something. */
function keepCase({ cases }: Measured, outcome: Outcome | AmountOutcome, stream: Stream, loss: number): void {
  const { attributes, predictionId, at, session } = outcome;
  if (attributes === undefined || stream.watches.length === 0 || at < sinceOf(stream)) return;
  cases.add(streamKey(outcome), { predictionId, attributes, loss, at, session }, stream.watches.some(isAlarmed));
}

interface Value {
  readonly board: SegmentBoard;
  readonly stream: Stream;
  readonly loss: number;
  readonly at: number;
}

/** One piece of evidence, to all that weigh it: its pools, its stream's detectors and baseline, its segment's trial. */
function feed(boards: Measured, value: Value): void {
  const { news, weights } = boards;
  const { board, stream, loss, at } = value;
  const tolerated = stream.pools === null || at < sinceOf(stream) ? null : ownTolerated(stream);
  const wasAlarmed = stream.watches.some(isAlarmed);
  // A row that alarms speaks for itself: pools are for what single rows cannot tell yet.
  if (tolerated !== null && stream.pools !== null && !wasAlarmed) {
    const row = rowOf(board.id, stream.variant);
    const [all, upstream] = stream.pools;
    const heard = { all: all?.heard ?? 0, upstream: upstream?.heard ?? 0 };
    for (const pool of stream.pools) {
      pool.heard += 1;
      if (observePool(pool, value, tolerated, weights)) news.add(`${board.policy.id}/*`);
      observeSpread(pool.spread, row, { loss, tolerated, at }, heard);
    }
  }
  if (feedStream(stream, loss, at, weights)) {
    news.add(board.key);
    if (stream.watches.some(isAlarmed))
      for (const pool of stream.pools ?? []) pool.spread.rows.delete(rowOf(board.id, stream.variant));
    // What was served while it was degraded is no part of what comes next.
    else if (wasAlarmed)
      boards.cases.begin(
        streamKey({ policy: board.policy.id, segment: board.id, variant: stream.variant, metric: stream.metric }),
      );
  }
  if (feedTrial(boards, value)) news.add(board.key);
}

/**
 * Only answers that were decided within the canary are evidence about it: on the metric that is to get better, and, of the
 * candidate, on the others that must not get worse.
 */
function feedTrial(boards: Boards, { board, stream, loss, at }: Value): boolean {
  const { canary } = board;
  const { variant, metric } = stream;
  if (canary === null || at < canary.trial.startedAt) return false;
  const { trial, change } = canary;
  if (variant !== change.to && variant !== change.from) return false;
  if (metric === change.metric) {
    const arm = variant === change.to ? "candidate" : "incumbent";
    observeTrial({ trial, change, together: togetherOf(boards, change) }, arm, loss);
    return true;
  }
  if (!mayVeto(board, metric)) return false;
  const incumbent = variant === change.to ? findStream(board, change.from, metric) : undefined;
  const tolerated = incumbent === undefined ? null : ownTolerated(incumbent);
  if (tolerated === null) return false;
  observeVeto(trial, metric, loss, tolerated);
  return true;
}

const INCIDENTS_KEPT = 64;

function togetherOf({ together }: Boards, { incident, cause }: Canary["change"]): Together | undefined {
  if (incident === undefined) return undefined;
  const key = `${incident}/${cause}`;
  let known = together.get(key);
  if (known === undefined) {
    together.set(key, (known = newTogether()));
    for (const oldest of together.keys()) if (together.size > INCIDENTS_KEPT) together.delete(oldest);
  }
  return known;
}

/** The other metrics of the segment on which what it leaves is held to its baseline: the candidate must be seen on them too. */
const alsoLabelled = (board: SegmentBoard, { from, metric }: Canary["change"]): string[] =>
  board.streams.flatMap((stream) => {
    const isOther = stream.variant === from && stream.metric !== metric && mayVeto(board, stream.metric);
    return isOther && ownTolerated(stream) !== null ? [stream.metric] : [];
  });

/** Slower or dearer than what it replaces is no reason to leave a segment with wrong answers; what was promised in figures is. */
function mayVeto({ policy }: SegmentBoard, metric: string): boolean {
  const spec = policy.published?.policy.metrics[metric];
  return spec !== undefined && !isRelative(spec);
}

type Reader = Omit<Scoreboard, "observe" | "expose" | "calibrate" | "takeNews" | "save">;

function reader(boards: Measured): Reader {
  const boardOf = (policy: string, segment: string): SegmentBoard | undefined =>
    boards.policies.get(policy)?.segments.get(segment);
  const find = ({ policy, segment, variant, metric }: Row): Stream | undefined => {
    const board = boardOf(policy, segment);
    return board === undefined ? undefined : findStream(board, variant, metric);
  };
  return {
    ...alarmReader(boards),
    level: (row, window) => {
      const stream = find(row);
      if (stream === undefined) return null;
      const { labels, lossSum } =
        window === undefined
          ? { labels: labelsOf(stream), lossSum: lossSumOf(stream) }
          : recent(stream, window.now, window.minutes);
      const whole = Math.round(labels);
      return whole === 0 ? null : { labels: whole, lossMean: lossSum / labels };
    },
    wantsLabels: (policy, segment, variant) => {
      const board = boardOf(policy, segment);
      return board !== undefined && wantsLabels(board, variant);
    },
    baseline: (row) => {
      const stream = find(row);
      if (stream === undefined || baselineLabels(stream) === 0) return null;
      return { labels: baselineLabels(stream), lossMean: baselineMean(stream), frozen: isFrozen(stream) };
    },
    togetherOdds: (incident) => {
      const known = boards.together.get(`${incident}/degraded`);
      return known === undefined ? 1 : evidenceOf(known.better);
    },
    trial: ({ id, change }, labelsMax) => {
      const board = boardOf(change.policy, change.segment);
      if (board?.canary?.id === id)
        return readTrial(board.canary.trial, change, {
          labelsMax,
          alsoLabelled: alsoLabelled(board, change),
          together: togetherOf(boards, change),
        });
      return { verdict: "inconclusive", because: "no labels yet", stepLabels: 0 };
    },
    share: (policy, segment, now) => {
      const board = boardOf(policy, segment);
      return board === undefined ? 0 : trafficShare(board, now);
    },
    requests: (policy, segment, now) => exposuresOf(boardOf(policy, segment), now),
    ...poolReader(boards),
  };
}
