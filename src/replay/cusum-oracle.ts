import { RouterError } from "../core/errors.ts";

/** Mean labels between false alarms, unless told otherwise. */
const GAMMA = 1e5;
/** Levels are clipped to what a log-likelihood ratio can bear, and rounded so that few of them differ. */
const LEVEL_MIN = 1e-3;
const LEVELS_PER_UNIT = 1e4;
/** What the lattice may add to the variance of a step, relatively. The delay is then less than .2 % too long, never too short. */
const VARIANCE_ADDED_MAX = 3e-4;
const REMEMBERED_MAX = 10_000;

/** Delays already worked out: a replay asks for the same few pairs of levels again and again. */
const remembered = new Map<string, number>();

/**
 * Mean labels from the change until the alarm of the CUSUM that knows both levels, with its threshold set for a mean of `gamma` labels
 * between false alarms. No rule with that mean has a smaller worst-case delay (Moustakides 1986), so a detector's delay is measured
 * against it. The CUSUM starts at 0, its worst case. Its run length jumps with the threshold, as losses are 0 or 1; so it draws lots
 * when it lands exactly on the threshold, has a mean of exactly `gamma`, and its delay is the least that any rule can have.
 * @param healthyLoss mean before the change of losses that are 0 or 1; both levels are rounded to 1e-4 and clipped to [.001, .999]
 * @param degradedLoss mean after it, the greater one; if rounding or clipping makes both the same, the delay is `gamma`, its limit
 * @param gamma at least 1
 * @throws {RouterError} `invalid_request` when a level is outside [0,1], the loss does not rise, or `gamma` is below 1
 */
