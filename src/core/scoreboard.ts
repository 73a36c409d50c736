import { z } from "zod";
import { baselineMean } from "./baseline.ts";
import { assert } from "./errors.ts";
import { calibrateNew, calibrateStreams, calibrateTrials, streamKey, type Row } from "./calibrate.ts";
import { ALARM_THRESHOLD, degradedLabels, degradedLevel, isAlarmed, statisticOf, type Detector } from "./detector.ts";
import type { Outcome } from "./outcome.ts";
import type { Objective, Segment } from "./policy.ts";
import type { SignalEvidence } from "./signal.ts";
import { segmentKey, type ControlState } from "./state.ts";
import { newStream, observeStream, recent, type Stream } from "./stream.ts";
import type { Switchover, Trial } from "./switchover.ts";
import { countExposure, trafficShare, type Traffic } from "./traffic.ts";
import { observeTrial, readTrial, type TrialState } from "./trial.ts";

/** What a detector says of one objective of one row. */
export interface Reading extends Row {
  readonly against: Objective["against"];
  readonly alarmed: boolean;
  readonly evidence: SignalEvidence;
}

export interface Level {
  readonly labels: number;
  readonly lossMean: number;
}

/** The measured side of the loop: what was served, what came of it, and what the detectors make of that. */
export interface Scoreboard {
  /** @returns false when this outcome was counted before */
  readonly observe: (outcome: Outcome) => boolean;
  readonly expose: (policy: string, segment: string, at: number) => void;
  /** Brings watches and trials in line with the state, and tells detectors what is tolerated now. */
  readonly calibrate: (state: ControlState, now: number) => void;
  /** What the detectors of a row's objectives say. */
  readonly readings: (policy: string, segment: Segment, variant: string) => readonly Reading[];
  /** Labels and mean loss of a row's metric: over the last minutes (an hour at most), or over all time. */
  readonly level: (row: Row, window?: { readonly now: number; readonly minutes: number }) => Level | null;
  readonly baseline: (row: Row) => (Level & { readonly frozen: boolean }) | null;
  readonly trial: (switchover: Switchover, labelsMax: number) => Trial;
  /** Share of the policy's exposures in the last hour that were the segment's, in [0,1]. */
  readonly share: (policy: string, segment: string, now: number) => number;
  /** Plain JSON for a checkpoint. */
  readonly save: () => unknown;
}

interface Data {
  readonly version: typeof VERSION;
  readonly streams: Record<string, Stream>;
  readonly trials: Record<string, TrialState>;
  readonly traffic: Traffic;
  /** Open canaries by `policy/segment`, as of the last calibration; kept, so that a restart loses none of their labels. */
  canaries: Record<string, Canary>;
  /** The last outcomes before a restart. */
  readonly seen: readonly string[];
}

type Canary = Pick<Switchover, "id" | "change">;

/** Raised whenever what is saved changes its shape or its meaning: a checkpoint of another version is not read. */
const VERSION = 2;

const Saved = z.object({
  version: z.literal(VERSION),
  streams: z.record(z.string(), z.looseObject({ labels: z.number(), watches: z.record(z.string(), z.unknown()) })),
  trials: z.record(z.string(), z.looseObject({ startedAt: z.number() })),
  traffic: z.record(z.string(), z.array(z.tuple([z.number(), z.number()]))),
  canaries: z.record(z.string(), z.looseObject({ id: z.string() })),
  seen: z.array(z.string()),
});

/**
 * @param saved what `save` returned before a restart; a shape that is not ours throws `ZodError`
 */
