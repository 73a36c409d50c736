import { RouterError } from "../core/errors.ts";
import type { Target, Variant } from "../core/policy.ts";
import type { WireFormat } from "../core/wire-format.ts";
import type { Clock, Deadlines, FailedAttempt, Provider, ProviderRequest, UpstreamCall } from "../ports.ts";
import {
  clientGaveUp,
  TargetAttempt,
  type AllTimeouts,
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
  readonly onWhole: (answer: WholeAnswer, asked: Asked) => void;
  /** The answer is committed to: `events` are the first whole ones, or for other bodies the first bytes. */
  readonly onBegun: (answer: BegunAnswer, asked: Asked) => void;
  readonly onFailure: (error: RouterError, asked: Asked) => void;
  readonly onBytes: (bytes: Uint8Array) => void;
  /** @param isProper whether the transfer was whole */
  readonly onEnd: (isProper: boolean) => void;
}

/** Asking that is under way. */
export interface AskedCall extends UpstreamCall {
  /** The answer is there, whatever the upstream still sends: nothing more is told of it. */
  readonly suffice: () => void;
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
  const { clock, health, deadlines } = deps;
  const { variant } = ask;
  const timeouts = timeoutsOf(variant);
  const totalAt = clock.now() + timeouts.totalMs;
  const giveUpAt = Math.min(totalAt, ask.clientDeadline);
  const groups = variantTargets(variant);
  const inOrder = (): readonly Target[] =>
    health.order(groups, clock.now(), ask.draw).filter((target) => mayServe(deps.providers, target, ask.wire));
  let queue = inOrder();
  let attempts = 0;
  let failed: FailedAttempt[] = NONE_FAILED;
  let asking: { readonly target: Target; readonly startedAt: number } | null = null;
  let rounds = 0;
  let current: TargetAttempt | null = null;
  let isOver = false;

  const end = (): void => {
    isOver = true;
    deadline.end();
  };
  const fail = (error: RouterError): void => {
    end();
    listener.onFailure(error, { attempts, failed });
  };
  const next = (): void => {
    const now = clock.now();
    if (now >= giveUpAt) return fail(now >= ask.clientDeadline ? clientGaveUp() : tooLate());
    // What was ready when the queue was made may have failed for others since, or be tried by one of them.
    const [target, ...rest] = queue.filter((one) => health.mayAsk(one, now));
    if (target === undefined) return fail(allOpen(groups, health, now));
    queue = rest;
    attempts++;
    asking = { target, startedAt: now };
    const provider = deps.providers.get(target.provider);
    if (provider === undefined) return settle({ kind: "failed", error: notConfigured(target) });
    const attempt = new TargetAttempt(
      { clock, deadlines, target, timeouts, totalAt, clientDeadline: ask.clientDeadline, learn: health.begin(target) },
      { onBytes: listener.onBytes, onEnd: finished, onResult: settle },
    );
    current = attempt;
    attempt.start(provider, ask.requestFor(target));
  };
  const finished = (isProper: boolean): void => {
    if (isOver) return;
    end();
    listener.onEnd(isProper);
  };
  /** Takes what came of an attempt: the answer, or what to try next. */
  const settle = (result: AttemptResult): void => {
    if (isOver) return;
    if (result.kind === "begun") return listener.onBegun(result.answer, { attempts, failed });
    if (isRetryable(result)) {
      if (asking !== null) failed = [...failed, failedAttempt(result, { ...asking, endedAt: clock.now() })];
      if (clock.now() < giveUpAt && queue.length > 0) return next();
      const now = clock.now();
      const wait =
        rounds < (variant.retries ?? 0) ? waitBefore(result, { rounds, draw: ask.draw, now, giveUpAt }) : null;
      if (wait !== null) {
        rounds++;
        deadline.dueAt = now + wait;
        return;
      }
    }
    if (result.kind === "failed") return fail(result.error);
    end();
    listener.onWhole(result.answer, { attempts, failed });
  };
  const deadline = deadlines.watch(() => {
    queue = inOrder();
    next();
  });
  const leave = (how: "suffice" | "abort"): void => {
    if (isOver) return;
    end();
    current?.[how]();
  };
  const fault = wireFault(deps, ask);
  if (fault === null) next();
  else fail(fault);
  return {
    pause: () => current?.pause(),
    resume: () => current?.resume(),
    suffice: () => leave("suffice"),
    abort: () => leave("abort"),
  };
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