export function oracleDelay(healthyLoss: number, degradedLoss: number, gamma = GAMMA): number {
  if (!(healthyLoss >= 0 && healthyLoss < degradedLoss && degradedLoss <= 1))
    throw new RouterError(
      "invalid_request",
      `The oracle knows how fast a rise of the mean loss can be found, not ${healthyLoss} to ${degradedLoss}: give two levels in [0,1], the greater one last.`,
    );
  if (!(gamma >= 1 && gamma < Infinity))
    throw new RouterError("invalid_request", `Labels between false alarms are at least 1, not ${gamma}.`);
  const healthy = rounded(healthyLoss);
  const degraded = rounded(degradedLoss);
  const key = `${healthy}/${degraded}/${gamma}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const delay = healthy === degraded ? gamma : delayBetween(healthy, degraded, gamma);
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(key, delay);
  return delay;
}

const rounded = (level: number): number =>
  Math.min(1 - LEVEL_MIN, Math.max(LEVEL_MIN, Math.round(level * LEVELS_PER_UNIT) / LEVELS_PER_UNIT));

/** Raises the threshold state by state until the healthy run length is `gamma`; the degraded one is then the delay. */
function delayBetween(healthy: number, degraded: number, gamma: number): number {
  const walk = latticeWalk(healthy, degraded);
  const degradedGains = runLengthGains(walk, degraded);
  // With no state below the threshold, the first label is an alarm.
  let runLength = 1;
  let delay = 1;
  for (const { gain, pivot } of runLengthGains(walk, healthy)) {
    const last = degradedGains.next().value;
    const wanted = (gamma - runLength) / gain;
    if (wanted < 1) {
      // The share of landings on this state that are no alarm. The gain is linear in the mean number of such landings, a geometric sum.
      const spared = wanted / (pivot + wanted * (1 - pivot));
      return delay + (last.gain * spared * last.pivot) / (1 - spared * (1 - last.pivot));
    }
    runLength += gain;
    delay += last.gain;
  }
  return delay;
}

/** A step of the CUSUM in whole units of a lattice: after a loss of `loss` it is `units`, `share` of the times. */
interface Move {
  readonly loss: 0 | 1;
  readonly units: number;
  readonly share: number;
}

interface Walk {
  readonly moves: readonly Move[];
  /** Units of the farthest moves either way. */
  readonly up: number;
  readonly down: number;
}

/**
 * The log-likelihood ratios of a loss of 1, a step up, and of 0, a step down, on a lattice: the smaller is cut into as few units as
 * make the larger nearly whole, and the larger is drawn between its two neighbours. That keeps its mean and adds a known variance.
 * It is still a rule that somebody could follow, so its delay is no less than the least one.
 */
function latticeWalk(healthy: number, degraded: number): Walk {
  const rise = Math.log(degraded / healthy);
  const fall = Math.log((1 - healthy) / (1 - degraded));
  const riseIsLarger = rise > fall;
  const ratio = riseIsLarger ? rise / fall : fall / rise;
  for (let small = 1; ; small++) {
    const large = Math.floor(small * ratio);
    const excess = small * ratio - large;
    const addedShare = (excess * (1 - excess)) / (small * (1 + ratio)) ** 2;
    if (addedShare / (riseIsLarger ? 1 - healthy : healthy) > VARIANCE_ADDED_MAX) continue;
    const [sign, loss, other] = riseIsLarger ? ([1, 1, 0] as const) : ([-1, 0, 1] as const);
    const moves: readonly Move[] = [
      { loss: other, units: -sign * small, share: 1 },
      { loss, units: sign * large, share: 1 - excess },
      { loss, units: sign * (large + 1), share: excess },
    ];
    return riseIsLarger ? { moves, up: large + 1, down: small } : { moves, up: small, down: large + 1 };
  }
}

/** What a state adds to the mean run length from 0 when the threshold rises above it, and the chance to alarm before coming back to it. */
interface Gain {
  readonly gain: number;
  readonly pivot: number;
}

/** A row of U from its diagonal on, with its entry of y. */
interface Finished {
  readonly row: Float64Array;
  y: number;
}

/**
 * The mean run length from 0, for every threshold in one pass. With n states below the threshold it is the first entry of the L that
 * solves (I − P)L = 1. The matrices of all n are leading blocks of one banded matrix, hence so are their factors in I − P = AU, and
 * that entry is the sum of the first n products of y and z, where Ay = 1 and Uᵀz = (1, 0, 0, …). It needs no exchange of rows: no
 * pivot is below the chance to step up. A state costs `up` × `down` multiplications.
 */
function* runLengthGains({ moves, up, down }: Walk, lossMean: number): Generator<Gain, never> {
  /** The rows that this state's own reaches back to, the lowest state first. */
  const below: Finished[] = [];
  const reach = new Float64Array(down + 1 + up);
  /** The right side of Uᵀz, from this state on. */
  const right = new Float64Array(up + 1);
  right[0] = 1;
  for (let counted = 1; ; counted = 0) {
    const own = below.length;
    const row = reach.subarray(0, own + 1 + up).fill(0);
    row[own] = 1;
    for (const { loss, units, share } of moves) {
      const column = Math.max(0, own + units);
      row[column] = (row[column] ?? 0) - share * (loss === 1 ? lossMean : 1 - lossMean);
    }
    const y = eliminate(row, below, up);
    const pivot = row[own] ?? 1;
    const z = (right[0] ?? 0) / pivot;
    right.copyWithin(0, 1);
    right[up] = 0;
    for (let k = 1; k <= up; k++) right[k - 1] = (right[k - 1] ?? 0) - (row[own + k] ?? 0) * z;
    // The row that is out of reach makes room: to allocate one a state would take longer than to eliminate.
    const finished = (own === down ? below.shift() : undefined) ?? { row: new Float64Array(up + 1), y };
    finished.row.set(row.subarray(own));
    finished.y = y;
    below.push(finished);
    yield { gain: y * z - counted, pivot };
  }
}

/** Clears the row of what lies before its diagonal, in place, and returns its entry of y. */
function eliminate(row: Float64Array, below: readonly Finished[], up: number): number {
  let y = 1;
  for (const [column, lower] of below.entries()) {
    const from = lower.row;
    const factor = (row[column] ?? 0) / (from[0] ?? 1);
    if (factor === 0) continue;
    for (let k = 1; k <= up; k++) row[column + k] = (row[column + k] ?? 0) - factor * (from[k] ?? 0);
    y -= factor * lower.y;
  }
  return y;
}