export function createScoreboard(saved?: unknown): Scoreboard {
  const data: Data =
    saved === undefined || saved === null
      ? { version: VERSION, streams: {}, trials: {}, traffic: {}, canaries: {}, seen: [] }
      : (Saved.parse(structuredClone(saved)) as unknown as Data);
  /** The state of the last calibration. */
  let known: ControlState | null = null;
  const { isNew, last } = deduplicator(data.seen);
  return {
    observe: (outcome) => {
      assert(outcome.loss >= 0 && outcome.loss <= 1, `a loss of ${outcome.loss} on ${outcome.metric}`);
      if (!isNew(outcome)) return false;
      const key = streamKey(outcome);
      if (data.streams[key] === undefined) {
        data.streams[key] = newStream();
        if (known !== null) calibrateNew(data.streams, known, outcome);
      }
      const stream = data.streams[key];
      observeStream(stream, outcome.loss, outcome.at);
      const switchover = data.canaries[segmentKey(outcome.policy, outcome.segment)];
      if (switchover !== undefined) feedTrial(data.trials[switchover.id], switchover, outcome);
      return true;
    },
    expose: (policy, segment, at) => countExposure(data.traffic, segmentKey(policy, segment), at),
    calibrate: (state, now) => {
      known = state;
      const canaries = openCanaries(state);
      data.canaries = Object.fromEntries([...canaries].map(([key, { id, change }]) => [key, { id, change }]));
      calibrateTrials(data.trials, state, canaries);
      calibrateStreams(data.streams, state, now);
    },
    readings: (policy, segment, variant) => {
      const metrics = new Set(segment.objectives.map(({ metric }) => metric));
      return [...metrics].flatMap((metric) => {
        const row = { policy, segment: segment.id, variant, metric };
        const stream = data.streams[streamKey(row)];
        return stream === undefined ? [] : readingsOf(row, stream);
      });
    },
    level: (row, window) => {
      const stream = data.streams[streamKey(row)];
      if (stream === undefined) return null;
      const { labels, lossSum } = window === undefined ? stream : recent(stream, window.now, window.minutes);
      return labels === 0 ? null : { labels, lossMean: lossSum / labels };
    },
    baseline: (row) => {
      const baseline = data.streams[streamKey(row)]?.baseline;
      if (baseline === undefined || baseline.labels === 0) return null;
      return { labels: baseline.labels, lossMean: baselineMean(baseline), frozen: baseline.frozen };
    },
    trial: (switchover, labelsMax) => {
      const trial = data.trials[switchover.id];
      if (trial !== undefined) return readTrial(trial, switchover.change, labelsMax);
      return { verdict: "inconclusive", because: "no labels yet", stepLabels: 0 };
    },
    share: (policy, segment, now) => trafficShare(data.traffic, policy, segmentKey(policy, segment), now),
    save: () => structuredClone({ ...data, seen: last() }),
  };
}

/** Feedback that is repeated within this many outcomes is counted once; of these the last ones survive a restart. */
const SEEN_MAX = 200_000;
const SEEN_SAVED = 10_000;

function deduplicator(saved: readonly string[]): {
  readonly isNew: (outcome: Outcome) => boolean;
  readonly last: () => string[];
} {
  const seen = new Set<string>(saved);
  return {
    isNew: ({ predictionId, metric }) => {
      // The end of an id is its signature, which no two answers share.
      const key = `${predictionId.slice(-16)}/${metric}`;
      if (seen.has(key)) return false;
      seen.add(key);
      if (seen.size > SEEN_MAX) for (const oldest of seen) if (seen.delete(oldest)) break;
      return true;
    },
    last: () => [...seen].slice(-SEEN_SAVED),
  };
}

/** Only answers that were decided within the canary, on the metric that is to get better, are evidence about it. */
function feedTrial(trial: TrialState | undefined, { change }: Canary, outcome: Outcome): void {
  if (trial === undefined || outcome.metric !== change.metric || outcome.at < trial.startedAt) return;
  if (outcome.variant === change.to) observeTrial(trial, change, "candidate", outcome.loss);
  else if (outcome.variant === change.from) observeTrial(trial, change, "incumbent", outcome.loss);
}

function readingsOf(row: Row, stream: Stream): Reading[] {
  return Object.entries(stream.watches).map(([against, { detector, tolerated }]) => ({
    ...row,
    against: against as Objective["against"],
    alarmed: isAlarmed(detector),
    evidence: {
      ...evidenceOfAlarm(detector),
      against: against as Objective["against"],
      ...(tolerated === null ? {} : { lossTolerated: round(tolerated) }),
    },
  }));
}

const evidenceOfAlarm = (detector: Detector): SignalEvidence => ({
  lossMean: round(degradedLevel(detector)),
  labels: degradedLabels(detector),
  statistic: round(statisticOf(detector.statistics)),
  threshold: ALARM_THRESHOLD,
});

function openCanaries(state: ControlState): Map<string, Switchover> {
  const canaries = new Map<string, Switchover>();
  for (const [key, { open }] of Object.entries(state.segments)) {
    const switchover = open === null ? undefined : state.switchovers[open];
    if (switchover?.phase.kind === "canary") canaries.set(key, switchover);
  }
  return canaries;
}

const round = (value: number): number => Number(value.toPrecision(6));
