import { ENGINE_VERSION } from "./basis.ts";
import { rounded } from "./rounded.ts";
import { betByOdds, betOn, evidenceOf, newEProcess, type EProcess } from "./detector.ts";
import type { Change, Trial } from "./switchover.ts";
import { thresholdsOf, verdictOf, type TrialEvidence } from "./trial-evidence.ts";

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
  /** That the candidate misses another metric's level, by metric: what gets better must not cost what was well. */
  readonly vetoes: Record<string, Veto>;
  step: number;
  stepLabels: number;
}

/** The candidate on a metric that the move is not about. */
interface Veto {
  labels: number;
  readonly worse: EProcess;
}

/** What the canaries of one incident show together: many thin segments make one clear answer. */
export interface Together {
  readonly better: EProcess;
  readonly worse: EProcess;
}

export const newTogether = (): Together => ({ better: newEProcess(), worse: newEProcess() });

/** Labels of the incumbent before it is a reference on its own. */
const REFERENCE_MIN = 20;
/**
 * The labels that raised an alarm count for at most this many: they were selected for being bad, or, when the alarm
 * came late, for being good, while the incumbent's labels within the canary were not selected at all.
 */
const KNOWN_MAX = 30;
/** A planned move need only be as good as what it replaces, within this loss. */
const NON_INFERIORITY = 0.05;

export const newTrial = (startedAt: number): TrialState => ({
  startedAt,
  candidate: { labels: 0, lossSum: 0 },
  incumbent: { labels: 0, lossSum: 0 },
  better: newEProcess(),
  worse: newEProcess(),
  vetoes: {},
  step: 0,
  stepLabels: 0,
});

/**
 * Takes in one loss of one arm, in place. The reference level is fixed before the loss is seen.
 * @param together what the incident's canaries show together, when the move is part of one
 */
export function observeTrial(
  {
    trial,
    change,
    together,
  }: { readonly trial: TrialState; readonly change: Change; readonly together: Together | undefined },
  arm: "candidate" | "incumbent",
  loss: number,
): void {
  const side = trial[arm];
  if (arm === "candidate") {
    const judges = together === undefined ? [trial] : [trial, together];
    const odds = recoveryOdds(trial, change, loss);
    const level = odds === null ? reference(trial, change) : null;
    for (const { better, worse } of judges) {
      if (odds !== null) {
        betByOdds(better, odds);
        betByOdds(worse, 1 / odds);
      } else if (level !== null) {
        betOn(better, "below", loss, level.better);
        betOn(worse, "above", loss, level.worse);
      }
    }
    trial.stepLabels += 1;
  }
  side.labels += 1;
  side.lossSum += loss;
}

/**
 * Takes in one loss of the candidate on another metric of the segment, in place.
 * @param tolerated the mean loss that the incumbent was held to
 */
export function observeVeto({ vetoes }: TrialState, metric: string, loss: number, tolerated: number): void {
  const veto = (vetoes[metric] ??= { labels: 0, worse: newEProcess() });
  veto.labels += 1;
  betOn(veto.worse, "above", loss, clip(tolerated));
}

/** What failed is often estimated too bad, because it was noticed when it looked worst: so much of the fall is expected. */
const STILL = 0.7;
/** Above what serves, and above what was well, this is not recovered. */
const PARTIAL = 0.12;

/**
 * Odds of one loss between the two levels that are known of a variant that was left: well, and degraded. This is Wald's
 * sequential test (1945), which needs the fewest labels where both levels are known. Losses between 0 and 1 count by their share.
 * Null where they are not known, or where what serves by now is better than what was left ever was: then that has to be beaten.
 */
function recoveryOdds({ incumbent }: TrialState, { cause, evidence }: Change, loss: number): number | null {
  if (cause !== "recovered" || evidence.lossMean === undefined || evidence.lossTolerated === undefined) return null;
  if (incumbent.labels < REFERENCE_MIN) return null;
  const serving = (incumbent.lossSum + 0.5) / (incumbent.labels + 1);
  const well = clip(evidence.lossTolerated);
  if (serving + NON_INFERIORITY < well) return null;
  // One that recovered in part is no reason to leave what serves well, or the segment would soon move again.
  const limit = Math.max(well, serving) + PARTIAL;
  const degraded = clip(Math.min(limit, well + STILL * (evidence.lossMean - well)));
  if (degraded <= well) return null;
  return (well / degraded) ** loss * ((1 - well) / (1 - degraded)) ** (1 - loss);
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

/** What a trial is read with. */
export interface TrialLimits {
  /** Candidate labels after which a trial without proof ends. */
  readonly labelsMax: number;
  /** Other metrics of the segment that are labelled: the candidate must have been seen on them. */
  readonly alsoLabelled: readonly string[];
  readonly together?: Together | undefined;
}

/** What the trial says now. */
export function readTrial(trial: TrialState, change: Change, limits: TrialLimits): Trial {
  const evidence = trialEvidence(trial, change, limits);
  return { ...verdictOf(evidence), stepLabels: trial.stepLabels, evidence };
}

function trialEvidence(
  trial: TrialState,
  change: Change,
  { labelsMax, alsoLabelled, together }: TrialLimits,
): TrialEvidence {
  return {
    engine: ENGINE_VERSION,
    candidate: armOf(trial.candidate),
    incumbent: armOf(trial.incumbent),
    better: rounded(evidenceOf(trial.better)),
    worse: rounded(evidenceOf(trial.worse)),
    together: together === undefined ? null : rounded(evidenceOf(together.better)),
    heard: heardOf(change, trial.incumbent.labels),
    vetoes: Object.entries(trial.vetoes).map(([metric, { labels, worse }]) => ({
      metric,
      odds: rounded(evidenceOf(worse)),
      labels,
    })),
    alsoLabelled: [...alsoLabelled],
    stepLabels: trial.stepLabels,
    thresholds: thresholdsOf(change.cause, labelsMax),
  };
}

/** Labels of what the segment leaves: those that raised the alarm, and the incumbent's within the canary. */
export const heardOf = ({ evidence }: Pick<Change, "evidence">, incumbentLabels: number): number =>
  Math.min(evidence.labels ?? 0, KNOWN_MAX) + incumbentLabels;

const armOf = ({ labels, lossSum }: Arm): TrialEvidence["candidate"] => ({
  labels,
  // A sum of many losses can be a hair beyond what they allow.
  lossMean: labels === 0 ? null : Math.min(1, Math.max(0, rounded(lossSum / labels))),
});
