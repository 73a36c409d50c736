import type { WaitingSpan } from "./span-buffer.ts";

/** Refusals in a row after which it is not single answers that are at fault. */
const REFUSALS_MAX = 32;

export interface Refusal {
  /** Found to be at fault. */
  readonly dropped: readonly WaitingSpan[];
  /** How many of the reader's answers are done with. */
  readonly passed: number;
  /** Whether the destination seems to refuse everything; nothing more is to be sent for now. */
  readonly isBlocked: boolean;
}

/**
 * Halves a batch that was refused until the answers at fault are alone. One is given up only where the destination has taken
 * another of the batch: a wrong address or a proxy may refuse all there is, and then it is no answer that is at fault.
 */
export interface RefusedBatch {
  /** The answers to send next; null when no batch is held. */
  readonly next: () => readonly WaitingSpan[] | null;
  /** Holds more than a batch, the newest of which goes first. */
  readonly hold: (batches: readonly (readonly WaitingSpan[])[]) => void;
  readonly refuse: (sent: readonly WaitingSpan[]) => Refusal;
  /** @returns how many of the reader's answers are done with */
  readonly take: (sent: readonly WaitingSpan[]) => number;
}

export function createRefusedBatch(): RefusedBatch {
  /** In the reader's order, but for those at the start that are done with. */
  let held: readonly WaitingSpan[] = [];
  /** Sent next is the last. */
  const parts: (readonly WaitingSpan[])[] = [];
  const done = new Set<WaitingSpan>();
  /** Refused alone, while nothing was taken. */
  let suspects: readonly WaitingSpan[] = [];
  let refusals = 0;
  let hasTaken = false;

  const hold = (batches: readonly (readonly WaitingSpan[])[]): void => {
    held = batches.flat();
    parts.splice(0, parts.length, ...batches);
    done.clear();
    suspects = [];
    refusals = 0;
    hasTaken = false;
  };
  const passed = (): number => {
    const first = held.findIndex((span) => !done.has(span));
    const count = first < 0 ? held.length : first;
    held = held.slice(count);
    return count;
  };
  return {
    next: () => parts.at(-1) ?? null,
    hold,
    refuse: (sent) => {
      if (parts.length === 0) hold([sent]);
      parts.pop();
      refusals += 1;
      const half = Math.ceil(sent.length / 2);
      let dropped: readonly WaitingSpan[] = [];
      if (sent.length > 1) parts.push(sent.slice(half), sent.slice(0, half));
      else if (hasTaken && refusals < REFUSALS_MAX) dropped = sent;
      else suspects = [...suspects, ...sent];
      for (const span of dropped) done.add(span);
      const isBlocked = refusals >= REFUSALS_MAX || (parts.length === 0 && suspects.length > 0);
      const count = passed();
      if (isBlocked) refusals = 0;
      if (isBlocked) hasTaken = false;
      return { dropped, passed: count, isBlocked };
    },
    take: (sent) => {
      if (parts.length === 0) return sent.length;
      parts.pop();
      for (const span of sent) done.add(span);
      hasTaken = true;
      refusals = 0;
      // Now that it takes something, they have a fair chance.
      if (suspects.length > 0) parts.push(suspects);
      suspects = [];
      return passed();
    },
  };
}
