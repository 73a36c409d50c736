import {
  CHANGE_BETS,
  degradedLevel,
  DETECTOR_NUMBERS,
  isAlarmed,
  labelsSince,
  latchedStatisticOf,
  likeliestChange,
  cusumOf,
  observeLatched,
  reset,
  type Detector,
  type Weights,
} from "./detector.ts";
import { newSpread, resetSpread, type Spread } from "./spread.ts";
import { add, newNumbers, read, write, type Numbers } from "./slab.ts";

/**
 * A detector over many streams of one metric: each loss comes with the level that its own stream tolerates, so that a
 * mix of easy and hard segments that shifts raises nothing. Behind the detector, for each change that it weighs: the sum of
 * the tolerated levels since, and when the first of those losses was served.
 */
export interface Pool extends Detector {
  readonly metric: string;
  /** `all`, `upstream:PROVIDER/MODEL` or `variant:ID`. */
  readonly pool: string;
  /** What the metric's losses mean: those of another metric by the same name are not added. */
  readonly meaning: string;
  /** How its loss is spread over rows. Not kept over a restart: it follows within some labels. */
  readonly spread: Spread;
  /** Labels that it was told. Not kept over a restart either. */
  heard: number;
}

const TOLERATED_SUM = 0;
const SINCE = 1;
const SINCE_NUMBERS = 2;
const field = (change: number, offset: number): number => DETECTOR_NUMBERS + change * SINCE_NUMBERS + offset;
export const POOL_NUMBERS = field(CHANGE_BETS.length, 0);

export interface PoolReading {
  /** From the alarm until the pool is reset. */
  readonly alarmed: boolean;
  readonly statistic: number;
  /** Evidence of a change in nats. */
  readonly suspicion: number;
  /** Values since the estimated change: 0 when there was none. */
  readonly labels: number;
  /** Their mean loss, drawn by one label to what is tolerated. */
  readonly lossMean: number;
  /** The mean of the levels that their streams tolerate; null when there are none. */
  readonly toleratedMean: number | null;
  /** When the first of them was served, epoch milliseconds; null when there are none. */
  readonly since: number | null;
}

export function newPool(
  about: Pick<Pool, "metric" | "pool" | "meaning">,
  numbers: Numbers = newNumbers(POOL_NUMBERS),
): Pool {
  const { cells, at } = numbers;
  const pool = { cells, at, ...about, spread: newSpread(), heard: 0 };
  resetPool(pool);
  return pool;
}

export function resetPool(pool: Pool): void {
  reset(pool);
  resetSpread(pool.spread);
  for (let place = DETECTOR_NUMBERS; place < POOL_NUMBERS; place++) write(pool, place, 0);
}

/**
 * Takes in one loss of one stream.
 * @param at when it was served, epoch milliseconds
 * @returns whether it raised the alarm
 */
export function observePool(
  pool: Pool,
  { loss, at }: { readonly loss: number; readonly at: number },
  tolerated: number,
  weights: Weights,
): boolean {
  const was = isAlarmed(pool);
  observeLatched(pool, loss, tolerated, weights);
  for (let change = 0; change < CHANGE_BETS.length; change++) {
    const labels = labelsSince(pool, change);
    if (labels > 1) add(pool, field(change, TOLERATED_SUM), tolerated);
    else {
      write(pool, field(change, TOLERATED_SUM), labels === 0 ? 0 : tolerated);
      write(pool, field(change, SINCE), labels === 0 ? 0 : at);
    }
  }
  return isAlarmed(pool) && !was;
}

export function readPool(pool: Pool): PoolReading {
  const change = likeliestChange(pool);
  const labels = change === null ? 0 : labelsSince(pool, change);
  return {
    alarmed: isAlarmed(pool),
    statistic: latchedStatisticOf(pool),
    suspicion: change === null ? 0 : cusumOf(pool, change),
    labels,
    lossMean: degradedLevel(pool),
    toleratedMean: change === null ? null : read(pool, field(change, TOLERATED_SUM)) / labels,
    since: change === null ? null : read(pool, field(change, SINCE)),
  };
}
