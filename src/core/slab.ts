/** A record of numbers: `cells[at]` is its first. What each place holds, its owner names by offsets. */
export interface Numbers {
  readonly cells: Float64Array;
  readonly at: number;
}

export const read = ({ cells, at }: Numbers, field: number): number => cells[at + field] ?? 0;

export function write({ cells, at }: Numbers, field: number, value: number): void {
  cells[at + field] = value;
}

export function add({ cells, at }: Numbers, field: number, by: number): void {
  cells[at + field] = (cells[at + field] ?? 0) + by;
}

/** A record of its own, all zeros. */
export const newNumbers = (width: number): Numbers => ({ cells: new Float64Array(width), at: 0 });

/** The whole record, for a checkpoint: JSON keeps a double exactly. */
export const numbersOf = ({ cells, at }: Numbers, width: number): number[] =>
  Array.from(cells.subarray(at, at + width));

export const fill = ({ cells, at }: Numbers, values: readonly number[]): void => cells.set(values, at);

const CHUNK = 256;

/**
 * Hands out records of `width` numbers, all zeros, from chunks of 256: one object a chunk in place of many a record,
 * and nothing is copied as it grows. Records that are given back are handed out again.
 */
export function createSlab(width: number): {
  readonly take: () => Numbers;
  readonly giveBack: (record: Numbers) => void;
} {
  let chunk = new Float64Array(0);
  let next = 0;
  const free: Numbers[] = [];
  return {
    take: () => {
      const used = free.pop();
      if (used !== undefined) {
        used.cells.fill(0, used.at, used.at + width);
        return used;
      }
      if (next >= chunk.length) {
        chunk = new Float64Array(width * CHUNK);
        next = 0;
      }
      const at = next;
      next += width;
      return { cells: chunk, at };
    },
    giveBack: ({ cells, at }) => void free.push({ cells, at }),
  };
}

export type Slab = ReturnType<typeof createSlab>;
