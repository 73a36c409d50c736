import { findStream, type SegmentBoard } from "./boards.ts";
import { isSuspicious } from "./stream.ts";

/**
 * Whether labels of a variant's answers on a segment would decide something now: in a canary all do; else those of what
 * serves, by its objectives. Without one on feedback, nobody can be asked for any.
 */
export function wantsLabels(board: SegmentBoard, variant: string): boolean {
  if (board.canary !== null) return true;
  if (board.current?.incumbent !== variant) return false;
  const metrics = board.policy.published?.policy.metrics;
  const watched = (board.segment?.objectives ?? []).map(({ metric }) => ({
    isAsked: metrics?.[metric]?.from === "feedback",
    stream: findStream(board, variant, metric),
  }));
  if (!watched.some(({ isAsked }) => isAsked)) return false;
  return watched.some(({ isAsked, stream }) => (stream === undefined ? isAsked : isSuspicious(stream)));
}
