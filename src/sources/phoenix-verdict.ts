import { rounded } from "../core/rounded.ts";
import type { SignalEvidence, SignalStatus } from "../core/signal.ts";

/** What a window's answers came to on one metric. */
export interface Measured {
  readonly labels: number;
  /** In [0,1]; 0 where there are no labels. */
  readonly lossMean: number;
}

export interface VerdictLevels {
  /** Fewer labels than this say nothing. */
  readonly labelsMin: number;
  /** How probable an alarm is at most, at one look, where the true loss is what is tolerated. */
  readonly alarmLevel: number;
  /** The same for calling it well again. */
  readonly recoveryLevel: number;
}

/**
 * Nats of evidence that the true mean is not on `level`'s other side: `n · KL(mean ‖ level)`. For independent values in
 * [0,1] whose true mean is at most `level`, a mean of `mean` or more has a probability of at most `exp` of its negative
 * (Hoeffding 1963, "Probability Inequalities for Sums of Bounded Random Variables", theorem 1; for values that are only 0
 * and 1 it is Chernoff's bound on the binomial tail). Below `level` it is the same with the sides changed. It asks for
 * no variance, which Phoenix's aggregates do not have.
 * @param level in (0,1)
 */
export function meanEvidence({ labels, lossMean }: Measured, level: number): number {
  const part = (p: number, q: number): number => (p === 0 ? 0 : p * Math.log(p / q));
  return labels * Math.max(0, part(lossMean, level) + part(1 - lossMean, 1 - level));
}

/** Whether a mean loss is clearly above what is tolerated, clearly below it, or neither; too few labels are neither. */
export function verdictOf(
  measured: Measured,
  tolerated: number,
  { labelsMin, alarmLevel, recoveryLevel }: VerdictLevels,
): { readonly status: SignalStatus; readonly evidence: SignalEvidence } {
  const { labels, lossMean } = measured;
  const statistic = labels === 0 ? 0 : meanEvidence(measured, tolerated);
  const isAbove = lossMean > tolerated;
  const threshold = -Math.log(isAbove ? alarmLevel : recoveryLevel);
  const isClear = labels >= Math.max(1, labelsMin) && statistic >= threshold;
  return {
    status: isClear ? (isAbove ? "degraded" : "recovered") : "inconclusive",
    evidence: {
      ...(labels === 0 ? {} : { lossMean: rounded(lossMean) }),
      lossTolerated: rounded(tolerated),
      labels,
      statistic: rounded(statistic),
      threshold: rounded(threshold),
    },
  };
}
