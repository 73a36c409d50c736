import type { SegmentBoard } from "./boards.ts";
import type { AmountOutcome } from "./outcome.ts";
import { isUnusual, learnAmount, lossOfAmount, newReference, type Reference } from "./reference.ts";
import type { Stream } from "./stream.ts";

/**
 * The loss that an amount stands for on its segment; until that is known the segment's scale is learnt from it.
 * Of an amount that may have come to more, the loss is a lower bound: it counts only where the amount is unusual as it is.
 * @returns null where it is no evidence
 */
export function measureAmount(
  board: SegmentBoard,
  { variant, meaning }: Stream,
  { metric, amount, isAtLeast = false, at }: AmountOutcome,
): number | null {
  const reference = findReference(board, metric);
  if (reference !== undefined && reference.frozen !== null)
    return isAtLeast && !isUnusual(reference, amount) ? null : lossOfAmount(reference, amount);
  const { current } = board;
  // Only the incumbent's own answers say what is usual on the segment.
  if (isAtLeast || current === null || variant !== current.incumbent || at < current.since) return null;
  learnAmount(reference ?? addReference(board, newReference(metric, meaning)), amount);
  return null;
}

/** Forgets a scale whose metric means something else by now; the next amounts begin another. */
export function keepReference(board: SegmentBoard, metric: string, meaning: string): void {
  const reference = findReference(board, metric);
  if (reference === undefined) return;
  reference.meaning ??= meaning;
  if (reference.meaning !== meaning) board.references.splice(board.references.indexOf(reference), 1);
}

/** A segment has few relative metrics, so they are searched and not indexed. */
function findReference({ references }: SegmentBoard, metric: string): Reference | undefined {
  for (const reference of references) if (reference.metric === metric) return reference;
  return undefined;
}

function addReference({ references }: SegmentBoard, reference: Reference): Reference {
  references.push(reference);
  return reference;
}
