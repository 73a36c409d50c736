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
const DATA = text.encode("data:");
const ERROR = text.encode("error");

/** True when `events` hold `data: [DONE]` as a line of its own; `midLine` says that they begin within a line. */
export function holdsDone(events: Uint8Array, midLine: boolean): boolean {
  for (let end = events.lastIndexOf(0x5d); end >= DONE.length; end = events.lastIndexOf(0x5d, end - 1)) {
    const start = end + 1 - DONE.length;
    if (!isAt(events, start, DONE)) continue;
    const field = events[start - 1] === 0x20 ? start - 6 : start - 5;
    if (!isAt(events, field, DATA)) continue;
    if ((field === 0 && !midLine) || events[field - 1] === LF || events[field - 1] === CR) return true;
  }
  return false;
}

/**
 * True when one of `events` is an error that the upstream itself reports: `event: error`, or data whose JSON has an
 * object as its `error`. `midEvent` says that they begin within an event, which is then not looked at.
 */
export function holdsError(events: Uint8Array, midEvent: boolean): boolean {
  if (!holds(events, ERROR)) return false;
  const each = new TextDecoder().decode(events).split(/\r?\n\r?\n|\r\r/);
  return each.slice(midEvent ? 1 : 0).some(isError);
}

function isError(event: string): boolean {
  if (!event.includes("error")) return false;
  const lines = event.split(/\r\n|\n|\r/);
  if (lines.some((line) => /^event: ?error$/.test(line))) return true;
  const data = lines.flatMap((line) => /^data: ?(.*)$/.exec(line)?.[1] ?? []).join("\n");
  if (!data.includes('"error"')) return false;
  try {
    const { error } = JSON.parse(data) as { readonly error?: unknown };
    return typeof error === "object" && error !== null && !Array.isArray(error);
  } catch {
    // An event too long to be held is passed on in parts: its beginning has to do.
    return /^\s*\{\s*"error"\s*:\s*\{/.test(data);
  }
}

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  const [first = 0] = part;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1))
    if (isAt(bytes, at, part)) return true;
  return false;
}

function isAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  if (at < 0) return false;
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}
