import { add, newNumbers, read, write, type Numbers } from "./slab.ts";

/**
 * How a stream's healthy level is learnt: from all labels but those that are in doubt, until it is frozen. A record of
 * `BASELINE_NUMBERS` numbers: the labels and their summed loss; those in doubt and theirs; and whether it is frozen.
 *
 * Labels since the estimated change are in doubt. They count as soon as the change turns out to be none, so that what is
 * learnt is not biased; and never when it turns out to be one, so that a creeping rise is not taken for healthy.
 */
export type Baseline = Numbers;

/** Labels before anything may be judged against the baseline. */
export const BASELINE_MIN = 50;
/** Labels at which it is frozen. */
export const BASELINE_MAX = 2000;
/** Standard errors that are tolerated above an estimate from few labels, and from many. */
const Z = { few: 1.75, many: 0.75 } as const;
const LABELS_FEW = 100;
const LEVEL_MAX = 0.98;

const LABELS = 0;
const LOSS_SUM = 1;
const DOUBTED = 2;
const DOUBTED_SUM = 3;
const FROZEN = 4;
export const BASELINE_NUMBERS = FROZEN + 1;

export const newBaseline = (): Baseline => newNumbers(BASELINE_NUMBERS);

export const baselineLabels = (baseline: Baseline): number => read(baseline, LABELS);
export const baselineLossSum = (baseline: Baseline): number => read(baseline, LOSS_SUM);
export const isFrozen = (baseline: Baseline): boolean => read(baseline, FROZEN) === 1;

/**
 * Takes in one loss, in place.
 * @param isDoubted whether it may belong to a change
 * @returns whether the level that can be judged against changed
 */
export function learn(baseline: Baseline, loss: number, isDoubted: boolean): boolean {
  if (isFrozen(baseline)) return false;
  add(baseline, DOUBTED, 1);
  add(baseline, DOUBTED_SUM, loss);
  if (isDoubted) return false;
  add(baseline, LABELS, read(baseline, DOUBTED));
  add(baseline, LOSS_SUM, read(baseline, DOUBTED_SUM));
  forgetDoubted(baseline);
  if (read(baseline, LABELS) >= BASELINE_MAX) write(baseline, FROZEN, 1);
  return read(baseline, LABELS) >= BASELINE_MIN;
}

/** Forgets what is in doubt: an alarm says that it was not healthy. */
export function forgetDoubted(baseline: Baseline): void {
  write(baseline, DOUBTED, 0);
  write(baseline, DOUBTED_SUM, 0);
}

/** Takes over a level that was frozen before. @param lossMean as `levelMean` gave it */
export function freeze(baseline: Baseline, labels: number, lossMean: number): void {
  write(baseline, LABELS, labels);
  // Undoes the shrinking of `levelMean`.
  write(baseline, LOSS_SUM, lossMean * (labels + 1) - 0.5);
  forgetDoubted(baseline);
  write(baseline, FROZEN, 1);
}

/** A mean loss, shrunk by half a loss. */
export const levelMean = (labels: number, lossSum: number): number => (lossSum + 0.5) / (labels + 1);

/** Mean loss of the healthy level. */
export const baselineMean = (baseline: Baseline): number => levelMean(read(baseline, LABELS), read(baseline, LOSS_SUM));

/** The loss tolerated around the baseline; null while too little is known, or where nothing could be worse. */
export function toleratedByBaseline(baseline: Baseline, tolerance: number): number | null {
  const labels = read(baseline, LABELS);
  return labels < BASELINE_MIN ? null : toleratedAround(baselineMean(baseline), labels, tolerance);
}

/**
 * The loss that is tolerated around an estimated level: its upper confidence bound plus the tolerance.
 * Without the bound an estimate that is a little too good would alarm by itself; the fewer its labels, the more so.
 * @returns null where nothing could be worse: a level that is lost anyway cannot degrade
 */
export function toleratedAround(lossMean: number, labels: number, tolerance: number): number | null {
  const few = Math.min(1, Math.max(0, Math.log(BASELINE_MAX / labels) / Math.log(BASELINE_MAX / LABELS_FEW)));
  const z = Z.many + (Z.few - Z.many) * few;
  const bound = lossMean + z * Math.sqrt((lossMean * (1 - lossMean)) / labels) + tolerance;
  return bound > LEVEL_MAX ? null : Math.max(0.02, bound);
}
