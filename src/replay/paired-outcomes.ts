import { amountDifference, scoreDifference, weightedMean, type EstimatedMean } from "../core/intervals.ts";
import type { ItemPick } from "./item-routes.ts";
import type { TableSegment } from "./outcome-table.ts";
import type { VariantColumns } from "./variant-columns.ts";

/** Fewer items say too little to be printed. */
export const ITEMS_MIN = 30;

/** One measure of the same items under two variants. */
export interface Comparison {
  /** Items that it is known of: for both variants, or for the one that there is. */
  readonly items: number;
  /** Means; null where there is no variant, or too few items. */
  readonly before: number | null;
  readonly after: number | null;
  readonly difference: EstimatedMean | null;
}

/** What the table says of some items under the variant before and the one after, item by item. */
export interface PairedOutcomes {
  readonly score: Comparison;
  readonly costUsd: Comparison;
  readonly latencyMs: Comparison;
  /** The latency that 95 of 100 answers stay within. */
  readonly latencyMsP95: { readonly before: number | null; readonly after: number | null };
  /** Variants without outcomes, and of how many items. */
  readonly lacking: readonly { readonly variant: string; readonly items: number }[];
}

/** The variants that serve some items; null where it is not known which one does. */
export interface Served {
  readonly before: string | null;
  readonly after: string | null;
}

/** Compares what the variants made of the same items. */
export function pairedOutcomes(served: Served, picks: readonly ItemPick[], columns: VariantColumns): PairedOutcomes {
  const latencies = valuesOf(served, picks, { columns, of: ({ latencyMs }) => latencyMs });
  const lacking = [served.before, served.after].flatMap((variant) => {
    if (variant === null) return [];
    const items = picks.reduce(
      (sum, { segment, items: own }) => sum + (columns.columnOf(segment, variant) === null ? own.length : 0),
      0,
    );
    return items === 0 ? [] : [{ variant, items }];
  });
  return {
    score: compare(valuesOf(served, picks, { columns, of: ({ scores }) => scores }), scoreDifference),
    costUsd: compare(valuesOf(served, picks, { columns, of: ({ costUsd }) => costUsd }), amountDifference),
    latencyMs: compare(latencies, amountDifference),
    latencyMsP95: { before: p95(latencies.before), after: p95(latencies.after) },
    lacking,
  };
}

/** The comparisons as one: the mean weighted by items. Those without a difference say nothing. */
export function totalOf(parts: readonly Comparison[]): Comparison {
  const known = parts.flatMap(({ items, before, after, difference }) =>
    before === null || after === null || difference === null ? [] : [{ items, before, after, difference }],
  );
  const items = known.reduce((sum, part) => sum + part.items, 0);
  if (items === 0) return { items, before: null, after: null, difference: null };
  const mean = (of: "before" | "after") => known.reduce((sum, part) => sum + (part.items / items) * part[of], 0);
  const parted = known.map((part) => ({ weight: part.items, estimate: part.difference }));
  return { items, before: mean("before"), after: mean("after"), difference: weightedMean(parted) };
}

interface Values {
  /** Null where there is no variant. */
  readonly before: readonly number[] | null;
  readonly after: readonly number[] | null;
}

interface Measure {
  readonly columns: VariantColumns;
  /** [model][item] of a segment. */
  readonly of: (segment: TableSegment) => readonly Float64Array[] | null;
}

/** The values of the items that are known under every variant that there is, in the same order. */
function valuesOf(served: Served, picks: readonly ItemPick[], { columns, of }: Measure): Values {
  const [before, after]: [number[], number[]] = [[], []];
  for (const { segment, items } of picks) {
    const was = cellsOf(segment, served.before, { columns, of });
    const becomes = cellsOf(segment, served.after, { columns, of });
    if (was === undefined || becomes === undefined) continue;
    for (const item of items) {
      before.push(was?.[item] ?? Number.NaN);
      after.push(becomes?.[item] ?? Number.NaN);
    }
  }
  return { before: served.before === null ? null : before, after: served.after === null ? null : after };
}

/** Null for no variant, undefined for one without outcomes. */
function cellsOf(
  segment: TableSegment,
  variant: string | null,
  { columns, of }: Measure,
): Float64Array | null | undefined {
  if (variant === null) return null;
  const place = columns.columnOf(segment, variant);
  return place === null ? undefined : of(segment)?.[place];
}

function compare({ before, after }: Values, estimate: (differences: readonly number[]) => EstimatedMean): Comparison {
  const items = (before ?? after ?? []).length;
  if (items < ITEMS_MIN) return { items, before: null, after: null, difference: null };
  const differences =
    before === null || after === null ? null : after.map((value, i) => value - (before[i] ?? Number.NaN));
  return {
    items,
    before: before === null ? null : mean(before),
    after: after === null ? null : mean(after),
    difference: differences === null ? null : estimate(differences),
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** By nearest rank. */
function p95(values: readonly number[] | null): number | null {
  if (values === null || values.length < ITEMS_MIN) return null;
  return [...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? null;
}
