import { RouterError } from "../core/errors.ts";
import type { Target, Variant } from "../core/policy.ts";
import type { WireFormat } from "../core/wire-format.ts";
import type { Clock, Deadline, Deadlines, FailedAttempt, Provider, ProviderRequest, UpstreamCall } from "../ports.ts";
import {
  clientGaveUp,
  TargetAttempt,
  type AllTimeouts,
  type AttemptListener,
  type AttemptResult,
  type BegunAnswer,
} from "./target-attempt.ts";
import type { TargetHealth } from "./target-health.ts";
import { variantTargets, type VariantTargets } from "./variant-targets.ts";
import { blameOfAnswer, retryAfterMs, type WholeAnswer } from "./upstream-answer.ts";

export interface AskDeps {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly health: TargetHealth;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

export interface Ask {
  readonly variant: Variant;
  readonly wire: WireFormat;
  /** Writes the request for a target. */
  readonly requestFor: (target: Target) => ProviderRequest;
  /** Epoch milliseconds after which nobody waits any more, by what the client says; infinite where it says nothing. */
  readonly clientDeadline: number;
  /** Uniform in [0,1): chooses between equal targets, and spreads retries. */
  readonly draw: number;
}

/** Who was asked until there was an answer, or no target was left. */
export interface Asked {
  /** How many targets, one asked again included. */
  readonly attempts: number;
  readonly failed: readonly FailedAttempt[];
}

/** What comes of asking. One of the first three is called, once, before any byte of a stream. */
export interface AskListener {
  onWhole(answer: WholeAnswer, asked: Asked): void;
  /** The answer is committed to: `events` are the first whole ones, or for other bodies the first bytes. */
  onBegun(answer: BegunAnswer, asked: Asked): void;
  onFailure(error: RouterError, asked: Asked): void;
  onBytes(bytes: Uint8Array): void;
  /** @param isProper whether the transfer was whole */
  onEnd(isProper: boolean): void;
}

/** Asking that is under way. */
export interface AskedCall extends UpstreamCall {
  /** The answer is there, whatever the upstream still sends: nothing more is told of it. */
  suffice(): void;
}

const CONNECT_MS = 10_000;
const FIRST_BYTE_MS = 300_000;
const IDLE_MS = 300_000;
const TOTAL_MS = 3_600_000;
/** Retries wait this long at most: whom an upstream asks to wait longer is told so instead. */
const BACKOFF_MS_MAX = 10_000;
const BACKOFF_MS = 250;

/** @returns the defaults where a variant says nothing */
export const timeoutsOf = ({ timeouts }: Variant): AllTimeouts => ({
  connectMs: timeouts?.connectMs ?? CONNECT_MS,
  firstByteMs: timeouts?.firstByteMs ?? FIRST_BYTE_MS,
  idleMs: timeouts?.idleMs ?? IDLE_MS,
  totalMs: timeouts?.totalMs ?? TOTAL_MS,
});

/**
 * Asks a variant's targets, one after the other, until one answers; what the client is sent is committed to only
 * then. The last answer counts whatever it is. Each target's health is learnt from.
 */
export function askTargets(deps: AskDeps, ask: Ask, listener: AskListener): AskedCall {
  const asking = new Asking(deps, ask, listener);
  asking.start();
  return asking;
}

/** A class, for its callbacks are called for every piece of every answer, and share what they know. */
class Asking implements AskedCall, AttemptListener {
  readonly #deps: AskDeps;
  readonly #ask: Ask;
  readonly #listener: AskListener;
  readonly #timeouts: AllTimeouts;
  readonly #totalAt: number;
  readonly #groups: VariantTargets;
  readonly #retry: Deadline;
  #queue: readonly Target[];
  #attempts = 0;
  #failed: readonly FailedAttempt[] = NONE_FAILED;
  #rounds = 0;
  #target: Target | null = null;
  #askedAt = 0;
  #current: TargetAttempt | null = null;
  #isOver = false;

