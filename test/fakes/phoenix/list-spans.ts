import { z } from "zod";
import type { StoredSpan } from "../otlp/span-shelf.ts";
import { globalId, parseGlobalId } from "../vendor/global-id.ts";
import { json, Refusal, text, type Reply } from "../vendor/reply.ts";
import { flattened, valueAt } from "./attribute-tree.ts";
import { attributesOf, projectOf, spanKindOf, type PhoenixProject, type PhoenixWorld } from "./world.ts";

const When = z.iso.datetime({ offset: true }).transform((at) => Date.parse(at));
const Query = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().optional(),
  start_time: When.optional(),
  end_time: When.optional(),
  parent_id: z.string().optional(),
});

export const foundProject = (world: PhoenixWorld, identifier: string): PhoenixProject => {
  const project = projectOf(world, identifier);
  if (project === undefined) throw new Refusal(text(404, `Project with identifier ${identifier} not found`));
  return project;
};

/** `GET /v1/projects/{p}/spans`: newest row first; the filters are joined by AND. */
export function listSpans(world: PhoenixWorld, identifier: string, query: URLSearchParams): Reply {
  const project = foundProject(world, identifier);
  const plain = Query.safeParse(Object.fromEntries(query));
  if (!plain.success) throw new Refusal(text(422, z.prettifyError(plain.error)));
  const { limit, cursor, start_time: start = -Infinity, end_time: end = Infinity, parent_id: parent } = plain.data;
  const below = cursor === undefined ? Infinity : Number(parseGlobalId(cursor)?.number ?? Number.NaN);
  if (Number.isNaN(below)) throw new Refusal(text(422, "Invalid cursor"));
  const isAmong = (name: string, value: string) => !query.has(name) || query.getAll(name).includes(value);
  const attributes = query.getAll("attribute").map(attributeFilter);
  const found = world.spans
    .readable()
    .map((span, at) => ({ span, rowId: at + 1 }))
    .filter(
      ({ span, rowId }) =>
        span.project === project.name &&
        rowId <= below &&
        span.startMs >= start &&
        span.startMs < end &&
        isAmong("trace_id", span.traceId) &&
        isAmong("span_id", span.spanId) &&
        isAmong("name", span.name) &&
        isAmong("span_kind", spanKindOf(span)) &&
        isAmong("status_code", span.status.code) &&
        (parent === undefined || parent === (span.parentSpanId ?? "null")) &&
        attributes.every((matches) => matches(span)),
    )
    .toReversed();
  const next = found[limit];
  const data = found.slice(0, limit).map(({ span, rowId }) => spanJson(span, rowId));
  return json({ data, next_cursor: next === undefined ? null : globalId("Span", next.rowId) });
}

/** `metadata.region:EU`: the value is typed as JSON is; lists match nothing. */
function attributeFilter(text_: string): (span: StoredSpan) => boolean {
  const at = text_.indexOf(":");
  const [key, raw] = [text_.slice(0, at), text_.slice(at + 1)];
  if (at < 1 || raw === "") throw new Refusal(text(422, `Invalid attribute filter: ${text_}`));
  const wanted = jsonOr(raw);
  if (typeof wanted === "object") throw new Refusal(text(422, `Invalid attribute value: ${raw}`));
  return (span) => valueAt(attributesOf(span), key.split(".")) === wanted;
}

function jsonOr(raw: string): unknown {
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    return raw; // A value that is no JSON is a string.
  }
}

function spanJson(span: StoredSpan, rowId: number) {
  const iso = (ms: number) => new Date(ms).toISOString();
  return {
    id: globalId("Span", rowId),
    name: span.name,
    context: { trace_id: span.traceId, span_id: span.spanId },
    span_kind: spanKindOf(span),
    parent_id: span.parentSpanId,
    start_time: iso(span.startMs),
    end_time: iso(span.endMs),
    status_code: span.status.code,
    status_message: span.status.message,
    attributes: flattened(attributesOf(span)),
    events: span.events.map(({ name, timeMs, attributes }) => ({ name, timestamp: iso(timeMs), attributes })),
  };
}
