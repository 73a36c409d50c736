import type { Clock, Log, ServedContent, ServedSpan, Spans } from "../ports.ts";
import type { Delivered } from "./answer-delivery.ts";
import type { Served } from "./answer-recorder.ts";
import type { TraceContext } from "./trace-context.ts";
import type { Wire } from "./wires/wire.ts";

/** What a span needs beside what was served. */
export interface SpanContext {
  readonly wire: Wire;
  readonly trace: TraceContext;
  readonly user: string | null;
  /** The client's body, where content is exported; else null. */
  readonly content: Uint8Array | null;
}

/** Hands the span of an answer that has ended to those who export it. Never throws: an answer must not fail because it is not exported. */
export function recordSpan(
  { spans, clock, log }: { readonly spans?: Pick<Spans, "record">; readonly clock: Clock; readonly log: Log },
  served: Served,
  delivered: Delivered,
  context: SpanContext,
): void {
  if (spans === undefined) return;
  try {
    spans.record(servedSpan(served, delivered, context, clock.now()));
  } catch (error) {
    log.error("an answer was served but its span was not recorded", { predictionId: served.predictionId, error });
  }
}

/** @param endedAt epoch milliseconds */
function servedSpan(
  { policy, decision, attributes, session, key, receivedAt }: Served,
  { ending, failedAttempts, kept, isEventStream }: Delivered,
  { wire, trace, user, content }: SpanContext,
  endedAt: number,
): ServedSpan {
  return {
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentSpanId: trace.parentSpanId,
    wire: wire.id,
    policy,
    decision,
    attributes,
    session,
    user,
    keyId: key.id,
    startedAt: receivedAt,
    endedAt,
    status: ending.status,
    error: ending.error,
    answered: ending.answered,
    failedAttempts,
    content: content === null ? null : contentOf(content, { ending, kept, isEventStream }),
  };
}

const contentOf = (
  request: Uint8Array,
  { ending, kept, isEventStream }: Pick<Delivered, "ending" | "kept" | "isEventStream">,
): ServedContent => ({
  request,
  answer: kept?.chunks() ?? [],
  isEventStream,
  isComplete: ending.error === null && kept !== null && kept.isWhole(),
});
