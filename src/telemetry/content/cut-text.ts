import { utf8Bytes } from "../spans/protobuf-writer.ts";

/** Stands where the rest of a value was left out. */
export const CUT = "…[CUT]";
const CUT_BYTES = utf8Bytes(CUT);

/** How far back the beginning of a number, an address or a token is looked for when a text is cut behind it. */
const TORN = 512;

/** The beginning of a text that was cut, without what the cut may have torn apart: half an address is recognised by nothing. */
export function withoutTornEnd(text: string): string {
  let end = text.length;
  const least = Math.max(0, end - TORN);
  for (let isTorn = true; isTorn && end > least;) {
    while (end > least && isSpace(text, end - 1)) end--;
    let start = end;
    while (start > least && !isSpace(text, start - 1)) start--;
    // Account and phone numbers stand in groups.
    isTorn = end === text.length || /[\d+@]/.test(text.slice(start, end));
    if (isTorn) end = start;
  }
  return text.slice(0, end) + CUT;
}

/** The same of a text whose beginning may be missing: without the numbers that it begins with. */
export const withoutTornStart = (text: string): string => text.replace(/^(?:\s{0,3}\S{0,64}\d\S{0,64}){1,8}/, CUT);

const isSpace = (text: string, at: number): boolean => /\s/.test(text[at] ?? " ");

/** At most so many UTF-8 bytes of a text, the mark included. @param bytesMax at least the mark's 9 */
export function cutToBytes(text: string, bytesMax: number): string {
  // A UTF-16 unit takes 3 bytes at most.
  if (text.length * 3 <= bytesMax || utf8Bytes(text) <= bytesMax) return text;
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += utf8Bytes(character);
    if (bytes > bytesMax - CUT_BYTES) break;
    end += character.length;
  }
  return text.slice(0, end) + CUT;
}
