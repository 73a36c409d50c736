import type { Boards } from "./boards.ts";
import { poolKey } from "./calibrate-pools.ts";
import { latchedStatisticOf } from "./detector.ts";
import type { Pooled } from "./incident.ts";
import { readPool, resetPool, type Pool } from "./pool.ts";
import type { Scoreboard } from "./scoreboard.ts";

const pooledOf = (pool: Pool): Pooled => ({
  statistic: latchedStatisticOf(pool),
  heard: pool.heard,
  spread: pool.spread,
});

/** What the pools say. */
export function poolReader(boards: Boards): Pick<Scoreboard, "pool" | "pooled" | "pools" | "resetPool"> {
  const poolOf = (policy: string, metric: string, pool: string) =>
    boards.policies.get(policy)?.pools.get(poolKey(metric, pool));
  return {
    pool: (policy, metric, pool) => {
      const found = poolOf(policy, metric, pool);
      return found === undefined ? null : readPool(found);
    },
    pooled: (policy, metric) => {
      const all = poolOf(policy, metric, "all");
      if (all === undefined) return null;
      const upstreams = new Map<string, Pooled>();
      const variants = new Map<string, Pooled>();
      for (const pool of boards.policies.get(policy)?.pools.values() ?? []) {
        if (pool.metric !== metric || pool === all) continue;
        const [, kind, name = ""] = /^(upstream|variant):(.*)$/.exec(pool.pool) ?? [];
        (kind === "upstream" ? upstreams : variants).set(name, pooledOf(pool));
      }
      return { all: pooledOf(all), upstreams, variants };
    },
    pools: (policy) =>
      [...(boards.policies.get(policy)?.pools.values() ?? [])].map((pool) => ({
        metric: pool.metric,
        pool: pool.pool,
        reading: readPool(pool),
      })),
    resetPool: (policy, metric, pool) => {
      const found = poolOf(policy, metric, pool);
      if (found !== undefined) resetPool(found);
    },
  };
}
