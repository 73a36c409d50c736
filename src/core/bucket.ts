/**
 * A sticky position in [0,1) for a unit under a salt: FNV-1a over both, then the 32-bit finaliser
 * of MurmurHash3, which spreads units that differ in one character.
 */
export function bucket(salt: string, unit: string): number {
  let hash = 0x811c9dc5;
  for (const text of [salt, "\u0000", unit]) {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      hash = Math.imul(hash ^ (code & 0xff), 0x01000193);
      if (code > 0xff) hash = Math.imul(hash ^ (code >>> 8), 0x01000193);
    }
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 2 ** 32;
}
