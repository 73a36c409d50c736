import type { Run } from "./slice-conditions.ts";
import type { Placed } from "./slice-sums.ts";

type Labelled = Omit<Placed, "expected">;

/** What answers lose while all is well, by their attributes. */
export interface ExpectedLoss {
  /** In (0,1). */
  readonly of: (levels: readonly number[]) => number;
  /** By attribute: as many labels as what is known of it is worth for the level of one of its values. */
  readonly worth: readonly number[];
}

const SWEEPS = 3;
/** However little or much the levels seem to differ: a few labels say little about how much. */
const WORTH_MIN = 5;
const WORTH_MAX = 80;

/**
 * An additive model of the healthy losses: the mean, and for each attribute an effect of its level, fitted in turns (backfitting:
 * Friedman, Stuetzle 1981). Effects are drawn to 0, the more the less the levels seem to differ beyond luck, by a moment
 * estimate of how much they do (DerSimonian, Laird 1986).
 */
export function expectedLoss(healthy: readonly Labelled[], attributes: readonly Run[]): ExpectedLoss {
  let [labels, lossSum] = [0, 0];
  for (const { loss, weight } of healthy) {
    labels += weight;
    lossSum += weight * loss;
  }
  const mean = (lossSum + 0.5) / (labels + 1);
  const effects = new Float64Array(attributes.at(-1)?.[1] ?? 0);
  const additive = (levels: readonly number[]): number => {
    let sum = mean;
    for (const level of levels) sum += effects[level] ?? 0;
    return sum;
  };
  let worth: readonly number[] = [];
  for (let sweep = 0; sweep < SWEEPS; sweep++)
    worth = attributes.map((run, attribute) => {
      const sums = residuals(healthy, run, ({ levels, loss }) => {
        const level = levels[attribute] ?? -1;
        return [level, loss - additive(levels) + (effects[level] ?? 0)];
      });
      const drawn = drawnBy(sums, labels, mean * (1 - mean));
      for (const { level, labels: own, sum } of sums) effects[level] = sum / (own + drawn);
      return drawn;
    });
  return { worth, of: (levels) => Math.min(0.99, Math.max(mean / 4, additive(levels))) };
}

interface Residual {
  readonly level: number;
  labels: number;
  sum: number;
}

/** What is left of the losses at each level of an attribute. */
function residuals(
  healthy: readonly Labelled[],
  [from, to]: Run,
  residualOf: (one: Labelled) => readonly [level: number, residual: number],
): readonly Residual[] {
  const sums = Array.from({ length: to - from }, (_, place): Residual => ({ level: from + place, labels: 0, sum: 0 }));
  for (const one of healthy) {
    const [level, residual] = residualOf(one);
    const own = sums[level - from];
    if (own === undefined) continue;
    own.labels += one.weight;
    own.sum += one.weight * residual;
  }
  return sums;
}

/** The variance of a label over the variance between the levels: what is known of the others is worth so many labels. */
function drawnBy(sums: readonly Residual[], labels: number, variance: number): number {
  let between = 0;
  let counted = 0;
  for (const { labels: own, sum } of sums) {
    if (own === 0) continue;
    between += sum ** 2 / own - variance * (1 - own / labels);
    counted += own;
  }
  if (between <= 0) return WORTH_MAX;
  return Math.min(WORTH_MAX, Math.max(WORTH_MIN, (variance * counted) / between));
}
