import { z } from "zod";
import { globalId, parseGlobalId } from "../vendor/global-id.ts";
import { json, Refusal, text, type Reply } from "../vendor/reply.ts";
import { foundProject } from "./list-spans.ts";
import type { PhoenixAnnotation } from "./span-annotations.ts";
import type { PhoenixWorld } from "./world.ts";

const Limit = z.coerce.number().int().min(1).max(10_000).default(10);

/** `GET /v1/projects/{p}/span_annotations`: by span ids, identifiers or both; ten a page unless told otherwise. */
export function listAnnotations(world: PhoenixWorld, identifier: string, query: URLSearchParams): Reply {
  const spanIds = query.getAll("span_ids");
  const identifiers = query.getAll("identifier");
  if (spanIds.length > 1000) throw new Refusal(text(422, `Too many span_ids supplied: ${spanIds.length} (max 1000)`));
  if (spanIds.length === 0 && identifiers.length === 0)
    throw new Refusal(text(422, "At least one of span_ids or identifier must be supplied"));
  const limit = Limit.safeParse(query.get("limit") ?? undefined);
  if (!limit.success) throw new Refusal(text(422, z.prettifyError(limit.error)));
  const cursor = query.get("cursor");
  const below = cursor === null ? Infinity : Number(parseGlobalId(cursor)?.number ?? Number.NaN);
  if (Number.isNaN(below)) throw new Refusal(text(422, "Invalid cursor value"));

  const project = foundProject(world, identifier);
  const isOfProject = (id: string) => world.spans.find(id)?.project === project.name;
  if (identifiers.length === 0 && !spanIds.some(isOfProject))
    throw new Refusal(text(404, "None of the supplied span_ids exist in this project"));
  const [include, exclude] = [query.getAll("include_annotation_names"), query.getAll("exclude_annotation_names")];
  const found = world.annotations
    .list()
    .filter(
      (one) =>
        isOfProject(one.spanId) &&
        one.rowId <= below &&
        (spanIds.length === 0 || spanIds.includes(one.spanId)) &&
        (identifiers.length === 0 || identifiers.includes(one.identifier)) &&
        (include.length === 0 || include.includes(one.name)) &&
        !exclude.includes(one.name),
    )
    .toSorted((a, b) => b.rowId - a.rowId);
  const next = found[limit.data];
  return json({
    data: found.slice(0, limit.data).map(annotationJson),
    next_cursor: next === undefined ? null : globalId("SpanAnnotation", next.rowId),
  });
}

const annotationJson = (one: PhoenixAnnotation) => ({
  id: globalId("SpanAnnotation", one.rowId),
  created_at: new Date(one.createdAt).toISOString(),
  updated_at: new Date(one.updatedAt).toISOString(),
  source: "API",
  user_id: null,
  name: one.name,
  annotator_kind: one.annotatorKind,
  result: { label: one.label, score: one.score, explanation: one.explanation },
  metadata: one.metadata,
  identifier: one.identifier,
  span_id: one.spanId,
});
