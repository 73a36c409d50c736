import type { StoredSpan } from "../otlp/span-shelf.ts";
import { valueAt } from "./attribute-tree.ts";
import type { FilterRow, Value } from "./filter-operand.ts";
import { attributesOf, spanKindOf, type PhoenixWorld } from "./world.ts";

/** A span as a filter sees it. */
export function filterRow({ annotations }: PhoenixWorld, span: StoredSpan): FilterRow {
  const columns: Record<string, () => Value> = {
    span_id: () => span.spanId,
    trace_id: () => span.traceId,
    parent_id: () => span.parentSpanId,
    span_kind: () => spanKindOf(span),
    name: () => span.name,
    status_code: () => span.status.code,
    status_message: () => span.status.message,
    latency_ms: () => span.endMs - span.startMs,
    start_time: () => span.startMs,
    end_time: () => span.endMs,
  };
  return {
    column: (name) => columns[name]?.() ?? null,
    attribute: (path) => valueAt(attributesOf(span), path),
    annotation: (name) => annotations.ofSpan(span.spanId).find((one) => one.name === name) ?? null,
  };
}
