import type { CastSegment } from "./cast.ts";
import { strengthAt, type SegmentFault } from "./faults.ts";
import { seededRandom } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import { createTraffic } from "./traffic-law.ts";

/** What happened to one request, whichever model had served it. */
export interface Draw {
  /** The place of the segment. */
  segment: number;
  item: number;
  /** 0 where requests come without sessions. */
  session: number;
  /** Chance in [0,1) that decides how far growing faults reach this request, and whether it is labelled. */
  fate: number;
  label: number;
}

/** What came of a request under a model. */
export interface Answer {
  /** What the metric shows, and what is true: the two differ while a judge is wrong. */
  score: number;
  value: number;
  /** Milliseconds and US dollars; NaN where the table has none. */
  latencyMs: number;
  costUsd: number;
}

export interface World {
  /** The next request, in place; requests come in order. */
  readonly draw: (request: number, draw: Draw) => void;
  readonly answer: (request: number, draw: Draw, model: number, answer: Answer) => void;
  /** True mean score of a model on a segment at a request. */
  readonly mean: (request: number, segment: number, model: number) => number;
  /** The same as the metric shows it. */
  readonly shownMean: (request: number, segment: number, model: number) => number;
  /** True mean of the best model of the segment's ladder. */
  readonly bestMean: (request: number, segment: number) => number;
  /** Share of a segment's answers that are labelled; null where nothing is wrong with the labels. */
  readonly labelRate: (request: number, segment: number) => number | null;
}

/** The world of a scenario: everything that the loop cannot change. */
export function createWorld(
  segments: readonly CastSegment[],
  faults: readonly (readonly SegmentFault[])[],
  scenario: Scenario,
  seed: number,
): World {
  const traffic = createTraffic(segments, faults, scenario, seed);
  const random = seededRandom(seed, "outcomes");
  const mean = (request: number, place: number, model: number): number => {
    const segment = segments[place];
    let level = segment?.means[model] ?? 0;
    for (const fault of faults[place] ?? []) {
      const strength = fault.model === model ? strengthAt(fault, request) : 0;
      if (strength === 0) continue;
      if (fault.kind === "hack") level *= 1 - strength;
      else if (fault.scores !== null) level = (1 - strength) * level + strength * fault.mean;
      else level *= 1 + (fault.factor - 1) * strength;
    }
    return Math.min(1, level);
  };
  const shownMean = (request: number, place: number, model: number): number => {
    let level = mean(request, place, model);
    for (const fault of faults[place] ?? []) {
      const strength = strengthAt(fault, request);
      if (fault.kind === "hack" && fault.model === model) level = (1 - strength) * level + strength * fault.factor;
      if (fault.kind === "evaluator") level *= 1 + (fault.factor - 1) * strength;
    }
    return Math.min(1, level);
  };
  // Nothing changes where nothing breaks, which is nearly everywhere.
  const still = segments.map((segment, place) =>
    faults[place]?.length === 0 ? Math.max(...segment.ladder.map((model) => segment.means[model] ?? 0)) : null,
  );
  return {
    draw: (request, draw) => {
      traffic.next(request, draw);
      draw.fate = random();
      draw.label = random();
    },
    answer: (request, draw, model, answer) => {
      const table = segments[draw.segment]?.table;
      answer.value = table?.scores[model]?.[draw.item] ?? 0;
      answer.latencyMs = table?.latencyMs?.[model]?.[draw.item] ?? Number.NaN;
      answer.costUsd = table?.costUsd?.[model]?.[draw.item] ?? Number.NaN;
      answer.score = answer.value;
      for (const fault of faults[draw.segment] ?? []) breakAnswer(answer, fault, { request, draw, model });
      answer.score = Math.min(1, answer.score);
      answer.value = Math.min(1, answer.value);
    },
    mean,
    shownMean,
    bestMean: (request, place) => {
      const known = still[place];
      if (known !== null && known !== undefined) return known;
      let best = 0;
      for (const model of segments[place]?.ladder ?? []) best = Math.max(best, mean(request, place, model));
      return best;
    },
    labelRate: (request, place) => {
      for (const fault of faults[place] ?? [])
        if (fault.kind === "labels" && strengthAt(fault, request) > 0) return fault.rate;
      return null;
    },
  };
}

/** Lets a fault change an answer, in place. A growing replacement reaches a growing share of the answers; a growing factor grows itself. */
function breakAnswer(
  answer: Answer,
  fault: SegmentFault,
  { request, draw, model }: { readonly request: number; readonly draw: Draw; readonly model: number },
): void {
  if (fault.model !== null && fault.model !== model) return;
  const strength = strengthAt(fault, request);
  if (strength === 0) return;
  switch (fault.kind) {
    case "replace":
      if (draw.fate >= strength || fault.scores === null) return;
      answer.value = fault.scores[draw.item % fault.scores.length] ?? 0;
      answer.score = answer.value;
      return;
    case "scale":
      answer.value *= 1 + (fault.factor - 1) * strength;
      answer.score = answer.value;
      answer.latencyMs *= 1 + (fault.latency - 1) * strength;
      answer.costUsd *= 1 + (fault.cost - 1) * strength;
      return;
    case "candidate":
      // Fails whole answers, so that scores of 0 and 1 stay such.
      if (draw.fate < strength * (1 - fault.factor)) answer.value = 0;
      answer.score = answer.value;
      return;
    case "hack":
      if (draw.fate >= strength) return;
      answer.value = 0;
      answer.score = draw.fate / strength < fault.factor ? 1 : 0;
      return;
    case "evaluator":
      answer.score *= 1 + (fault.factor - 1) * strength;
      return;
    case "mix":
    case "labels":
      return;
  }
}
