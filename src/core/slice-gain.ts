/** What is summed over answers. The labels of one conversation count as one together, so none of these need be whole. */
export interface Sums {
  readonly labels: number;
  readonly lossSum: number;
  /** Of the losses that are expected while all is well. */
  readonly expectedSum: number;
  /** Of their variances. */
  readonly varianceSum: number;
}

/** A part of the answers, before and after the losses changed. */
export interface Tally {
  readonly healthy: Sums;
  readonly degraded: Sums;
}

const less = (whole: Sums, part: Sums): Sums => ({
  labels: whole.labels - part.labels,
  lossSum: whole.lossSum - part.lossSum,
  expectedSum: whole.expectedSum - part.expectedSum,
  varianceSum: whole.varianceSum - part.varianceSum,
});

/** What is not in the slice. */
export const without = (whole: Tally, slice: Tally): Tally => ({
  healthy: less(whole.healthy, slice.healthy),
  degraded: less(whole.degraded, slice.degraded),
});

const clip = (level: number): number => Math.min(0.995, Math.max(0.005, level));
const variance = (level: number): number => level * (1 - level);

/** Nats for each label of a mean that was expected to be another, for losses of 0 and 1; for any in [0,1] it is at least as much. */
const divergence = (mean: number, level: number): number =>
  (mean > 0 ? mean * Math.log(mean / level) : 0) + (mean < 1 ? (1 - mean) * Math.log((1 - mean) / (1 - level)) : 0);

/**
 * The mean loss in (0,1) that the degraded answers would have had if all were well: what is expected of their attributes, put right
 * by how the healthy ones differ from that.
 * @param worth how many labels the expectation is worth beside the slice's own healthy ones
 */
export const healthyLevel = ({ healthy, degraded }: Tally, worth: number): number =>
  clip(degraded.expectedSum / degraded.labels + (healthy.lossSum - healthy.expectedSum) / (healthy.labels + worth));

/** What is expected of all that is not in a slice is worth few labels: it has many of its own. */
export const REST_WORTH = 20;

/**
 * Evidence in nats that a slice got worse by more than everything else did; 0 when it did not. Its mean loss is held against what it
 * would be had it shared the others' fate, which is either a loss added to every answer or a part of every score lost (a judge that
 * marks down, an upstream that fails at times), whichever tells more of the slice's losses. That is itself estimated, which
 * takes from the labels as many as make the two variances one.
 */
export function gainOf(slice: Tally, whole: Tally, worth: number): number {
  const { labels, lossSum, expectedSum, varianceSum } = slice.degraded;
  const inside = healthyLevel(slice, worth);
  const mean = lossSum / labels;
  if (mean <= inside) return 0;
  const rest = without(whole, slice);
  const elsewhere = healthyLevel(rest, REST_WORTH);
  const now = clip((rest.degraded.lossSum + elsewhere) / (rest.degraded.labels + 1));
  const rise = Math.max(0, now - elsewhere);
  const expected = clip(inside + rise * Math.max(1, (1 - inside) / (1 - elsewhere)));
  if (mean <= expected) return 0;
  const doubt =
    variance(inside) / (slice.healthy.labels + worth) +
    variance(elsewhere) / (rest.healthy.labels + REST_WORTH) +
    variance(now) / (rest.degraded.labels + 1);
  // Losses that attributes foretell vary less around their mean than coins do.
  const foretold = varianceSum / labels / variance(expectedSum / labels);
  return divergence(mean, expected) / (foretold * (1 / labels + doubt / variance(expected)));
}

/** Evidence in nats that a slice makes up more of the traffic than it did; 0 when it does not. */
export function growthOf(slice: Tally, whole: Tally): number {
  const [labels, before] = [whole.degraded.labels, whole.healthy.labels];
  const share = slice.degraded.labels / labels;
  const shareBefore = slice.healthy.labels / before;
  if (share <= shareBefore) return 0;
  const shared = (slice.degraded.labels + slice.healthy.labels) / (labels + before);
  return labels * divergence(share, shared) + before * divergence(shareBefore, shared);
}
