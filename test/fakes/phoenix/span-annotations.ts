import { z } from "zod";
import type { SpanShelf } from "../otlp/span-shelf.ts";
import { globalId } from "../vendor/global-id.ts";
import { json, Refusal, text, type Reply } from "../vendor/reply.ts";

/** Between two attempts to write what was queued, and how many there are before it is dropped without a word. */
const RETRY_MS = 10_000;
const ATTEMPTS_MAX = 60;

const AnnotationData = z.object({
  span_id: z.string().min(1),
  name: z.string().min(1),
  annotator_kind: z.enum(["LLM", "CODE", "HUMAN"]),
  result: z
    .object({ label: z.string().nullish(), score: z.number().nullish(), explanation: z.string().nullish() })
    .nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  identifier: z.string().default(""),
});
type AnnotationData = z.infer<typeof AnnotationData>;
const AnnotateSpans = z.object({ data: z.array(AnnotationData) });

/** An annotation as it is kept: one per span, name and identifier. */
export interface PhoenixAnnotation {
  readonly rowId: number;
  readonly spanId: string;
  readonly name: string;
  readonly annotatorKind: "LLM" | "CODE" | "HUMAN";
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly identifier: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type AnnotationShelf = ReturnType<typeof annotationShelf>;

export function annotationShelf(spans: SpanShelf, now: () => number) {
  const kept = new Map<string, Map<string, PhoenixAnnotation>>();
  const queued: { readonly data: AnnotationData; readonly at: number }[] = [];
  let rows = 0;
  let dropped = 0;

  function write(data: AnnotationData): PhoenixAnnotation {
    const ofSpan = kept.get(data.span_id) ?? new Map<string, PhoenixAnnotation>();
    kept.set(data.span_id, ofSpan);
    const key = JSON.stringify([data.name, data.identifier]);
    const before = ofSpan.get(key);
    const annotation = {
      rowId: before?.rowId ?? (rows += 1),
      spanId: data.span_id,
      name: data.name,
      annotatorKind: data.annotator_kind,
      // The whole row is replaced: what is left out becomes null, unlike at Arize AX.
      label: data.result?.label ?? null,
      score: data.result?.score ?? null,
      explanation: data.result?.explanation ?? null,
      metadata: data.metadata ?? {},
      identifier: data.identifier,
      createdAt: before?.createdAt ?? now(),
      updatedAt: now(),
    };
    ofSpan.set(key, annotation);
    return annotation;
  }

  /** Makes the attempts that were due by now. */
  function settle(): void {
    for (const entry of queued.splice(0)) {
      const due = Math.floor((now() - entry.at) / RETRY_MS);
      const span = spans.find(entry.data.span_id);
      const lastAttemptAt = entry.at + Math.min(due, ATTEMPTS_MAX) * RETRY_MS;
      if (span !== undefined && span.readableAt <= lastAttemptAt) write(entry.data);
      else if (due >= ATTEMPTS_MAX) dropped += 1;
      else queued.push(entry);
    }
  }

  return {
    write,
    enqueue: (data: readonly AnnotationData[]) => queued.push(...data.map((one) => ({ data: one, at: now() }))),
    list: (): readonly PhoenixAnnotation[] => {
      settle();
      return [...kept.values()].flatMap((ofSpan) => [...ofSpan.values()]);
    },
    ofSpan: (spanId: string): readonly PhoenixAnnotation[] => {
      settle();
      return [...(kept.get(spanId)?.values() ?? [])];
    },
    /** How many were accepted, waited for their spans in vain, and are gone. */
    dropped: () => {
      settle();
      return dropped;
    },
  };
}

/** `POST /v1/span_annotations`: with `sync` all of a batch or nothing; else queued, and what finds no span is dropped. */
export function postSpanAnnotations(
  { annotations, spans }: { annotations: AnnotationShelf; spans: SpanShelf },
  body: Buffer,
  query: URLSearchParams,
): Reply {
  const { data } = parsed(AnnotateSpans, body);
  if (data.some(({ name }) => name === "note"))
    throw new Refusal(text(400, "The name 'note' is reserved for span notes."));
  if (!["true", "1"].includes(query.get("sync") ?? "false")) {
    annotations.enqueue(data);
    return json({ data: [] });
  }
  const missing = new Set(data.map((one) => one.span_id).filter((id) => spans.find(id) === undefined));
  if (missing.size > 0) throw new Refusal(text(404, `Spans with IDs ${[...missing].join(", ")} do not exist.`));
  return json({ data: data.map((one) => ({ id: globalId("SpanAnnotation", annotations.write(one).rowId) })) });
}

/** Parses a body as FastAPI does: 422 with what is wrong where. */
export function parsed<T>(schema: z.ZodType<T>, body: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw new Refusal(json({ detail: [{ loc: ["body"], msg: "JSON decode error", type: "json_invalid" }] }, 422));
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const detail = result.error.issues.map(({ path, message, code }) => ({
    loc: ["body", ...path],
    msg: message,
    type: code,
  }));
  throw new Refusal(json({ detail }, 422));
}
