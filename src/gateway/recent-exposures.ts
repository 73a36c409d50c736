import type { Attributes } from "../core/attributes.ts";
import { labelNumber } from "../core/seen.ts";
import type { Counters } from "../ports.ts";

/** Whom an answer was for. */
export interface RecentExposure {
  readonly attributes: Attributes;
  /** The conversation that it was part of; null where the request named none. */
  readonly session: string | null;
  /** Who asked, as the request says; what a comment on the answer must not show either. */
  readonly user?: string | null;
}

/** The last answers, so that feedback is joined with the attributes of its answer without a store. */
export interface RecentExposures {
  readonly remember: (predictionId: string, exposure: RecentExposure) => void;
  /** @returns null for an answer that was forgotten: its feedback counts, it only cannot be sliced */
  readonly recall: (predictionId: string) => RecentExposure | null;
}

const EXPOSURES_MAX = 50_000;
/** Of the texts in attributes and sessions, which clients fill: about 400 an answer. */
const CHARACTERS_MAX = 20_000_000;

/** Remembers as many answers as fit, the oldest forgotten first and counted in `segue_exposures_forgotten_total`. */
export function createRecentExposures(
  counters: Counters,
  { exposuresMax = EXPOSURES_MAX, charactersMax = CHARACTERS_MAX } = {},
): RecentExposures {
  const known = new Map<number, RecentExposure>();
  /** Oldest first from `head` on: a map finds its own first slowly once many were deleted before it. */
  let keys: number[] = [];
  let head = 0;
  let characters = 0;

  const isOver = (): boolean => known.size > 0 && (known.size > exposuresMax || characters > charactersMax);
  const forgetOldest = (): void => {
    const key = keys[head] ?? 0;
    const oldest = known.get(key);
    if (oldest !== undefined) characters -= charactersOf(oldest);
    known.delete(key);
    head += 1;
    if (head < exposuresMax) return;
    keys = keys.slice(head);
    head = 0;
  };
  return {
    remember: (predictionId, exposure) => {
      const key = keyOf(predictionId);
      if (known.has(key)) return;
      known.set(key, exposure);
      keys.push(key);
      characters += charactersOf(exposure);
      const before = known.size;
      while (isOver()) forgetOldest();
      if (known.size < before) counters.add("segue_exposures_forgotten_total", {}, before - known.size);
    },
    recall: (predictionId) => known.get(keyOf(predictionId)) ?? null,
  };
}

/** A number, which costs neither the memory nor the time of the id. That two answers share one is expected once in seven million memories of this size. */
const keyOf = (predictionId: string): number => labelNumber(predictionId, "");

function charactersOf({ attributes, session, user }: RecentExposure): number {
  let characters = (session?.length ?? 0) + (user?.length ?? 0);
  for (const value of Object.values(attributes)) if (typeof value === "string") characters += value.length;
  return characters;
}
