import { z } from "zod";
import type { ApiKey } from "../core/api-key.ts";
import { RouterError } from "../core/errors.ts";
import type { MetricSpec, Policy } from "../core/policy.ts";
import type { PredictionIds, PredictionRef } from "../core/prediction-id.ts";
import type { ControlState } from "../core/state.ts";
import type { ControlPlane } from "../ports.ts";
import { requirePolicy } from "./authenticate.ts";
import type { Outcomes } from "./outcomes.ts";
import type { RecentExposures } from "./recent-exposures.ts";

export const Feedback = z.strictObject({
  prediction_id: z.string().min(1),
  /** A feedback metric of the policy. */
  name: z.string().min(1),
  score: z.number().min(0).max(1).optional(),
  /** Stands for a score by the metric's `labels`. */
  label: z.string().optional(),
  /** Read, but not kept yet: the receipt then says so. */
  comment: z.string().max(10_000).optional(),
});
export type Feedback = z.infer<typeof Feedback>;

export interface FeedbackReceipt {
  /** False when this metric was already known of this prediction; the first feedback counts. */
  readonly recorded: boolean;
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  /** Present when a comment was sent: comments have no place to be kept in yet. */
  readonly comment?: "not_kept";
}

type FeedbackMetric = Extract<MetricSpec, { from: "feedback" }>;

/**
 * Records what somebody thought of an answer. The prediction id says which row it belongs to.
 * A comment is not kept, which the receipt says.
 * @throws RouterError `invalid_request` (an id that was not signed here, an unknown metric or label), `forbidden`, `not_found`
 */
export function recordFeedback(
  deps: {
    readonly controlPlane: Pick<ControlPlane, "state">;
    readonly predictionIds: Pick<PredictionIds, "open">;
    readonly outcomes: Outcomes;
    readonly recentExposures: Pick<RecentExposures, "recall">;
  },
  { key, feedback }: { readonly key: ApiKey; readonly feedback: Feedback },
): FeedbackReceipt {
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
  const recorded = deps.outcomes.observe({
    ...row,
    metric: feedback.name,
    loss,
    at: ref.at,
    predictionId: feedback.prediction_id,
    attributes: served?.attributes,
    session: served?.session ?? undefined,
  });
  return { recorded, ...row, ...(feedback.comment === undefined ? {} : { comment: "not_kept" }) };
}

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
