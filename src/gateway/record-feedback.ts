import { z } from "zod";
import { Annotator, type Annotation, type AnnotationKept, type AnnotationQueue } from "../core/annotation.ts";
import type { ApiKey } from "../core/api-key.ts";
import { RouterError } from "../core/errors.ts";
import { DEFAULT_SEGMENT, type MetricSpec, type Policy } from "../core/policy.ts";
import type { PredictionIds, PredictionRef } from "../core/prediction-id.ts";
import { contentHandling, DEFAULT_PRIVACY, type ContentRedaction, type Privacy } from "../core/privacy.ts";
import type { ControlState } from "../core/state.ts";
import type { ControlPlane } from "../ports.ts";
import { requirePolicy } from "./authenticate.ts";
import type { Outcomes } from "./outcomes.ts";
import { parsed } from "./parsed.ts";
import type { RecentExposure, RecentExposures } from "./recent-exposures.ts";

export const Feedback = z.strictObject({
  prediction_id: z.string().min(1),
  /** A feedback metric of the policy. */
  name: z.string().min(1),
  score: z.number().min(0).max(1).optional(),
  /** Stands for a score by the metric's `labels`. */
  label: z.string().optional(),
  /** Goes out as the annotation's text, and nowhere else; not where the segment's content may not leave. */
  comment: z.string().max(10_000).optional(),
  /** Who judged; a person that is not named unless told. */
  annotator: Annotator.optional(),
});
export type Feedback = z.infer<typeof Feedback>;

export interface FeedbackReceipt {
  /** False when this metric was already known of this prediction; the first feedback counts. */
  readonly recorded: boolean;
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  /**
   * Absent where feedback is sent nowhere. `replaces`: it replaces what was said of this metric before, where feedback is sent
   * to; `unchanged`: the same still waits to be sent; `not_kept`: too much waits already, send it again later.
   */
  readonly annotation?: "queued" | "replaces" | "unchanged" | "not_kept";
  /**
   * Present when there was a comment: `not_kept` where feedback is sent nowhere, the segment's content may not leave, it was
   * not kept, or the answer is forgotten and it may therefore say what the policy hides.
   */
  readonly comment?: "sent" | "not_kept";
}

/** Where feedback is kept until it is sent on. */
export interface FeedbackSending {
  readonly queue: AnnotationQueue;
  /** What comments, and the ids of people, pass through before they are kept. */
  readonly redaction: (policy: Policy) => Pick<ContentRedaction, "text" | "identifier" | "hidden">;
}

export interface RecordFeedbackDeps {
  readonly controlPlane: Pick<ControlPlane, "state">;
  readonly predictionIds: Pick<PredictionIds, "open">;
  readonly outcomes: Outcomes;
  readonly recentExposures: Pick<RecentExposures, "recall">;
  readonly sending?: FeedbackSending | undefined;
  /** Resolves once other requests had their turn. */
  readonly nextTurn: () => Promise<void>;
}

/** Of a call's comments together. */
const COMMENTS_MAX = 1_000_000;
/** Characters redacted in one turn: some ten milliseconds. */
const A_TURN = 16_000;

/**
 * Records what somebody thought of answers, at any time after them. The prediction id says which row it belongs to. What is not
 * understood is answered with its error, and takes nothing from the rest.
 * @param feedback each by the schema `Feedback`
 * @returns for each a receipt, or a RouterError `invalid_request` (not that schema, an id that was not signed here, an
 *   unknown metric or label), `forbidden`, `not_found`
 * @throws RouterError when it cannot be kept for sending; all may then be sent again, for nothing counts twice.
 *   `payload_too_large`, before anything is recorded, when its comments are longer than a million characters together
 */
export async function recordFeedback(
  deps: RecordFeedbackDeps,
  { key, feedback }: { readonly key: ApiKey; readonly feedback: readonly unknown[] },
): Promise<readonly (FeedbackReceipt | RouterError)[]> {
  if (feedback.reduce<number>((sum, one) => sum + commentLength(one), 0) > COMMENTS_MAX)
    throw new RouterError(
      "payload_too_large",
      `The comments have more than ${COMMENTS_MAX} characters together: send them in several requests.`,
      { param: "feedback", reason: "comments_too_long" },
    );
  const understood = feedback.map((one) => {
    try {
      return recordOne(deps, key, parsed(Feedback, one));
    } catch (error) {
      if (error instanceof RouterError) return error;
      throw error;
    }
  });
  const kept = await keepForSending(deps, understood);
  return understood.map((one) => (one instanceof RouterError ? one : receiptOf(one, kept.get(one))));
}

