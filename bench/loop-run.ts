import { performance } from "node:perf_hooks";
import type { TimedEntry } from "../src/replay/explain-segment.ts";
import { castFaults } from "../src/replay/faults.ts";
import type { OutcomeTable } from "../src/replay/outcome-table.ts";
import { figuresOf, figuresOfSeeds, type FiguresSummary, type ReplayFigures } from "../src/replay/replay-figures.ts";
import { replay } from "../src/replay/replay.ts";
import type { Scenario } from "../src/replay/scenario.ts";
import { createWorld } from "../src/replay/world.ts";
import { movesOf } from "./loop-moves.ts";
import { judge, type Rightness } from "./loop-right.ts";

/** One seed of one scenario. */
export interface SeedRun {
  readonly figures: ReplayFigures;
  /** How many took part. */
  readonly segments: number;
  readonly right: Rightness | null;
}

/** @throws RouterError as `replay` does */
export async function runSeed(table: OutcomeTable, scenario: Scenario, seed: number): Promise<SeedRun> {
  const entries: TimedEntry[] = [];
  const startedAt = performance.now();
  const replayed = await replay(table, scenario, {
    seed,
    onEntry: (entry, request) => void entries.push({ entry, request }),
  });
  const wallMs = performance.now() - startedAt;
  const { segments, referee } = replayed;
  // The replay draws them from the same seed.
  const { faults } = castFaults(segments, scenario, seed);
  return {
    figures: figuresOf(replayed, { scenario: scenario.id, seed, requests: scenario.requests, wallMs }),
    segments: segments.length,
    right: judge({
      scenario,
      segments,
      faults,
      mean: createWorld(segments, faults, scenario, seed).mean,
      tally: referee.tally,
      records: referee.faults,
      moves: movesOf(entries, replayed.replayed),
      entries,
      replayed: replayed.replayed,
    }),
  };
}

/** All seeds of one scenario. */
export interface ScenarioResult {
  readonly scenario: string;
  readonly mean: FiguresSummary;
  readonly worst: FiguresSummary;
  /** On how many seeds the loop behaved as it should; null where nothing is laid down. */
  readonly right: { readonly seeds: number; readonly of: number } | null;
  /** Of the summed regret, the share that is removed. */
  readonly removedSharePooled: number | null;
  readonly falseAlarms: number;
  readonly labels: number;
  /** The largest share of segments whose default changed three times or more, of all seeds. */
  readonly flapShare: number;
  readonly seeds: readonly {
    readonly seed: number;
    readonly right: Rightness | null;
    readonly removedShare: number | null;
    readonly ledgerDigest: string;
  }[];
}

/** @param runs of one seed or more */
export function scenarioResult(scenario: string, runs: readonly SeedRun[]): ScenarioResult {
  const { mean, worst } = figuresOfSeeds(
    scenario,
    runs.map(({ figures }) => figures),
  );
  const sum = (of: (figures: ReplayFigures) => number): number =>
    runs.reduce((total, { figures }) => total + of(figures), 0);
  const judged = runs.flatMap(({ right }) => right ?? []);
  const doNothing = sum(({ regret }) => regret.doNothing);
  return {
    scenario,
    mean,
    worst,
    right: judged.length === 0 ? null : { seeds: judged.filter(({ isRight }) => isRight).length, of: judged.length },
    removedSharePooled: doNothing === 0 ? null : 1 - sum(({ regret }) => regret.served) / doNothing,
    falseAlarms: sum(({ falseAlarmsPer1e6Labels, labels }) =>
      Math.round(((falseAlarmsPer1e6Labels ?? 0) * labels) / 1e6),
    ),
    labels: sum(({ labels }) => labels),
    flapShare: Math.max(...runs.map(({ figures, segments }) => figures.flaps / segments)),
    seeds: runs.map(({ figures: { seed, ledgerDigest, regret }, right }) => ({
      seed,
      right,
      removedShare: regret.removedShare,
      ledgerDigest,
    })),
  };
}
