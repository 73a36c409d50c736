import { z } from "zod";
import type { Case, Split } from "./cases.ts";
import { quote } from "./quote.ts";
import { Condition, conditionText } from "./slice.ts";
import { growthOf, healthyLevel, REST_WORTH, without, type Sums, type Tally } from "./slice-gain.ts";
import { holds } from "./slice-conditions.ts";
import { NAMED, searchSlices, type Found, type Search, type Slice } from "./slice-search.ts";

const ID_MAX = 256;
const EXAMPLES_MAX = 5;
const Share = z.number().min(0).max(1);

/** The smallest slice of a row's answers that explains why their losses rose. The labels of one conversation count as one. */
export const Blame = z.strictObject({
  /** All of these hold; none means everywhere: no slice rose by more than the rest. */
  slice: z.array(Condition).max(3),
  /** Whether the slice's answers got `worse`, or there are only `more` of answers that always were bad. */
  how: z.enum(["worse", "more"]),
  /** Labelled answers in the slice since the change. */
  labels: z.int().nonnegative(),
  /** Mean loss in the slice since the change, and before it; null where there were no such answers. */
  lossMean: Share,
  lossMeanBefore: Share.nullable(),
  /** Mean loss of what is not in the slice, since the change; null for everywhere. */
  lossMeanElsewhere: Share.nullable(),
  /**
   * The slice's part of the rise. Of a slice that got worse: the sum of (loss − healthy level) within it over the same sum
   * within and without, each side measured against its own healthy level, so that a changed mix of traffic explains nothing.
   * Of a slice that there is more of: what its growth alone would have added to the mean loss, over what was added.
   */
  explained: Share,
  /** The slice's share of the labelled answers, since the change and before it. */
  share: Share,
  shareBefore: Share,
  /** Prediction ids of the worst answers in the slice since the change, the worst and then the latest first. */
  examples: z.array(z.string().max(ID_MAX)).max(EXAMPLES_MAX),
});
export type Blame = z.infer<typeof Blame>;

/** With fewer cases on either side nothing is said. */
const HEALTHY_MIN = 20;
const DEGRADED_MIN = 6;
/** A slice that there is more of is named when its growth explains at least so much of the rise. */
const GROWTH_EXPLAINED_MIN = 0.5;

/**
 * Where a row's losses rose, from its labelled answers before and since. The same cases in any order give the same blame.
 * @returns null when there are too few cases to say
 */
export function blame({ healthy, degraded }: Split): Blame | null {
  if (healthy.length < HEALTHY_MIN || degraded.length < DEGRADED_MIN) return null;
  const cases = { healthy: weighed(healthy), degraded: weighed(degraded) };
  const search = searchSlices(cases);
  const { everything, best } = search;
  const whole = everything.tally;
  const blamed = best ?? grownSlice(search) ?? everything;
  const isGrown = blamed !== best && blamed !== everything;
  const explained = isGrown ? growthShare(blamed, whole) : blamed === everything ? 1 : excessShare(blamed, whole);
  const rest = without(whole, blamed.tally);
  const { conditions } = search;
  const within = cases.degraded.filter(({ attributes }) => {
    const levels = conditions.levelsOf(attributes);
    return blamed.places.every((place) => holds(conditions, place, levels));
  });
  return {
    slice: blamed.places.flatMap((place) => conditions.list[place]?.condition ?? []),
    how: isGrown ? "more" : "worse",
    labels: within.length,
    lossMean: meanOf(blamed.tally.degraded) ?? 0,
    lossMeanBefore: meanOf(blamed.tally.healthy),
    lossMeanElsewhere: blamed === everything ? null : meanOf(rest.degraded),
    explained,
    share: share(blamed.tally.degraded.labels, whole.degraded.labels),
    shareBefore: share(blamed.tally.healthy.labels, whole.healthy.labels),
    examples: examplesOf(within),
  };
}

type Weighed = Case & { readonly weight: number };

