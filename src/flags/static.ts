import { Mode } from "../core/policy.ts";
import type { FlagContext, Flags, FlagValue } from "../ports.ts";

/** What the flags say; a function decides per context. */
export interface StaticValues {
  readonly fallback?: string | ((context: FlagContext) => string);
  readonly automation?: boolean | ((policy: string, segment: string) => boolean);
  readonly mode?: string | ((policy: string, segment: string) => string);
  readonly telemetry?: number | ((policy: string, segment: string) => number);
}

/** Flags without a flag system, for hosts that have none, simulations and tests. */
export interface StaticFlags extends Flags {
  /** Replaces the values given, keeps the others, and tells the listeners. */
  readonly set: (values: StaticValues) => void;
}

export function staticFlags(initial: StaticValues = {}): StaticFlags {
  let values: StaticValues = initial;
  const listeners = new Set<() => void>();
  const answer = <T>(value: T): FlagValue<T> => ({ value, reason: "STATIC" });
  return {
    fallback: (context) => {
      const { fallback = "" } = values;
      return answer(typeof fallback === "function" ? fallback(context) : fallback);
    },
    automation: (policy, segment) => {
      const { automation = true } = values;
      return answer(typeof automation === "function" ? automation(policy, segment) : automation);
    },
    mode: (policy, segment) => {
      const { mode = "" } = values;
      const value = typeof mode === "function" ? mode(policy, segment) : mode;
      return answer(Mode.safeParse(value).success ? value : "");
    },
    telemetry: (policy, segment) => {
      const { telemetry = 1 } = values;
      return answer(typeof telemetry === "function" ? telemetry(policy, segment) : telemetry);
    },
    onChange: (listener) => {
      const own = () => listener();
      listeners.add(own);
      return () => listeners.delete(own);
    },
    status: () => ({ source: "static", ready: true, detail: "values are set by the program" }),
    close: () => {
      listeners.clear();
      return Promise.resolve();
    },
    set: (changed) => {
      values = { ...values, ...changed };
      for (const listener of listeners) listener();
    },
  };
}
