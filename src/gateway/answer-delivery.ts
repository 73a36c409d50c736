import { RouterError } from "../core/errors.ts";
import type { Answered, Clock, FailedAttempt } from "../ports.ts";
import { addUpstreamHeaders, failureHeaders, type AnswerHeaders } from "./answer-headers.ts";
import { CLIENT_LEFT, type Ending } from "./answer-recorder.ts";
import type { AnswerControl, AnswerSink } from "./answer-sink.ts";
import type { Asked, AskedCall, AskListener } from "./ask-targets.ts";
import type { ClientHold } from "./client-hold.ts";
import { keptBytes, type KeptBytes } from "./kept-bytes.ts";
import { statusOf } from "./openai-error.ts";
import { relayEvents, type EventRelay, type StreamEnd } from "./relay-events.ts";
import type { BegunAnswer } from "./target-attempt.ts";
import { blameOfAnswer, isSettingsFault, type WholeAnswer } from "./upstream-answer.ts";
import { readableError, saidBy } from "./upstream-error.ts";
import type { AnswerFacts, Wire } from "./wires/wire.ts";

/** What became of an answer, told once. */
export interface Delivered {
  readonly ending: Ending & { readonly answered: Answered | null };
  readonly failedAttempts: readonly FailedAttempt[];
  readonly facts: AnswerFacts | null;
  /** The body as the upstream sent it, as far as it was kept. */
  readonly kept: KeptBytes | null;
  readonly isEventStream: boolean;
}

export interface DeliveryContext {
  readonly wire: Wire;
  readonly sink: AnswerSink;
  readonly clock: Clock;
  /** What is sent with every answer: the decision, and what is left of the key's limits. */
  readonly headers: AnswerHeaders;
  /** Added where there is a good answer. */
  readonly goodHeaders: AnswerHeaders;
  /** Whether the limits are ours, so that the upstream's would be a mix of both. */
  readonly hasOwnLimits: boolean;
  readonly hold: ClientHold;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  /** Bytes of the answer that are kept for what looks at it afterwards. */
  readonly keptBytesMax: number;
  readonly addsUsage: (answer: WholeAnswer) => boolean;
  readonly costUsd: (answer: WholeAnswer, usage: NonNullable<AnswerFacts["usage"]>) => number | null;
  readonly onDelivered: (delivered: Delivered) => void;
}

const NO_CALL: AskedCall = {
  pause: () => undefined,
  resume: () => undefined,
  abort: () => undefined,
  suffice: () => undefined,
};

/** Turns what the upstream says, or does not say, into what the client gets. */
export class AnswerDelivery implements AskListener, AnswerControl {
  readonly #context: DeliveryContext;
  #call: AskedCall = NO_CALL;
  #relay: EventRelay | null = null;
  #kept: KeptBytes | null = null;
  #answer: WholeAnswer | null = null;
  #asked: Asked = NONE_ASKED;
  #firstByteMs = 0;
  #isEventStream = false;
  #isOver = false;

  constructor(context: DeliveryContext) {
    this.#context = context;
  }