/** In an order of their own, because sums depend on it. */
function weighed(cases: readonly Case[]): Weighed[] {
  const labels = new Map<string, number>();
  for (const { session } of cases) if (session !== undefined) labels.set(session, (labels.get(session) ?? 0) + 1);
  return cases
    .map((one) => ({ ...one, weight: one.session === undefined ? 1 : 1 / (labels.get(one.session) ?? 1) }))
    .sort((a, b) => byText(a.predictionId, b.predictionId) || a.at - b.at || a.loss - b.loss);
}

const byText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

/** The worst first, of these the latest. */
function examplesOf(cases: readonly Case[]): string[] {
  const worst = cases.toSorted((a, b) => b.loss - a.loss || b.at - a.at);
  const ids = worst.map(({ predictionId }) => predictionId).filter((id) => id.length <= ID_MAX);
  return [...new Set(ids)].slice(0, EXAMPLES_MAX);
}

/** In [0,1], with six decimals: the ledger is read by people too. */
const share = (part: number, whole: number): number => Math.round(Math.min(1, Math.max(0, part / whole)) * 1e6) / 1e6;
/** Sums are differences, so that what is none may be a little more. */
const meanOf = ({ labels, lossSum }: Sums): number | null => (labels < 1e-6 ? null : share(lossSum, labels));

function excessShare({ tally, worth }: Slice, whole: Tally): number {
  const own = excess(tally, worth);
  const all = own + excess(without(whole, tally), REST_WORTH);
  // Where the rest got better, the slice has risen by more than all.
  return all <= own ? 1 : share(own, all);
}

const excess = (tally: Tally, worth: number): number =>
  tally.degraded.lossSum - tally.degraded.labels * healthyLevel(tally, worth);

/** The slice of one condition that grew the most beyond luck, if its growth explains most of the rise. */
function grownSlice({ single, everything, luckOf }: Search): Found | null {
  let best: Found | null = null;
  let most = NAMED;
  for (const slice of single) {
    const nats = growthOf(slice.tally, everything.tally) - luckOf(slice);
    if (nats > most && growthShare(slice, everything.tally) >= GROWTH_EXPLAINED_MIN) [best, most] = [slice, nats];
  }
  return best;
}

function growthShare({ tally, worth }: Slice, whole: Tally): number {
  const growth = tally.degraded.labels / whole.degraded.labels - tally.healthy.labels / whole.healthy.labels;
  const rise = whole.degraded.lossSum / whole.degraded.labels - whole.healthy.lossSum / whole.healthy.labels;
  const worse = healthyLevel(tally, worth) - healthyLevel(without(whole, tally), REST_WORTH);
  return rise <= 0 ? 0 : share(growth * worse, rise);
}

/** Examples that the line shows. */
const EXAMPLES_SHOWN = 2;

/** A blame in one line, for people. */
export function blameText(blame: Blame): string {
  const { slice, how, examples } = blame;
  const shown = examples.slice(0, EXAMPLES_SHOWN).map((id) => (/^[\w-]+$/.test(id) ? id : quote(id)));
  const suffix = shown.length === 0 ? "" : `; e.g. ${shown.join(", ")}`;
  if (slice.length === 0) return `everywhere: ${losses(blame)} (${blame.labels} labels)${suffix}`;
  const name = slice.map(conditionText).join(" and ");
  const part = `${percent(blame.explained)} of the drop`;
  const traffic = `${percent(blame.share)} of the traffic`;
  if (how === "more")
    return `${name}: ${traffic}, was ${percent(blame.shareBefore)}, explains ${part} (${losses(blame)})${suffix}`;
  return `${name}: ${part} in ${traffic} (${losses(blame)})${suffix}`;
}

function losses({ lossMean, lossMeanBefore, lossMeanElsewhere }: Blame): string {
  const before = lossMeanBefore === null ? "no such answers before" : `was ${lossMeanBefore.toFixed(2)}`;
  const elsewhere = lossMeanElsewhere === null ? "" : `; elsewhere ${lossMeanElsewhere.toFixed(2)}`;
  return `loss ${lossMean.toFixed(2)}, ${before}${elsewhere}`;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
