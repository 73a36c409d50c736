import { ENGINE_VERSION } from "../core/basis.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { ControlState } from "../core/state.ts";
import { nextPhase, type Phase, type Switchover, type Trial } from "../core/switchover.ts";
import { thresholdsOf, verdictOf, type TrialEvidence } from "../core/trial-evidence.ts";
import { heardOf } from "../core/trial.ts";
import { check, signalsOf, type Check } from "./check-proposal.ts";
import { judged } from "./reconcile.ts";

/**
 * Decides again how the loop moved a switchover on: the share of a canary's step, and what its trial ended in. What people
 * decided is theirs.
 * @param state of the entry before
 */
export function checkPhase(
  state: ControlState,
  { id, phase, entry }: { id: string; phase: Phase; entry: LedgerEntry },
): Check[] {
  const switchover = state.switchovers[id];
  if (entry.actor.kind !== "loop" || switchover === undefined) return [];
  if (phase.kind === "canary")
    return [check(`step ${phase.step + 1}: share`, phase.share, switchover.change.steps[phase.step]?.share ?? null)];
  if ((phase.kind !== "confirmed" && phase.kind !== "rolledBack") || switchover.phase.kind !== "canary") return [];
  return checkTrial(state, switchover, phase, entry);
}

function checkTrial(
  state: ControlState,
  switchover: Switchover,
  phase: Extract<Phase, { kind: "confirmed" | "rolledBack" }>,
  { actor }: LedgerEntry,
): Check[] {
  const { change } = switchover;
  const policy = state.policies[change.policy]?.policy;
  const { trial } = phase;
  if (policy === undefined || (trial !== undefined && trial.engine !== ENGINE_VERSION)) return [];
  const read = judged(readAgain(trial), switchover, signalsOf(state, change.policy, change.segment));
  // Held or not is not known any more, and changes nothing: a trial that was held back did not end.
  const following = nextPhase(switchover, {
    trial: read,
    now: phase.since,
    timeoutMs: policy.canary.timeoutSeconds * 1000,
    held: false,
    actor,
  });
  const { kind, because } = phase;
  const again = { kind: following.kind, because: "because" in following ? following.because : null };
  return [
    ...(trial === undefined ? [] : checkLimits(trial, switchover, policy.canary.labelsMax)),
    check(`trial: ${kind}`, { kind, because }, again),
  ];
}

const readAgain = (evidence: TrialEvidence | undefined): Trial =>
  evidence === undefined
    ? { verdict: "inconclusive", because: "no labels yet", stepLabels: 0 }
    : { ...verdictOf(evidence), stepLabels: evidence.stepLabels, evidence };

const checkLimits = (trial: TrialEvidence, { change }: Switchover, labelsMax: number): Check[] => [
  check("trial: thresholds", trial.thresholds, thresholdsOf(change.cause, labelsMax)),
  check("trial: labels heard", trial.heard, heardOf(change, trial.incumbent.labels)),
];
