import { z } from "zod";
import type { Verdict } from "./verdict.ts";

const Count = z.int().nonnegative();
const Odds = z.number().nonnegative();
const Arm = z.strictObject({
  labels: Count,
  /** Null while there are no labels. */
  lossMean: z.number().min(0).max(1).nullable(),
});

/** What a trial needs for each of its verdicts. */
export const TrialThresholds = z.strictObject({
  /** Odds at which the candidate is adopted, at which it is given up, and at which another metric vetoes it. */
  better: Odds,
  worse: Odds,
  veto: Odds,
  /** Candidate labels after which a trial without proof ends. */
  labelsMax: Count,
  /** Labels of the candidate on each other metric that is labelled. */
  vetoLabelsMin: Count,
  /** Odds of all canaries of an incident together; odds against this one at which it no longer goes with them; and what it must have heard. */
  together: Odds,
  doubt: Odds,
  heardMin: Count,
});
export type TrialThresholds = z.infer<typeof TrialThresholds>;

/**
 * The end values of a trial, rounded before they are judged. The odds are e-processes over every label, so they follow from
 * the labels in their order, not from the arms' means.
 */
export const TrialEvidence = z.strictObject({
  engine: z.int().positive(),
  candidate: Arm,
  incumbent: Arm,
  better: Odds,
  worse: Odds,
  /** Of all the incident's canaries; null without an incident. */
  together: Odds.nullable(),
  /** Labels of what the segment leaves. */
  heard: Count,
  /** What the candidate showed on other metrics. */
  vetoes: z.array(z.strictObject({ metric: z.string(), odds: Odds, labels: Count })),
  /** Metrics that are labelled too, so that the candidate must have been seen on them. */
  alsoLabelled: z.array(z.string()),
  /** Labels of the candidate since the current step began. */
  stepLabels: Count,
  thresholds: TrialThresholds,
});
export type TrialEvidence = z.infer<typeof TrialEvidence>;

/** Odds at which a candidate is adopted (1 − α = .95), a former variant returned to, and either given up. */
const ADOPT = 20;
const RETURN = 2000;
const ABANDON = 20;
/** A probe is given up sooner: it is repeated anyway, and while it lasts the degraded variant is served. */
const ABANDON_PROBE = 5;
/** Odds of all canaries of an incident together, and odds against a single one at which it no longer goes with them. */
const TOGETHER = 1000;
const DOUBT = 3;
/** Labels of what the segment itself leaves, before it goes with the others. */
const HEARD_MIN = 6;
/** A probe of a former variant ends after this many labels without proof. */
const PROBE_LABELS_MAX = 120;
/** Labels of the candidate on another metric before it can be adopted, where that metric is labelled at all. */
const VETO_LABELS_MIN = 15;

/**
 * What a trial of this cause needs.
 * @param labelsMax the policy's
 */
export function thresholdsOf(cause: "degraded" | "recovered" | "manual", labelsMax: number): TrialThresholds {
  const isProbe = cause === "recovered";
  return {
    better: isProbe ? RETURN : ADOPT,
    worse: isProbe ? ABANDON_PROBE : ABANDON,
    veto: ABANDON,
    labelsMax: isProbe ? Math.min(labelsMax, PROBE_LABELS_MAX) : labelsMax,
    vetoLabelsMin: VETO_LABELS_MIN,
    together: TOGETHER,
    doubt: DOUBT,
    heardMin: HEARD_MIN,
  };
}

/** What the evidence says, and why: the only reading of a trial there is, made when deciding and again when verifying. */
export function verdictOf(evidence: TrialEvidence): { readonly verdict: Verdict; readonly because: string } {
  const { candidate, incumbent, better, worse, together, heard, vetoes, alsoLabelled, thresholds } = evidence;
  const arms = `candidate ${armText(candidate)} labels, incumbent ${armText(incumbent)}`;
  const say = (verdict: Verdict, why: string) => ({ verdict, because: `${why}: ${arms}` });
  const veto = vetoes.find(({ odds }) => odds >= thresholds.veto);
  if (veto !== undefined) return say("degraded", `${veto.metric} is worse at odds of ${oddsText(veto.odds)} to 1`);
  if (worse >= thresholds.worse) return say("degraded", `worse at odds of ${oddsText(worse)} to 1`);
  const seen = new Map(vetoes.map(({ metric, labels }) => [metric, labels]));
  const unseen = alsoLabelled.find((metric) => (seen.get(metric) ?? 0) < thresholds.vetoLabelsMin);
  if (better >= thresholds.better)
    return unseen === undefined
      ? say("healthy", `better at odds of ${oddsText(better)} to 1`)
      : say("inconclusive", `better, but too few labels of ${unseen}`);
  // Together they must be surer than one alone, and none may look worse by itself.
  const isSure = together !== null && together >= thresholds.together && worse < thresholds.doubt;
  if (isSure && heard >= thresholds.heardMin && unseen === undefined)
    return say("healthy", `the incident's segments together are better at odds of ${oddsText(together)} to 1`);
  const { labels } = candidate;
  if (labels >= thresholds.labelsMax) return say("degraded", `no gain shown within ${thresholds.labelsMax} labels`);
  return say(
    "inconclusive",
    labels === 0 ? "no labels yet" : `odds ${oddsText(better)} of ${thresholds.better} needed`,
  );
}

const armText = ({ labels, lossMean }: z.infer<typeof Arm>): string =>
  `${lossMean === null ? "no loss known" : `loss ${lossMean.toFixed(3)}`} over ${labels}`;
const oddsText = (odds: number): string => (odds >= 1e6 ? "over a million" : odds.toPrecision(3));
