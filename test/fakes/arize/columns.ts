import type { StoredSpan } from "../otlp/span-shelf.ts";
import type { AttributeValue } from "../otlp/trace-request.ts";

/** What was said of a span afterwards: a human annotation, or an evaluation of Arize's own. */
export interface Score {
  readonly name: string;
  readonly score?: number | undefined;
  readonly label?: string | undefined;
  readonly text?: string | undefined;
}

/** The scores of a span by name. */
export interface SpanScores {
  readonly annotations: ReadonlyMap<string, Score>;
  readonly evaluations: ReadonlyMap<string, Score>;
}

export type Cell = string | number | boolean | null;

/**
 * A column of AX's table of spans: `status_code`, `latency_ms`, `name`, `attributes.…`, `attributes.metadata.<key>`,
 * `annotation.<name>.score|label|text`, `eval.<name>.score|label|explanation`. Null where a span has none.
 * @returns undefined where there is no such column on any span
 */
export function cellOf(column: string, span: StoredSpan, scores: SpanScores): Cell | undefined {
  const own = ownColumns[column];
  if (own !== undefined) return own(span);
  const scored = /^(annotation|eval)\.(.+)\.(score|label|text|explanation)$/.exec(column);
  if (scored !== null) {
    const [, from = "", name = "", part = ""] = scored;
    const score = (from === "eval" ? scores.evaluations : scores.annotations).get(name);
    return (part === "score" ? score?.score : part === "label" ? score?.label : score?.text) ?? null;
  }
  if (!column.startsWith("attributes.")) return undefined;
  const key = column.slice("attributes.".length);
  const direct = cell(span.attributes[key]);
  if (direct !== null || !key.startsWith("metadata.")) return direct;
  return cell(metadataOf(span)[key.slice("metadata.".length)]);
}

const ownColumns: Readonly<Record<string, (span: StoredSpan) => Cell>> = {
  name: ({ name }) => name,
  status_code: ({ status }) => status.code,
  status_message: ({ status }) => status.message,
  latency_ms: ({ startMs, endMs }) => endMs - startMs,
  start_time: ({ startMs }) => new Date(startMs).toISOString(),
  end_time: ({ endMs }) => new Date(endMs).toISOString(),
  parent_id: ({ parentSpanId }) => parentSpanId,
  "context.span_id": ({ spanId }) => spanId,
  "context.trace_id": ({ traceId }) => traceId,
};

/** The `metadata` attribute, which is one string of JSON; empty where it is missing or no object. */
export function metadataOf({ attributes }: StoredSpan): Readonly<Record<string, AttributeValue>> {
  const { metadata } = attributes;
  if (typeof metadata !== "string") return {};
  try {
    const value: unknown = JSON.parse(metadata);
    return typeof value === "object" && value !== null ? (value as Record<string, AttributeValue>) : {};
  } catch {
    return {}; // A server does not refuse a span for metadata that nobody can read; the columns are missing.
  }
}

function cell(value: AttributeValue | undefined): Cell {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return Number(value);
  return typeof value === "object" ? JSON.stringify(value) : value;
}
