import type { Signal } from "../core/signal.ts";
import type { SignalTargets } from "../core/signal-source.ts";
import {
  FALLBACK_FLAG,
  flagEffectKey,
  rowKey,
  segmentsOf,
  servableVariants,
  type SegmentState,
} from "../core/state.ts";

/** What an evaluation is about, and when its window began. */
export interface Evaluation {
  readonly about: Pick<Signal, "policy" | "segment" | "variant" | "observedAt">;
  readonly current: SegmentState;
  readonly isVariantNamed: boolean;
  /** Epoch milliseconds. */
  readonly from: number;
}

/** Why an evaluation's answers are not, or not only, those that it would be held against; or null. */
export function mixtureOf(evaluation: Evaluation, targets: SignalTargets): string | null {
  const { about, current, isVariantNamed, from } = evaluation;
  const open = current.open === null ? undefined : targets.switchovers[current.open];
  const canary = open?.phase.kind === "canary" ? { to: open.change.to, startedAt: open.phase.startedAt } : null;
  if (isVariantNamed)
    return canary?.to === about.variant && from < canary.startedAt
      ? `The monitor's window began before the canary of '${canary.to}' did.`
      : null;
  if (from < current.since && mayHaveHadAnother(evaluation, targets))
    return `The monitor names no variant and its window began before '${about.variant}' served.`;
  if (canary !== null && about.observedAt > canary.startedAt)
    return `The monitor names no variant and its window has answers of the canary of '${canary.to}'.`;
  return forcedInstead(evaluation, targets) ?? triedUntil(evaluation, targets);
}

/**
 * Whether something else served the segment before its incumbent. A publication that takes the incumbent off the ladder
 * puts another in its place and is no change that the segment counts; but it leaves a row of a variant that the ladder no
 * longer has. The first publication leaves none, and what a window saw before it is no answer of the segment.
 */
function mayHaveHadAnother({ about: { policy, segment }, current }: Evaluation, targets: SignalTargets): boolean {
  if (current.moves.length > 0 || current.changes.length > 0) return true;
  const published = targets.policies[policy]?.policy;
  const now = published && segmentsOf(published).find(({ id }) => id === segment);
  if (now === undefined) return true;
  const servable = new Set([...servableVariants(now)].map((variant) => rowKey(policy, segment, variant)));
  const prefix = rowKey(policy, segment, "");
  return targets.rows.some((row) => row.startsWith(prefix) && !servable.has(row));
}

/** A flag that forces a variant does so for the whole segment; what it forced before it was lifted is not known. */
function forcedInstead({ about }: Evaluation, { flagEffects }: SignalTargets): string | null {
  const effect = flagEffects[flagEffectKey(about.policy, about.segment, FALLBACK_FLAG)];
  const forced = effect?.variant ?? about.variant;
  return effect === undefined || forced === about.variant || about.observedAt <= effect.since
    ? null
    : `The monitor names no variant and its window has answers of '${forced}', which the flag ${effect.flag} forces.`;
}

/** A canary that ended, badly or because a publication overtook it, within the window. */
function triedUntil({ about, current, from }: Evaluation, { switchovers }: SignalTargets): string | null {
  if (current.endedAt === null || from >= current.endedAt) return null;
  const tried = Object.values(switchovers).find(
    ({ change, phase }) =>
      change.policy === about.policy &&
      change.segment === about.segment &&
      (phase.kind === "rolledBack" || phase.kind === "superseded") &&
      phase.since > from,
  );
  return tried === undefined
    ? null
    : `The monitor names no variant and its window may have answers of '${tried.change.to}', which was tried until then.`;
}
