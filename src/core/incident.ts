import { z } from "zod";
import { rounded } from "./rounded.ts";
import { upstreamOf } from "./upstream.ts";
import type { Policy } from "./policy.ts";
import { breadth, variantOf, type Spread } from "./spread.ts";

/** What many segments have in common when they fail together. */
export const IncidentScope = z.discriminatedUnion("kind", [
  /** One upstream, by `provider/model`: the segments that it serves move together, and come back together. */
  z.strictObject({
    kind: z.literal("upstream"),
    upstream: z.string(),
    /** No other upstream was seen to be well, so it may be the measure: a few segments try first. */
    isAlone: z.boolean(),
  }),
  /** One variant, where its upstream serves others well: its prompt or parameters are at fault. */
  z.strictObject({ kind: z.literal("variant"), variant: z.string() }),
  /** Whatever the upstream, scores fell: the measure changed, not the answers. Nothing moves. */
  z.strictObject({ kind: z.literal("evaluator") }),
]);
export type IncidentScope = z.infer<typeof IncidentScope>;

/** Whether a variant fails with an incident; nothing does where only the measure changed. */
export const isInScope = (policy: Policy, variant: string, scope: IncidentScope): boolean =>
  scope.kind === "variant"
    ? scope.variant === variant
    : scope.kind === "upstream" && scope.upstream === upstreamOf(policy, variant);

/** What the finding rests on. */
export const IncidentEvidence = z.strictObject({
  statistic: z.number(),
  threshold: z.number(),
  labels: z.int().nonnegative(),
  rows: z.int().nonnegative(),
  lossMean: z.number().min(0).max(1),
  lossTolerated: z.number().min(0).max(1),
  /** Nats by which the loss is spread over rows, and how much of it outside the busiest upstream. */
  breadth: z.number(),
  breadthElsewhere: z.number(),
});
export type IncidentEvidence = z.infer<typeof IncidentEvidence>;

/** Odds of 1 000 to 1, in nats, that a loss is spread over rows rather than the luck of some. */
const BROAD = Math.log(1000);
/** Odds of 100 to 1 that other upstreams fell as well: then no upstream is the cause. */
const ELSEWHERE = Math.log(100);
/** While others look this bad, it is too early to say. */
const UNCLEAR = Math.log(4);
/** A single row does not move while all the others look this bad. */
const SUSPECTED = Math.log(20);
/** Labels of other upstreams that must be seen to be well before one upstream is blamed. */
const ELSEWHERE_LABELS_MIN = 10;

export type Finding =
  | { readonly kind: "none" }
  /** Something broad is under way, but not what: segments wait with moves of their own. */
  | { readonly kind: "unclear" }
  | { readonly kind: "found"; readonly scope: IncidentScope; readonly evidence: IncidentEvidence };

/** What a pool says of a metric: the statistic of its detector, the labels that it was told, and how the loss is spread over its rows. */
export interface Pooled {
  readonly statistic: number;
  readonly heard: number;
  readonly spread: Spread;
}

export interface Pools {
  readonly all: Pooled;
  /** By `provider/model`. */
  readonly upstreams: ReadonlyMap<string, Pooled>;
  /** By the variant's id. */
  readonly variants: ReadonlyMap<string, Pooled>;
}

export interface IncidentContext {
  /** The upstream that a row is on. */
  readonly upstreamOf: (row: string) => string;
  /** Rows of incidents that are open: they say nothing new. */
  readonly isKnown: (row: string) => boolean;
  /** At which a pool's statistic is an alarm. */
  readonly threshold: number;
}

