import { z } from "zod";
import type { Annotation } from "../core/annotation.ts";
import type { Delivery, Log, OutboxSender } from "../ports.ts";
import { annotationConfigs, type AnnotationConfigOptions } from "./annotation-configs.ts";
import { annotationSender } from "./annotation-sender.ts";
import { ask, parsedJson, type Answer, type AskDeps } from "./ask.ts";
import { sendHalving, type BatchAnswer } from "./halving.ts";
import { refusedBatch } from "./refused-batch.ts";

export interface ArizeAnnotatorOptions extends AnnotationConfigOptions {
  /** The project's global id. */
  readonly projectId: string;
  /** Of answers; how long spans are kept is a matter of the plan. */
  readonly ageDaysMax?: number;
}

type Batch = readonly Annotation[];

const BATCH = 1000;
const DAY_MS = 86_400_000;
/** Of the window in which spans are looked up. */
const WINDOW_MS_MAX = 31 * DAY_MS;
/** A span begins when its request arrived, which is before it was decided. */
const MARGIN_MS = 3_600_000;
/** A window may not end in the future, by their clock. */
const SKEW_MS = 2 * 60_000;
const FORBIDDEN_MS = 60_000;

/**
 * Sends annotations to Arize AX by REST v2 `POST /v2/spans/annotate` (beta; https://arize.com/docs/ax/rest-reference), an
 * upsert per span and name. One unknown span, or a name without a config, and nothing of a request is written.
 */
export function arizeAnnotator(deps: AskDeps & { readonly log: Log }, options: ArizeAnnotatorOptions): OutboxSender {
  const { url, apiKey, projectId, ageDaysMax = 365 } = options;
  const now = deps.clock.now;
  const configs = annotationConfigs(deps, options);
  let isProven = false;

  const annotate = (batch: Batch): Promise<Answer> =>
    ask(deps, {
      method: "POST",
      url: `${url.replace(/\/+$/, "")}/v2/spans/annotate`,
      headers: { authorization: `Bearer ${apiKey}` },
      body: { project_id: projectId, ...windowOf(batch, now()), granularity: "SPAN", annotations: records(batch) },
    });
  const refused = (answer: Extract<Answer, { kind: "refused" }>, batch: Batch): BatchAnswer<Annotation> => {
    // The status is the same for a project and for a span, and only the words differ.
    const isProject = answer.status === 404 && /project/i.test(answer.says) && !/span|record/i.test(answer.says);
    if (!isProject) return refusedBatch(batch, answer, isProven);
    const todo = "check SEGUE_ARIZE_PROJECT_ID, and that the key may annotate that project";
    return { kind: "unavailable", problem: `${answer.problem}: ${todo}`, afterMs: FORBIDDEN_MS };
  };
  return annotationSender((annotations) => {
    const deliveries = new Map<Annotation, Delivery>();
    const recent = annotations.filter((annotation) => {
      const isTooOld = now() - annotation.at > ageDaysMax * DAY_MS;
      const problem = `the answer is more than ${ageDaysMax} days old`;
      if (isTooOld) deliveries.set(annotation, { kind: "never", problem });
      return !isTooOld;
    });
    const verified = new Set<string>();
    const send = async (batch: Batch): Promise<BatchAnswer<Annotation>> => {
      const answer = await annotate(batch);
      switch (answer.kind) {
        case "answered":
          if (!isTaken(answer)) return { kind: "unavailable", problem: notArize, afterMs: FORBIDDEN_MS };
          isProven = true;
          return { kind: "taken" };
        case "unavailable":
          return answer;
        case "forbidden":
          return { kind: "unavailable", problem: forbidden(answer), afterMs: FORBIDDEN_MS };
        case "refused": {
          const names = [...new Set(batch.map(({ name }) => name))].filter((name) => !verified.has(name));
          if (names.length === 0) return refused(answer, batch);
          const ensured = await configs.ensure(names);
          if (ensured.kind === "unavailable") return ensured;
          for (const name of names) verified.add(name);
          const { created, blocked } = ensured;
          if (created.length === 0 && blocked.size === 0) return refused(answer, batch);
          const waiting = batch.flatMap((one) =>
            blocked.has(one.name) ? ([[one, blocked.get(one.name)]] as const) : [],
          );
          return { kind: "apart", deliveries: new Map(waiting.flatMap(([one, why]) => (why ? [[one, why]] : []))) };
        }
      }
    };
    return sendHalving(windows(recent, now()), send, now).then((sent) => new Map([...deliveries, ...sent]));
  });
}

const notArize = "its answer is not Arize's: check SEGUE_ARIZE_URL";

/** 202, of which no body is promised. What else answers 2xx may be anybody's page. */
const isTaken = ({ status, text }: Extract<Answer, { kind: "answered" }>): boolean =>
  status === 202 || z.record(z.string(), z.unknown()).safeParse(parsedJson(text)).success;

const forbidden = ({ problem }: Extract<Answer, { kind: "forbidden" }>): string =>
  `${problem}: check SEGUE_ARIZE_API_KEY, and that it may annotate spans of the project`;

/** A record for each span: neither a span nor a name within it may occur twice. */
function records(batch: Batch) {
  const spans = new Map<string, Map<string, object>>();
  for (const { spanId, name, score, label, comment } of batch) {
    const values = spans.get(spanId) ?? new Map<string, object>();
    const kept = { ...(label === null ? {} : { label }), ...(comment === undefined ? {} : { text: comment }) };
    spans.set(spanId, values.set(name, { name, score, ...kept }));
  }
  return [...spans].map(([record_id, values]) => ({ record_id, values: [...values.values()] }));
}

/** The annotations in groups that one window and one request can hold, oldest answers first. */
function windows(annotations: Batch, now: number): Annotation[][] {
  const groups: Annotation[][] = [];
  for (const annotation of annotations.toSorted((a, b) => a.at - b.at)) {
    const group = groups.at(-1);
    const first = group?.[0];
    const fits = first !== undefined && endOf(annotation.at, now) - first.at + MARGIN_MS <= WINDOW_MS_MAX;
    if (group === undefined || !fits || group.length >= BATCH) groups.push([annotation]);
    else group.push(annotation);
  }
  return groups;
}

/** The end of the window of a newest answer; that of recent ones ends now, by their clock. */
const endOf = (at: number, now: number): number => Math.min(at + MARGIN_MS, now + SKEW_MS);

function windowOf(batch: Batch, now: number): { readonly start_time: string; readonly end_time?: string } {
  const times = batch.map(({ at }) => at);
  const end = Math.max(...times) + MARGIN_MS;
  const start_time = new Date(Math.min(...times) - MARGIN_MS).toISOString();
  return end < now - SKEW_MS ? { start_time, end_time: new Date(end).toISOString() } : { start_time };
}
