import { RouterError } from "../src/core/errors.ts";
import type { OutcomeTable } from "../src/replay/outcome-table.ts";
import type { Scenario } from "../src/replay/scenario.ts";
import {
  measureDelays,
  measureHealthy,
  type DelayFigures,
  type DelayOptions,
  type HealthyFigures,
  type HealthyOptions,
} from "./loop-detector.ts";
import { runSeed, type SeedRun } from "./loop-run.ts";

/** A part of the benchmark that one thread does: plain data, as its result is. */
export type Job =
  | { readonly kind: "seed"; readonly scenario: Scenario; readonly seed: number }
  | { readonly kind: "delays"; readonly options: DelayOptions }
  | { readonly kind: "healthy"; readonly options: HealthyOptions };

export type Done =
  | { readonly kind: "seed"; readonly run: SeedRun }
  | { readonly kind: "delays"; readonly delays: DelayFigures }
  | { readonly kind: "healthy"; readonly healthy: HealthyFigures }
  /** The scenario is about segments or models that these tables do not have. */
  | { readonly kind: "unfit"; readonly because: string };

const UNFIT: ReadonlySet<unknown> = new Set(["no_segments", "unknown_model", "unknown_epoch", "unknown_segment"]);

export async function doJob(table: OutcomeTable, job: Job): Promise<Done> {
  switch (job.kind) {
    case "delays":
      return { kind: "delays", delays: measureDelays(table, job.options) };
    case "healthy":
      return { kind: "healthy", healthy: measureHealthy(table, job.options) };
    case "seed":
      try {
        return { kind: "seed", run: await runSeed(table, job.scenario, job.seed) };
      } catch (error) {
        if (error instanceof RouterError && UNFIT.has(error.reason)) return { kind: "unfit", because: error.message };
        throw error;
      }
  }
}