/** Tells what failed when much fails at once, widest first: the measure, an upstream, a variant, or none of them. */
export function findIncident(pools: Pools, context: IncidentContext): Finding {
  const { all } = pools;
  const { upstreamOf, isKnown, threshold } = context;
  const isNew = (row: string): boolean => !isKnown(row);
  const upstream = worstOf(pools.upstreams, isNew, threshold);
  const variant = worstOf(pools.variants, isNew, threshold);
  const isAllAlarmed = all.statistic >= threshold && breadth(all.spread, isNew) >= BROAD;
  const worst = upstream ?? variant;
  if (worst === null && !isAllAlarmed) return { kind: "none" };
  const busiest = worst === null ? busiestOf(all, upstreamOf) : upstreamOf(newRow(worst.pool, isNew));
  const elsewhere = breadth(all.spread, (row) => isNew(row) && upstreamOf(row) !== busiest);
  if (elsewhere >= ELSEWHERE)
    return { kind: "found", scope: { kind: "evaluator" }, evidence: evidenceOf(all, threshold, elsewhere) };
  if (elsewhere >= UNCLEAR) return { kind: "unclear" };
  if (worst === null) return { kind: "none" };
  const evidence = evidenceOf(worst.pool, threshold, elsewhere);
  const siblings = pools.upstreams.get(busiest);
  if (variant !== null && siblings !== undefined && areWell(variant, siblings, isNew))
    return { kind: "found", scope: { kind: "variant", variant: variant.name }, evidence };
  const { spread } = worst.pool;
  const isAlone = all.heard - spread.heardBefore.all - labelsOf(spread) < ELSEWHERE_LABELS_MIN;
  return { kind: "found", scope: { kind: "upstream", upstream: busiest, isAlone }, evidence };
}

/** Whether the other variants of an upstream were heard since one of them fell, and are well. */
function areWell(variant: Named, { heard, spread }: Pooled, isNew: (row: string) => boolean): boolean {
  const own = variant.pool.spread;
  const others = heard - own.heardBefore.upstream - labelsOf(own);
  const isSibling = (row: string): boolean => isNew(row) && variantOf(row) !== variant.name;
  return others >= ELSEWHERE_LABELS_MIN && breadth(spread, isSibling) < UNCLEAR;
}

interface Named {
  readonly name: string;
  readonly pool: Pooled;
}

/** The alarmed pool whose loss is spread the furthest over rows that say something new. */
function worstOf(pools: ReadonlyMap<string, Pooled>, isNew: (row: string) => boolean, threshold: number): Named | null {
  let worst: (Named & { readonly breadth: number }) | null = null;
  for (const [name, pool] of pools) {
    if (pool.statistic < threshold) continue;
    const spread = breadth(pool.spread, isNew);
    if (spread >= BROAD && (worst === null || spread > worst.breadth)) worst = { name, pool, breadth: spread };
  }
  return worst;
}

function newRow({ spread }: Pooled, isNew: (row: string) => boolean): string {
  for (const row of spread.rows.keys()) if (isNew(row)) return row;
  return "";
}

/**
 * Whether so much else looks worse as well that a row's alarm may be part of something wider.
 * @param since epoch milliseconds: rows without a label served since then say nothing any more
 */
export function looksShared(
  { all }: Pools,
  row: string,
  { since, isKnown }: Pick<IncidentContext, "isKnown"> & { readonly since: number },
): boolean {
  const counts = (other: string): boolean =>
    other !== row && !isKnown(other) && (all.spread.rows.get(other)?.at ?? 0) >= since;
  return breadth(all.spread, counts) >= SUSPECTED;
}

function labelsOf({ rows }: Spread): number {
  let sum = 0;
  for (const { labels } of rows.values()) sum += labels;
  return sum;
}

/** The upstream that most of the loss is on. */
function busiestOf({ spread: { rows } }: Pooled, upstreamOf: (row: string) => string): string {
  const sums = new Map<string, number>();
  for (const [row, { nats }] of rows) sums.set(upstreamOf(row), (sums.get(upstreamOf(row)) ?? 0) + nats);
  return [...sums].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["", -Infinity])[0];
}

function evidenceOf(pool: Pooled, threshold: number, breadthElsewhere: number): IncidentEvidence {
  let [labels, lossSum, toleratedSum] = [0, 0, 0];
  for (const row of pool.spread.rows.values()) {
    labels += row.labels;
    lossSum += row.lossSum;
    toleratedSum += row.toleratedSum;
  }
  return {
    statistic: rounded(pool.statistic),
    threshold,
    labels,
    rows: pool.spread.rows.size,
    lossMean: labels === 0 ? 0 : rounded(lossSum / labels),
    lossTolerated: labels === 0 ? 0 : rounded(toleratedSum / labels),
    breadth: rounded(breadth(pool.spread)),
    breadthElsewhere: rounded(breadthElsewhere),
  };
}

/** Nats at which a row speaks for itself. */
const OWN_VOICE = -1;

/** Whether a row has spoken against moving with the others: its own labels since the change say that it is well. */
export const isSpared = ({ rows }: Pick<Spread, "rows">, row: string): boolean =>
  (rows.get(row)?.nats ?? 0) < OWN_VOICE;
