import { RouterError } from "../core/errors.ts";
import type { Target, Timeouts } from "../core/policy.ts";
import type {
  Clock,
  Deadline,
  Deadlines,
  HeaderFields,
  Provider,
  ProviderRequest,
  UpstreamCall,
  UpstreamListener,
} from "../ports.ts";
import { wholeEvents } from "./event-stream-bytes.ts";
import { joined } from "./joined.ts";
import type { Attempt } from "./target-health.ts";
import {
  blameOf,
  retryAfterMs,
  SETTINGS_AT_FAULT,
  statusWithin,
  trueStatus,
  type WholeAnswer,
} from "./upstream-answer.ts";
import { eachEvent, eventData } from "./wires/event-data.ts";

export type BegunAnswer = WholeAnswer & { readonly isEventStream: boolean };

/** What comes of asking one target. `begun` is an answer whose first bytes are there and that goes on. */
export type AttemptResult =
  | { readonly kind: "whole"; readonly answer: WholeAnswer }
  | { readonly kind: "begun"; readonly answer: BegunAnswer }
  | { readonly kind: "failed"; readonly error: RouterError };

/** In milliseconds. */
export type AllTimeouts = { readonly [Name in keyof Timeouts]-?: number };

interface AttemptContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly target: Target;
  readonly timeouts: AllTimeouts;
  /** When the variant gives up, whatever has come by then. Epoch milliseconds. */
  readonly totalAt: number;
  /** When the client stops waiting for an answer to begin. Epoch milliseconds. */
  readonly clientDeadline: number;
  readonly learn: (attempt: Attempt, now: number) => void;
}

export interface AttemptListener {
  /** Once. */
  onResult(result: AttemptResult): void;
  /** After a `begun` only. */
  onBytes(bytes: Uint8Array): void;
  onEnd(isProper: boolean): void;
}

/** Longer bodies stream through: beyond this a whole copy costs more than an honest error is worth. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** A stream whose first event is longer is begun without a look at it. */
const FIRST_EVENT_BYTES_MAX = 64 * 1024;
/** However long an upstream asks to be left alone, a minute later it may be asked whether it still means it. */
const BUSY_MS_MAX = 60_000;
const EMPTY = new Uint8Array(0);
/** How long an upstream may take to end an answer that is there. */
const LINGER_MS = 1000;
const ERROR_HEADERS: HeaderFields = { "content-type": "application/json" };

/**
 * Asks one target. An event stream is begun with its first event, so that an error in its place still is an answer
 * of its own; other bodies are read whole as far as they are not too long. A class, for its callbacks are called for
 * every piece of every answer, and share what they know.
 */
export class TargetAttempt implements UpstreamListener, UpstreamCall {
  readonly #context: AttemptContext;
  readonly #listener: AttemptListener;
  #deadline: Deadline;
  readonly #startedAt: number;
  #call: UpstreamCall | null = null;
  #phase: "connect" | "first byte" | "collecting" | "begun" | "over" = "connect";
  #status = 0;
  #headers: HeaderFields = {};
  #isEventStream = false;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #firstByteMs = 0;
  #isPaused = false;

  constructor(context: AttemptContext, listener: AttemptListener) {
    this.#context = context;
    this.#listener = listener;
    this.#startedAt = context.clock.now();
    this.#deadline = context.deadlines.watch(() => this.#onDue());
  }

  start(provider: Provider, request: ProviderRequest): void {
    this.#wait(this.#context.timeouts.connectMs);
    this.#call = provider.send(request, this);
  }

  pause(): void {
    this.#isPaused = true;
    this.#call?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#phase === "begun") this.#wait(this.#context.timeouts.idleMs);
    this.#call?.resume();
  }

