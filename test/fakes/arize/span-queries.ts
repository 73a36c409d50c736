import { z } from "zod";
import type { StoredSpan } from "../otlp/span-shelf.ts";
import type { AttributeValue } from "../otlp/trace-request.ts";
import { json, problem, Refusal, type Reply } from "../vendor/reply.ts";
import type { AxWorld } from "./world.ts";
import { cellOf } from "./columns.ts";
import { bodyOf, pageOf } from "./page.ts";
import { compileSpanFilter } from "./span-filter.ts";

const WEEK_MS = 7 * 86_400_000;
const When = z.iso.datetime({ offset: true });
const ListSpans = z.object({
  project_id: z.string(),
  start_time: When.optional(),
  end_time: When.optional(),
  filter: z.string().regex(/\S/, "must not be empty").optional(),
});

/** `POST /v2/spans`: newest first, the last week unless a range is given, at most 500 a page. */
export function listSpans(world: AxWorld, body: Buffer, query: URLSearchParams): Reply {
  const { project_id: id, start_time: start, end_time: end, filter } = bodyOf(ListSpans, body);
  const project = world.space.projectById(id);
  if (project === undefined) throw new Refusal(problem(404, "Resource not found", `There is no project '${id}'.`));
  const now = world.now();
  const from = start === undefined ? now - WEEK_MS : Date.parse(start);
  const to = end === undefined ? now : Date.parse(end);
  const matches = filterOf(world, filter);
  const isLookup = filter !== undefined && /\bcontext\.(trace|span)_id\s*=/.test(filter);
  const settledAt = now - (isLookup ? 0 : world.rangeLagMs);
  const found = world.spans
    .readable()
    .filter((span) => span.project === project.name && span.startMs >= from && span.startMs < to)
    .filter((span) => span.readableAt <= settledAt && matches(span))
    .toSorted((a, b) => b.startMs - a.startMs);
  const { items, pagination } = pageOf(found, query, { max: 500, usual: 50 });
  return json({ spans: items.map((span) => spanJson(world, span)), pagination });
}

function filterOf(world: AxWorld, filter: string | undefined): (span: StoredSpan) => boolean {
  if (filter === undefined) return () => true;
  const refused = (error: unknown): never => {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(problem(400, "Invalid request parameters", error.message));
  };
  try {
    const matches = compileSpanFilter(filter);
    return (span) => {
      try {
        return matches((column) => cellOf(column, span, world.scores.scoresOf(span.spanId)));
      } catch (error) {
        return refused(error);
      }
    };
  } catch (error) {
    return refused(error);
  }
}

function spanJson({ scores }: AxWorld, span: StoredSpan) {
  const iso = (ms: number) => new Date(ms).toISOString();
  const kind = span.attributes["openinference.span.kind"];
  return {
    name: span.name,
    context: { trace_id: span.traceId, span_id: span.spanId },
    kind: typeof kind === "string" ? kind : "UNKNOWN",
    ...(span.parentSpanId === null ? {} : { parent_id: span.parentSpanId }),
    start_time: iso(span.startMs),
    end_time: iso(span.endMs),
    ...(span.status.code === "UNSET" ? {} : { status_code: span.status.code }),
    ...(span.status.message === "" ? {} : { status_message: span.status.message }),
    attributes: plain(span.attributes),
    annotations: scores.ofSpan("annotations", span.spanId).map(({ name, score, label, text, updatedAt }) => ({
      name,
      score,
      label,
      text,
      updated_at: iso(updatedAt),
    })),
    trace_annotations: [],
    evaluations: scores
      .ofSpan("evaluations", span.spanId)
      .map(({ name, score, label, text }) => ({ name, score, label, explanation: text })),
    events: span.events.map(({ name, timeMs, attributes }) => ({
      name,
      timestamp: iso(timeMs),
      attributes: plain(attributes),
    })),
  };
}

const plain = (attributes: Readonly<Record<string, AttributeValue>>) =>
  Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]),
  );