const commentLength = (one: unknown): number =>
  typeof one === "object" && one !== null && "comment" in one && typeof one.comment === "string"
    ? one.comment.length
    : 0;

/** Feedback that was understood, and counted where it was the first. */
interface Understood {
  readonly feedback: Feedback;
  readonly recorded: boolean;
  readonly row: { readonly policy: string; readonly segment: string; readonly variant: string };
  /** Not redacted yet. */
  readonly annotation: Annotation;
  readonly policy: Policy;
  /** Null for an answer that was forgotten. */
  readonly served: RecentExposure | null;
}

async function keepForSending(
  { sending, nextTurn }: Pick<RecordFeedbackDeps, "sending" | "nextTurn">,
  understood: readonly (Understood | RouterError)[],
): Promise<ReadonlyMap<Understood, AnnotationKept>> {
  if (sending === undefined) return new Map();
  const known = understood.flatMap((one) => (one instanceof RouterError ? [] : [one]));
  if (known.length === 0) return new Map();
  const annotations: Annotation[] = [];
  let characters = 0;
  for (const { annotation, policy, served } of known) {
    const length = (annotation.comment?.length ?? 0) + (annotation.annotatorId?.length ?? 0);
    // Redaction is slow, and others wait for the same thread.
    if (characters > 0 && characters + length > A_TURN) {
      await nextTurn();
      characters = 0;
    }
    characters += length;
    annotations.push(redacted(annotation, served, sending.redaction(policy)));
  }
  const kept = await sending.queue.add(annotations);
  return new Map(known.map((one, index) => [one, kept[index] ?? "nowhere"]));
}

function receiptOf(
  { feedback, annotation, recorded, row }: Understood,
  kept: AnnotationKept = "nowhere",
): FeedbackReceipt {
  const isSent = kept !== "nowhere" && kept !== "full" && annotation.comment !== undefined;
  return {
    recorded,
    ...row,
    ...(kept === "nowhere" ? {} : { annotation: annotationReceipt(kept, recorded) }),
    ...(feedback.comment === undefined ? {} : { comment: isSent ? "sent" : "not_kept" }),
  };
}

function annotationReceipt(
  kept: Exclude<AnnotationKept, "nowhere">,
  recorded: boolean,
): NonNullable<FeedbackReceipt["annotation"]> {
  switch (kept) {
    case "full":
      return "not_kept";
    case "unchanged":
      return "unchanged";
    case "replaced":
      return "replaces";
    case "added":
      return recorded ? "queued" : "replaces";
  }
}

/**
 * Ids of models and programs are names that somebody gave them; those of people are personal. What identifies whoever asked
 * is no more shown in a comment than in the answer's content.
 */
function redacted(
  { comment, ...annotation }: Annotation,
  served: RecentExposure | null,
  redaction: ReturnType<FeedbackSending["redaction"]>,
): Annotation {
  const { annotatorKind: kind, annotatorId: id } = annotation;
  const named = id === null || kind !== "HUMAN" ? id : redaction.identifier("user", id);
  const annotatorId = named === null || kind === "HUMAN" ? named : redaction.text(named);
  if (comment === undefined) return { ...annotation, annotatorId };
  const hidden = served === null ? [] : redaction.hidden({ user: null, ...served, keyId: null });
  return { ...annotation, annotatorId, comment: redaction.text(comment, hidden) };
}

type FeedbackMetric = Extract<MetricSpec, { from: "feedback" }>;

