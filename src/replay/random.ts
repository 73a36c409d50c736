/** Numbers in [0,1). */
export type Random = () => number;

/**
 * A stream of numbers that is the same for the same seed and name (sfc32 of Chris Doty-Humphrey's PractRand). Each
 * concern of a replay draws from a stream of its own, so that what the loop does changes no traffic and no outcome.
 */
export function seededRandom(seed: number, name: string): Random {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, seed | 0, 1];
  for (let i = 0; i < name.length; i++) b = Math.imul(b ^ name.charCodeAt(i), 0x01000193);
  const next = (): number => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

/** A shuffled copy (Fisher-Yates). */
export function shuffled<T>(values: readonly T[], random: Random): T[] {
  const copy = [...values];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [copy[i], copy[j]];
    if (a === undefined || b === undefined) continue;
    copy[i] = b;
    copy[j] = a;
  }
  return copy;
}
