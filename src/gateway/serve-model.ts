import type { ApiKey } from "../core/api-key.ts";
import { RouterError } from "../core/errors.ts";
import type { PredictionIds } from "../core/prediction-id.ts";
import { rowKey } from "../core/state.ts";
import type { Clock, ControlPlane, Deadlines, HeaderFields, Log, Prices, Provider, Random, Spans } from "../ports.ts";
import { AnswerDelivery, type Delivered } from "./answer-delivery.ts";
import { decisionHeaders, feedbackWanted, upstreamHeaders, type AnswerHeaders } from "./answer-headers.ts";
import { answerRecorder, type AnswerExposures, type Served } from "./answer-recorder.ts";
import type { AnswerControl, AnswerSink } from "./answer-sink.ts";
import type { AnswerWatch } from "./answer-watch.ts";
import { askTargets } from "./ask-targets.ts";
import { requireScope } from "./authenticate.ts";
import { parseAttributesHeader } from "./client-attributes.ts";
import { clientDeadline } from "./client-deadline.ts";
import { clientHold } from "./client-hold.ts";
import { continuedTurn, stayingOn, turnIds } from "./continued-turn.ts";
import { decideRequest, unitOf, type DecideDeps, type RequestDecision } from "./decide-request.ts";
import { estimateTokens, estimateUsd } from "./estimate.ts";
import { forwardedRequest, type ForwardedRequest } from "./forwarded-request.ts";
import { parsed } from "./parsed.ts";
import { readJsonBody, type JsonBody } from "./json-body.ts";
import type { Limits, Reservation } from "./limits.ts";
import type { Outcomes } from "./outcomes.ts";
import { refuse } from "./refuse.ts";
import { recordSpan, type SpanContext } from "./served-span.ts";
import type { ShadowCalls } from "./shadow-calls.ts";
import type { TargetHealth } from "./target-health.ts";
import { traceContext, type TraceContext } from "./trace-context.ts";
import { variantTargets } from "./variant-targets.ts";
import type { TurnMemory } from "./turn-memory.ts";
import type { ModelRequest, Wire } from "./wires/wire.ts";

export interface ServeModelDeps extends DecideDeps {
  readonly controlPlane: Pick<ControlPlane, "state">;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly health: TargetHealth;
  readonly turns: TurnMemory;
  readonly limits: Pick<Limits, "reserve" | "headers">;
  readonly prices: Prices;
  readonly predictionIds: PredictionIds;
  readonly exposures: AnswerExposures;
  readonly outcomes: Outcomes;
  readonly watch: AnswerWatch;
  /** Absent where no answers are exported. */
  readonly spans?: Pick<Spans, "record" | "wantsContent">;
  /** Calls candidates in the shadow; absent where nothing could be learnt from them. */
  readonly shadow?: Pick<ShadowCalls, "offer">;
  /** Whether a label of such an answer would decide something now; absent where no labels are kept. */
  readonly wantsLabels?: (policy: string, segment: string, variant: string) => boolean;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly random: Random;
  readonly log: Log;
}

