import type { OutboxBody, OutboxSettlement } from "../ports.ts";

/** Of each topic, so that a destination that is down takes no room from another. */
export interface OutboxBounds {
  readonly waitingMax: number;
  /** Of those that wait: those that their destination did not know. Most never become known, and must not take the others' room. */
  readonly struckMax: number;
  /** Dead letters kept; the oldest go first. */
  readonly buriedMax: number;
}

/** About 100 MB a topic where every annotation has a comment of some hundred characters. */
export const OUTBOX_BOUNDS: OutboxBounds = { waitingMax: 100_000, struckMax: 10_000, buriedMax: 1000 };

/** Both bodies as one, the later one's members win; null where that changes nothing. */
export function mergedBody(known: OutboxBody, later: OutboxBody): OutboxBody | null {
  const isChanged = Object.entries(later).some(([name, value]) => known[name] !== value);
  return isChanged ? { ...known, ...later } : null;
}

export const isStrike = (settlement: OutboxSettlement): boolean => settlement.kind === "later" && settlement.isStrike;