function recordOne(deps: RecordFeedbackDeps, key: ApiKey, feedback: Feedback): Understood {
  const state = deps.controlPlane.state();
  const ref = deps.predictionIds.open(feedback.prediction_id, (number) => state.rows[number]);
  const row = ref === null ? null : rowOf(state, ref);
  if (ref === null || row === null)
    throw new RouterError(
      "invalid_request",
      "This prediction id was not issued here: send the x-segue-prediction-id header of the answer, unchanged.",
      { param: "prediction_id", reason: "invalid_prediction_id" },
    );
  requirePolicy(key, row.policy, "prediction_id");
  const policy = state.policies[row.policy]?.policy;
  if (policy === undefined)
    throw new RouterError("not_found", `The policy '${row.policy}' of this prediction is no longer published.`, {
      param: "prediction_id",
      reason: "policy_not_found",
    });
  const metric = feedbackMetric(policy, feedback.name);
  const score = scoreOf(feedback, metric);
  const loss = metric.better === "higher" ? 1 - score : score;
  const served = deps.recentExposures.recall(feedback.prediction_id);
  const isHeldBack = !mayLeave(policy, row.segment) || (served === null && hidesValues(policy.privacy));
  const recorded = deps.outcomes.observe({
    ...row,
    metric: feedback.name,
    loss,
    at: ref.at,
    predictionId: feedback.prediction_id,
    attributes: served?.attributes,
    session: served?.session ?? undefined,
  });
  const annotation = annotationOf(isHeldBack ? { ...feedback, comment: undefined } : feedback, { ref, row, score });
  return { feedback, recorded, row, annotation, policy, served };
}

function annotationOf(
  { prediction_id: predictionId, name, label, comment, annotator }: Feedback,
  { ref, row, score }: Pick<Understood, "row"> & { readonly ref: PredictionRef; readonly score: number },
): Annotation {
  const { traceId, spanId, at } = ref;
  const annotation = {
    predictionId,
    traceId,
    spanId,
    at,
    ...row,
    name,
    score,
    label: label ?? null,
    annotatorKind: annotator?.kind ?? ("HUMAN" as const),
    annotatorId: annotator?.id ?? null,
  };
  return comment === undefined ? annotation : { ...annotation, comment };
}

/** A comment says what was asked and answered, often in the same words. */
function mayLeave({ privacy, segments }: Policy, segmentId: string): boolean {
  const segment = segments.find(({ id }) => id === segmentId);
  // Of a segment that is no longer there nobody knows how sensitive it was.
  const risk = segmentId === DEFAULT_SEGMENT ? "medium" : "high";
  return contentHandling(privacy, segment ?? { risk }) !== "off";
}

/**
 * Whether a comment may repeat what is hidden everywhere else. Of an answer that is forgotten nobody knows what that is: then
 * the comment stays here.
 */
const hidesValues = ({ attributes, otherAttributes, identifiers }: Privacy = DEFAULT_PRIVACY): boolean =>
  identifiers.session !== "keep" ||
  identifiers.user !== "keep" ||
  otherAttributes === "drop" ||
  Object.values(attributes).some((handling) => handling === "tokenise" || handling === "drop");

function rowOf(state: ControlState, ref: PredictionRef): { policy: string; segment: string; variant: string } | null {
  const [policy, segment, variant] = state.rows[ref.row]?.split("/") ?? [];
  return policy === undefined || segment === undefined || variant === undefined ? null : { policy, segment, variant };
}

function feedbackMetric({ policy, metrics }: Policy, name: string): FeedbackMetric {
  const metric = Object.hasOwn(metrics, name) ? metrics[name] : undefined;
  if (metric?.from === "feedback") return metric;
  const known = Object.entries(metrics).flatMap(([id, { from }]) => (from === "feedback" ? [id] : []));
  const problem = metric === undefined ? "is not a metric" : `is measured by Segue itself (from ${metric.from})`;
  throw new RouterError(
    "invalid_request",
    `'${name.slice(0, 80)}' ${problem} of the policy '${policy}'; feedback metrics: ${known.join(", ") || "none"}.`,
    { param: "name", reason: "unknown_metric" },
  );
}

function scoreOf({ score, label }: Feedback, { labels = {} }: FeedbackMetric): number {
  if (label === undefined) {
    if (score !== undefined) return score;
    throw new RouterError("invalid_request", "Feedback needs a score in [0,1] or a label.", {
      param: "score",
      reason: "missing_score",
    });
  }
  const labelled = Object.hasOwn(labels, label) ? labels[label] : undefined;
  if (labelled === undefined)
    throw new RouterError(
      "invalid_request",
      `Unknown label '${label.slice(0, 80)}'; known: ${Object.keys(labels).join(", ") || "none"}.`,
      { param: "label", reason: "unknown_label" },
    );
  if (score !== undefined && score !== labelled)
    throw new RouterError(
      "invalid_request",
      `The label '${label}' stands for the score ${labelled}, but the score sent is ${score}. Send one of them.`,
      { param: "score", reason: "contradictory_score" },
    );
  return labelled;
}
