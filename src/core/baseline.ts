/** How a stream's healthy level is learnt: from its first labels, then slowly, then never again. */
export interface BaselineState {
  labels: number;
  lossSum: number;
  /** Blocks that wait, so that the labels just before an alarm never count as healthy. */
  readonly waiting: { labels: number; lossSum: number }[];
  frozen: boolean;
}

/** Labels before anything may be judged against the baseline. */
export const BASELINE_MIN = 200;
/** Labels at which it is frozen. */
export const BASELINE_MAX = 2000;
const BLOCK = 100;
const BLOCKS_WAITING = 3;
const Z = 2;
const LEVEL_MAX = 0.98;

export const newBaseline = (): BaselineState => ({
  labels: 0,
  lossSum: 0,
  waiting: [],
  frozen: false,
});

/** Takes in one loss, in place. */
export function learn(baseline: BaselineState, loss: number): void {
  if (baseline.frozen) return;
  if (baseline.labels < BASELINE_MIN) {
    baseline.labels += 1;
    baseline.lossSum += loss;
    return;
  }
  let block = baseline.waiting.at(-1);
  if (block === undefined || block.labels >= BLOCK) {
    block = { labels: 0, lossSum: 0 };
    baseline.waiting.push(block);
  }
  block.labels += 1;
  block.lossSum += loss;
  if (baseline.waiting.length <= BLOCKS_WAITING) return;
  const settled = baseline.waiting.shift();
  if (settled === undefined) return;
  baseline.labels += settled.labels;
  baseline.lossSum += settled.lossSum;
  baseline.frozen = baseline.labels >= BASELINE_MAX;
}

/** Forgets what waited: an alarm says that it may not have been healthy. */
export function discardWaiting(baseline: BaselineState): void {
  baseline.waiting.length = 0;
  if (baseline.labels >= BASELINE_MIN) return;
  // So few were never behind the blocks that wait: the labels just before the alarm are among them.
  baseline.labels = 0;
  baseline.lossSum = 0;
}

/** Mean loss of the healthy level, shrunk by half a loss. */
export const baselineMean = ({ labels, lossSum }: Pick<BaselineState, "labels" | "lossSum">): number =>
  (lossSum + 0.5) / (labels + 1);

/**
 * The loss that is tolerated around an estimated level: its upper confidence bound plus the tolerance.
 * Without the bound an estimate that is a little too good would alarm by itself.
 * @returns null where nothing could be worse: a level that is lost anyway cannot degrade
 */
export function toleratedAround(lossMean: number, labels: number, tolerance: number): number | null {
  const bound = lossMean + Z * Math.sqrt((lossMean * (1 - lossMean)) / labels) + tolerance;
  return bound > LEVEL_MAX ? null : Math.max(0.02, bound);
}
