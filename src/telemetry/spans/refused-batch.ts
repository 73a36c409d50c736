/** Refusals in a row after which what is left of a batch is given up: it is not one span that is at fault. */
const REFUSALS_MAX = 32;

/** Halves batches that were refused until the answer at fault is alone. */
export interface RefusedBatch {
  /** How many answers to send next; null when no batch is being halved. */
  readonly next: () => number | null;
  /** So many were refused. @returns whether they are given up, rather than halved */
  readonly refuse: (count: number) => boolean;
  /** So many were taken, or given up. */
  readonly pass: (count: number) => void;
  readonly isTaken: () => void;
  readonly clear: () => void;
}

export function createRefusedBatch(): RefusedBatch {
  /** How many answers each part has, the next one last. */
  const parts: number[] = [];
  let refusals = 0;
  return {
    next: () => parts.at(-1) ?? null,
    refuse: (count) => {
      refusals += 1;
      if (count <= 1 || refusals > REFUSALS_MAX) return true;
      const part = parts.pop() ?? count;
      const half = Math.ceil(count / 2);
      for (const answers of [part - count, count - half, half]) if (answers > 0) parts.push(answers);
      return false;
    },
    pass: (count) => {
      const part = parts.pop();
      if (part !== undefined && part > count) parts.push(part - count);
      if (parts.length === 0) refusals = 0;
    },
    isTaken: () => {
      refusals = 0;
    },
    clear: () => {
      parts.length = refusals = 0;
    },
  };
}
