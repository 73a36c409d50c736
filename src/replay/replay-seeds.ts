import { performance } from "node:perf_hooks";
import { castSegments } from "./cast.ts";
import { explainSegment, type Explanation, type TimedEntry } from "./explain-segment.ts";
import { findSegment } from "./find-segment.ts";
import type { OutcomeTable } from "./outcome-table.ts";
import { figuresOf, type ReplayFigures } from "./replay-figures.ts";
import { replay } from "./replay.ts";
import type { Scenario } from "./scenario.ts";

export interface SeedsInput {
  readonly table: OutcomeTable;
  readonly scenario: Scenario;
  readonly seeds: readonly number[];
  /** The segment to explain under the first seed, by its name or a part of it. */
  readonly explain?: string | undefined;
  /** Told now and then how many requests of a seed are done. */
  readonly onProgress?: (seed: number, request: number) => void;
}

export interface ReplayedSeeds {
  readonly figures: readonly ReplayFigures[];
  readonly explanation: Explanation | null;
  /** What was left out or is doubtful, of the tables and of any seed, each once. */
  readonly notes: readonly string[];
}

/**
 * Replays a scenario under several seeds, one after the other.
 * @throws RouterError as `replay` does, and as `findSegment` for a segment to explain, before anything is replayed
 */
export async function replaySeeds({ table, scenario, seeds, explain, onProgress }: SeedsInput): Promise<ReplayedSeeds> {
  const place = explain === undefined ? null : placeToExplain(explain, { table, scenario, seed: seeds[0] ?? 1 });
  const figures: ReplayFigures[] = [];
  const notes = new Set(table.notes);
  let explanation: Explanation | null = null;
  for (const [index, seed] of seeds.entries()) {
    const entries: TimedEntry[] = [];
    const isExplained = place !== null && index === 0;
    const startedAt = performance.now();
    const replayed = await replay(table, scenario, {
      seed,
      onProgress: (request) => onProgress?.(seed, request),
      ...(isExplained ? { onEntry: (entry, request) => void entries.push({ entry, request }) } : {}),
    });
    const wallMs = performance.now() - startedAt;
    figures.push(figuresOf(replayed, { scenario: scenario.id, seed, requests: scenario.requests, wallMs }));
    for (const note of replayed.notes) notes.add(note);
    if (isExplained) explanation = explainSegment({ replay: replayed, scenario, seed, entries }, place);
  }
  return { figures, explanation, notes: [...notes] };
}

function placeToExplain(
  name: string,
  { table, scenario, seed }: { readonly table: OutcomeTable; readonly scenario: Scenario; readonly seed: number },
): number {
  const names = castSegments(table, scenario, seed).segments.map((segment) => segment.table.id);
  return findSegment(
    name,
    names,
    table.segments.map(({ id }) => id).filter((id) => !names.includes(id)),
  );
}
