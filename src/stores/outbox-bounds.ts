import type { OutboxBody } from "../ports.ts";

/** Of each topic, so that a destination that is down takes no room from another. */
export interface OutboxBounds {
  readonly waitingMax: number;
  /** Dead letters kept; the oldest go first. */
  readonly buriedMax: number;
}

/** About 100 MB a topic where every annotation has a comment of some hundred characters. */
export const OUTBOX_BOUNDS: OutboxBounds = { waitingMax: 100_000, buriedMax: 1000 };

/** Both bodies as one, the later one's members win; null where that changes nothing. */
export function mergedBody(known: OutboxBody, later: OutboxBody): OutboxBody | null {
  const isChanged = Object.entries(later).some(([name, value]) => known[name] !== value);
  return isChanged ? { ...known, ...later } : null;
}