  /** The question that is under way: asked to wait and to stop by what the client does. */
  follow(call: AskedCall): void {
    if (this.#isOver) call.abort();
    else this.#call = call;
  }

  onLeft(): void {
    if (this.#isOver) return;
    this.#call.abort();
    // Some clients leave as soon as they have what they asked for.
    const end = this.#relay?.ended() ?? null;
    this.#end(end === null ? CLIENT_LEFT : endings[end]);
  }

  onDrained(): void {
    if (this.#isOver) return;
    this.#context.hold.end();
    this.#call.resume();
  }

  onFailure(error: RouterError, asked: Asked): void {
    this.#asked = asked;
    this.#refuse(error);
  }

  onWhole(answer: WholeAnswer, asked: Asked): void {
    const { sink, wire } = this.#context;
    this.#arrived(answer, asked);
    const refused = ourFault(answer);
    if (refused !== null) {
      // It stays so until somebody changes the settings.
      this.#context.headers["x-should-retry"] = "false";
      return this.#refuse(refused);
    }
    const { status, target } = answer;
    const headers = this.#headersOf(answer);
    const isGood = status < 400;
    const body = isGood ? answer.body : readableError(wire, { provider: target.provider, status, body: answer.body });
    if (body !== answer.body) headers["content-type"] = "application/json";
    if (isGood) this.#kept?.add(answer.body);
    const ending = { status, error: isGood ? null : `upstream_status_${status}`, blame: blameOfAnswer(answer) };
    this.#end(ending);
    sink.whole(status, headers, body);
  }

  onBegun(answer: BegunAnswer, asked: Asked): void {
    const { wire, sink, addsUsage } = this.#context;
    this.#arrived(answer, asked);
    this.#isEventStream = answer.isEventStream;
    const headers = this.#headersOf(answer);
    if (answer.isEventStream && this.#kept !== null) {
      headers["cache-control"] = "no-cache";
      headers["x-accel-buffering"] = "no";
      this.#relay = relayEvents({
        rules: wire.stream,
        kept: this.#kept,
        stripsUsage: addsUsage(answer),
        cutMessage: `Provider '${answer.target.provider}' broke off in the middle of its answer.`,
        out: (bytes) => this.#write(bytes),
      });
    }
    sink.begin(answer.status, headers);
    this.onBytes(answer.body);
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#relay === null) return this.#write(bytes);
    this.#relay.take(bytes);
    // What an upstream does after its last event is its own business.
    if (!this.#relay.isDone()) return;
    this.#call.suffice();
    this.onEnd(true);
  }

  onEnd(isProper: boolean): void {
    if (this.#isOver) return;
    const { sink } = this.#context;
    const end: StreamEnd = this.#relay?.finish(isProper) ?? (isProper ? "complete" : "cut");
    this.#end(endings[end]);
    // Nothing can be added to a body of an unknown kind.
    if (this.#relay === null && !isProper) sink.breakOff();
    else sink.end();
  }

  #write(bytes: Uint8Array): void {
    if (this.#context.sink.write(bytes)) return;
    this.#context.hold.begin();
    this.#call.pause();
  }

  #arrived(answer: WholeAnswer, asked: Asked): void {
    const { clock, receivedAt, keptBytesMax } = this.#context;
    this.#answer = answer;
    this.#asked = asked;
    this.#firstByteMs = clock.now() - receivedAt;
    this.#kept = keptBytes(keptBytesMax);
  }

  #headersOf(answer: WholeAnswer): AnswerHeaders {
    const { headers: own, goodHeaders, hasOwnLimits } = this.#context;
    const headers: AnswerHeaders = {};
    addUpstreamHeaders(headers, answer.headers);
    if (hasOwnLimits)
      for (const name of Object.keys(headers)) if (name.startsWith("x-ratelimit-")) delete headers[name];
    Object.assign(headers, own);
    headers["x-segue-target"] = `${answer.target.provider}/${answer.target.model}`;
    // Clients retry by themselves: three tries of theirs times every target of ours would be a storm.
    if (this.#asked.attempts > 1) headers["x-should-retry"] = "false";
    return answer.status < 400 ? Object.assign(headers, goodHeaders) : headers;
  }

  #refuse(error: RouterError): void {
    if (this.#isOver) return;
    const { sink, wire, headers } = this.#context;
    const status = statusOf[error.code];
    const isService = error.code === "upstream_unavailable" || error.code === "unavailable";
    const isLate = error.reason === "client_deadline";
    this.#end({ status, error: error.reason, blame: isLate ? "left" : isService ? "service" : "client" });
    if (this.#asked.attempts > 1 || isLate || error.reason === "provider_not_configured")
      headers["x-should-retry"] = "false";
    const body = new TextEncoder().encode(JSON.stringify(wire.errorBody(status, error)));
    sink.whole(status, { ...failureHeaders(status, error), ...headers }, body);
  }

  #end(ending: Ending): void {
    this.#isOver = true;
    const { wire, onDelivered } = this.#context;
    const answer = this.#answer;
    const facts = answer === null || answer.status >= 400 ? null : wire.factsOf((this.#kept ?? NOTHING).seen());
    // A stream that did not end has not said all that it used.
    const usage = ending.error === null ? (facts?.usage ?? null) : null;
    const costUsd = answer === null || usage === null ? null : this.#context.costUsd(answer, usage);
    const answered =
      answer === null
        ? null
        : {
            target: answer.target,
            attempts: this.#asked.attempts,
            firstByteMs: this.#firstByteMs,
            usage,
            costUsd: costUsd !== null && Number.isFinite(costUsd) ? costUsd : null,
          };
    onDelivered({
      ending: { ...ending, answered },
      failedAttempts: this.#asked.failed,
      facts,
      kept: this.#kept,
      isEventStream: this.#isEventStream,
    });
  }
}

const NOTHING = keptBytes(0);
const NONE_ASKED: Asked = { attempts: 0, failed: [] };

const endings: Readonly<Record<StreamEnd, Ending>> = {
  complete: { status: 200, error: null, blame: "nobody" },
  failed: { status: 200, error: "upstream_error", blame: "service" },
  cut: { status: 200, error: "upstream_cut", blame: "service" },
};

/** An upstream that refuses our key or our model's name says nothing about the client's. */
function ourFault({ target, status, body }: WholeAnswer): RouterError | null {
  if (!isSettingsFault({ status, body })) return null;
  if (status === 404 || status === 410) {
    const said = saidBy(body);
    return new RouterError(
      "upstream_unavailable",
      `Provider '${target.provider}' answered ${status} for its model '${target.model}'${said === "" ? "." : `: ${said}`}`,
      { reason: "upstream_model_not_found" },
    );
  }
  if (status !== 401 && status !== 403) return null;
  return new RouterError(
    "upstream_unavailable",
    `Provider '${target.provider}' refused Segue's own credentials with status ${status}: check the key configured for it.`,
    { reason: "upstream_auth" },
  );
}
