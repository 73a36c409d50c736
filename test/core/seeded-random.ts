/** Numbers in [0,1) that are the same for the same seed (mulberry32), so that a simulation never fails by chance. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Losses of 0 or 1 with this mean. */
export function coinLosses(seed: number): (mean: number) => number {
  const random = seededRandom(seed);
  return (mean) => (random() < mean ? 1 : 0);
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
