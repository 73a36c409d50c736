import { z } from "zod";
import { Actor } from "./actor.ts";
import { Basis } from "./basis.ts";
import { bucket } from "./bucket.ts";
import { digestOf } from "./digest.ts";
import { SignalEvidence } from "./signal.ts";
import { Step } from "./policy.ts";
import { TrialEvidence } from "./trial-evidence.ts";
import type { Verdict } from "./verdict.ts";

const At = z.number().int().nonnegative();

export const Phase = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("proposed"), since: At, expiresAt: At }),
  z.strictObject({ kind: z.literal("approved"), since: At, by: Actor, reason: z.string().optional() }),
  z.strictObject({
    kind: z.literal("canary"),
    step: z.int().min(0),
    share: z.number().gt(0).max(1),
    /** When this step began; `startedAt` is when the first one did. */
    since: At,
    startedAt: At,
  }),
  z.strictObject({
    kind: z.literal("confirmed"),
    since: At,
    because: z.string(),
    /** What the trial showed; absent in ledgers of older versions. */
    trial: TrialEvidence.optional(),
  }),
  z.strictObject({ kind: z.literal("rejected"), since: At, by: Actor, because: z.string() }),
  z.strictObject({ kind: z.literal("expired"), since: At, because: z.string() }),
  z.strictObject({
    kind: z.literal("rolledBack"),
    since: At,
    because: z.string(),
    by: Actor,
    /** What the trial showed; absent when a person rolls back. */
    trial: TrialEvidence.optional(),
  }),
  z.strictObject({ kind: z.literal("superseded"), since: At, because: z.string() }),
]);
export type Phase = z.infer<typeof Phase>;

/** Why the move was planned: the variant degraded, the former variant recovered, or a person asked. */
export const Cause = z.enum(["degraded", "recovered", "manual"]);
export type Cause = z.infer<typeof Cause>;

/** The exact change that an approval binds to. */
export const Change = z.strictObject({
  policy: z.string(),
  segment: z.string(),
  from: z.string(),
  to: z.string(),
  cause: Cause,
  /** The metric that is to get better. */
  metric: z.string(),
  steps: z.array(Step).min(1),
  /** The policy table's revision it was planned on. */
  basedOn: z.int().nonnegative(),
  /** What was known of `from` when the move was planned. */
  evidence: SignalEvidence,
  /** The incident that it is part of: its segments move, and come back, together. */
  incident: z.string().optional(),
  /** Who recorded the signal that it rests on, as `actorName` says it; absent when only the wait was over. */
  raisedBy: z.string().optional(),
  /** All that the loop decided it on, so that the decision can be made again; absent on a person's, and in ledgers of older versions. */
  basis: Basis.optional(),
});
export type Change = z.infer<typeof Change>;

export const Switchover = z.strictObject({
  id: z.string().min(1),
  change: Change,
  digest: z.string(),
  /** `approval`: a person other than the proposer must agree before traffic moves. */
  gate: z.enum(["none", "approval"]),
  proposedBy: Actor,
  phase: Phase,
});
export type Switchover = z.infer<typeof Switchover>;

/** Binds an approval: any other change, or the same one on another revision, has another digest. */
export const changeDigest = (change: Change): string => digestOf(change);

export type PhaseKind = Phase["kind"];

const next: Record<PhaseKind, readonly PhaseKind[]> = {
  proposed: ["approved", "canary", "rejected", "expired", "superseded"],
  approved: ["canary", "rejected", "rolledBack", "superseded"],
  canary: ["canary", "confirmed", "rolledBack", "superseded"],
  confirmed: ["rolledBack"],
  rejected: [],
  expired: [],
  rolledBack: [],
  superseded: [],
};

/** Whether one phase may follow another; `proposed → canary` only without an approval gate. */
export const mayFollow = (from: PhaseKind, to: PhaseKind, gate: Switchover["gate"]): boolean =>
  next[from].includes(to) && !(from === "proposed" && to === "canary" && gate === "approval");

export const isOpen = ({ phase }: Switchover): boolean =>
  phase.kind === "proposed" || phase.kind === "approved" || phase.kind === "canary";

/** The variant a segment must be served, per unit of traffic. Rolling back is therefore only a change of phase. */
export const servingVariant = (
  { id, change, phase }: Pick<Switchover, "id" | "change" | "phase">,
  unit: string,
): string =>
  phase.kind === "confirmed" || (phase.kind === "canary" && bucket(id, unit) < phase.share) ? change.to : change.from;

/** What a trial showed of the candidate since its canary began. */
export interface Trial {
  readonly verdict: Verdict;
  /** Why, for the audit log. */
  readonly because: string;
  /** Labelled outcomes of the candidate since the current step began. */
  readonly stepLabels: number;
  /** What the verdict was read from; absent while nothing is known of the trial. */
  readonly evidence?: TrialEvidence;
}

/**
 * The phase that follows, or the same object to hold. Reads state, never events.
 * @param trial on the candidate alone, from answers served since the canary began
 * @param now epoch milliseconds
 * @param timeoutMs after which a canary without a verdict, or a step of it without labels, is rolled back, and an approval lapses
 * @param actor who rolls back, if it comes to that
 * @param held while true nothing moves forward (freeze, automation off); moving back still happens
 */
export function nextPhase(
  { change, gate, phase }: Switchover,
  context: { trial: Trial; now: number; timeoutMs: number; held: boolean; actor: Actor },
): Phase {
  const { trial, now, timeoutMs, held, actor } = context;
  switch (phase.kind) {
    case "proposed":
      if (now >= phase.expiresAt) return { kind: "expired", since: now, because: "nobody decided in time" };
      return gate === "approval" || held ? phase : firstStep(change, now);
    case "approved":
      if (now - phase.since >= timeoutMs)
        return { kind: "superseded", since: now, because: "it was approved, but could not begin in time" };
      return held ? phase : firstStep(change, now);
    case "canary": {
      const evidence = trial.evidence === undefined ? {} : { trial: trial.evidence };
      const back = (because: string): Phase => ({ kind: "rolledBack", since: now, because, by: actor, ...evidence });
      if (trial.verdict === "degraded") return back(trial.because);
      const step = change.steps[phase.step];
      if (trial.verdict === "inconclusive" && now - phase.startedAt >= timeoutMs)
        return back(`timed out: ${trial.because}`);
      // A good verdict does not carry a step that no labels come for.
      if (step !== undefined && trial.stepLabels < step.labelsMin && now - phase.since >= timeoutMs)
        return back(`timed out in step ${phase.step + 1}: no labels`);
      if (held || step === undefined) return phase;
      if (trial.stepLabels < step.labelsMin || now - phase.since < step.secondsMin * 1000) return phase;
      const following = change.steps[phase.step + 1];
      if (following !== undefined) return { ...phase, step: phase.step + 1, share: following.share, since: now };
      return trial.verdict === "healthy"
        ? { kind: "confirmed", since: now, because: trial.because, ...evidence }
        : phase;
    }
    case "confirmed":
    case "rejected":
    case "expired":
    case "rolledBack":
    case "superseded":
      return phase;
  }
}

const firstStep = (change: Change, now: number): Phase => ({
  kind: "canary",
  step: 0,
  share: change.steps[0]?.share ?? 1,
  since: now,
  startedAt: now,
});
