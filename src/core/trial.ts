import { betOn, evidenceOf, newEProcess, type EProcess } from "./detector.ts";
import type { Change, Trial } from "./switchover.ts";
import type { Verdict } from "./verdict.ts";

interface Arm {
  labels: number;
  lossSum: number;
}

/** The comparison of a canary's two arms, answer by answer, from the moment that the canary began. */
export interface TrialState {
  /** Answers decided before this belong to no trial. */
  readonly startedAt: number;
  readonly candidate: Arm;
  readonly incumbent: Arm;
  /** That the candidate is better than what it replaces, and that it is worse. */
  readonly better: EProcess;
  readonly worse: EProcess;
  step: number;
  stepLabels: number;
}

/** Odds at which a candidate is adopted (1 − α = .95), a former variant returned to, and either given up. */
const ADOPT = 20;
const RETURN = 60;
const ABANDON = 20;
/** Labels of the incumbent before it is a reference on its own. */
const REFERENCE_MIN = 20;
/**
 * The labels that raised an alarm count for at most this many: they were selected for being bad, or, when the alarm
 * came late, for being good, while the incumbent's labels within the canary were not selected at all.
 */
const KNOWN_MAX = 30;
/** A planned move need only be as good as what it replaces, within this loss. */
const NON_INFERIORITY = 0.05;
/** A probe of a former variant ends after this many labels without proof. */
const PROBE_LABELS_MAX = 120;

export const newTrial = (startedAt: number): TrialState => ({
  startedAt,
  candidate: { labels: 0, lossSum: 0 },
  incumbent: { labels: 0, lossSum: 0 },
  better: newEProcess(),
  worse: newEProcess(),
  step: 0,
  stepLabels: 0,
});

/** Takes in one loss of one arm, in place. The reference level is fixed before the loss is seen. */
export function observeTrial(trial: TrialState, change: Change, arm: "candidate" | "incumbent", loss: number): void {
  const side = trial[arm];
  if (arm === "candidate") {
    const level = reference(trial, change);
    if (level !== null) {
      betOn(trial.better, "below", loss, level.better);
      betOn(trial.worse, "above", loss, level.worse);
    }
    trial.stepLabels += 1;
  }
  side.labels += 1;
  side.lossSum += loss;
}

const clip = (level: number): number => Math.min(0.98, Math.max(0.02, level));

/** The losses that the candidate must be below to be better, and above to be worse; null while there is nothing to compare with. */
function reference(trial: TrialState, { cause, evidence }: Change): { better: number; worse: number } | null {
  if (cause === "recovered") {
    const { lossMean: degraded, lossTolerated: healthy } = evidence;
    if (degraded === undefined || healthy === undefined) return null;
    const level = clip(0.6 * healthy + 0.4 * degraded);
    const { labels, lossSum } = trial.incumbent;
    if (labels < REFERENCE_MIN) return { better: level, worse: level };
    // A variant that recovered in part is no reason to leave a better one, or the segment would soon move again.
    const serving = clip((lossSum + 0.5) / (labels + 1) + NON_INFERIORITY);
    return { better: Math.min(level, serving), worse: Math.min(level, serving) };
  }
  const known = cause === "degraded" ? Math.min(evidence.labels ?? 0, KNOWN_MAX) : 0;
  const labels = known + trial.incumbent.labels;
  if (labels < REFERENCE_MIN && (known === 0 || evidence.lossMean === undefined)) return null;
  const mean = ((evidence.lossMean ?? 0) * known + trial.incumbent.lossSum + 0.5) / (labels + 1);
  if (cause === "manual") return { better: clip(mean + NON_INFERIORITY), worse: clip(mean + NON_INFERIORITY) };
  // Half a standard error on either side, a whole one of few labels: the level of what degraded is itself an estimate.
  const doubt = (labels < KNOWN_MAX ? 1 : 0.5) * Math.sqrt((mean * (1 - mean)) / (labels + 1));
  return { better: clip(mean - doubt), worse: clip(mean + doubt) };
}

/** What the trial says now. */
export function readTrial(trial: TrialState, change: Change, labelsMax: number): Trial {
  const { labels, lossSum } = trial.candidate;
  const better = evidenceOf(trial.better);
  const worse = evidenceOf(trial.worse);
  const arms = `candidate ${mean(lossSum, labels)} over ${labels} labels, incumbent ${mean(trial.incumbent.lossSum, trial.incumbent.labels)} over ${trial.incumbent.labels}`;
  const needed = change.cause === "recovered" ? RETURN : ADOPT;
  const limit = change.cause === "recovered" ? Math.min(labelsMax, PROBE_LABELS_MAX) : labelsMax;
  const say = (verdict: Verdict, why: string): Trial => ({
    verdict,
    because: `${why}: ${arms}`,
    stepLabels: trial.stepLabels,
  });
  if (worse >= ABANDON) return say("degraded", `worse at odds of ${odds(worse)} to 1`);
  if (better >= needed) return say("healthy", `better at odds of ${odds(better)} to 1`);
  if (labels >= limit) return say("degraded", `no gain shown within ${limit} labels`);
  return say("inconclusive", labels === 0 ? "no labels yet" : `odds ${odds(better)} of ${needed} needed`);
}

const mean = (sum: number, labels: number): string =>
  labels === 0 ? "no loss known" : `loss ${(sum / labels).toFixed(3)}`;
const odds = (evidence: number): string => (evidence >= 1e6 ? "over a million" : evidence.toPrecision(3));
