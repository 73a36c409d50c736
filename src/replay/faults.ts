import { RouterError } from "../core/errors.ts";
import type { CastSegment } from "./cast.ts";
import { matchesGlob } from "./glob.ts";
import { seededRandom, shuffled, type Random } from "./random.ts";
import type { Fault, Scenario } from "./scenario.ts";

/** One fault of one segment, with all that was left to chance decided. */
export interface SegmentFault {
  readonly kind: Fault["kind"];
  /** The model whose outcomes it changes; null for faults of all models, of the labels or of the traffic. */
  readonly model: number | null;
  /** The request at which it begins, and the one at which it is over. */
  readonly start: number;
  readonly end: number;
  /** Requests over which it grows from 0 to 1. */
  readonly ramp: number;
  /** Whose scores replace the model's own, by item; the places of another epoch's items wrap around. */
  readonly scores: Float64Array | null;
  readonly mean: number;
  /** Factors of score, latency and cost; `share` of answers that keep their score at all; weight of the traffic; rate of labels. */
  readonly factor: number;
  readonly latency: number;
  readonly cost: number;
  readonly weight: number;
  readonly rate: number;
}

/** How far a fault has grown at a request, in [0,1]. */
export const strengthAt = ({ start, end, ramp }: SegmentFault, request: number): number =>
  request < start || request >= end ? 0 : ramp === 0 ? 1 : Math.min(1, (request - start + 1) / ramp);

/**
 * A replacement is truly weaker when it is below what it replaces, and below the best other rung, by this much and by two
 * standard errors of the difference over the segment's items: else nothing is known to be lost, and nothing to be won by moving.
 */
const WEAKER_BY = 0.05;
const WEAKER_ERRORS = 2;

/** A bad candidate scores this share of what it is to replace. */
const BAD_CANDIDATE = 0.7;

/**
 * The faults of each segment, in the order of the scenario. The same seed breaks alike.
 * `{"random": n}` takes the first n suitable segments of one seeded order, so that several faults may hit the same ones.
 * A range of starts is drawn for each segment where segments are drawn or named, and once where a fault hits a whole upstream.
 * @throws RouterError `invalid_request` when a fault names what is not there
 */
export function castFaults(
  segments: readonly CastSegment[],
  scenario: Scenario,
  seed: number,
): { readonly faults: readonly (readonly SegmentFault[])[]; readonly notes: readonly string[] } {
  const random = seededRandom(seed, "faults");
  const order = shuffled([...segments.keys()], random);
  const faults: SegmentFault[][] = segments.map(() => []);
  const notes: string[] = [];
  for (const fault of scenario.faults) {
    const hit = segmentsHit(fault, { segments, order });
    const common = scenario.requests * drawn(fault.start, random);
    const commonEnd = fault.end === null ? Infinity : scenario.requests * drawn(fault.end, random);
    const isShared = fault.segments === "all" || ("primary" in fault.segments && !("random" in fault.segments));
    for (const place of hit) {
      const segment = segments[place];
      if (segment === undefined) continue;
      const start = Math.round(isShared ? common : scenario.requests * drawn(fault.start, random));
      const ends = isShared || fault.end === null ? commonEnd : scenario.requests * drawn(fault.end, random);
      // Two ranges that overlap may be drawn in the wrong order.
      const end = Math.max(start + 1, Math.round(ends));
      const effect = effectOf(fault, segment, faults[place] ?? [], random);
      if (effect === null)
        notes.push(
          `segment '${segment.table.id}': no ${replacementName(fault)} to replace '${modelName(segment, segment.primary)}'`,
        );
      else faults[place]?.push({ ...NO_EFFECT, ...effect, kind: fault.kind, start, end, ramp: fault.ramp });
    }
  }
  return { faults, notes };
}

const NO_EFFECT = {
  model: null,
  scores: null,
  mean: Number.NaN,
  factor: 1,
  latency: 1,
  cost: 1,
  weight: 1,
  rate: 1,
} as const;

function effectOf(
  fault: Fault,
  segment: CastSegment,
  before: readonly SegmentFault[],
  random: Random,
): Partial<SegmentFault> | null {
  switch (fault.kind) {
    case "replace": {
      const source = replacement(fault.with, segment, random);
      return source === null ? null : { ...source, model: segment.primary };
    }
    case "scale":
      return { model: segment.primary, factor: fault.factor, latency: fault.latency, cost: fault.cost };
    case "mix":
      return { weight: fault.weight };
    case "evaluator":
      return { factor: fault.factor };
    case "labels":
      return { rate: fault.rate };
    case "hack": {
      const next = segment.ladder[1];
      return next === undefined ? null : { model: next, scores: null, mean: 0, factor: fault.score };
    }
    case "candidate": {
      const next = segment.ladder[1];
      if (next === undefined) return null;
      const replaced = before.findLast(({ kind }) => kind === "replace");
      const degraded = replaced?.mean ?? segment.means[segment.primary] ?? 0;
      const own = segment.means[next] ?? 0;
      return { model: next, factor: own === 0 ? 0 : Math.min(1, (BAD_CANDIDATE * degraded) / own) };
    }
  }
}

type Replacement = Extract<Fault, { kind: "replace" }>["with"];

