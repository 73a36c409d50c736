import { newNumbers, read, write, type Numbers } from "./slab.ts";

/**
 * A change detector for a stream of losses in [0,1]: the e-SR (e-process Shiryaev-Roberts) mixture of
 * Shin, Ramdas and Rinaldo, "E-detectors" (2024), with the bets of Waudby-Smith and Ramdas (2024).
 * While the mean loss given the past is at most `tolerated`, the statistic minus the number of losses is a
 * supermartingale, so the mean time to a false alarm is at least the threshold, for any distribution on [0,1].
 *
 * It is a record of `DETECTOR_NUMBERS` numbers, in this order:
 * one statistic per bet (from the alarm on, of the opposite question, "is it tolerable again?"); for each of `CHANGE_BETS`
 * a CUSUM in nats and the losses since it was last 0, where the mean may have risen; the level last told as tolerated; and
 * the statistic at the alarm, 0 while there is none; and what the labels since then say of it, in nats.
 */
export type Detector = Numbers;

/** Bets on how far the mean rose, as shares of the largest bet that keeps each factor positive. */
const BETS = [0.03, 0.06, 0.12, 0.25, 0.5, 0.9] as const;
/** A small bet keeps its counters through a creeping rise, a large one begins them again where a collapse began. */
export const CHANGE_BETS = [0.06, 0.25, 0.5] as const;

const CHANGES = BETS.length;
const CUSUM = 0;
const LABELS = 1;
const LOSS_SUM = 2;
const CHANGE_NUMBERS = 3;
const TOLERATED = CHANGES + CHANGE_BETS.length * CHANGE_NUMBERS;
const ALARM = TOLERATED + 1;
const LASTING = ALARM + 1;
export const DETECTOR_NUMBERS = LASTING + 1;

/** Statistics stop growing here, far above any threshold, so that they stay finite. */
const CEILING = 1e12;

/**
 * Mean labels between false alarms at the tolerated level, at least: one in 25 000. What is healthy lies below the tolerated
 * level, so it is measured far rarer: see docs/benchmarks.md.
 */
export const ALARM_THRESHOLD = 2.5e4;
/** The same for calling an alarm off, which costs less when wrong. */
export const RECOVERY_THRESHOLD = 1e3;

export const newDetector = (): Detector => reset(newNumbers(DETECTOR_NUMBERS));

/** Begins again from nothing. */
export function reset(detector: Detector): Detector {
  detector.cells.fill(0, detector.at, detector.at + DETECTOR_NUMBERS);
  // What an estimate from few labels is drawn to, until a level is told.
  write(detector, TOLERATED, 0.5);
  return detector;
}

/** The multiplicative factor of each bet that the mean is above `level`. Positive for losses in [0,1]. */
export const betAbove = (bet: number, loss: number, level: number): number => 1 + (bet / level) * (loss - level);

/** The factor of each bet that the mean is below `level`. */
export const betBelow = (bet: number, loss: number, level: number): number => 1 + (bet / (1 - level)) * (level - loss);

/**
 * What one loss weighs against one tolerated level: both, then the factor of each bet, then the logarithm of that of each of
 * `CHANGE_BETS`. A loss is shown to several detectors, so it is weighed once and the result handed around.
 */
export type Weights = Float64Array;

const LOSS = 0;
const LEVEL = 1;
const FACTORS = 2;
const LOGARITHMS = FACTORS + BETS.length;

export const newWeights = (): Weights => new Float64Array(LOGARITHMS + CHANGE_BETS.length);

/** @returns the `weights` of this loss, which are left as they are when it was weighed last */
function weigh(weights: Weights, loss: number, tolerated: number): Weights {
  if (weights[LOSS] === loss && weights[LEVEL] === tolerated) return weights;
  weights[LOSS] = loss;
  weights[LEVEL] = tolerated;
  for (let k = 0; k < BETS.length; k++) weights[FACTORS + k] = betAbove(BETS[k] ?? 0, loss, tolerated);
  for (let k = 0; k < CHANGE_BETS.length; k++)
    weights[LOGARITHMS + k] = Math.log(betAbove(CHANGE_BETS[k] ?? 0, loss, tolerated));
  return weights;
}

/**
 * Takes in one loss, in place: this runs for every label.
 * @param loss in [0,1]
 * @param tolerated the mean loss that is still healthy, in (0,1)
 * @param weights scratch space that a caller keeps
 */
export function observeLoss(detector: Detector, loss: number, tolerated: number, weights = newWeights()): void {
  weigh(weights, loss, tolerated);
  if (isAlarmed(detector)) observeLasting(detector, loss, tolerated);
  observeChange(detector, weights);
  if (isAlarmed(detector)) {
    const { cells, at } = detector;
    for (let k = 0; k < BETS.length; k++)
      cells[at + k] = Math.min(CEILING, (1 + (cells[at + k] ?? 0)) * betBelow(BETS[k] ?? 0, loss, tolerated));
    if (meanStatistic(detector) >= RECOVERY_THRESHOLD) reset(detector);
    return;
  }
  const statistic = observeRise(detector, weights);
  if (statistic < ALARM_THRESHOLD) return;
  write(detector, ALARM, statistic);
  write(detector, LASTING, 0);
  forgetStatistics(detector);
}

/** Odds at which an alarm has lasted, and the least that counts against it, so that it can still turn out to be true. */
const LASTED = Math.log(4);
const LASTING_MIN = -3;

/**
 * What a label after the alarm says of it. Those before were selected for being bad, these were not: the odds of the level
 * that the alarm rests on, as known before the label, against the tolerated one.
 */
