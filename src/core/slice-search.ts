import type { Attributes } from "./attributes.ts";
import { expectedLoss, type ExpectedLoss } from "./expected-loss.ts";
import { conditionsOf, holds, type Conditions } from "./slice-conditions.ts";
import { gainOf, type Tally } from "./slice-gain.ts";
import { runSums, sumsOf, type Placed } from "./slice-sums.ts";

/** A labelled answer as the search sees it. */
export type Answer = Pick<Placed, "loss" | "weight"> & { readonly attributes: Attributes };

export interface Sides<T> {
  readonly healthy: readonly T[];
  readonly degraded: readonly T[];
}

/** A slice and what lies in it. */
export interface Slice {
  /** Of `Conditions.list`, ascending; none for everything. */
  readonly places: readonly number[];
  readonly tally: Tally;
  /** How many labels what is expected of its attributes is worth for its own healthy level. */
  readonly worth: number;
}

/** With the evidence in nats that it got worse by more than the rest. */
export interface Found extends Slice {
  readonly gain: number;
}

export interface Search {
  readonly conditions: Conditions;
  readonly everything: Slice;
  /** The slices of one condition that hold enough of the degraded answers to speak of, but not nearly all. */
  readonly single: readonly Found[];
  /** Nats that a slice shows by luck, because there are as many. */
  readonly luckOf: (slice: Slice) => number;
  /** The slice that explains the most beyond luck; null where none does. */
  readonly best: Found | null;
}

const CONDITIONS_MAX = 3;
/** Fewer degraded answers are no slice, nor is what is left without them. */
const ANSWERS_MIN = 5;
/** Slices that are narrowed further. */
const BEAM = 16;
/** Nats beyond luck at which a slice is named: luck names one in about one of 30 segments that have none. */
export const NAMED = 2;
/** Nats that each condition after the first must add beyond luck. */
const NARROWER = 1.6;
/** How much healthy answers of several attributes differ from what each tells by itself: as the luck of so many labels. */
const TOGETHER_WORTH = 120;

type Candidate = Pick<Slice, "places" | "tally">;

/**
 * The slice with the greatest gain in likelihood beyond luck: a beam search from one condition to three, as in subgroup discovery
 * (Lavrač and others 2004), with a score as in scan statistics (Kulldorff 1997).
 * @param answers in an order that is the same for the same answers, because sums of losses are not exact
 */
export function searchSlices(answers: Sides<Answer>): Search {
  const { conditions, worth, all } = placed(answers);
  const whole = { healthy: sumsOf(all.healthy), degraded: sumsOf(all.degraded) };
  const worthOf = worths(conditions, worth, all.healthy);
  const judged = (candidate: Candidate): Found => {
    const slice = { ...candidate, worth: worthOf(candidate) };
    return { ...slice, gain: gainOf(slice.tally, whole, slice.worth) };
  };
  const single = narrowed([], all, conditions).map(judged);
  const luckOf = lucks(conditions, single, all.degraded);
  const net = (found: Found): number => found.gain - luckOf(found) - NARROWER * (found.places.length - 1);
  let best: Found | null = null;
  let found: readonly Found[] = single;
  for (let count = 1; found.length > 0; count++) {
    const ranked = found.filter(({ gain }) => gain > 0).sort(byRank);
    for (const each of ranked) if (best === null || net(each) > net(best)) best = each;
    if (count === CONDITIONS_MAX) break;
    const wider = ranked
      .slice(0, BEAM)
      .flatMap(({ places }) => narrowed(places, within(places, all, conditions), conditions));
    found = distinct(wider).map(judged);
  }
  const isNamed = best !== null && best.gain - luckOf(best) >= NAMED;
  return {
    conditions,
    everything: { places: [], tally: whole, worth: 0 },
    single,
    luckOf,
    best: isNamed ? best : null,
  };
}

