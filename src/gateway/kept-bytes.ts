import type { Seen } from "./wires/seen.ts";

/** How much of an answer's end is read for what it says of itself. */
const LAST_BYTES = 8 * 1024;

/** The bytes of an answer, the oldest forgotten beyond a bound. */
export interface KeptBytes {
  readonly add: (bytes: Uint8Array) => void;
  /** What is kept, as text. */
  readonly seen: () => Seen;
  readonly setFirst: (text: string) => void;
  readonly chunks: () => readonly Uint8Array[];
  /** Whether nothing was forgotten. */
  readonly isWhole: () => boolean;
}

export function keptBytes(bytesMax: number): KeptBytes {
  let chunks: Uint8Array[] = [];
  /** Those before it are forgotten. */
  let from = 0;
  let size = 0;
  let first = "";
  let isWhole = true;
  let known: Seen | null = null;
  const forget = (): readonly Uint8Array[] => {
    if (from > 0) chunks = chunks.slice(from);
    from = 0;
    return chunks;
  };
  return {
    add: (bytes) => {
      known = null;
      chunks.push(bytes);
      size += bytes.length;
      if (size <= bytesMax || chunks.length - from === 1) return;
      isWhole = false;
      while (size > bytesMax && from < chunks.length - 1) {
        size -= chunks[from]?.length ?? 0;
        chunks[from++] = EMPTY;
      }
      // Seldom, because it copies all that are left.
      if (from * 2 > chunks.length) forget();
    },
    setFirst: (text) => {
      known = null;
      first = text;
    },
    seen: () => {
      if (known !== null) return known;
      let all: string | null = null;
      const whole = (): string => (all ??= decoded(forget()));
      known = { first, last: size <= LAST_BYTES ? whole() : decoded(tail(forget())), all: whole };
      return known;
    },
    chunks: forget,
    isWhole: () => isWhole,
  };
}

/** The last chunks, as many as make up the last bytes. */
function tail(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  let size = 0;
  for (let at = chunks.length - 1; at >= 0; at--) {
    const chunk = chunks[at] ?? EMPTY;
    size += chunk.length;
    if (size < LAST_BYTES) continue;
    // The first of them may be far larger than what is asked for.
    const [oldest = EMPTY, ...rest] = chunks.slice(at);
    return [oldest.subarray(Math.max(0, size - LAST_BYTES * 2)), ...rest];
  }
  return chunks;
}

const EMPTY = new Uint8Array(0);

function decoded(chunks: readonly Uint8Array[]): string {
  if (chunks.length === 1) return new TextDecoder().decode(chunks[0]);
  const decoder = new TextDecoder();
  let text = "";
  for (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
