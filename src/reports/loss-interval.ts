/** A sum of values and of how many. */
export interface Sum {
  readonly labels: number;
  readonly sum: number;
}

/** Bounds of a mean. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/** The two-sided 95 % point of the normal distribution, squared. */
const Z2 = 1.959963985 ** 2;

/**
 * Between which bounds the mean of losses in [0,1] truly lies in about 95 of 100 samples: Wilson's score interval (1927). No
 * losses in [0,1] spread wider than those that are all 0 or 1, for which it is made, so for others it is too wide, never too
 * narrow. It takes labels as independent of each other, which those of one conversation are not.
 * @param sum of at least one loss
 */
export function lossBounds({ labels, sum }: Sum): Bounds {
  const mean = sum / labels;
  const centre = (mean + Z2 / (2 * labels)) / (1 + Z2 / labels);
  const half = Math.sqrt((mean * (1 - mean)) / labels + Z2 / (4 * labels ** 2)) * (Math.sqrt(Z2) / (1 + Z2 / labels));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** `unclear`: the difference may be chance. */
export type Trend = "better" | "worse" | "unclear";

/** Whether a mean loss changed, by Newcombe's hybrid score interval of the difference (1998, method 10) at 95 %. */
export function lossTrend(now: Sum, before: Sum): Trend {
  const change = now.sum / now.labels - before.sum / before.labels;
  const [a, b] = [lossBounds(now), lossBounds(before)];
  const [meanNow, meanBefore] = [now.sum / now.labels, before.sum / before.labels];
  if (change - Math.hypot(meanNow - a.low, b.high - meanBefore) > 0) return "worse";
  return change + Math.hypot(a.high - meanNow, meanBefore - b.low) < 0 ? "better" : "unclear";
}
