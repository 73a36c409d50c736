import { oracleDelay } from "../src/replay/cusum-oracle.ts";
import type { OutcomeTable } from "../src/replay/outcome-table.ts";
import { seededRandom, shuffled, type Random } from "../src/replay/random.ts";
import { createScoreboard } from "../src/core/scoreboard.ts";
import type { ControlState } from "../src/core/state.ts";
import { after, METRIC, published, START, VARIANTS } from "./loop-cost.ts";

/** The scores of a segment's best model and of a weaker one: what it is like before and after a change. */
export interface LevelPair {
  readonly segment: string;
  /** 0 or 1 by item. */
  readonly healthy: Float64Array;
  readonly degraded: Float64Array;
  readonly healthyMean: number;
  readonly degradedMean: number;
}

/** Drops of the mean score, the upper end excluded. */
export const BANDS = {
  small: [0.05, 0.1],
  medium: [0.1, 0.2],
  large: [0.2, 1],
  /** For information: part of `large`. */
  huge: [0.4, 1],
} as const satisfies Record<string, readonly [number, number]>;
export type Band = keyof typeof BANDS;

const HEALTHY_MIN = 0.5;

/** Every pair of levels that tables of zeros and ones hold, by a segment's best model and each weaker one. */
export function levelPairs({ segments }: Pick<OutcomeTable, "segments">): readonly LevelPair[] {
  return segments.flatMap(({ id, scores, items }) => {
    if (items === 0 || !scores.every((own) => own.every((score) => score === 0 || score === 1))) return [];
    const means = scores.map((own) => own.reduce((sum, score) => sum + score, 0) / items);
    const healthyMean = Math.max(...means);
    const healthy = scores[means.indexOf(healthyMean)];
    if (healthy === undefined || healthyMean < HEALTHY_MIN) return [];
    return scores.flatMap((degraded, model) => {
      const degradedMean = means[model] ?? 0;
      return degradedMean < healthyMean ? [{ segment: id, healthy, degraded, healthyMean, degradedMean }] : [];
    });
  });
}

export const pairsIn = (pairs: readonly LevelPair[], band: Band): readonly LevelPair[] => {
  const [least, below] = BANDS[band];
  // Means are quotients of whole numbers: a drop of .2 must not miss its band by a rounding.
  const drop = ({ healthyMean, degradedMean }: LevelPair): number => Number((healthyMean - degradedMean).toFixed(9));
  return pairs.filter((pair) => drop(pair) >= least && drop(pair) < below);
};

/** How long the detector takes at drops of one band. */
export interface BandDelays {
  readonly band: Band;
  readonly pairs: number;
  readonly runs: number;
  /** Labels from the change to the alarm, the median of all runs; and the exact oracle's. */
  readonly delay: number | null;
  readonly oracle: number | null;
  /** The median of the quotient of both. */
  readonly ratio: number | null;
  /** Runs without an alarm within 50 times the oracle's delay, which count as that long. */
  readonly undetected: number;
}

export interface DelayFigures {
  /** From how many healthy labels the baseline was learnt before it was frozen. */
  readonly baselineLabels: number;
  readonly bands: readonly BandDelays[];
}

export interface HealthyFigures {
  readonly baselineLabels: number;
  readonly streams: number;
  readonly labels: number;
  readonly falseAlarms: number;
  readonly falseAlarmsPer1e6Labels: number | null;
}

const GIVE_UP = 50;

/** One stream of the product's own scoreboard. */
interface Watched {
  /** @returns whether the detector is alarmed after this loss */
  readonly observe: (loss: number) => boolean;
  readonly baselineLabels: () => number;
  /** Freezes the baseline as it is, in the way of the ledger. @returns the same baseline with a detector that begins */
  readonly frozen: () => () => Watched;
}

const ROW = { policy: "chat", segment: "segment-0", variant: VARIANTS[0], metric: METRIC } as const;
const LABEL_MS = 20;

function watched(state: ControlState): Watched {
  const segment = state.policies[ROW.policy]?.policy.segments[0];
  if (segment === undefined) throw new Error("The policy of the benchmark has no segment.");
  const scoreboard = createScoreboard();
  scoreboard.calibrate(state, START);
  let fed = 0;
  return {
    observe: (loss) => {
      fed += 1;
      scoreboard.observe({ ...ROW, loss, at: START + fed * LABEL_MS, predictionId: String(fed) });
      return scoreboard.isAlarmed(ROW.policy, segment, ROW.variant);
    },
    baselineLabels: () => scoreboard.baseline(ROW)?.labels ?? 0,
    frozen: () => {
      const known = scoreboard.baseline(ROW);
      if (known === null) throw new Error("There is no baseline to freeze.");
      const { lossMean, labels } = known;
      const fixed = after(state, { type: "baseline.frozen", ...ROW, lossMean, labels });
      scoreboard.calibrate(fixed, START + fed * LABEL_MS);
      return () => watched(fixed);
    },
  };
}