  constructor(deps: AskDeps, ask: Ask, listener: AskListener) {
    this.#deps = deps;
    this.#ask = ask;
    this.#listener = listener;
    this.#timeouts = timeoutsOf(ask.variant);
    this.#totalAt = deps.clock.now() + this.#timeouts.totalMs;
    this.#groups = variantTargets(ask.variant);
    this.#queue = this.#inOrder();
    this.#retry = deps.deadlines.watch(() => {
      this.#queue = this.#inOrder();
      this.#next();
    });
  }

  start(): void {
    const fault = wireFault(this.#deps, this.#ask);
    if (fault === null) this.#next();
    else this.#fail(fault);
  }

  pause(): void {
    this.#current?.pause();
  }

  resume(): void {
    this.#current?.resume();
  }

  suffice(): void {
    if (this.#isOver) return;
    this.#end();
    this.#current?.suffice();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#end();
    this.#current?.abort();
  }

  onBytes(bytes: Uint8Array): void {
    this.#listener.onBytes(bytes);
  }

  onEnd(isProper: boolean): void {
    if (this.#isOver) return;
    this.#end();
    this.#listener.onEnd(isProper);
  }

  /** Takes what came of an attempt: the answer, or what to try next. */
  onResult(result: AttemptResult): void {
    if (this.#isOver) return;
    if (result.kind === "begun") return this.#listener.onBegun(result.answer, this.#asked());
    if (isRetryable(result)) {
      this.#noteFailure(result);
      if (this.#triesAgain(result)) return;
    }
    if (result.kind === "failed") return this.#fail(result.error);
    this.#end();
    this.#listener.onWhole(result.answer, this.#asked());
  }

  #next(): void {
    const { clock, health, deadlines, providers } = this.#deps;
    const { clientDeadline, requestFor } = this.#ask;
    const now = clock.now();
    if (now >= this.#giveUpAt()) return this.#fail(now >= clientDeadline ? clientGaveUp() : tooLate());
    // What was ready when the queue was made may have failed for others since, or be tried by one of them.
    const [target, ...rest] = this.#queue.filter((one) => health.mayAsk(one, now));
    if (target === undefined) return this.#fail(allOpen(this.#groups, health, now));
    this.#queue = rest;
    this.#attempts++;
    this.#target = target;
    this.#askedAt = now;
    const provider = providers.get(target.provider);
    if (provider === undefined) return this.onResult({ kind: "failed", error: notConfigured(target) });
    const [timeouts, totalAt] = [this.#timeouts, this.#totalAt];
    this.#current = new TargetAttempt(
      { clock, deadlines, target, timeouts, totalAt, clientDeadline, learn: health.begin(target) },
      this,
    );
    this.#current.start(provider, requestFor(target));
  }

  /** @returns whether another target is asked, or will be when it is time for another round */
  #triesAgain(result: Exclude<AttemptResult, { kind: "begun" }>): boolean {
    const now = this.#deps.clock.now();
    const giveUpAt = this.#giveUpAt();
    if (now < giveUpAt && this.#queue.length > 0) {
      this.#next();
      return true;
    }
    if (this.#rounds >= (this.#ask.variant.retries ?? 0)) return false;
    const wait = waitBefore(result, { rounds: this.#rounds, draw: this.#ask.draw, now, giveUpAt });
    if (wait === null) return false;
    this.#rounds++;
    this.#retry.dueAt = now + wait;
    return true;
  }

  #noteFailure(result: Exclude<AttemptResult, { kind: "begun" }>): void {
    if (this.#target === null) return;
    const times = { target: this.#target, startedAt: this.#askedAt, endedAt: this.#deps.clock.now() };
    this.#failed = [...this.#failed, failedAttempt(result, times)];
  }

  #inOrder(): readonly Target[] {
    const { clock, health, providers } = this.#deps;
    const { draw, wire } = this.#ask;
    return health.order(this.#groups, clock.now(), draw).filter((target) => mayServe(providers, target, wire));
  }

  #asked(): Asked {
    return { attempts: this.#attempts, failed: this.#failed };
  }

  #giveUpAt(): number {
    return Math.min(this.#totalAt, this.#ask.clientDeadline);
  }

  #fail(error: RouterError): void {
    this.#end();
    this.#listener.onFailure(error, this.#asked());
  }

  #end(): void {
    this.#isOver = true;
    this.#retry.end();
  }
}

const NONE_FAILED: FailedAttempt[] = [];

const failedAttempt = (
  result: Exclude<AttemptResult, { kind: "begun" }>,
  times: Pick<FailedAttempt, "target" | "startedAt" | "endedAt">,
): FailedAttempt =>
  result.kind === "failed"
    ? { ...times, status: null, error: result.error.reason }
    : { ...times, status: result.answer.status, error: `upstream_status_${result.answer.status}` };

const tooLate = (): RouterError =>
  new RouterError("upstream_unavailable", "No time was left to ask a target.", { reason: "upstream_timeout" });

function allOpen({ equal, further }: VariantTargets, health: TargetHealth, now: number): RouterError {
  const targets = [...equal, ...further];
  const names = targets.map(({ provider, model }) => `${provider}/${model}`).join(", ");
  return new RouterError(
    "unavailable",
    `Every target of the variant failed again and again and is left alone for a moment: ${names}.`,
    { reason: "circuit_open", retryAfterMs: Math.max(0, health.retryAt(targets) - now) },
  );
}

/** Milliseconds until the next round, or null when there is no time for it. */
function waitBefore(
  result: Exclude<AttemptResult, { kind: "begun" }>,
  { rounds, draw, now, giveUpAt }: { rounds: number; draw: number; now: number; giveUpAt: number },
): number | null {
  const asked = result.kind === "whole" ? retryAfterMs(result.answer.headers, now) : null;
  // Jitter (M. Brooker, "Exponential Backoff And Jitter", AWS 2015), with half of the wait certain.
  const backoff = BACKOFF_MS * 2 ** rounds * (0.5 + 0.5 * draw);
  const wait = Math.max(asked ?? 0, backoff);
  return wait > BACKOFF_MS_MAX || now + wait >= giveUpAt ? null : wait;
}

const notConfigured = ({ provider }: Target): RouterError =>
  new RouterError(
    "upstream_unavailable",
    `Provider '${provider}' is not configured here: name it in SEGUE_PROVIDERS, or in the policy one that is.`,
    { reason: "provider_not_configured" },
  );

/** Whether a target is asked for a wire format; one that is not configured is, and then says so. */
const mayServe = (providers: AskDeps["providers"], { provider }: Target, wire: WireFormat): boolean =>
  providers.get(provider)?.wires.has(wire) !== false;

/** That no target of a variant speaks what the request came in, which another policy's may; else null. */
function wireFault({ providers }: AskDeps, { variant, wire }: Ask): RouterError | null {
  const { equal, further } = variantTargets(variant);
  const targets = [...equal, ...further];
  if (targets.some((target) => mayServe(providers, target, wire))) return null;
  const spoken = new Set(targets.flatMap(({ provider }) => [...(providers.get(provider)?.wires ?? [])]));
  return new RouterError(
    "invalid_request",
    `No provider of this policy's variant speaks ${wire}; they speak: ${[...spoken].join(", ")}. Ask in one of these, or name another policy.`,
    { param: "model", reason: "wire_not_supported" },
  );
}

const isRetryable = (result: Exclude<AttemptResult, { kind: "begun" }>): boolean =>
  result.kind === "failed" ? result.error.code === "upstream_unavailable" : blameOfAnswer(result.answer) === "service";
