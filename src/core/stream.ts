import {
  discardWaiting,
  learn,
  newBaseline,
  toleratedAround,
  baselineMean,
  BASELINE_MIN,
  type BaselineState,
} from "./baseline.ts";
import { isAlarmed, newDetector, observeLoss, raiseAlarm, type Detector } from "./detector.ts";
import type { Objective } from "./policy.ts";

type Against = Objective["against"];

/** What is watched on a stream: one detector per kind of objective, with the level it was last told to tolerate. */
export interface Watch {
  readonly detector: Detector;
  /** Mean loss in (0,1); null while it is not known what is healthy. */
  tolerated: number | null;
  /** The recorded alarm that the detector answers for, by its signal's id: its own, or one of a process before it. */
  alarm: string | null;
}

/** All that is kept of one segment × variant × metric. Plain JSON, changed in place. */
export interface Stream {
  labels: number;
  lossSum: number;
  readonly baseline: BaselineState;
  readonly watches: Partial<Record<Against, Watch>>;
  /** `[minute, labels, lossSum]`, oldest first, at most an hour. */
  readonly minutes: [number, number, number][];
  /** The incumbency that the detectors speak of, epoch milliseconds. */
  since: number;
  /** What its losses mean (`meaningOf`); null until the first calibration. */
  meaning: string | null;
}

const MINUTES_KEPT = 60;

export const newStream = (): Stream => ({
  labels: 0,
  lossSum: 0,
  baseline: newBaseline(),
  watches: {},
  minutes: [],
  since: 0,
  meaning: null,
});

/** Takes in one loss that was served at `at`. */
export function observeStream(stream: Stream, loss: number, at: number): void {
  stream.labels += 1;
  stream.lossSum += loss;
  addMinute(stream.minutes, Math.floor(at / 60_000), loss);
  // What was served before the incumbency may be what the variant was left for: nobody watches it, so nobody learns from it.
  if (at < stream.since) return;
  let alarmed = false;
  for (const watch of Object.values(stream.watches)) {
    if (watch.tolerated !== null) observeLoss(watch.detector, loss, watch.tolerated);
    alarmed ||= isAlarmed(watch.detector);
  }
  if (alarmed) discardWaiting(stream.baseline);
  else learn(stream.baseline, loss);
}

/** Labels arrive late and out of order; those older than an hour still count in the totals. */
function addMinute(minutes: Stream["minutes"], minute: number, loss: number): void {
  // Nearly always the last one, so the search begins there.
  const before = minutes.findLastIndex(([at]) => at <= minute);
  const known = minutes[before];
  if (known?.[0] === minute) {
    known[1] += 1;
    known[2] += loss;
    return;
  }
  minutes.splice(before + 1, 0, [minute, 1, loss]);
  if (minutes.length > MINUTES_KEPT) minutes.shift();
}

/** Starts the detectors again for a new incumbency; what was learnt of the healthy level stays. */
export function beginIncumbency(stream: Stream, since: number): void {
  if (stream.since === since) return;
  stream.since = since;
  for (const against of Object.keys(stream.watches) as Against[]) delete stream.watches[against];
}

/** Tells a watch what is tolerated now; the level is used only for losses that come after. */
export function watch(stream: Stream, against: Against, tolerated: number | null): void {
  const known = stream.watches[against];
  if (known === undefined) stream.watches[against] = { detector: newDetector(), tolerated, alarm: null };
  else known.tolerated = tolerated;
}

/** Makes a detector answer for an alarm in the ledger: it stays alarmed until its own labels show a recovery. */
export function adoptAlarm(stream: Stream, against: Against, alarm: string): void {
  const known = stream.watches[against];
  if (known === undefined || known.alarm === alarm) return;
  known.alarm = alarm;
  raiseAlarm(known.detector);
}

/** The loss tolerated around the stream's own baseline, or null while too little is known. */
export function toleratedByBaseline({ baseline }: Stream, tolerance: number): number | null {
  if (baseline.labels < BASELINE_MIN) return null;
  return toleratedAround(baselineMean(baseline), baseline.labels, tolerance);
}

/** Labels and summed loss of the last `minutes` minutes before `now`. */
export function recent(
  stream: Stream,
  now: number,
  minutes: number,
): { readonly labels: number; readonly lossSum: number } {
  const from = Math.floor(now / 60_000) - minutes;
  let labels = 0;
  let lossSum = 0;
  for (const [minute, n, sum] of stream.minutes)
    if (minute > from) {
      labels += n;
      lossSum += sum;
    }
  return { labels, lossSum };
}
