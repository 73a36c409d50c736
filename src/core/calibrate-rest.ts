import { levelMean, toleratedAround } from "./baseline.ts";
import { findStream, type PolicyBoard, type SegmentBoard, type Served, type Sum } from "./boards.ts";
import { recent, tolerate } from "./stream.ts";

const REST_LABELS_MIN = 200;
const NONE: Sum = { labels: 0, lossSum: 0 };

/**
 * Sums what a policy's incumbents were served in about the last hour, on the metrics with an objective against the rest.
 * Once for all segments, or a policy of many would be summed once for each of them.
 * @returns the boards whose watches are to be told
 */
export function refreshServed(policy: PolicyBoard, now: number): readonly SegmentBoard[] {
  const asking = policy.order.filter(({ segment }) => segment?.objectives.some(({ against }) => against === "rest"));
  const metrics = new Set(asking.flatMap(({ segment }) => segment?.objectives.map(({ metric }) => metric) ?? []));
  policy.served = new Map([...metrics].map((metric) => [metric, servedOn(policy, metric, now)]));
  return asking;
}

function servedOn(policy: PolicyBoard, metric: string, now: number): Served {
  let [labels, lossSum] = [0, 0];
  const own = new Map<SegmentBoard, Sum>();
  for (const board of policy.order) {
    const stream = board.current === null ? undefined : findStream(board, board.current.incumbent, metric);
    if (stream === undefined) continue;
    const sum = recent(stream, now);
    own.set(board, sum);
    labels += sum.labels;
    lossSum += sum.lossSum;
  }
  return { whole: { labels, lossSum }, own };
}

/** Tells a segment's watches against the rest what that tolerates. */
export function tellRest(board: SegmentBoard): void {
  for (const { metric, watches } of board.streams)
    for (const watch of watches)
      if (watch.objective.against === "rest")
        tolerate(watch, toleratedByRest(board, metric, watch.objective.tolerance));
}

/** The loss tolerated around that of the policy's other segments; null while they have too few labels. */
function toleratedByRest(board: SegmentBoard, metric: string, tolerance: number): number | null {
  const served = board.policy.served?.get(metric);
  if (served === undefined) return null;
  const own = served.own.get(board) ?? NONE;
  const labels = served.whole.labels - own.labels;
  if (labels < REST_LABELS_MIN) return null;
  return toleratedAround(levelMean(labels, Math.max(0, served.whole.lossSum - own.lossSum)), labels, tolerance);
}
