import type { StoredSpan } from "../otlp/span-shelf.ts";
import type { PhoenixAnnotation } from "./span-annotations.ts";
import { valueAt } from "./attribute-tree.ts";
import { attributesOf, type TokenPrice } from "./world.ts";

/** The continuous quantile, as SQL's `percentile_cont`; null of nothing. */
export function quantile(values: readonly number[], probability: number): number | null {
  if (values.length === 0) return null;
  if (!(probability >= 0 && probability <= 1)) throw new Error("probability must be between 0 and 1");
  const sorted = values.toSorted((a, b) => a - b);
  const at = probability * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}

const tokensOf = (span: StoredSpan) => {
  const count = (kind: string) => Number(valueAt(attributesOf(span), ["llm", "token_count", kind]) ?? 0);
  return { prompt: count("prompt"), completion: count("completion") };
};

export const tokenTotal = (spans: readonly StoredSpan[]): number =>
  spans.reduce((sum, span) => sum + tokensOf(span).prompt + tokensOf(span).completion, 0);

/** Costs by the server's own prices: what spans say in `llm.cost.*` is not used. Null where no model has a price. */
export function costSummary(spans: readonly StoredSpan[], prices: Readonly<Record<string, TokenPrice>>) {
  const sum = {
    prompt: { tokens: 0, cost: null as number | null },
    completion: { tokens: 0, cost: null as number | null },
  };
  for (const span of spans) {
    const tokens = tokensOf(span);
    const model = valueAt(attributesOf(span), ["llm", "model_name"]);
    const price = typeof model === "string" ? prices[model] : undefined;
    for (const kind of ["prompt", "completion"] as const) {
      sum[kind].tokens += tokens[kind];
      if (price !== undefined) sum[kind].cost = (sum[kind].cost ?? 0) + tokens[kind] * price[kind];
    }
  }
  const { prompt, completion } = sum;
  const cost = prompt.cost === null ? null : prompt.cost + (completion.cost ?? 0);
  return { ...sum, total: { tokens: prompt.tokens + completion.tokens, cost } };
}

/** A mean over spans of the mean over each span's annotations of one name; null where there are none. */
export function annotationSummary(name: string, bySpan: readonly (readonly PhoenixAnnotation[])[]) {
  const all = bySpan.flat();
  if (all.length === 0) return null;
  const means = bySpan
    .map((ofSpan) => ofSpan.flatMap(({ score }) => (score === null ? [] : [score])))
    .filter((scores) => scores.length > 0)
    .map((scores) => scores.reduce((sum, score) => sum + score, 0) / scores.length);
  const labels = all.flatMap(({ label }) => (label === null ? [] : [label]));
  const distinct = [...new Set(labels)];
  const share = (label: string) => labels.filter((one) => one === label).length / labels.length;
  return {
    name,
    count: all.length,
    labels: distinct,
    labelFractions: distinct.map((label) => ({ label, fraction: share(label) })),
    meanScore: means.length === 0 ? null : means.reduce((sum, mean) => sum + mean, 0) / means.length,
    scoreCount: all.filter(({ score }) => score !== null).length,
    labelCount: labels.length,
  };
}

export interface Bins {
  readonly scale: "MINUTE" | "HOUR" | "DAY" | "WEEK" | "MONTH" | "YEAR";
}
const BIN_MS = { MINUTE: 60_000, HOUR: 3_600_000, DAY: 86_400_000 } as const;

/** Counts by status, a bin at a time; bins without spans are there with zeros. */
export function spanCounts(
  spans: readonly StoredSpan[],
  { start, end }: { start?: string | null; end?: string | null },
  { scale }: Bins,
  now: number,
) {
  if (scale !== "MINUTE" && scale !== "HOUR" && scale !== "DAY")
    throw new Error(`Bins of a ${scale} are no part of this fake.`);
  const width = BIN_MS[scale];
  const first = start ? Date.parse(start) : Math.min(now, ...spans.map(({ startMs }) => startMs));
  const last = end ? Date.parse(end) : now;
  const floor = (ms: number) => Math.floor(ms / width) * width;
  const bins = new Map<number, { okCount: number; errorCount: number; unsetCount: number; totalCount: number }>();
  for (let at = floor(first); at < last; at += width)
    bins.set(at, { okCount: 0, errorCount: 0, unsetCount: 0, totalCount: 0 });
  const counters = { OK: "okCount", ERROR: "errorCount", UNSET: "unsetCount" } as const;
  for (const { startMs, status } of spans) {
    const bin = bins.get(floor(startMs));
    if (bin === undefined) continue;
    bin[counters[status.code]] += 1;
    bin.totalCount += 1;
  }
  return [...bins].map(([at, counts]) => ({ timestamp: new Date(at).toISOString(), ...counts }));
}
