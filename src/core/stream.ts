import {
  BASELINE_NUMBERS,
  baselineLabels,
  forgetDoubted,
  isFrozen,
  learn,
  toleratedByBaseline,
  type Baseline,
} from "./baseline.ts";
import {
  cusumOf,
  hasLasted,
  DETECTOR_NUMBERS,
  isAlarmed,
  newWeights,
  observeLoss,
  raiseAlarm,
  reset,
  type Detector,
} from "./detector.ts";
import { countInHour, HOUR_NUMBERS, lastHour } from "./hour.ts";
import type { Objective } from "./policy.ts";
import type { Pool } from "./pool.ts";
import { add, newNumbers, read, write, type Numbers } from "./slab.ts";

/** Of the detector's changes: the one that sees a creeping rise, and the one that sees a clear one. */
/**
 * Labels of a baseline from which on a creeping rise is no longer learnt. An estimate from fewer is often too good by luck;
 * then what is normal looks like a creeping rise, and must be learnt or it ends as a false alarm.
 */
const BASELINE_SETTLED = 500;
const CREEPING = 0;
const CLEAR = 1;

/** What is watched on a stream: the detector of one objective, and behind it the level that it was last told to tolerate. */
export interface Watch extends Detector {
  objective: Objective;
}

/** The mean loss in (0,1) that is tolerated now; 0 while it is not known what is healthy. */
const TOLERATED = DETECTOR_NUMBERS;
export const WATCH_NUMBERS = TOLERATED + 1;

/** All that is kept of one segment × variant × metric: its numbers, which begin with its baseline, and what they are about. */
export interface Stream extends Baseline {
  readonly variant: string;
  readonly metric: string;
  /** What its losses mean (`meaningOf`); null until the first calibration. */
  meaning: string | null;
  /** In the order of the segment's objectives. */
  watches: readonly Watch[];
  /** The detectors of many streams that its losses go to as well; null while it neither serves nor is tried. */
  pools: readonly Pool[] | null;
}

const LABELS = BASELINE_NUMBERS;
const LOSS_SUM = LABELS + 1;
/** The incumbency that the detectors speak of, epoch milliseconds. */
const SINCE = LOSS_SUM + 1;
const HOUR = SINCE + 1;
export const STREAM_NUMBERS = HOUR + HOUR_NUMBERS;

export const newStream = (variant = "", metric = "", numbers: Numbers = newNumbers(STREAM_NUMBERS)): Stream => ({
  cells: numbers.cells,
  at: numbers.at,
  variant,
  metric,
  meaning: null,
  watches: [],
  pools: null,
});

/** A watch that nothing is known of yet. */
export function newWatch(objective: Objective, { cells, at }: Numbers = newNumbers(WATCH_NUMBERS)): Watch {
  const watch = { cells, at, objective };
  reset(watch);
  write(watch, TOLERATED, 0);
  return watch;
}

export const labelsOf = (stream: Stream): number => read(stream, LABELS);
export const lossSumOf = (stream: Stream): number => read(stream, LOSS_SUM);
export const sinceOf = (stream: Stream): number => read(stream, SINCE);

/** @returns null while it is not known what is healthy */
export const toleratedOf = (watch: Watch): number | null => read(watch, TOLERATED) || null;

/** Counts one label in the totals; whether the detectors are shown it as well is `feedStream`'s. */
export function countLabel(stream: Stream, loss: number, at: number): void {
  add(stream, LABELS, 1);
  add(stream, LOSS_SUM, loss);
  countInHour(stream.cells, stream.at + HOUR, loss, at);
}

/**
 * Shows the detectors one loss that was served at `at`, and learns from it.
 * @param weights scratch space that a caller keeps
 * @returns whether an alarm was raised or called off, or the baseline frozen
 */
export function feedStream(stream: Stream, loss: number, at: number, weights = newWeights()): boolean {
  // What was served before the incumbency may be what the variant was left for: nobody watches it, so nobody learns from it.
  if (at < read(stream, SINCE)) return false;
  let alarmed = false;
  const doubt = baselineLabels(stream) < BASELINE_SETTLED ? CLEAR : CREEPING;
  let isDoubted = false;
  let isNews = false;
  for (const watch of stream.watches) {
    const tolerated = read(watch, TOLERATED);
    const was = isAlarmed(watch);
    const lasted = hasLasted(watch);
    if (tolerated !== 0) observeLoss(watch, loss, tolerated, weights);
    const is = isAlarmed(watch);
    isNews ||= is !== was || hasLasted(watch) !== lasted;
    alarmed ||= is;
    isDoubted ||= cusumOf(watch, doubt) > 0;
  }
  if (alarmed) forgetDoubted(stream);
  else if (learn(stream, loss, isDoubted)) {
    followBaseline(stream);
    isNews ||= isFrozen(stream);
  }
  return isNews;
}

/** Nats of a change from which on every answer should be labelled. */
const SUSPICION = 1.5;
/** Labels of a baseline that are worth asking for: what is learnt later comes by itself. */
const BASELINE_WANTED = 200;

/** Whether labels of its answers would tell the most: something may have changed, or what is healthy is hardly known yet. */
export function isSuspicious(stream: Stream): boolean {
  if (baselineLabels(stream) < BASELINE_WANTED) return true;
  for (const watch of stream.watches)
    if (isAlarmed(watch) ? !hasLasted(watch) : cusumOf(watch, CLEAR) > SUSPICION) return true;
  return false;
}

/** The loss that the stream's own baseline tolerates; null where that is unknown, or where no objective asks. */
export function ownTolerated({ watches }: Stream): number | null {
  for (const watch of watches) if (watch.objective.against === "baseline") return toleratedOf(watch);
  return null;
}

/** Tells the watch against the baseline what that tolerates now. */
export function followBaseline(stream: Stream): void {
  for (const watch of stream.watches)
    if (watch.objective.against === "baseline") tolerate(watch, toleratedByBaseline(stream, watch.objective.tolerance));
}

/** Tells a watch what is tolerated now; the level is used only for losses that come after. */
export const tolerate = (watch: Watch, tolerated: number | null): void => write(watch, TOLERATED, tolerated ?? 0);

/** Starts the detectors again for a new incumbency; what was learnt of the healthy level stays. @returns false for the same one */
export function beginIncumbency(stream: Stream, since: number): boolean {
  if (read(stream, SINCE) === since) return false;
  write(stream, SINCE, since);
  // What was in doubt when it was left stays so.
  forgetDoubted(stream);
  for (const watch of stream.watches) {
    reset(watch);
    tolerate(watch, null);
  }
  return true;
}

/** Forgets all, because its losses mean something else by now: its baseline would be another thing's. */
export function beginAfresh(stream: Stream, meaning: string): void {
  stream.cells.fill(0, stream.at, stream.at + STREAM_NUMBERS);
  stream.meaning = meaning;
  for (const watch of stream.watches) {
    reset(watch);
    tolerate(watch, null);
  }
}

/** Makes a detector answer for an alarm in the ledger: it stays alarmed until its own labels show a recovery. */
export const adoptAlarm = (watch: Watch): void => raiseAlarm(watch);

/** Labels and summed loss of about the last `minutes` minutes before `now`, at most an hour. */
export function recent(
  stream: Stream,
  now: number,
  minutes = 60,
): { readonly labels: number; readonly lossSum: number } {
  const { count, sum } = lastHour(stream.cells, stream.at + HOUR, now, minutes);
  return { labels: count, lossSum: sum };
}
