import type { Clock, Counters, Deadlines, Log } from "../../ports.ts";
import type { SentSpan } from "./export-request.ts";
import { faultOf } from "./fault-of.ts";
import type { ContentEncoder, WaitingSpan } from "./span-buffer.ts";

const CONTENT_TIMEOUT_MS = 10_000;

export interface ContentDeps {
  /** Null where no content leaves. */
  readonly contentEncoder: ContentEncoder | null;
  readonly counters: Counters;
  readonly log: Log;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** Adds the content, where there is any and it could be redacted; else a span goes without. */
export async function withContent(
  { contentEncoder, counters, log, deadlines, clock }: ContentDeps,
  spans: readonly WaitingSpan[],
): Promise<readonly SentSpan[]> {
  const items = spans.flatMap(({ content }) => content ?? []);
  if (items.length === 0 || contentEncoder === null) return spans.map((span) => ({ span, content: null }));
  let encoded: readonly (Uint8Array | null)[] = [];
  const late = Promise.withResolvers<never>();
  const deadline = deadlines.watch(() => late.reject(new Error("content was not encoded in time")));
  deadline.dueAt = clock.now() + CONTENT_TIMEOUT_MS;
  try {
    encoded = await Promise.race([contentEncoder.encode(items), late.promise]);
  } catch (error) {
    counters.add("segue_span_content_dropped_total", { reason: "not_encoded" }, items.length);
    log.error("spans go without content, because it was not encoded", faultOf(error));
  } finally {
    deadline.end();
  }
  let next = 0;
  return spans.map((span) => ({ span, content: span.content === null ? null : (encoded[next++] ?? null) }));
}
