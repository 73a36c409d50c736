import { bucket } from "../core/bucket.ts";
import type { LanguageOf } from "../core/checks/checked-answer.ts";
import type { RouterError } from "../core/errors.ts";
import type { Segment, Shadow } from "../core/policy.ts";
import { ANSWER_USD } from "../core/shadow-evidence.ts";
import { segmentKey } from "../core/state.ts";
import type { CompiledPolicy, CompiledVariant } from "../core/table.ts";
import type { Clock, Counters, Deadlines, HeaderFields, Log, Prices, Provider, UpstreamCall } from "../ports.ts";
import { upstreamHeaders } from "./answer-headers.ts";
import { answerRecorder, type Ending, type Served } from "./answer-recorder.ts";
import { askTargets } from "./ask-targets.ts";
import { checkAnswer } from "./check-answer.ts";
import { clientHold } from "./client-hold.ts";
import { estimateTokens, estimateUsd } from "./estimate.ts";
import { forwardedRequest, type ForwardedRequest, type ForwardInput } from "./forwarded-request.ts";
import type { Judging } from "./judge-answer.ts";
import type { JsonBody } from "./json-body.ts";
import { keptBytes } from "./kept-bytes.ts";
import type { Outcomes } from "./outcomes.ts";
import type { ShadowMemory } from "./shadow-memory.ts";
import { shadowId, valueOf } from "./shadow-pairs.ts";
import type { TargetHealth } from "./target-health.ts";
import { blameOf, type WholeAnswer } from "./upstream-answer.ts";
import { variantTargets } from "./variant-targets.ts";
import type { Wire } from "./wires/wire.ts";

/** A request that was answered well, and what it was served. */
export interface AnsweredRequest {
  readonly wire: Wire;
  readonly body: JsonBody;
  readonly served: Served;
  readonly compiled: CompiledPolicy;
  /** As it was forwarded. */
  readonly metadata: ForwardInput["metadata"];
  /** The client's. */
  readonly headers: HeaderFields;
  /** US dollars that the answer cost, if that is known. */
  readonly costUsd: number | null;
}

export interface CallShadowDeps {
  readonly memory: Pick<ShadowMemory, "budget" | "pairs">;

  readonly providers: ReadonlyMap<string, Provider>;
  /** Its own: what the shadow meets must not open circuits of live traffic. */
  readonly health: TargetHealth;
  readonly prices: Prices;
  readonly languageOf: LanguageOf;
  readonly judging: Pick<Judging, "ask"> | null;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly counters: Counters;
  readonly log: Log;
}

/** One of them that the shadow is to be asked. */
export interface ShadowedRequest extends AnsweredRequest {
  readonly segment: Segment;
  readonly shadow: Shadow;
}

/** Why a call was not made, or says nothing. */
export type DropReason = "queue" | "cap" | "unpriced" | "unfit" | "circuit";

/** Of an answer that is read; a longer one is neither counted nor checked. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** @returns why the call was not made, and then nothing else happens; null when `done` will be called, or was */
export function callShadow(
  deps: CallShadowDeps,
  item: ShadowedRequest,
  { calls, done }: { readonly calls: Set<UpstreamCall>; readonly done: () => void },
): DropReason | null {
  const { memory, clock } = deps;
  const { wire, served, shadow, segment } = item;
  const compiled = item.compiled.variants.get(shadow.variant);
  if (compiled === undefined) return "unfit";
  const forwarded = forwardedRequest({
    wire,
    body: unstreamed(item.body),
    isStream: false,
    variant: compiled,
    attributes: served.attributes,
    metadata: item.metadata,
    headers: shadowHeaders(item.headers),
    providers: deps.providers,
  });
  const usd = estimatedUsd(deps, item, { compiled, forwarded });
  if (usd === null) return "unpriced";
  const startedAt = clock.now();
  const settle = memory.budget.reserve(
    segmentKey(served.policy.policy, segment.id),
    usd,
    shadow.usdPerDayMax,
    startedAt,
  );
  if (settle === null) return "cap";
  let isAsked = false;
  let call: UpstreamCall | null = null;
  let isOver = false;
  const end = (result: ShadowResult, costUsd: number | null): void => {
    if (isOver) return;
    isOver = true;
    if (call !== null) calls.delete(call);
    settle(costUsd);
    try {
      recordShadow(deps, item, { ...result, compiled, startedAt });
    } catch (error) {
      deps.log.error("an answer in the shadow was not counted", { error });
    }
    done();
  };
  call = askTargets(
    deps,
    {
      variant: compiled.variant,
      wire: wire.id,
      requestFor: (target) => {
        isAsked = true;
        return forwarded.requestFor(target);
      },
      clientDeadline: Infinity,
      draw: bucket("shadow", served.predictionId),
    },
    {
      onWhole: (answer, { attempts }) => {
        const result = wholeResult(deps, item, { answer, attempts, startedAt });
        end(result, answer.status >= 400 ? 0 : (result.ending?.answered?.costUsd ?? null));
      },
      // A stream that nobody asked for, or a body too long to keep: it may be billed all the same.
      onBegun: () => {
        call?.abort();
        end({ dropped: "unfit" }, null);
      },
      onFailure: (error) => end(isAsked ? { ending: failure(error) } : { dropped: "circuit" }, isAsked ? null : 0),
      onBytes: () => undefined,
      onEnd: () => undefined,
    },
  );
  if (!isOver) calls.add(call);
  return null;
}

