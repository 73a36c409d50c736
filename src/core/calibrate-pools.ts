import type { Boards, PolicyBoard } from "./boards.ts";
import { meaningOf, measuredMeaning } from "./meaning.ts";
import type { Policy } from "./policy.ts";
import { newPool, type Pool } from "./pool.ts";
import type { ControlState } from "./state.ts";
import type { Stream } from "./stream.ts";

/** Drops the pools that a publication left without a source, or whose metric means something else by now. */
export function keepPools({ slabs }: Boards, policy: PolicyBoard, measuredSince: ControlState["measuredSince"]): void {
  policy.measuredSince = measuredSince;
  policy.poolsOfVariant.clear();
  const published = policy.published?.policy;
  if (published === undefined) return;
  const names = new Set(Object.keys(published.variants).flatMap((variant) => poolNames(published, variant)));
  for (const [key, pool] of policy.pools) {
    if (names.has(pool.pool) && pool.meaning === metricMeaning(policy, published, pool.metric)) continue;
    policy.pools.delete(key);
    slabs.pools.giveBack(pool);
  }
}

/** The pools that a stream's losses go to, made where there are none; null for a stream without a baseline objective. */
export function poolsOf(boards: Boards, policy: PolicyBoard, stream: Stream): readonly Pool[] | null {
  const { metric, variant, watches } = stream;
  const published = policy.published?.policy;
  if (published === undefined || !watches.some(({ objective }) => objective.against === "baseline")) return null;
  const key = `${metric}/${variant}`;
  const known = policy.poolsOfVariant.get(key);
  if (known !== undefined) return known;
  const pools = poolNames(published, variant).map((pool) => poolOf(boards, policy, { metric, pool }));
  policy.poolsOfVariant.set(key, pools);
  return pools;
}

function poolOf({ slabs }: Boards, policy: PolicyBoard, { metric, pool }: Pick<Pool, "metric" | "pool">): Pool {
  const key = poolKey(metric, pool);
  const known = policy.pools.get(key);
  if (known !== undefined) return known;
  const meaning = policy.published === null ? "" : metricMeaning(policy, policy.published.policy, metric);
  const made = newPool({ metric, pool, meaning }, slabs.pools.take());
  policy.pools.set(key, made);
  return made;
}

export const poolKey = (metric: string, pool: string): string => `${metric}/${pool}`;

/** Everything, what is answered by the same upstream, and what is the same variant. */
function poolNames({ variants }: Policy, variant: string): readonly string[] {
  const target = variants[variant];
  if (target === undefined) return [];
  return ["all", `upstream:${target.provider}/${target.model}`, `variant:${variant}`];
}

const metricMeaning = ({ id, measuredSince }: PolicyBoard, policy: Policy, metric: string): string =>
  measuredMeaning(meaningOf(policy, { when: "" }, metric), measuredSince, id, metric);
