import type { Lease } from "../ports.ts";

/** A lease within one process. `fence()` is what a memory ledger compares with. */
export function createMemoryLease(): Lease & { readonly fence: () => number } {
  let holder: string | null = null;
  let fence = 0;
  let until = 0;
  return {
    acquire: async (candidate, ttlMs, now) => {
      if (holder !== null && holder !== candidate && now < until) return null;
      if (holder !== candidate) fence += 1;
      holder = candidate;
      until = now + ttlMs;
      return fence;
    },
    release: async (candidate) => {
      if (holder === candidate) holder = null;
    },
    fence: () => fence,
  };
}
