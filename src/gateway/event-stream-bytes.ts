const LF = 10;
const CR = 13;

/**
 * The length of the part of `bytes` that ends with a whole server-sent event, 0 when it holds none.
 * Events end with an empty line; a line with LF, CRLF or CR (WHATWG HTML, "parsing an event stream").
 */
export function wholeEvents(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at > 0; at--) {
    const byte = bytes[at];
    if (byte !== LF && byte !== CR) continue;
    const before = bytes[at - 1];
    if (before === byte) return at + 1;
    if (byte === LF && before === CR && (bytes[at - 2] === LF || bytes[at - 2] === CR)) return at + 1;
  }
  return 0;
}

const text = new TextEncoder();
const DONE = text.encode("[DONE]");
const ERROR = text.encode('data: {"error"');

/** True when `events` hold `data: [DONE]` as a line of its own; `midLine` says that they begin within a line. */
export function holdsDone(events: Uint8Array, midLine: boolean): boolean {
  const end = events.lastIndexOf(0x5d);
  const start = end + 1 - DONE.length;
  if (end < 0 || !isAt(events, start, DONE)) return false;
  const field = events[start - 1] === 0x20 ? start - 6 : start - 5;
  if (!isAt(events, field, DATA)) return false;
  return (field === 0 && !midLine) || events[field - 1] === LF || events[field - 1] === CR;
}

/** True when `events` begin with an error that the upstream itself reports. */
export const beginsWithError = (events: Uint8Array): boolean => isAt(events, 0, ERROR);

/** The last of whole events: its end, an empty line of two bytes at least, hides where it begins. */
export const lastEvent = (events: Uint8Array): Uint8Array => events.subarray(wholeEvents(events.subarray(0, -2)));

const DATA = text.encode("data:");

const isAt = (bytes: Uint8Array, at: number, part: Uint8Array): boolean =>
  at >= 0 && part.every((byte, i) => bytes[at + i] === byte);
