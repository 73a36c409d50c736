import type { Clock, Deadlines } from "../../ports.ts";
import { judgeAnswer, judgeFailure, type ExportResult } from "./export-result.ts";
import type { SpanDestination } from "./span-destinations.ts";

const TIMEOUT_MS = 10_000;
/** An answer of a collector is a few bytes; one that goes on is not read. */
const ANSWER_BYTES_MAX = 64 * 1024;

export interface PostDeps {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** Sends a request to a collector and judges what came back. Never rejects. @param signal lets it go */
export async function postSpans(
  { fetch, clock, deadlines }: PostDeps,
  {
    destination,
    body,
    signal,
  }: {
    readonly destination: SpanDestination;
    readonly body: Uint8Array<ArrayBuffer>;
    readonly signal: AbortSignal;
  },
): Promise<ExportResult> {
  const late = new AbortController();
  const deadline = deadlines.watch(() => late.abort());
  deadline.dueAt = clock.now() + TIMEOUT_MS;
  try {
    const response = await fetch(destination.url, {
      method: "POST",
      headers: { ...destination.headers, "content-type": "application/x-protobuf" },
      body,
      // Elsewhere the credentials have no business.
      redirect: "manual",
      signal: AbortSignal.any([late.signal, signal]),
    });
    const answer = await readStart(response);
    const { status, headers } = response;
    return judgeAnswer(destination, { status, retryAfter: headers.get("retry-after"), body: answer }, clock.now());
  } catch (error) {
    return judgeFailure(error, late.signal.aborted);
  } finally {
    deadline.end();
  }
}

/** The start of a body; reading to the end lets the connection be used again. */
async function readStart(response: Response): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const piece = await reader?.read();
    if (piece?.value === undefined || piece.done) break;
    chunks.push(piece.value);
    length += piece.value.length;
    if (length <= ANSWER_BYTES_MAX) continue;
    await reader?.cancel();
    break;
  }
  const start = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    start.set(chunk, at);
    at += chunk.length;
  }
  return start;
}
