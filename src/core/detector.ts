/**
 * A change detector for a stream of losses in [0,1]: the e-SR (e-process Shiryaev-Roberts) mixture of
 * Shin, Ramdas and Rinaldo, "E-detectors" (2024), with the bets of Waudby-Smith and Ramdas (2024).
 * While the mean loss given the past is at most `tolerated`, the statistic minus the number of losses is a
 * supermartingale, so the mean time to a false alarm is at least the threshold, for any distribution on [0,1].
 */
export interface Detector {
  /** One e-SR statistic per bet. */
  readonly statistics: number[];
  /** Where the mean may have risen, one for each of `CHANGE_BETS`. */
  readonly changes: Change[];
  /** The level last told as tolerated: what an estimate from few labels is drawn to. */
  tolerated: number;
  /** Set from the alarm until recovery: e-SR statistics of the opposite question, "is it tolerable again?". */
  recovery: number[] | null;
}

/** A CUSUM in nats, with the losses since it was last 0. */
interface Change {
  cusum: number;
  labels: number;
  lossSum: number;
}

/** Bets on how far the mean rose, as shares of the largest bet that keeps each factor positive. */
const BETS = [0.03, 0.06, 0.12, 0.25, 0.5, 0.9] as const;
/** A small bet keeps its counters through a creeping rise, a large one begins them again where a collapse began. */
const CHANGE_BETS = [0.03, 0.12, 0.5] as const;
/** Statistics stop growing here, far above any threshold, so that they stay finite. */
const CEILING = 1e12;

/** Mean labels between false alarms, at least: one in 100 000. */
export const ALARM_THRESHOLD = 1e5;
/** The same for calling an alarm off, which costs less when wrong. */
export const RECOVERY_THRESHOLD = 1e3;

const zeros = (): number[] => BETS.map(() => 0);

export const newDetector = (): Detector => ({
  statistics: zeros(),
  changes: CHANGE_BETS.map(() => ({ cusum: 0, labels: 0, lossSum: 0 })),
  tolerated: 0.5,
  recovery: null,
});

/** The e-SR statistic: the mean over the bets. */
export const statisticOf = (statistics: readonly number[]): number =>
  statistics.reduce((sum, value) => sum + value, 0) / BETS.length;

/** The multiplicative factor of each bet that the mean is above `level`. Positive for losses in [0,1]. */
export const betAbove = (bet: number, loss: number, level: number): number => 1 + (bet / level) * (loss - level);

/** The factor of each bet that the mean is below `level`. */
export const betBelow = (bet: number, loss: number, level: number): number => 1 + (bet / (1 - level)) * (level - loss);

/**
 * Takes in one loss, in place: this runs for every label.
 * @param loss in [0,1]
 * @param tolerated the mean loss that is still healthy, in (0,1)
 */
export function observeLoss(detector: Detector, loss: number, tolerated: number): void {
  const { statistics } = detector;
  for (let k = 0; k < BETS.length; k++) {
    const grown = (1 + (statistics[k] ?? 0)) * betAbove(BETS[k] ?? 0, loss, tolerated);
    statistics[k] = Math.min(CEILING, grown);
  }
  detector.tolerated = tolerated;
  for (let k = 0; k < CHANGE_BETS.length; k++) {
    const change = detector.changes[k];
    if (change === undefined) continue;
    change.cusum = Math.max(0, change.cusum + Math.log(betAbove(CHANGE_BETS[k] ?? 0, loss, tolerated)));
    change.labels = change.cusum === 0 ? 0 : change.labels + 1;
    change.lossSum = change.cusum === 0 ? 0 : change.lossSum + loss;
  }
  if (detector.recovery === null) {
    if (statisticOf(statistics) >= ALARM_THRESHOLD) detector.recovery = zeros();
    return;
  }
  const { recovery } = detector;
  for (let k = 0; k < BETS.length; k++)
    recovery[k] = Math.min(CEILING, (1 + (recovery[k] ?? 0)) * betBelow(BETS[k] ?? 0, loss, tolerated));
  if (statisticOf(recovery) >= RECOVERY_THRESHOLD) Object.assign(detector, newDetector());
}

/** True from the alarm until the losses have been tolerable again for long enough. */
export const isAlarmed = (detector: Detector): boolean => detector.recovery !== null;

/** Puts a detector into alarm without losses of its own, for an alarm that another process raised. */
export function raiseAlarm(detector: Detector): void {
  detector.recovery ??= zeros();
}

const NO_CHANGE: Change = { cusum: 0, labels: 0, lossSum: 0 };

/** The change that the losses speak for most. */
const likeliestChange = ({ changes }: Detector): Change =>
  changes.reduce((best, change) => (change.cusum > best.cusum ? change : best), NO_CHANGE);

/** Losses since the estimated change. */
export const degradedLabels = (detector: Detector): number => likeliestChange(detector).labels;

/** The mean loss since the estimated change, drawn by one label to what is tolerated, so that few labels claim little. */
export function degradedLevel(detector: Detector): number {
  const { labels, lossSum } = likeliestChange(detector);
  return (lossSum + detector.tolerated) / (labels + 1);
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

export const evidenceOf = ({ wealth }: EProcess): number => statisticOf(wealth);
