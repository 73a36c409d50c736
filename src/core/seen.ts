/** Keys that are remembered at least; at most twice as many are. */
const SEEN_MIN = 131_072;
/** Of these the last ones survive a restart. */
const SEEN_SAVED = 10_000;
const CAPACITY_MIN = 1024;

/** What was counted before, as numbers that stand for an answer and a metric. */
export interface Seen {
  /** @returns false for what was told before */
  readonly isNew: (predictionId: string, metric: string) => boolean;
  /** The last ones, oldest first. */
  readonly last: () => number[];
}

/**
 * Remembers in two generations of numbers: a set of strings costs more time than all that is done with the label, and
 * to forget one key at a time is slow in a large one. That two labels share a number, and the second is lost, is
 * expected once in 3 · 10¹⁰ labels.
 */
export function createSeen(saved: readonly number[]): Seen {
  let young = createGeneration();
  let old = createGeneration();
  /** A ring of the last ones. */
  const ring: number[] = [];
  let told = 0;
  const remember = (number: number): boolean => {
    if (old.has(number) || !young.add(number)) return false;
    ring[told % SEEN_SAVED] = number;
    told += 1;
    if (young.size() >= SEEN_MIN) {
      old = young;
      young = createGeneration();
    }
    return true;
  };
  for (const number of saved) remember(number);
  return {
    isNew: (predictionId, metric) => remember(labelNumber(predictionId, metric)),
    last: () => [...ring.slice(told % ring.length), ...ring.slice(0, told % ring.length)],
  };
}

/** The end of an id is its signature, which no two answers share. */
const SIGNATURE = 16;

/** Stands for an answer and something about it: a hash of 53 bits, never 0 (cyrb53: two multiplicative hashes, mixed as in MurmurHash3). */
export function labelNumber(predictionId: string, metric: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = Math.max(0, predictionId.length - SIGNATURE); i < predictionId.length; i++) {
    const unit = predictionId.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  // Apart from each other, as if a character that is in neither lay between them.
  a = Math.imul(a ^ 0x10000, 0x9e3779b1);
  b = Math.imul(b ^ 0x10000, 0x5f356495);
  for (let i = 0; i < metric.length; i++) {
    const unit = metric.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  const high = mix(a) ^ mixOther(b);
  const low = mix(b) ^ mixOther(a);
  return (high & 0x1fffff) * 2 ** 32 + (low >>> 0) || 1;
}

const mix = (hash: number): number => Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
const mixOther = (hash: number): number => Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);

/** A growing set of numbers that are not 0, at most half full: open addressing, linear probing. */
function createGeneration(): {
  readonly has: (number: number) => boolean;
  /** @returns false when it was there */
  readonly add: (number: number) => boolean;
  readonly size: () => number;
} {
  let cells = new Float64Array(CAPACITY_MIN);
  let size = 0;
  /** Where the number is, or the empty cell where it belongs. */
  const placeOf = (number: number): number => {
    const last = cells.length - 1;
    let place = number & last;
    for (let there = cells[place] ?? 0; there !== 0 && there !== number; there = cells[place] ?? 0)
      place = (place + 1) & last;
    return place;
  };
  const grow = (): void => {
    const before = cells;
    cells = new Float64Array(before.length * 2);
    for (const number of before) if (number !== 0) cells[placeOf(number)] = number;
  };
  return {
    has: (number) => size > 0 && cells[placeOf(number)] === number,
    add: (number) => {
      const place = placeOf(number);
      if (cells[place] === number) return false;
      cells[place] = number;
      size += 1;
      if (size * 2 > cells.length) grow();
      return true;
    },
    size: () => size,
  };
}
