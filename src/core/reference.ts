/**
 * What amounts, such as milliseconds or US dollars, are usual where all is well: the scale on which an amount becomes a loss.
 * One of a segment × metric and not of a variant, so that both arms of a canary are measured alike. It is learnt from the
 * first amounts of the incumbent and then never changes: how the incumbents do on it is their baselines' business.
 */
export interface Reference {
  readonly metric: string;
  /** As `Stream.meaning`: of a metric that means something else by now it is no scale. */
  meaning: string | null;
  /** The first amounts, in their order; empty once it is frozen. */
  learnt: number[];
  /** The amounts below which equal shares of them lie, ascending, then the usual limit and the cap; null until it is frozen. */
  frozen: Float64Array | null;
}

/** Amounts from which it is frozen: a few per cent of error in each quantile, which the baselines learn along. */
export const REFERENCE_AMOUNTS = 200;
const KNOTS = 32;
/** The share of healthy amounts up to the usual limit. */
const USUAL = 0.95;
/** The cap in usual limits: not a multiple of the maximum, which may be one answer that hung for half an hour. */
const CAP = 4;
const LIMIT = KNOTS;
const CAP_AT = KNOTS + 1;
export const REFERENCE_NUMBERS = KNOTS + 2;

export const newReference = (metric: string, meaning: string | null): Reference => ({
  metric,
  meaning,
  learnt: [],
  frozen: null,
});

/** Takes in one healthy amount, in place; the last that it needs freezes it, and later ones change nothing. */
export function learnAmount(reference: Reference, amount: number): void {
  if (reference.frozen !== null) return;
  reference.learnt.push(amount);
  if (reference.learnt.length < REFERENCE_AMOUNTS) return;
  const sorted = Float64Array.from(reference.learnt).sort();
  const frozen = new Float64Array(REFERENCE_NUMBERS);
  for (let knot = 0; knot < KNOTS; knot++) frozen[knot] = quantile(sorted, knot / (KNOTS - 1));
  frozen[LIMIT] = quantile(sorted, USUAL);
  frozen[CAP_AT] = CAP * (frozen[LIMIT] ?? 0) || quantile(sorted, 1);
  reference.frozen = frozen;
  reference.learnt = [];
}

/**
 * The loss in [0,1] that an amount stands for, the mean of three, each in [0,1] and none of them falling as the amount grows:
 * - its midrank among the healthy amounts, which sees a shift of the usual whatever the unit and however wide they spread;
 * - whether it is above the usual limit, which sees that the unusual gets more frequent, where ranks hardly move;
 * - its share of the cap, which tells twice the usual limit from just above it, where the others say the same: the rare huge
 *   bill, bounded, so that no single one can raise an alarm.
 * A mean of bounded losses is a bounded loss, so that everything said of detectors and trials holds for it as it stands.
 * @returns null until it is frozen
 */
export function lossOfAmount({ frozen }: Reference, amount: number): number | null {
  if (frozen === null) return null;
  const limit = frozen[LIMIT] ?? 0;
  return (midrank(frozen, amount) + Number(amount > limit) + shareOfCap(amount, frozen[CAP_AT] ?? 0)) / 3;
}

/** Whether an amount is above what all but a few healthy ones are; false until that is known. */
export const isUnusual = ({ frozen }: Reference, amount: number): boolean =>
  frozen !== null && amount > (frozen[LIMIT] ?? 0);

/** Where nothing ever came to more than 0, any amount is beyond the cap. */
const shareOfCap = (amount: number, cap: number): number =>
  cap === 0 ? Number(amount > 0) : Math.min(1, amount / cap);

/** The share of healthy amounts below this one, those equal to it counted by half, as the knots tell it. */
function midrank(frozen: Float64Array, amount: number): number {
  const below = knotsUntil(frozen, (knot) => knot < amount);
  const upTo = knotsUntil(frozen, (knot) => knot <= amount);
  // At a knot, or at several that are equal.
  if (upTo > below) return (below + upTo - 1) / 2 / (KNOTS - 1);
  if (below === 0) return 0;
  if (below === KNOTS) return 1;
  const [left, right] = [frozen[below - 1] ?? 0, frozen[below] ?? 0];
  return (below - 1 + (amount - left) / (right - left)) / (KNOTS - 1);
}

/** How many of the knots, which ascend, `holds` is true of. */
function knotsUntil(frozen: Float64Array, holds: (knot: number) => boolean): number {
  let [from, to] = [0, KNOTS];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (holds(frozen[middle] ?? 0)) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** With linear interpolation between order statistics (type 7 of Hyndman and Fan 1996). */
function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share;
  const left = sorted[Math.floor(place)] ?? 0;
  const right = sorted[Math.ceil(place)] ?? 0;
  return left + (right - left) * (place - Math.floor(place));
}
