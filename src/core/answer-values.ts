export interface DecodedAnswer {
  readonly text: string;
  /** False where it was longer than what is read of it. */
  readonly isWhole: boolean;
}

/** The beginning of an answer as text, whose bytes came in pieces that were cut anywhere. */
export function decodedAnswer(chunks: readonly Uint8Array[], bytesMax: number): DecodedAnswer {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  // A stream's chunks are many and small: decoding them one by one takes longer than copying them.
  const bytes = new Uint8Array(Math.min(length, bytesMax));
  let at = 0;
  for (const chunk of chunks) {
    const left = bytes.length - at;
    bytes.set(chunk.length <= left ? chunk : chunk.subarray(0, left), at);
    at += Math.min(chunk.length, left);
    if (at === bytes.length) break;
  }
  // A character that the limit cuts in two is left out.
  return { text: new TextDecoder().decode(bytes, { stream: true }), isWhole: length <= bytesMax };
}

/**
 * Gives the taker the data of each server-sent event that is JSON. WHATWG HTML, "interpreting an event stream"; the last
 * event needs no empty line behind it.
 */
export function eachEventValue(text: string, taker: (value: unknown) => void): void {
  const lines = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  let data = "";
  for (let start = 0; start < lines.length;) {
    const newline = lines.indexOf("\n", start);
    const end = newline === -1 ? lines.length : newline;
    if (end === start) {
      if (data !== "") jsonValue(data, taker);
      data = "";
    } else if (lines.startsWith("data:", start)) {
      const value = lines.slice(lines[start + 5] === " " ? start + 6 : start + 5, end);
      data = data === "" ? value : `${data}\n${value}`;
    }
    start = end + 1;
  }
  if (data !== "") jsonValue(data, taker);
}

/** Gives the taker the value of a JSON text, and nothing where the text is none. */
export function jsonValue(text: string, taker: (value: unknown) => void): void {
  if (text === "[DONE]") return;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  taker(value);
}
