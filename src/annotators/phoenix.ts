import { z } from "zod";
import type { Annotation } from "../core/annotation.ts";
import type { OutboxSender } from "../ports.ts";
import { annotationSender } from "./annotation-sender.ts";
import { ask, parsedJson, type AskDeps } from "./ask.ts";
import { sendHalving, type BatchAnswer } from "./halving.ts";
import { refusedBatch } from "./refused-batch.ts";

export interface PhoenixAnnotatorOptions {
  /** Such as http://phoenix:6006. */
  readonly url: string;
  /** Of a member; absent where Phoenix asks for none. */
  readonly apiKey?: string | undefined;
}

type Batch = readonly Annotation[];

const BATCH = 1000;
const FORBIDDEN_MS = 60_000;

const Inserted = z.object({ data: z.array(z.object({ id: z.string() })) });

/**
 * Sends annotations to Phoenix by `POST /v1/span_annotations`, an upsert per span, name and annotator. One unknown span,
 * and nothing of a request is written. With `sync=false` Phoenix would keep what is early for ten minutes and then drop it
 * without a word, so it is asked with `sync=true` and what is early waits here.
 */
export function phoenixAnnotator(deps: AskDeps, { url, apiKey }: PhoenixAnnotatorOptions): OutboxSender {
  const endpoint = `${url.replace(/\/+$/, "")}/v1/span_annotations?sync=true`;
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  let isProven = false;

  const send = async (batch: Batch): Promise<BatchAnswer<Annotation>> => {
    const body = { data: batch.map(toPhoenix) };
    const answer = await ask(deps, { method: "POST", url: endpoint, headers, body });
    switch (answer.kind) {
      case "answered":
        if (!Inserted.safeParse(parsedJson(answer.text)).success) return notPhoenix;
        isProven = true;
        return { kind: "taken" };
      case "unavailable":
        return answer;
      case "forbidden": {
        const todo = "check SEGUE_PHOENIX_API_KEY, and that its user is a member: a viewer may not annotate";
        return { kind: "unavailable", problem: `${answer.problem}: ${todo}`, afterMs: FORBIDDEN_MS };
      }
      case "refused":
        return refusedBatch(batch, answer, isProven);
    }
  };
  return annotationSender((annotations) => {
    const batches = Array.from({ length: Math.ceil(annotations.length / BATCH) }, (_, index) =>
      annotations.slice(index * BATCH, (index + 1) * BATCH),
    );
    return sendHalving(batches, send, deps.clock.now);
  });
}

const notPhoenix = {
  kind: "unavailable",
  problem: "its answer is not Phoenix's: check SEGUE_PHOENIX_URL",
  afterMs: FORBIDDEN_MS,
} as const;

/** Phoenix keeps the name `note` for itself and refuses it. */
const nameOf = (metric: string): string => (metric === "note" ? "segue_note" : metric);

const toPhoenix = (annotation: Annotation) => ({
  span_id: annotation.spanId,
  name: nameOf(annotation.name),
  annotator_kind: annotation.annotatorKind,
  result: { score: annotation.score, label: annotation.label, explanation: annotation.comment ?? null },
  metadata: { policy: annotation.policy, segment: annotation.segment, variant: annotation.variant },
  identifier: annotation.annotatorId ?? "segue",
});
