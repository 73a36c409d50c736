import { RouterError } from "../../src/core/errors.ts";
import { WIRE_FORMATS, type WireFormat } from "../../src/core/wire-format.ts";
import type {
  Clock,
  Deadline,
  Deadlines,
  HeaderFields,
  Provider,
  ProviderRequest,
  UpstreamListener,
} from "../../src/ports.ts";

/** A clock that stands still until a test turns it, and the deadlines that it makes due, each at its time. */
export interface HandClock {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** What else is to happen, so many milliseconds from now. */
  readonly later: (ms: number, act: () => void) => void;
  readonly turn: (ms: number) => void;
  /** Goes on until nothing is left to happen. */
  readonly turnToEnd: () => void;
  /** How many deadlines nobody ended, whether they will come or not. */
  readonly notEnded: () => number;
}

interface Watched extends Deadline {
  readonly onDue: () => void;
}

/** @param lateMs how late a deadline is called back, as a host's timers may be */
export function handClock(start = 1_000_000, lateMs = 0): HandClock {
  let now = start;
  const watched = new Set<Watched>();
  const watch = (onDue: () => void): Watched => {
    const deadline: Watched = {
      dueAt: Infinity,
      onDue,
      end: () => {
        deadline.dueAt = Infinity;
        watched.delete(deadline);
      },
    };
    watched.add(deadline);
    return deadline;
  };
  const soonest = (): Watched | undefined =>
    [...watched].filter(({ dueAt }) => dueAt < Infinity).toSorted((a, b) => a.dueAt - b.dueAt)[0];
  const turnTo = (until: number): void => {
    for (let next = soonest(); next !== undefined; next = soonest()) {
      const at = Math.max(now, next.dueAt + lateMs);
      if (at > until) break;
      now = at;
      next.dueAt = Infinity;
      next.onDue();
    }
    if (until < Infinity) now = Math.max(now, until);
  };
  return {
    clock: { now: () => now },
    deadlines: { watch },
    later: (ms, act) => {
      const deadline = watch(() => {
        watched.delete(deadline);
        act();
      });
      deadline.dueAt = now + ms - lateMs;
    },
    turn: (ms) => turnTo(now + ms),
    turnToEnd: () => turnTo(Infinity),
    notEnded: () => watched.size,
  };
}

/** A question that a scripted provider was asked: the test answers it by hand, and sees what became of it. */
export interface ScriptedCall {
  readonly request: ProviderRequest;
  readonly at: number;
  /** Deaf after an abort and after the end, as the port demands of providers. */
  readonly sent: () => void;
  readonly head: (status: number, headers?: HeaderFields) => void;
  readonly bytes: (text: string) => void;
  readonly end: () => void;
  readonly fail: (error?: RouterError) => void;
  readonly state: () => "open" | "ended" | "aborted";
  readonly isPaused: () => boolean;
}

export interface ScriptedProvider extends Provider {
  readonly calls: readonly ScriptedCall[];
  /** The newest. */
  readonly last: () => ScriptedCall;
}

/** A provider that answers nothing by itself. */
export function scriptedProvider(
  id: string,
  clock: Clock,
  options: {
    readonly wires?: readonly WireFormat[];
    readonly mayAskForUsage?: boolean;
    /** Called after `send`, when the call has begun. */
    readonly onCall?: (call: ScriptedCall) => void;
  } = {},
): ScriptedProvider {
  const calls: ScriptedCall[] = [];
  return {
    id,
    wires: new Set(options.wires ?? WIRE_FORMATS),
    ...(options.mayAskForUsage === undefined ? {} : { mayAskForUsage: options.mayAskForUsage }),
    calls,
    last: () => {
      const call = calls.at(-1);
      if (call === undefined) throw new Error(`'${id}' was not asked`);
      return call;
    },
    send: (request, listener) => {
      const made = scriptedCall(request, listener, clock.now());
      calls.push(made.call);
      options.onCall?.(made.call);
      return { pause: () => made.pause(true), resume: () => made.pause(false), abort: made.abort };
    },
  };
}

function scriptedCall(request: ProviderRequest, listener: UpstreamListener, at: number) {
  let state: "open" | "ended" | "aborted" = "open";
  let isPaused = false;
  const whileOpen = (act: () => void): void => {
    if (state === "open") act();
  };
  const call: ScriptedCall = {
    request,
    at,
    sent: () => whileOpen(() => listener.onSent()),
    head: (status, headers = { "content-type": "application/json" }) =>
      whileOpen(() => listener.onHead(status, headers)),
    bytes: (text) => whileOpen(() => listener.onBytes(new TextEncoder().encode(text))),
    end: () =>
      whileOpen(() => {
        state = "ended";
        listener.onEnd();
      }),
    fail: (error = new RouterError("upstream_unavailable", "The connection broke.", { reason: "upstream_cut" })) =>
      whileOpen(() => {
        state = "ended";
        listener.onError(error);
      }),
    state: () => state,
    isPaused: () => isPaused,
  };
  return {
    call,
    pause: (paused: boolean) => {
      isPaused = paused;
    },
    abort: () => whileOpen(() => (state = "aborted")),
  };
}