interface ShadowResult {
  readonly ending?: Ending;
  readonly answer?: WholeAnswer;
  /** Why there is nothing to count. */
  readonly dropped?: DropReason;
}

const NOT_FORWARDED = new Set(["stream", "stream_options"]);

/** The same request for an answer in one piece. */
const unstreamed = ({ text, value, members }: JsonBody): JsonBody => ({
  text,
  value: Object.fromEntries(Object.entries(value).filter(([name]) => !NOT_FORWARDED.has(name))),
  members: members.filter(({ name }) => !NOT_FORWARDED.has(name)),
});

/** Neither the client's trace, nor its id of the request, nor how long it would wait: it asked once, and has its answer. */
function shadowHeaders(client: HeaderFields): Record<string, string> {
  const { "x-client-request-id": _, "x-segue-timeout-ms": __, ...headers } = upstreamHeaders(client, null);
  return headers;
}

function estimatedUsd(
  { prices }: CallShadowDeps,
  { wire, body }: ShadowedRequest,
  { compiled, forwarded }: { readonly compiled: CompiledVariant; readonly forwarded: ForwardedRequest },
): number | null {
  const { variant } = compiled;
  const { equal, further } = variantTargets(variant);
  const { text } = forwarded.requestFor({ provider: variant.provider, model: variant.model });
  return estimateUsd(
    prices,
    [...equal, ...further],
    estimateTokens(text, wire.id, { ...body.value, ...variant.parameters }),
  );
}

function wholeResult(
  { clock, prices }: CallShadowDeps,
  { wire }: ShadowedRequest,
  {
    answer,
    attempts,
    startedAt,
  }: { readonly answer: WholeAnswer; readonly attempts: number; readonly startedAt: number },
): ShadowResult {
  const { status, target, body } = answer;
  const isGood = status < 400;
  const kept = keptBytes(ANSWER_BYTES_MAX);
  if (isGood) kept.add(body);
  const usage = isGood ? wire.factsOf(kept.seen()).usage : null;
  const costUsd = usage === null ? null : prices.costUsd(target, usage);
  const answered = { target, attempts, firstByteMs: clock.now() - startedAt, usage, costUsd };
  const error = isGood ? null : `upstream_status_${status}`;
  return { answer, ending: { status, error, blame: blameOf(status), answered } };
}

const failure = (error: RouterError): Ending => ({
  status: 503,
  error: error.reason,
  blame: error.code === "upstream_unavailable" || error.code === "unavailable" ? "service" : "client",
});

/** Finds in an answer in the shadow what is found in live ones, by the same code, for the pairs alone. */
function recordShadow(
  { memory, counters, clock, log, languageOf, judging }: CallShadowDeps,
  { wire, body, served, shadow }: ShadowedRequest,
  {
    ending,
    answer,
    dropped = "unfit",
    compiled,
    startedAt,
  }: ShadowResult & { readonly compiled: CompiledVariant; readonly startedAt: number },
): void {
  const { predictionId, policy, at, attributes } = served;
  const decision = { ...served.decision, variant: compiled };
  const row = { policy: decision.policy, segment: decision.segment, variant: shadow.variant };
  if (ending === undefined) {
    memory.pairs.forget(predictionId);
    counters.add("segue_shadow_dropped_total", { policy: row.policy, reason: dropped });
    return;
  }
  const outcome = ending.blame === "nobody" ? "answered" : "failed";
  counters.add("segue_shadow_calls_total", { policy: row.policy, outcome });
  const outcomes: Outcomes = {
    observe: (found) => {
      memory.pairs.observeShadow(predictionId, found.metric, valueOf(found));
      return true;
    },
  };
  const exposures = { record: () => undefined };
  answerRecorder(
    { exposures, outcomes, clock, log },
    { ...served, decision, receivedAt: startedAt, hold: clientHold(clock) },
  )(ending);
  const costUsd = ending.answered?.costUsd ?? null;
  if (costUsd !== null) memory.pairs.observeShadow(predictionId, ANSWER_USD, costUsd);
  if (answer === undefined || answer.status >= 400) return;
  const about = { ...row, predictionId, at, attributes };
  const captured = {
    wire: wire.id,
    request: body.value,
    chunks: [answer.body],
    isEventStream: false,
    isComplete: true,
  };
  const asked: Pick<Judging, "ask"> | null =
    judging === null
      ? null
      : { ask: (one) => judging.ask({ ...one, about: { ...one.about, predictionId: shadowId(predictionId) } }) };
  checkAnswer({ outcomes, languageOf, judging: asked }, { about, metrics: policy.metrics, answer: captured });
}
