import { utf8Bytes } from "../spans/protobuf-writer.ts";
import { CUT, cutToBytes, withoutTornEnd } from "./cut-text.ts";

export type Entry = readonly [name: string, value: string | number | boolean];

/** With the note on what was left out 120. */
const ENTRIES_MAX = 119;
const VALUE_BYTES = 32 * 1024;
const SPAN_BYTES = 256 * 1024 - 64;
/** Below this a value says nothing any more. */
const VALUE_BYTES_MIN = 64;

/** Redacts attributes and keeps them within what a span may have of them. */
export interface ContentBudget {
  /** Adds one set of attributes, or none of them. @returns false when there is no room */
  readonly add: (entries: readonly Entry[]) => boolean;
  /** Adds a list's items from its beginning, until there is no room. @returns how many were left out */
  readonly addList: <T>(items: readonly T[], of: (i: number, item: T) => readonly Entry[]) => number;
  /** Adds the last items that there is room for, numbered from 0. @returns how many */
  readonly addLast: <T>(items: readonly T[], of: (i: number, item: T) => readonly Entry[]) => number;
  /** Adds a number, for which there is always room, once. */
  readonly note: (name: string, value: number) => void;
  readonly entries: () => readonly Entry[];
}

export function contentBudget(redact: (text: string) => string): ContentBudget {
  const kept: Entry[] = [];
  let bytes = 0;
  const sized = (entries: readonly Entry[]): readonly Entry[] =>
    entries.map(([name, value]) => [name, typeof value === "string" ? shortened(value, redact) : value]);
  const take = (entries: readonly Entry[]): boolean => {
    if (kept.length + entries.length > ENTRIES_MAX) return false;
    const left = SPAN_BYTES - bytes;
    const size = sizeOf(entries);
    const fitting = size <= left ? entries : fitted(entries, size - left);
    if (fitting === null) return false;
    kept.push(...fitting);
    bytes += sizeOf(fitting);
    return true;
  };
  const add = (entries: readonly Entry[]): boolean =>
    kept.length + entries.length <= ENTRIES_MAX && bytes < SPAN_BYTES && take(sized(entries));
  return {
    add,
    addList: (items, of) => {
      for (const [i, item] of items.entries()) if (!add(of(i, item))) return items.length - i;
      return 0;
    },
    addLast: (items, of) => {
      let count = 0;
      let [entriesLeft, bytesLeft] = [ENTRIES_MAX - kept.length, SPAN_BYTES - bytes];
      const texts: string[][] = [];
      // From the end, as their numbers follow only from how many there is room for.
      for (const item of items.toReversed()) {
        const entries = sized(of(items.length, item));
        entriesLeft -= entries.length;
        bytesLeft -= sizeOf(entries);
        if (entriesLeft < 0 || bytesLeft < 0) break;
        texts.unshift(entries.map(([, value]) => String(value)));
        count++;
      }
      for (const [i, item] of items.slice(items.length - count).entries())
        take(of(i, item).map(([name], at): Entry => [name, texts[i]?.[at] ?? ""]));
      return count;
    },
    note: (name, value) => {
      kept.push([name, value]);
    },
    entries: () => kept,
  };
}

/** Of names and values; what the encoding adds to them is a few bytes each. */
const sizeOf = (entries: readonly Entry[]): number =>
  entries.reduce(
    (sum, [name, value]) => sum + name.length + 12 + (typeof value === "string" ? utf8Bytes(value) : 8),
    0,
  );

/** Redacts after the first cut, as redaction takes its time, and cuts again, as it may lengthen a text. */
const shortened = (value: string, redact: (text: string) => string): string =>
  cutToBytes(redact(value.length > VALUE_BYTES ? withoutTornEnd(value.slice(0, VALUE_BYTES)) : value), VALUE_BYTES);

/** The same with its longest text made so much shorter; null where too little would be left. */
function fitted(entries: readonly Entry[], excess: number): readonly Entry[] | null {
  const lengths = entries.map(([, value]) => (typeof value === "string" ? utf8Bytes(value) : 0));
  const longest = Math.max(0, ...lengths);
  if (longest - excess < Math.max(VALUE_BYTES_MIN, CUT.length)) return null;
  const at = lengths.indexOf(longest);
  return entries.map(([name, value], i) => [name, i === at ? cutToBytes(String(value), longest - excess) : value]);
}
