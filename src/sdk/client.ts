import type { ExplainedDecision } from "../gateway/explain-decision.ts";
import type { FeedbackReceipt } from "../gateway/record-feedback.ts";
import { segueApi, type SegueApiOptions } from "./segue-api.ts";

export type { SegueApiOptions } from "./segue-api.ts";
import { SegueError } from "./segue-error.ts";

export { SegueError };

/** What an answer was worth: a score in [0,1], or a label that the metric gives a score. */
export type FeedbackInput = {
  /** The `x-segue-prediction-id` of the answer, unchanged. */
  readonly predictionId: string;
  /** A feedback metric of the policy. */
  readonly name: string;
  /** Sent on with it where feedback is sent on. */
  readonly comment?: string;
  /** Who judged; an unnamed person when absent. */
  readonly annotator?: { readonly kind: "HUMAN" | "LLM" | "CODE"; readonly id?: string };
} & ({ readonly score: number; readonly label?: never } | { readonly label: string; readonly score?: never });

export interface DecideInput {
  readonly policy: string;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** Who stays on one side of a canary: the conversation, else the user. */
  readonly session?: string;
  readonly user?: string;
}

export type ServerDecision = ExplainedDecision & {
  /** Whether a label of such an answer would decide something now: the ones to label first. */
  readonly feedbackWanted: boolean;
};

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface SegueClient {
  /**
   * Says what an answer was worth. May be repeated: the first feedback of a metric counts, and `recorded` says whether it was this.
   * Throws `SegueError`.
   */
  readonly feedback: (feedback: FeedbackInput, options?: CallOptions) => Promise<FeedbackReceipt>;
  /**
   * The same for up to 1 000 answers at once. What is wrong with one takes nothing from the others: its place has the error.
   * Throws `SegueError`.
   */
  readonly feedbackBatch: (
    feedback: readonly FeedbackInput[],
    options?: CallOptions,
  ) => Promise<readonly (FeedbackReceipt | SegueError)[]>;
  /** What such a request would be served and why; no model is called and nothing is recorded. Throws `SegueError`. */
  readonly decide: (query: DecideInput, options?: CallOptions) => Promise<ServerDecision>;
}

/** What a Segue server offers beside OpenAI's API. Calls are retried where that helps, because none of them counts twice. */
export function createSegueClient(options: SegueApiOptions): SegueClient {
  const { call } = segueApi(options);
  return {
    feedback: async (feedback, { signal } = {}) =>
      (await call({ method: "POST", path: "/v1/feedback", body: bodyOf(feedback), signal })) as FeedbackReceipt,
    feedbackBatch: async (feedback, { signal } = {}) => {
      const body = { feedback: feedback.map(bodyOf) };
      const answer = await call({ method: "POST", path: "/v1/feedback", body, signal });
      return (answer as { readonly feedback: readonly BatchItem[] }).feedback.map(resultOf);
    },
    decide: async ({ policy, attributes, session, user }, { signal } = {}) => {
      const body = { model: policy, attributes, session, user };
      const answer = await call({ method: "POST", path: "/v1/decisions", body, signal });
      const { feedback_wanted: wanted, ...explained } = answer as ExplainedDecision & { feedback_wanted?: boolean };
      return { ...explained, feedbackWanted: wanted === true };
    },
  };
}

const bodyOf = ({ predictionId, ...feedback }: FeedbackInput): object => ({ prediction_id: predictionId, ...feedback });

type BatchItem =
  | FeedbackReceipt
  | { readonly error: { readonly message: string; readonly code: string; readonly param?: string | null } };

function resultOf(item: BatchItem): FeedbackReceipt | SegueError {
  if (!("error" in item)) return item;
  const { message, code, param } = item.error;
  // The call itself was answered; what was wrong is this item.
  return new SegueError(message, { status: 400, code, ...(typeof param === "string" ? { param } : {}) });
}

const PREDICTION_ID = "x-segue-prediction-id";

/**
 * The prediction id of an answer, whatever client it came through: a `Response` or anything else that has `headers`,
 * `Headers`, a plain object of header fields, or a message of `SegueChatModel`. Null when there is none.
 */
export function predictionIdOf(answer: unknown): string | null {
  if (typeof answer !== "object" || answer === null) return null;
  if ("response_metadata" in answer) return stampedIn(answer.response_metadata);
  if ("headers" in answer && typeof answer.headers === "object") return predictionIdOf(answer.headers);
  if ("get" in answer && typeof answer.get === "function") {
    const id: unknown = answer.get(PREDICTION_ID);
    return typeof id === "string" ? id : null;
  }
  const field = Object.entries(answer).find(([name]) => name.toLowerCase() === PREDICTION_ID)?.[1] as unknown;
  return typeof field === "string" ? field : null;
}

function stampedIn(metadata: unknown): string | null {
  const { segue } = (metadata ?? {}) as { readonly segue?: { readonly predictionId?: unknown } };
  return typeof segue?.predictionId === "string" ? segue.predictionId : null;
}