function replacement(
  name: Replacement,
  segment: CastSegment,
  random: Random,
): Pick<SegmentFault, "scores" | "mean"> | null {
  if (typeof name === "object") return epochOf(segment, name.epoch);
  const model =
    name === "weaker"
      ? (pick(weakerModels(segment), random) ?? weakest(segment))
      : name === "stronger"
        ? strongest(segment)
        : segment.table.models.indexOf(name);
  if (model === null) return null;
  if (model === -1)
    throw new RouterError(
      "invalid_request",
      `The scenario replaces with '${name}', which segment '${segment.table.id}' does not have. Its models: ${segment.table.models.join(", ")}.`,
      { reason: "unknown_model" },
    );
  return { scores: segment.table.scores[model] ?? null, mean: segment.means[model] ?? 0 };
}

function epochOf({ table, primary }: CastSegment, epoch: string): Pick<SegmentFault, "scores" | "mean"> {
  const scores = table.epochs.get(epoch)?.[primary];
  if (scores === undefined || scores === null || scores.length === 0)
    throw new RouterError(
      "invalid_request",
      `The scenario replaces with the epoch '${epoch}', in which '${table.models[primary] ?? ""}' of segment '${table.id}' was not measured beside another. Epochs: ${[...table.epochs.keys()].join(", ") || "none"}.`,
      { reason: "unknown_epoch" },
    );
  return { scores, mean: scores.reduce((sum, score) => sum + score, 0) / scores.length };
}

/** Models that are truly worse than the primary and than the best of the other rungs: leaving them helps. */
function weakerModels({ means, primary, table }: CastSegment): number[] {
  return means.flatMap((mean, model) => {
    const others = means.filter((_, other) => other !== primary && other !== model);
    const better = Math.min(means[primary] ?? 0, Math.max(...others));
    const error = Math.sqrt((better * (1 - better) + mean * (1 - mean)) / table.items);
    const isWeaker = mean <= better - Math.max(WEAKER_BY, WEAKER_ERRORS * error);
    return model !== primary && isWeaker ? [model] : [];
  });
}

/** The worst model, where it is worse than the primary at all: then there may be nowhere to go. */
function weakest({ means, primary }: CastSegment): number | null {
  const least = means.indexOf(Math.min(...means));
  return (means[least] ?? 0) <= (means[primary] ?? 0) - WEAKER_BY ? least : null;
}

function strongest({ means, primary }: CastSegment): number | null {
  const others = means.map((mean, model) => (model === primary ? -1 : mean));
  return others.indexOf(Math.max(...others));
}

const pick = (models: readonly number[], random: Random): number | null =>
  models[Math.floor(random() * models.length)] ?? null;

function segmentsHit(
  fault: Fault,
  { segments, order }: { readonly segments: readonly CastSegment[]; readonly order: readonly number[] },
): readonly number[] {
  const all = [...segments.keys()];
  const { segments: chosen } = fault;
  if (chosen === "all") return all;
  const level = (place: number): number => segments[place]?.means[segments[place].primary] ?? 0;
  if ("lowest" in chosen) return all.sort((a, b) => level(a) - level(b)).slice(0, chosen.lowest);
  if ("highest" in chosen) return all.sort((a, b) => level(b) - level(a)).slice(0, chosen.highest);
  const isPrimary = (place: number, name: string): boolean => {
    const segment = segments[place];
    return (
      segment !== undefined && modelName(segment, segment.primary) === (name === "busiest" ? busiest(segments) : name)
    );
  };
  if ("random" in chosen) {
    const { primary } = chosen;
    return order
      .filter((place) => isSuitable(segments[place]) && (primary === undefined || isPrimary(place, primary)))
      .slice(0, chosen.random);
  }
  const matching =
    "only" in chosen
      ? all.filter((place) => chosen.only.some((glob) => matchesGlob(segments[place]?.table.id ?? "", glob)))
      : all.filter((place) => isPrimary(place, chosen.primary));
  if (matching.length === 0)
    throw new RouterError(
      "invalid_request",
      "only" in chosen
        ? `The scenario's fault '${fault.kind}' hits no segment: nothing matches ${chosen.only.join(", ")}.`
        : `The scenario's fault '${fault.kind}' hits no segment: '${chosen.primary}' is the primary of none.`,
      { reason: "no_segments" },
    );
  return matching;
}

/** Where a fault that is drawn should fall: where leaving the primary can help. The same for all kinds, so that several faults meet. */
const isSuitable = (segment: CastSegment | undefined): boolean =>
  segment !== undefined && weakerModels(segment).length > 0;

function busiest(segments: readonly CastSegment[]): string {
  const counts = new Map<string, number>();
  for (const segment of segments) {
    const name = modelName(segment, segment.primary);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["", 0])[0];
}

const modelName = ({ table }: CastSegment, model: number): string => table.models[model] ?? "";
const replacementName = (fault: Fault): string =>
  fault.kind === "replace" && typeof fault.with === "string" ? `${fault.with} model` : "other rung";

const drawn = (at: number | readonly [number, number], random: Random): number =>
  typeof at === "number" ? at : at[0] + (at[1] - at[0]) * random();