  abort(): void {
    if (this.#phase === "over") return;
    this.#over({ kind: "abandoned" });
    this.#call?.abort();
  }

  /** The answer is there; an upstream that does not end by itself is let go a little later, so that its connection may be used again. */
  suffice(): void {
    if (this.#phase === "over") return;
    this.#over({ kind: "answered", firstByteMs: this.#firstByteMs });
    this.#deadline = this.#context.deadlines.watch(() => this.#onDue());
    this.#deadline.dueAt = this.#context.clock.now() + LINGER_MS;
  }

  onSent(): void {
    if (this.#phase !== "connect") return;
    this.#phase = "first byte";
    this.#wait(this.#context.timeouts.firstByteMs);
  }

  onHead(status: number, headers: HeaderFields): void {
    if (this.#phase === "over") return;
    if (status < 200 || status > 599 || (status >= 300 && status < 400)) {
      this.#call?.abort();
      return this.#fail(`answered with status ${status}: check its base URL.`, "upstream_status");
    }
    this.#status = status;
    this.#headers = headers;
    this.#isEventStream = status < 300 && /^text\/event-stream/i.test(String(headers["content-type"] ?? ""));
    if (this.#phase === "connect") this.onSent();
    // A head says that a whole answer is being made; a stream has begun with its first event only.
    if (this.#isEventStream) return;
    this.#phase = "collecting";
    this.#firstByteMs = this.#context.clock.now() - this.#startedAt;
    this.#wait(this.#context.timeouts.idleMs);
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#phase === "over" || bytes.length === 0) return;
    if (this.#phase === "begun") {
      this.#wait(this.#context.timeouts.idleMs);
      return this.#listener.onBytes(bytes);
    }
    if (this.#phase === "collecting") this.#wait(this.#context.timeouts.idleMs);
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#isEventStream) this.#lookAtBeginning();
    else if (this.#size > BODY_BYTES_MAX) this.#begin(this.#collected());
  }

  onEnd(): void {
    if (this.#phase === "over") return this.#deadline.end();
    if (this.#phase === "begun") {
      this.#over({ kind: "answered", firstByteMs: this.#firstByteMs });
      return this.#listener.onEnd(true);
    }
    const { target } = this.#context;
    if (!this.#isEventStream) {
      const body = this.#collected();
      return this.#finish({ target, status: trueStatus(this.#status, body), headers: this.#headers, body });
    }
    if (this.#size === 0) return this.#fail("ended its answer before the first byte.", "upstream_cut");
    // It ended before a whole event: what is there is passed on, and that it was cut.
    this.#begin(this.#collected());
    this.#over({ kind: "failed" });
    this.#listener.onEnd(true);
  }

  onError(error: RouterError): void {
    if (this.#phase === "over") return this.#deadline.end();
    if (this.#phase === "begun") return this.#breakOff();
    if (this.#status > 0)
      return this.#fail(
        this.#size === 0 ? "ended its answer before the first byte." : "broke off in the middle of its answer.",
        "upstream_cut",
        error,
      );
    this.#over(error.code === "upstream_unavailable" ? { kind: "failed" } : { kind: "abandoned" });
    this.#listener.onResult({ kind: "failed", error });
  }

  #wait(ms: number): void {
    const { clock, totalAt, clientDeadline } = this.#context;
    const giveUpAt = this.#phase === "begun" ? totalAt : Math.min(totalAt, clientDeadline);
    this.#deadline.dueAt = Math.min(clock.now() + ms, giveUpAt);
  }

  #over(attempt: Attempt): void {
    this.#phase = "over";
    this.#deadline.end();
    this.#context.learn(attempt, this.#context.clock.now());
  }

  #onDue(): void {
    const { clock, totalAt, clientDeadline, timeouts } = this.#context;
    if (this.#phase === "over") return this.#call?.abort();
    const now = clock.now();
    // It is the client who is not ready.
    if (this.#isPaused && now < totalAt) return this.#wait(timeouts.idleMs);
    this.#call?.abort();
    if (this.#phase === "begun") return this.#breakOff();
    if (now >= clientDeadline) {
      this.#over({ kind: "abandoned" });
      return this.#listener.onResult({ kind: "failed", error: clientGaveUp() });
    }
    const what = this.#phase === "collecting" ? "fell silent in the middle of its answer" : "gave no answer";
    this.#fail(`${what}: nothing within ${now - this.#startedAt} ms.`, "upstream_timeout");
  }

  #breakOff(): void {
    this.#over({ kind: "failed" });
    this.#listener.onEnd(false);
  }

  #fail(problem: string, reason: string, cause?: unknown): void {
    this.#over({ kind: "failed" });
    const message = `Provider '${this.#context.target.provider}' ${problem}`;
    this.#listener.onResult({
      kind: "failed",
      error: new RouterError("upstream_unavailable", message, { reason, cause }),
    });
  }

  #collected(): Uint8Array {
    if (this.#chunks.length > 1) this.#chunks = [joined(this.#chunks, this.#size)];
    return this.#chunks[0] ?? EMPTY;
  }

  #begin(body: Uint8Array): void {
    const { target } = this.#context;
    this.#phase = "begun";
    this.#chunks = [];
    this.#wait(this.#context.timeouts.idleMs);
    const answer = { target, status: this.#status, headers: this.#headers, body, isEventStream: this.#isEventStream };
    this.#listener.onResult({ kind: "begun", answer });
  }

  /** A stream begins with an event: with comments alone it is not known what it will be. */
  #lookAtBeginning(): void {
    const all = this.#collected();
    if (this.#firstByteMs === 0) this.#firstByteMs = this.#context.clock.now() - this.#startedAt;
    const whole = wholeEvents(all);
    const event = whole > 0 ? firstEvent(all) : this.#size > FIRST_EVENT_BYTES_MAX ? "other" : null;
    if (event === null) return;
    if (event === "other") return this.#begin(all);
    this.#call?.abort();
    const { target } = this.#context;
    const body = new TextEncoder().encode(JSON.stringify(event));
    this.#finish({ target, status: statusWithin(event.error), headers: ERROR_HEADERS, body });
  }

  /** Takes a whole answer for what it is. */
  #finish(answer: WholeAnswer): void {
    if (answer.status < 300 && !isJson(answer.body))
      return this.#fail("answered with something that is not JSON: check its base URL.", "upstream_invalid");
    const now = this.#context.clock.now();
    const { status } = answer;
    const busyMs = status === 429 || status === 503 ? retryAfterMs(answer.headers, now) : null;
    if (busyMs !== null) this.#over({ kind: "busy", until: now + Math.min(busyMs, BUSY_MS_MAX) });
    else if (blameOf(status) === "service" && status !== 429 && !SETTINGS_AT_FAULT.has(status))
      this.#over({ kind: "failed" });
    else this.#over({ kind: "answered", firstByteMs: this.#firstByteMs });
    this.#listener.onResult({ kind: "whole", answer });
  }
}

/** The client's patience says nothing of the target. */
export const clientGaveUp = (): RouterError =>
  new RouterError("unavailable", "The time that the client gave for its answer is over.", {
    reason: "client_deadline",
  });

/** An error as a first event says so within these. */
const LOOKED_AT_BYTES = 4096;

/** The first event's data where it is an error, `other` for another event, null while there are only comments. */
function firstEvent(events: Uint8Array): Readonly<Record<string, unknown>> | "other" | null {
  // Most first events are short and no errors, and this is on every stream's path to its first byte.
  const beginning = new TextDecoder().decode(events.subarray(0, LOOKED_AT_BYTES));
  const isLong = events.length > LOOKED_AT_BYTES;
  if (!/^(?:data|event):/m.test(beginning) && (!isLong || !/^(?:data|event):/m.test(new TextDecoder().decode(events))))
    return null;
  if (!beginning.includes('"error"')) return "other";
  const text = isLong ? new TextDecoder().decode(events) : beginning;
  const data = eachEvent(text)
    .map(eventData)
    .find((value) => value !== null);
  const error = data?.error;
  const isError = typeof error === "object" && error !== null && !Array.isArray(error) && data?.choices === undefined;
  return isError ? (data ?? "other") : "other";
}

/** Whether a body begins like a JSON object or array; an empty one may. */
function isJson(body: Uint8Array): boolean {
  for (const byte of body) {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    return byte === 0x7b || byte === 0x5b;
  }
  return true;
}
