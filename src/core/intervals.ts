import { assert } from "./errors.ts";

/** A mean that a sample gave, with what an interval around it, or a weighted mean of several, needs. */
export interface EstimatedMean {
  readonly mean: number;
  /** Of the mean, not of the values that it is of. */
  readonly variance: number;
  /** The degrees of freedom that the variance has. */
  readonly freedom: number;
}

/** A mean, and between which bounds it truly lies in 95 of 100 samples. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The two-sided 95 % point of the normal distribution. */
const Z = 1.959963985;

/**
 * The mean of paired differences of scores, each in [-1,1]. Its variance counts one imagined pair that gains 1 and one that
 * loses 1, as in Bonett and Price (2012), "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based
 * on Paired Data". Student's plain interval is too sure where few pairs differ: with 30 pairs of which 5 % gain and 1 % lose it
 * covers 78 %, and where none differs it has no width at all. This one covers 94.6 % or more from 30 pairs on (computed exactly
 * for binary scores), where an empirical Bernstein bound, which holds for every distribution, is 2.5 times (1 000 pairs) to
 * 4 times (100) as wide. Unlike theirs it stays around the mean itself, so that parts and their total agree.
 * @param differences at least two
 */
export function scoreDifference(differences: readonly number[]): EstimatedMean {
  const { mean, freedom, squares } = sampleOf(differences);
  const padded = differences.length + 2;
  // The squares around the mean of the padded sample, which lies a little nearer to 0.
  const total = squares + differences.length * mean ** 2 + 2 - padded * ((differences.length * mean) / padded) ** 2;
  return { mean, variance: total / padded ** 2, freedom };
}

/**
 * The mean of paired differences of amounts without a bound, such as dollars or milliseconds: Student's t. With few pairs and
 * a heavy tail it is too sure.
 * @param differences at least two
 */
export function amountDifference(differences: readonly number[]): EstimatedMean {
  const { mean, freedom, squares } = sampleOf(differences);
  return { mean, variance: squares / freedom / differences.length, freedom };
}

/** The weighted mean of independent means; its degrees of freedom are Satterthwaite's (1946). */
export function weightedMean(
  parts: readonly { readonly weight: number; readonly estimate: EstimatedMean }[],
): EstimatedMean {
  const weights = parts.reduce((sum, { weight }) => sum + weight, 0);
  assert(weights > 0, "a weighted mean of nothing");
  let [mean, variance, spread, freedoms] = [0, 0, 0, 0];
  for (const { weight, estimate } of parts) {
    const share = weight / weights;
    const own = share ** 2 * estimate.variance;
    mean += share * estimate.mean;
    variance += own;
    spread += own ** 2 / estimate.freedom;
    freedoms += estimate.freedom;
  }
  return { mean, variance, freedom: spread === 0 ? freedoms : variance ** 2 / spread };
}

/** @param limit neither bound lies further than this from 0 */
export function intervalOf({ mean, variance, freedom }: EstimatedMean, limit = Number.POSITIVE_INFINITY): Interval {
  const half = studentPoint(freedom) * Math.sqrt(variance);
  return { mean, low: Math.max(-limit, mean - half), high: Math.min(limit, mean + half) };
}

/** Student's two-sided 95 % point by Abramowitz and Stegun 26.7.5; within .001 of the true one from 7 degrees of freedom on. */
const studentPoint = (freedom: number): number =>
  Z +
  (Z ** 3 + Z) / (4 * freedom) +
  (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2) +
  (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * freedom ** 3);

/** The mean, and the sum of the squares around it. */
function sampleOf(values: readonly number[]) {
  assert(values.length > 1, "a spread needs two values");
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, squares, freedom: values.length - 1 };
}
