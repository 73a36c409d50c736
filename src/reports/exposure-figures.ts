import type { Period } from "./period.ts";

/** An answer as it is counted. */
export interface CountedExposure {
  readonly at: number;
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly status: number;
  readonly latencyMs: number;
  readonly error: string | null;
  readonly costUsd: number | null;
}

/** What answers came to, so that sums of parts are the whole's. */
export interface Tally {
  answers: number;
  /** Answers that could not be served, through no fault of the client. */
  errors: number;
  costUsd: number;
  /** Answers whose cost is known. */
  priced: number;
  /** How many took how long, by `binOf`. */
  readonly latencies: Map<number, number>;
}

/** A segment's answers, whole and in parts. */
export interface SegmentTally {
  readonly policy: string;
  readonly segment: string;
  readonly now: Tally;
  readonly before: Tally;
  /** Of the period, by variant. */
  readonly variants: Map<string, Tally>;
  /** Of the period, by bucket; null for one without answers. */
  readonly series: (Pick<Tally, "answers" | "errors" | "costUsd"> | null)[];
}

/** Bins of latency grow by this factor, so that a percentile is within 2.5 % of the true one. */
const GROWTH = Math.log(1.05);

export const newTally = (): Tally => ({ answers: 0, errors: 0, costUsd: 0, priced: 0, latencies: new Map() });

/** Answers by `policy/segment`, of a period and of the one before. */
export function createExposureFigures({ since, until, previousSince, bucketMs, buckets }: Period) {
  const segments = new Map<string, SegmentTally>();
  const segmentOf = ({ policy, segment }: CountedExposure): SegmentTally => {
    const key = `${policy}/${segment}`;
    let known = segments.get(key);
    if (known === undefined) {
      const series = Array.from({ length: buckets }, () => null);
      known = { policy, segment, now: newTally(), before: newTally(), variants: new Map(), series };
      segments.set(key, known);
    }
    return known;
  };
  return {
    count: (exposure: CountedExposure): void => {
      const { at, variant, costUsd } = exposure;
      if (at < previousSince || at >= until) return;
      const known = segmentOf(exposure);
      const isError = isFault(exposure);
      if (at < since) return tally(known.before, exposure, isError);
      tally(known.now, exposure, isError);
      const own = known.variants.get(variant) ?? newTally();
      known.variants.set(variant, own);
      tally(own, exposure, isError);
      const bucket = Math.floor((at - since) / bucketMs);
      const point = known.series[bucket] ?? { answers: 0, errors: 0, costUsd: 0 };
      point.answers += 1;
      if (isError) point.errors += 1;
      point.costUsd += costUsd ?? 0;
      known.series[bucket] = point;
    },
    segments: (): ReadonlyMap<string, SegmentTally> => segments,
  };
}

function tally(into: Tally, { latencyMs, costUsd }: CountedExposure, isError: boolean): void {
  into.answers += 1;
  if (isError) into.errors += 1;
  if (costUsd !== null) {
    into.costUsd += costUsd;
    into.priced += 1;
  }
  const bin = binOf(latencyMs);
  into.latencies.set(bin, (into.latencies.get(bin) ?? 0) + 1);
}

/** Adds one tally to another. */
export function addTally(into: Tally, { answers, errors, costUsd, priced, latencies }: Tally): void {
  into.answers += answers;
  into.errors += errors;
  into.costUsd += costUsd;
  into.priced += priced;
  for (const [bin, count] of latencies) into.latencies.set(bin, (into.latencies.get(bin) ?? 0) + count);
}

/** Statuses under 500 that are the upstream's or our own doing: it was too busy, too slow, or refused our settings. */
const NOT_THE_CLIENTS = new Set([401, 402, 403, 404, 408, 410, 429]);

/** A client that left, or asked for what cannot be, is no fault. */
const isFault = ({ status, error }: CountedExposure): boolean =>
  error !== null && error !== "client_closed" && (status < 400 || status >= 500 || NOT_THE_CLIENTS.has(status));

const binOf = (latencyMs: number): number => Math.round(Math.log(Math.max(1, latencyMs)) / GROWTH);

/**
 * The latency in milliseconds that a share of the answers took at most, within 2.5 %; null without answers.
 * @param share in (0,1]
 */
export function latencyAt({ latencies, answers }: Pick<Tally, "latencies" | "answers">, share: number): number | null {
  let left = Math.ceil(answers * share);
  for (const [bin, count] of [...latencies].sort(([a], [b]) => a - b)) {
    left -= count;
    if (left <= 0) return Math.exp(bin * GROWTH);
  }
  return null;
}
