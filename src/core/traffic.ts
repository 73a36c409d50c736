import { countInHour, lastHour } from "./hour.ts";
import type { PolicyBoard, SegmentBoard } from "./boards.ts";
import type { Slab } from "./slab.ts";

/** Counts one exposure of a segment at `at`, epoch milliseconds, for it and for its policy. */
export function countExposure(slab: Slab, board: SegmentBoard, at: number): void {
  for (const counted of [board, board.policy]) {
    const numbers = (counted.exposures ??= slab.take());
    countInHour(numbers.cells, numbers.at, 0, at);
  }
}

/** The share in [0,1] of a policy's exposures in about the hour before `now` that were the segment's; 0 when there were none. */
export function trafficShare(board: SegmentBoard, now: number): number {
  const all = exposuresOf(board.policy, now);
  return all === 0 ? 0 : exposuresOf(board, now) / all;
}

/** How many there were in about the hour before `now`. */
export const exposuresOf = (counted: Pick<PolicyBoard, "exposures"> | undefined, now: number): number =>
  counted?.exposures == null ? 0 : lastHour(counted.exposures.cells, counted.exposures.at, now).count;
