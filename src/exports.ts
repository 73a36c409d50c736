import type { Policy } from "./core/policy.ts";
import type { FeedbackSending } from "./gateway/record-feedback.ts";
import type { Exposure, Spans } from "./ports.ts";

/** Where answers and feedback are sent on to; each part is absent where they are sent nowhere. */
export interface Exports {
  readonly spans?: Spans;
  readonly sending?: FeedbackSending;
  /** The log for tabular models. */
  readonly exposureLog?: { readonly record: (exposure: Exposure) => void };
  /** Begins to send what waits, and does not wait for it: no destination holds up another. For a timer; never rejects. */
  readonly deliver: () => Promise<void>;
  /** Sends what it can within some seconds, and lets go. */
  readonly close: () => Promise<void>;
}

/** The policies as they are published now. */
export interface KnownPolicies {
  readonly of: (id: string) => Policy | undefined;
  readonly all: () => readonly Policy[];
}

/** Made once it is known which policies there are. */
export type MakeExports = (policies: KnownPolicies) => Exports;

/** For hosts that send nothing. */
export const noExports: MakeExports = () => ({ deliver: async () => undefined, close: async () => undefined });