export interface ModelCall {
  readonly wire: Wire;
  readonly key: ApiKey;
  /** The body, not parsed yet. */
  readonly bytes: Uint8Array;
  readonly headers: HeaderFields;
  /** By which the client and the log name it. */
  readonly requestId: string;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

/** Of an answer that nothing looks at, enough to say how it ended and what it used. */
const KEPT_BYTES = 128 * 1024;
/** Of an answer that is checked. */
const CAPTURED_BYTES = 1024 * 1024;

/**
 * Serves a question to a model by what the policy table names for the request's segment. Every failure is an answer,
 * in the error's shape of the wire. Never throws.
 */
export function serveModel(deps: ServeModelDeps, call: ModelCall, sink: AnswerSink): AnswerControl {
  try {
    requireScope(call.key, "serve");
    return serve(deps, call, sink);
  } catch (error) {
    const headers = error instanceof RouterError && error.code === "rate_limited" ? deps.limits.headers(call.key) : {};
    return refuse({ log: deps.log, wire: call.wire, sink, headers, requestId: call.requestId }, error);
  }
}

/** A request that is understood and decided on. */
interface Decided {
  readonly request: ModelRequest;
  readonly body: JsonBody;
  readonly chosen: RequestDecision;
  readonly trace: TraceContext;
  readonly unit: string | null;
  readonly session: string | null;
}

function serve(deps: ServeModelDeps, call: ModelCall, sink: AnswerSink): AnswerControl {
  const { wire, headers: clientHeaders, receivedAt } = call;
  const decided = decideCall(deps, call);
  const { chosen, body, request, trace } = decided;
  const { decision, attributes } = chosen;
  const metadata = forwardedMetadata(wire, chosen.metadata);
  const forwarded = forwardedRequest({
    wire,
    body,
    isStream: request.stream === true,
    variant: decision.variant,
    attributes,
    metadata,
    headers: upstreamHeaders(clientHeaders, trace.traceparent),
    providers: deps.providers,
  });
  const reservation = reserve(deps, call, decided, forwarded);
  const served = servedAs(deps, call, decided);
  const exportsContent = deps.spans?.wantsContent(served.policy, decision.segment, trace.spanId) === true;
  const delivery = new AnswerDelivery({
    wire,
    sink,
    clock: deps.clock,
    headers: { ...decisionHeaders(decision, served.predictionId), ...reservation?.headers() },
    goodHeaders: labelHeaders(deps, served),
    hasOwnLimits: reservation !== null,
    hold: served.hold,
    receivedAt,
    keptBytesMax: exportsContent || deps.watch.wants(served) ? CAPTURED_BYTES : KEPT_BYTES,
    addsUsage: ({ target }) => forwarded.addsUsage(target),
    costUsd: ({ target }, usage) => deps.prices.costUsd(target, usage),
    onDelivered: accountant(deps, {
      wire,
      served,
      body,
      compiled: chosen.policy,
      metadata,
      headers: clientHeaders,
      reservation,
      span: { wire, trace, user: served.user ?? null, content: exportsContent ? call.bytes : null },
    }),
  });
  const { variant } = decision.variant;
  const draw = Number.parseInt(trace.spanId.slice(0, 8), 16) / 2 ** 32;
  const ask = { wire: wire.id, variant, requestFor: forwarded.requestFor, draw };
  delivery.follow(askTargets(deps, { ...ask, clientDeadline: clientDeadline(clientHeaders, receivedAt) }, delivery));
  return delivery;
}

/** Understands a request, and decides what it is served. */
function decideCall(deps: ServeModelDeps, { wire, key, bytes, headers }: ModelCall): Decided {
  const body = readJsonBody(bytes);
  const request = parsed(wire.Request, body.value);
  const trace = traceContext(field(headers, "traceparent") ?? null, deps.random);
  const session = unitOf(field(headers, "x-segue-session"), request.metadata?.session_id);
  const unit = session ?? unitOf(request.user);
  const { ids, isMidTurn } = wire.continues(body.value);
  const continued = continuedTurn(deps, {
    continues: { ids: turnIds(ids, key.id), isMidTurn },
    stated: field(headers, "x-segue-continues"),
    now: deps.clock.now(),
  });
  const chosen = decideRequest(deps, {
    key,
    model: request.model,
    stated: parseAttributesHeader(field(headers, "x-segue-attributes") ?? null),
    // As it was sent: a record of zod's is a copy, without what JavaScript treats specially.
    metadata: body.value.metadata as ModelRequest["metadata"],
    unit,
    traceId: trace.traceId,
  });
  const decision = continued === null ? chosen.decision : stayingOn(chosen.decision, continued, chosen.policy);
  return { request, body, chosen: { ...chosen, decision }, trace, unit, session };
}

/** What a vendor may bill although no answer came of it. */
const MAYBE_BILLED = new Set<string | null>([
  "upstream_timeout",
  "upstream_cut",
  "upstream_invalid",
  "client_deadline",
]);

/** Whether nothing can have been billed: the upstream refused, or was not reached. */
const isFree = ({ status, error, blame, answered }: Delivered["ending"]): boolean =>
  status >= 400 && blame !== "left" && (answered !== null || !MAYBE_BILLED.has(error));

const field = (headers: HeaderFields, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
};

/** What is left of `metadata`, as far as the upstream takes it. */
function forwardedMetadata(wire: Wire, metadata: RequestDecision["metadata"]): RequestDecision["metadata"] {
  if (wire.metadata === null || metadata === null || metadata === undefined) return metadata;
  const kept = Object.entries(metadata).filter(([name]) => wire.metadata?.includes(name));
  if (kept.length === Object.keys(metadata).length) return metadata;
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** Takes the request off what the key may use; null for a key that may use any amount. */
function reserve(
  { limits, prices }: ServeModelDeps,
  { wire, key }: ModelCall,
  { body, chosen }: Decided,
  { requestFor }: ForwardedRequest,
): Reservation | null {
  return limits.reserve(key, () => {
    const { variant } = chosen.decision.variant;
    const { equal, further } = variantTargets(variant);
    const targets = [...equal, ...further];
    const { text } = requestFor({ provider: variant.provider, model: variant.model });
    const estimate = estimateTokens(text, wire.id, { ...body.value, ...variant.parameters });
    return {
      tokens: estimate.inputTokens + estimate.outputTokens,
      usd: estimateUsd(prices, targets, estimate),
    };
  });
}

function servedAs(
  { predictionIds, clock }: ServeModelDeps,
  { key, receivedAt }: ModelCall,
  { request, chosen, trace, unit, session }: Decided,
): Served {
  const { decision, attributes } = chosen;
  const { revision, row } = decision;
  const at = clock.now();
  const predictionId = predictionIds.sign(
    { revision, row, traceId: trace.traceId, spanId: trace.spanId, at },
    rowKey(decision.policy, decision.segment, decision.variant.id),
  );
  const { policy } = chosen.policy;
  const user = unitOf(request.user);
  const hold = clientHold(clock);
  return { predictionId, at, receivedAt, policy, decision, attributes, unit, session, user, key, hold };
}

/** Asked before the answer is counted, so that its own outcome does not say whether it is of interest. */
const labelHeaders = ({ wantsLabels }: ServeModelDeps, { decision }: Served): AnswerHeaders =>
  wantsLabels?.(decision.policy, decision.segment, decision.variant.id) === true ? feedbackWanted : {};

/** What is done once an answer has ended: it is paid for, remembered, recorded and looked at. */
function accountant(
  deps: ServeModelDeps,
  {
    wire,
    served,
    body,
    compiled,
    metadata,
    headers,
    reservation,
    span,
  }: {
    readonly wire: Wire;
    readonly served: Served;
    readonly body: JsonBody;
    readonly compiled: RequestDecision["policy"];
    /** As it went upstream. */
    readonly metadata: RequestDecision["metadata"];
    /** The client's. */
    readonly headers: HeaderFields;
    readonly reservation: Reservation | null;
    readonly span: SpanContext;
  },
): (delivered: Delivered) => void {
  const record = answerRecorder(deps, served);
  return (delivered) => {
    const { ending, facts, kept, isEventStream } = delivered;
    const { answered } = ending;
    const isGood = ending.status < 400;
    const { usage = null, costUsd = null } = answered ?? {};
    if (isFree(ending)) reservation?.settle({ tokens: 0, usd: 0 });
    else reservation?.settle({ tokens: usage === null ? null : usage.inputTokens + usage.outputTokens, usd: costUsd });
    if (facts !== null && answered !== null && facts.continuedBy.length > 0) {
      const { policy, segment, variant } = served.decision;
      const turn = { policy, segment, variant: variant.id, provider: answered.target.provider, at: served.at };
      deps.turns.remember(turnIds(facts.continuedBy, served.key.id), turn);
    }
    if (isGood && ending.error === null) {
      deps.shadow?.offer({ wire, body, served, compiled, metadata, headers, costUsd });
    }
    record(ending);
    recordSpan(deps, served, delivered, span);
    if (!isGood || kept === null) return;
    const isComplete = ending.error === null && kept.isWhole();
    const chunks = kept.chunks();
    deps.watch.onServed(served, { wire: wire.id, request: body.value, chunks, isEventStream, isComplete });
  };
}
