import { z } from "zod";
import { problem, Refusal, type Reply } from "../vendor/reply.ts";
import { bodyOf } from "./page.ts";
import type { AxWorld } from "./world.ts";

const WINDOW_MS_MAX = 31 * 86_400_000;
const When = z.iso.datetime({ offset: true });
const AnnotateSpans = z.object({
  project_id: z.string(),
  start_time: When.optional(),
  end_time: When.optional(),
  granularity: z.enum(["SPAN", "TRACE"]).default("SPAN"),
  annotations: z
    .array(
      z.object({
        record_id: z.string().min(1),
        values: z
          .array(
            z.object({
              name: z.string().min(1),
              score: z.number().optional(),
              label: z.string().optional(),
              text: z.string().optional(),
            }),
          )
          .min(1),
      }),
    )
    .min(1)
    .max(1000),
});
type AnnotateSpans = z.infer<typeof AnnotateSpans>;

/** `POST /v2/spans/annotate`: all of a batch or nothing; one unknown span is a 404 for the batch. */
export function annotateSpans(world: AxWorld, body: Buffer): Reply {
  const request = bodyOf(AnnotateSpans, body);
  if (request.granularity === "TRACE") throw bad("Annotations of traces are no part of this fake.");
  const project = world.space.projectById(request.project_id);
  if (project === undefined) throw notFound(`There is no project '${request.project_id}'.`);
  const { from, to } = windowOf(request, world.now());
  refuseRepeated(request);
  refuseUnknownConfig(request, world);
  const unknown = request.annotations
    .map(({ record_id: id }) => id)
    .filter((id) => {
      const span = world.spans.find(id);
      return span === undefined || span.project !== project.name || span.startMs < from || span.startMs > to;
    });
  // Whether the vendor names all of them, some or none is not known; a client may only rely on the status.
  if (unknown.length > 0) throw notFound("One or more spans were not found in the time range.");
  for (const { record_id: id, values } of request.annotations)
    for (const value of values) world.scores.upsert("annotations", id, value);
  return { status: 202 };
}

const bad = (detail: string) => new Refusal(problem(400, "Invalid request parameters", detail));
const notFound = (detail: string) => new Refusal(problem(404, "Resource not found", detail));

function windowOf({ start_time: start, end_time: end }: AnnotateSpans, now: number) {
  const from = start === undefined ? now - WINDOW_MS_MAX : Date.parse(start);
  const to = end === undefined ? now : Date.parse(end);
  if (from > now || to > now) throw bad("start_time and end_time may not be in the future.");
  if (to < from) throw bad("end_time is before start_time.");
  if (to - from > WINDOW_MS_MAX) throw bad("The time range may not exceed 31 days.");
  return { from, to };
}

function refuseRepeated({ annotations }: AnnotateSpans): void {
  const ids = annotations.map(({ record_id: id }) => id);
  if (new Set(ids).size < ids.length) throw bad("Each record_id must be unique within the request.");
  for (const { record_id: id, values } of annotations)
    if (new Set(values.map(({ name }) => name)).size < values.length)
      throw bad(`Record '${id}' names an annotation config twice.`);
}

function refuseUnknownConfig({ annotations }: AnnotateSpans, world: AxWorld): void {
  const known = new Set(world.configs.map(({ name }) => name));
  const name = annotations.flatMap(({ values }) => values).find((value) => !known.has(value.name))?.name;
  if (name !== undefined) throw bad(`Annotation config '${name}' does not exist in the space of the project.`);
}
