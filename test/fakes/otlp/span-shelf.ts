import type { ReceivedSpan } from "./trace-request.ts";

/** A span with a project, as a server keeps it. */
export interface StoredSpan extends ReceivedSpan {
  readonly project: string;
  /** Epoch milliseconds from which it can be read. */
  readonly readableAt: number;
}

/**
 * Keeps spans by their ids: of one that is sent again, the first or the last stays. What was sent becomes readable
 * `lagMs` later by the injected clock.
 */
export function spanShelf(now: () => number, lagMs: number, keeps: "first" | "last" = "last") {
  const spans = new Map<string, StoredSpan>();
  let received = 0;
  const isReadable = (span: StoredSpan | undefined): span is StoredSpan =>
    span !== undefined && span.readableAt <= now();
  return {
    add(span: ReceivedSpan, project: string): void {
      received += 1;
      // The first arrival counts for the lag: sending again must not hide what is known.
      const readableAt = spans.get(span.spanId)?.readableAt ?? now() + lagMs;
      if (keeps === "last" || !spans.has(span.spanId)) spans.set(span.spanId, { ...span, project, readableAt });
    },
    /** In the order of arrival. */
    readable: (): readonly StoredSpan[] => [...spans.values()].filter(isReadable),
    find: (spanId: string): StoredSpan | undefined => {
      const span = spans.get(spanId);
      return isReadable(span) ? span : undefined;
    },
    /** How many came in, those sent again included. */
    received: () => received,
    waiting: () => [...spans.values()].filter((span) => !isReadable(span)).length,
  };
}
export type SpanShelf = ReturnType<typeof spanShelf>;
