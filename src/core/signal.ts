import { z } from "zod";
import { Blame } from "./blame.ts";

/** `inconclusive` includes "no data", which is never healthy. */
export const SignalStatus = z.enum(["degraded", "recovered", "inconclusive"]);
export type SignalStatus = z.infer<typeof SignalStatus>;

/** What a signal's sender measured; every part is optional because vendors differ. */
export const SignalEvidence = z.strictObject({
  /** Mean loss now, in [0,1]. */
  lossMean: z.number().min(0).max(1).optional(),
  /** The loss that was still tolerated. */
  lossTolerated: z.number().min(0).max(1).optional(),
  /** Labelled outcomes that `lossMean` rests on. */
  labels: z.int().min(0).optional(),
  /** The detector's statistic and the threshold that it passed. */
  statistic: z.number().optional(),
  threshold: z.number().optional(),
  /** Which kind of objective was missed. */
  against: z.enum(["bound", "baseline", "rest"]).optional(),
  /** Which of the answers got worse, as far as their attributes tell. */
  blame: Blame.optional(),
  /** Where a person can look: a monitor's page. People follow it from the console and from messages, so it is a web address. */
  url: z
    .string()
    .max(2000)
    .regex(/^https?:\/\/[^\s\p{C}]+$/iu, "must be an http or https address")
    .optional(),
  note: z.string().max(2000).optional(),
});
export type SignalEvidence = z.infer<typeof SignalEvidence>;

/** Evidence that a (policy, segment, variant, metric) degraded or recovered. Recorded, never acted on by itself. */
export const Signal = z.strictObject({
  /** The same delivery twice has the same id. */
  id: z.string().min(1).max(200),
  source: z.string().min(1).max(64),
  policy: z.string().min(1),
  segment: z.string().min(1),
  variant: z.string().min(1),
  metric: z.string().min(1),
  status: SignalStatus,
  /** Epoch milliseconds at which the sender evaluated, not at which we heard. */
  observedAt: z.number().int().nonnegative(),
  evidence: SignalEvidence.default({}),
});
export type Signal = z.infer<typeof Signal>;

/** The latest signal of one source on one metric of one row is kept under this key. */
export const signalKey = (signal: Omit<Signal, "id" | "status" | "observedAt" | "evidence">): string =>
  [signal.policy, signal.segment, signal.variant, signal.metric, signal.source].join("/");

/**
 * Whether a signal replaces the latest of its key, whichever of the two was heard first. No data says nothing: it takes
 * back neither an alarm nor a recovery, and neither of them has to be newer than it.
 */
export function supersedes(signal: Signal, latest: Signal): boolean {
  const says = signal.status !== "inconclusive";
  return says === (latest.status !== "inconclusive") ? signal.observedAt >= latest.observedAt : says;
}
