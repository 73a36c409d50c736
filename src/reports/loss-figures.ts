import type { HistoryCell } from "./loss-history.ts";
import type { Sum } from "./loss-interval.ts";
import { fullHour, type Period } from "./period.ts";

interface Adding extends Sum {
  labels: number;
  sum: number;
}

/** The labels of one metric of a segment, whatever variant served. */
export interface LossTally {
  readonly metric: string;
  readonly now: Sum;
  readonly before: Sum;
  /** Of the period, by bucket; null for one without labels. */
  readonly series: (Sum | null)[];
  /** Of the period, by variant. */
  readonly variants: ReadonlyMap<string, Sum>;
}

interface Building extends LossTally {
  readonly now: Adding;
  readonly before: Adding;
  readonly series: (Adding | null)[];
  readonly variants: Map<string, Adding>;
}

const none = (): Adding => ({ labels: 0, sum: 0 });

/**
 * Labels by `policy/segment` and metric, of a period and of the one before, which for labels begins with a full hour: their
 * means are compared, not their numbers.
 */
export function createLossFigures({ since, previousSince, until, bucketMs, buckets }: Period) {
  const segments = new Map<string, Map<string, Building>>();
  const first = fullHour(previousSince);
  const tallyOf = (key: string, metric: string): Building => {
    const metrics = segments.get(key) ?? new Map<string, Building>();
    segments.set(key, metrics);
    let known = metrics.get(metric);
    if (known === undefined) {
      const series = Array.from({ length: buckets }, () => null);
      known = { metric, now: none(), before: none(), series, variants: new Map() };
      metrics.set(metric, known);
    }
    return known;
  };
  return {
    count: ({ row: { policy, segment, variant, metric }, at, labels, sum }: HistoryCell): void => {
      if (at < first || at >= until) return;
      const add = (into: Adding): void => {
        into.labels += labels;
        into.sum += sum;
      };
      const known = tallyOf(`${policy}/${segment}`, metric);
      if (at < since) return add(known.before);
      add(known.now);
      const own = known.variants.get(variant) ?? none();
      known.variants.set(variant, own);
      add(own);
      const bucket = Math.floor((at - since) / bucketMs);
      add((known.series[bucket] ??= none()));
    },
    segments: (): ReadonlyMap<string, ReadonlyMap<string, LossTally>> => segments,
  };
}