const lossOf = (scores: Float64Array, random: Random): number =>
  1 - (scores[Math.floor(random() * scores.length)] ?? 0);

interface Learnt {
  readonly stream: Watched;
  readonly again: () => Watched;
}

/** A stream that learnt its baseline from this many healthy labels, and watches; null when it alarmed meanwhile. */
function learnt(state: ControlState, healthy: Float64Array, labels: number, random: Random): Learnt | null {
  const stream = watched(state);
  // Labels that are in doubt count later or never, so a few more than wanted are shown.
  for (let shown = 0; shown < 2 * labels && stream.baselineLabels() < labels; shown++)
    if (stream.observe(lossOf(healthy, random))) return null;
  return { stream, again: stream.frozen() };
}

export interface DelayOptions {
  readonly baselineLabels: number;
  /** At most so many pairs a band, drawn by seed, and so many runs of each. */
  readonly pairs: number;
  readonly runs: number;
  readonly seed: number;
}

/** Delays from a change that comes when the baseline is learnt; labels are drawn with replacement from real items. */
export function measureDelays(table: Pick<OutcomeTable, "segments">, options: DelayOptions): DelayFigures {
  const all = levelPairs(table);
  const state = published(1);
  const bands = Object.keys(BANDS) as Band[];
  return {
    baselineLabels: options.baselineLabels,
    bands: bands.map((band) => {
      const random = seededRandom(options.seed, `delays ${band} ${options.baselineLabels}`);
      const pairs = shuffled(pairsIn(all, band), random).slice(0, options.pairs);
      const runs = pairs.flatMap((pair) =>
        Array.from({ length: options.runs }, () => delayOf(state, pair, options.baselineLabels, random)),
      );
      const counted = runs.filter((run) => run !== null);
      return {
        band,
        pairs: pairs.length,
        runs: counted.length,
        delay: median(counted.map(({ delay }) => delay)),
        oracle: median(counted.map(({ oracle }) => oracle)),
        ratio: median(counted.map(({ delay, oracle }) => delay / oracle)),
        undetected: counted.filter(({ isDetected }) => !isDetected).length,
      };
    }),
  };
}

function delayOf(
  state: ControlState,
  { healthy, degraded, healthyMean, degradedMean }: LevelPair,
  baselineLabels: number,
  random: Random,
): { readonly delay: number; readonly oracle: number; readonly isDetected: boolean } | null {
  const known = learnt(state, healthy, baselineLabels, random);
  if (known === null) return null;
  const oracle = oracleDelay(1 - healthyMean, 1 - degradedMean);
  const most = Math.ceil(oracle * GIVE_UP);
  for (let delay = 1; delay <= most; delay++)
    if (known.stream.observe(lossOf(degraded, random))) return { delay, oracle, isDetected: true };
  return { delay: most, oracle, isDetected: false };
}

export interface HealthyOptions {
  readonly baselineLabels: number;
  readonly streams: number;
  /** Labels of each, after its baseline is frozen. */
  readonly labels: number;
  readonly seed: number;
}

/** False alarms where nothing changes; after one, the detector begins again on the same baseline. */
export function measureHealthy(table: Pick<OutcomeTable, "segments">, options: HealthyOptions): HealthyFigures {
  const random = seededRandom(options.seed, "healthy");
  const segments = new Map(levelPairs(table).map((pair) => [pair.segment, pair.healthy]));
  const healthy = [...segments.values()];
  const state = published(1);
  let [streams, labels, falseAlarms] = [0, 0, 0];
  for (let k = 0; k < options.streams; k++) {
    const scores = healthy[Math.floor(random() * healthy.length)];
    const known = scores === undefined ? null : learnt(state, scores, options.baselineLabels, random);
    if (scores === undefined || known === null) continue;
    streams += 1;
    let { stream } = known;
    for (let label = 0; label < options.labels; label++) {
      labels += 1;
      if (!stream.observe(lossOf(scores, random))) continue;
      falseAlarms += 1;
      stream = known.again();
    }
  }
  return {
    baselineLabels: options.baselineLabels,
    streams,
    labels,
    falseAlarms,
    falseAlarmsPer1e6Labels: labels === 0 ? null : (falseAlarms * 1e6) / labels,
  };
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