function placed({ healthy, degraded }: Sides<Answer>) {
  const attributesOf = (answers: readonly Answer[]): Attributes[] => answers.map(({ attributes }) => attributes);
  const conditions = conditionsOf(attributesOf(healthy), attributesOf(degraded));
  const levelled = ({ attributes, loss, weight }: Answer) => ({
    loss,
    weight,
    levels: conditions.levelsOf(attributes),
  });
  const known = healthy.map(levelled);
  const { of, worth } = expectedLoss(known, conditions.attributes);
  const expecting = (one: ReturnType<typeof levelled>): Placed => ({ ...one, expected: of(one.levels) });
  return { conditions, worth, all: { healthy: known.map(expecting), degraded: degraded.map(levelled).map(expecting) } };
}

/** The most telling first; of equals the narrower, then by name. */
function byRank(a: Found, b: Found): number {
  if (a.gain !== b.gain) return b.gain - a.gain;
  if (a.tally.degraded.labels !== b.tally.degraded.labels) return a.tally.degraded.labels - b.tally.degraded.labels;
  const differing = a.places.findIndex((place, at) => place !== b.places[at]);
  return (a.places[differing] ?? 0) - (b.places[differing] ?? 0);
}

/** What is expected of a slice is worth no more labels than what is expected of its conditions one by one. */
function worths({ list, levels: count }: Conditions, worth: ExpectedLoss["worth"], healthy: readonly Placed[]) {
  const sums = runSums(healthy, count);
  const known = list.map(({ attribute, levels }) => sums.of(levels).labels + (worth[attribute] ?? 0));
  return ({ places, tally }: Candidate): number => {
    const one = places.reduce((least, place) => Math.min(least, known[place] ?? 0), Infinity) - tally.healthy.labels;
    return places.length === 1 ? one : Math.max(1, Math.min(one, TOGETHER_WORTH));
  };
}

/** The logarithm of how many slices there are of as many conditions: luck shows so many nats on one of them. */
function lucks({ list }: Conditions, single: readonly Found[], degraded: readonly Placed[]): Search["luckOf"] {
  const offered = new Set(single.map(({ places: [place = 0] }) => list[place]?.attribute ?? 0));
  const present = new Map<number, Set<number>>();
  for (const attribute of offered)
    present.set(attribute, new Set(degraded.map(({ levels }) => levels[attribute] ?? -1)));
  const cost = list.map(({ attribute }) => Math.log(Math.max(1, offered.size * (present.get(attribute)?.size ?? 0))));
  return ({ places }) => {
    let [nats, count] = [0, 0];
    for (const place of places) nats += (cost[place] ?? 0) - Math.log(++count);
    return nats;
  };
}

/** The slices that one condition more makes of a slice, no attribute being named twice. */
function narrowed(places: readonly number[], slice: Sides<Placed>, { list, levels: count }: Conditions): Candidate[] {
  const taken = new Set(places.map((place) => list[place]?.attribute));
  const healthy = runSums(slice.healthy, count);
  const degraded = runSums(slice.degraded, count);
  return list.flatMap(({ attribute, levels }, place) => {
    const answers = degraded.answers(levels);
    if (answers < ANSWERS_MIN || slice.degraded.length - answers < ANSWERS_MIN || taken.has(attribute)) return [];
    const tally = { healthy: healthy.of(levels), degraded: degraded.of(levels) };
    return [{ places: [...places, place].sort((a, b) => a - b), tally }];
  });
}

function within(
  places: readonly number[],
  { healthy, degraded }: Sides<Placed>,
  conditions: Conditions,
): Sides<Placed> {
  const isWithin = ({ levels }: Placed): boolean => places.every((place) => holds(conditions, place, levels));
  return { healthy: healthy.filter(isWithin), degraded: degraded.filter(isWithin) };
}

/** The same conditions are found in several orders. */
const distinct = (candidates: readonly Candidate[]): Candidate[] => [
  ...new Map(candidates.map((candidate) => [candidate.places.join(), candidate])).values(),
];
