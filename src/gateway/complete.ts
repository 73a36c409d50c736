import { z } from "zod";
import type { ApiKey } from "../core/api-key.ts";
import type { PredictionIds } from "../core/prediction-id.ts";
import { withPrompt } from "../core/prompt.ts";
import { rowKey } from "../core/state.ts";
import type { Clock, Log, Provider, Random } from "../ports.ts";
import { decisionHeaders, FEEDBACK_WANTED, upstreamHeaders } from "./answer-headers.ts";
import { answerOf, type Answer } from "./answer-of.ts";
import { answerRecorder, type AnswerExposures } from "./answer-recorder.ts";
import { askUpstream } from "./ask-upstream.ts";
import { parseAttributesHeader } from "./client-attributes.ts";
import { clientHold } from "./client-hold.ts";
import { clientPresence } from "./client-presence.ts";
import { decideRequest, unitOf, type DecideDeps, type RequestDecision } from "./decide-request.ts";
import type { Outcomes } from "./outcomes.ts";
import { traceContext } from "./trace-context.ts";

/** What Segue itself reads of a chat completion; everything else is the upstream's business. */
export const ChatRequest = z.looseObject({
  model: z.string().min(1),
  messages: z.custom<readonly unknown[]>(Array.isArray, "Invalid input: expected array"),
  stream: z.boolean().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  user: z.string().nullish(),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

export interface CompleteDeps extends DecideDeps {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly predictionIds: PredictionIds;
  readonly exposures: AnswerExposures;
  readonly outcomes: Outcomes;
  /** Whether a label of such an answer would decide something now; absent where no labels are kept. */
  readonly wantsLabels?: (policy: string, segment: string, variant: string) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface CompleteInput {
  readonly key: ApiKey;
  readonly body: ChatRequest;
  readonly headers: Headers;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

/**
 * Serves a chat completion by what the policy table names for the request's segment.
 * Throws `RouterError` for a request that cannot be decided; after that every failure is an answer.
 */
export async function complete(deps: CompleteDeps, input: CompleteInput): Promise<Answer> {
  const { key, body, headers: clientHeaders, receivedAt } = input;
  const trace = traceContext(clientHeaders.get("traceparent"), deps.random);
  const session = unitOf(clientHeaders.get("x-segue-session"), body.metadata?.session_id);
  const unit = session ?? unitOf(body.user);
  const chosen = decideRequest(deps, {
    key,
    model: body.model,
    stated: parseAttributesHeader(clientHeaders.get("x-segue-attributes")),
    metadata: body.metadata,
    unit,
    traceId: trace.traceId,
  });
  const { decision, attributes } = chosen;
  const at = deps.clock.now();
  const { revision, row } = decision;
  const predictionId = deps.predictionIds.sign(
    { revision, row, traceId: trace.traceId, spanId: trace.spanId, at },
    rowKey(decision.policy, decision.segment, decision.variant.id),
  );
  const hold = clientHold(deps.clock);
  const { policy } = chosen.policy;
  const served = { predictionId, at, receivedAt, policy, decision, attributes, unit, session, key, hold };
  const end = answerRecorder(deps, served);
  const headers = decisionHeaders(decision, predictionId);
  const client = clientPresence(input.signal);
  try {
    const { variant } = decision.variant;
    const { tried, result } = await askUpstream(deps.providers, [variant, ...variant.failover], {
      path: "/chat/completions",
      body: forwardedBody(body, chosen),
      headers: upstreamHeaders(clientHeaders, trace.traceparent),
      signal: client.upstream,
    });
    // Clients retry by themselves: three tries of theirs times every target of ours would be a storm.
    if (tried > 1) headers.set("x-should-retry", "false");
    // Asked before this answer is counted, so that its own outcome does not say whether it is of interest.
    const isWanted = deps.wantsLabels?.(decision.policy, decision.segment, decision.variant.id) === true;
    const answer = answerOf(result, { headers, end, client, hold });
    if (isWanted && answer.kind === "answer" && answer.status < 400) answer.headers.set(...FEEDBACK_WANTED);
    return answer;
  } catch (error) {
    client.forget();
    end({ status: 500, error: "internal_error", blame: "service" });
    throw error;
  }
}

/** The client's body as it came, but for the model, the variant's parameters and prompt, and the attributes in `metadata`. */
function forwardedBody(
  body: ChatRequest,
  { decision, attributes, metadata }: RequestDecision,
): Record<string, unknown> {
  const { variant, render } = decision.variant;
  const forwarded: Record<string, unknown> = {
    ...body,
    ...variant.parameters,
    messages: render === null ? body.messages : withPrompt(render(attributes), body.messages),
  };
  if (metadata === undefined) delete forwarded.metadata;
  else forwarded.metadata = metadata;
  return forwarded;
}