function observeLasting(detector: Detector, loss: number, tolerated: number): void {
  const degraded = Math.min(0.98, degradedLevel(detector));
  if (degraded <= tolerated) return;
  const nats = loss * Math.log(degraded / tolerated) + (1 - loss) * Math.log((1 - degraded) / (1 - tolerated));
  write(detector, LASTING, Math.max(LASTING_MIN, read(detector, LASTING) + nats));
}

/** Whether labels after the alarm bear it out: before that nothing is done about it. */
export const hasLasted = (detector: Detector): boolean => isAlarmed(detector) && read(detector, LASTING) >= LASTED;

/** The same for a detector that nothing but `reset` calls off: its statistic goes on growing behind the alarm. */
export function observeLatched(detector: Detector, loss: number, tolerated: number, weights: Weights): void {
  weigh(weights, loss, tolerated);
  observeChange(detector, weights);
  const statistic = observeRise(detector, weights);
  if (statistic >= ALARM_THRESHOLD && !isAlarmed(detector)) write(detector, ALARM, statistic);
}

/** @returns the e-SR statistic: the mean over the bets */
function observeRise({ cells, at }: Detector, weights: Weights): number {
  let sum = 0;
  for (let k = 0; k < BETS.length; k++)
    sum += cells[at + k] = Math.min(CEILING, (1 + (cells[at + k] ?? 0)) * (weights[FACTORS + k] ?? 1));
  return sum / BETS.length;
}

function observeChange(detector: Detector, weights: Weights): void {
  const { cells, at } = detector;
  write(detector, TOLERATED, weights[LEVEL] ?? 0);
  for (let k = 0; k < CHANGE_BETS.length; k++) {
    const change = at + CHANGES + k * CHANGE_NUMBERS;
    const grown = (cells[change + CUSUM] ?? 0) + (weights[LOGARITHMS + k] ?? 0);
    const goesOn = grown > 0;
    cells[change + CUSUM] = goesOn ? grown : 0;
    cells[change + LABELS] = goesOn ? (cells[change + LABELS] ?? 0) + 1 : 0;
    cells[change + LOSS_SUM] = goesOn ? (cells[change + LOSS_SUM] ?? 0) + (weights[LOSS] ?? 0) : 0;
  }
}

function meanStatistic({ cells, at }: Detector): number {
  let sum = 0;
  for (let k = 0; k < BETS.length; k++) sum += cells[at + k] ?? 0;
  return sum / BETS.length;
}

const forgetStatistics = ({ cells, at }: Detector): unknown => cells.fill(0, at, at + BETS.length);

/** The e-SR statistic; of a detector that `observeLoss` feeds, the one at the alarm while it is alarmed. */
export const statisticOf = (detector: Detector): number => read(detector, ALARM) || meanStatistic(detector);

/** The statistic as it is now, of a detector that `observeLatched` feeds. */
export const latchedStatisticOf = meanStatistic;

/** True from the alarm until the losses have been tolerable again for long enough. */
export const isAlarmed = (detector: Detector): boolean => read(detector, ALARM) !== 0;

/** Puts a detector into alarm without losses of its own, for an alarm that another process raised. */
export function raiseAlarm(detector: Detector): void {
  if (isAlarmed(detector)) return;
  write(detector, ALARM, ALARM_THRESHOLD);
  // Whoever raised it has seen it last, or will.
  write(detector, LASTING, LASTED);
  forgetStatistics(detector);
}

/** The change that the losses speak for most, as its place in `CHANGE_BETS`; null while they speak for none. */
export function likeliestChange(detector: Detector): number | null {
  let best: number | null = null;
  for (let k = 0; k < CHANGE_BETS.length; k++)
    if (cusumOf(detector, k) > (best === null ? 0 : cusumOf(detector, best))) best = k;
  return best;
}

/** Evidence of a change in nats. */
export const cusumOf = (detector: Detector, change: number): number =>
  read(detector, CHANGES + change * CHANGE_NUMBERS + CUSUM);

/** Losses since a change. */
export const labelsSince = (detector: Detector, change: number): number =>
  read(detector, CHANGES + change * CHANGE_NUMBERS + LABELS);

/** Losses since the estimated change. */
export function degradedLabels(detector: Detector): number {
  const change = likeliestChange(detector);
  return change === null ? 0 : labelsSince(detector, change);
}

/** The mean loss since the estimated change, drawn by one label to what is tolerated, so that few labels claim little. */
export function degradedLevel(detector: Detector): number {
  const change = likeliestChange(detector);
  const lossSum = change === null ? 0 : read(detector, CHANGES + change * CHANGE_NUMBERS + LOSS_SUM);
  return (lossSum + read(detector, TOLERATED)) / (degradedLabels(detector) + 1);
}

/** A test martingale for one fixed question, without restarts: adopt or abandon a candidate. */
export interface EProcess {
  readonly wealth: number[];
}

export const newEProcess = (): EProcess => ({ wealth: BETS.map(() => 1) });

/** Evidence, in place, that the mean loss is on the `side` of `level`; by Ville's inequality it exceeds 1/α with probability at most α if it is not. */
export function betOn({ wealth }: EProcess, side: "above" | "below", loss: number, level: number): void {
  const factor = side === "above" ? betAbove : betBelow;
  for (let k = 0; k < BETS.length; k++)
    wealth[k] = Math.min(CEILING, (wealth[k] ?? 1) * factor(BETS[k] ?? 0, loss, level));
}

/** The same by the odds of one observation between two hypotheses, in place. */
export function betByOdds({ wealth }: EProcess, odds: number): void {
  for (let k = 0; k < BETS.length; k++) wealth[k] = Math.min(CEILING, (wealth[k] ?? 1) * odds);
}

export const evidenceOf = ({ wealth }: EProcess): number => wealth.reduce((sum, value) => sum + value, 0) / BETS.length;
