import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { RouterError } from "../core/errors.ts";
import type { ReplayedSeeds } from "../replay/replay-seeds.ts";
import type { Scenario } from "../replay/scenario.ts";
import type { CommandContext } from "./context.ts";
import type { Output } from "./output.ts";
import { createProgressLine } from "./replay-progress.ts";

interface Options {
  scenario?: string;
  seed: string;
  seeds?: string;
  explain?: string;
  ignoreColumn?: readonly string[];
  progress?: boolean;
}

/** `segue replay`: what the loop would have done with logged outcomes, in simulated time. */
export const replayCommand = ({ output }: CommandContext): Command =>
  new Command("replay")
    .description("replay logged outcomes under a scenario of faults, and say what Segue would have done")
    .argument("<outcomes...>", "CSV files with the columns item, segment, model and score")
    .option("--scenario <file>", "JSON: the traffic, the labels, and what goes wrong")
    .option("--seed <number>", "draws the traffic and the faults", "1")
    .option("--seeds <count>", "replay so many seeds, from --seed on, and give their mean and worst figures")
    .option("--explain <segment>", "tell what happened to a segment under the first seed, and why")
    .option("--ignore-column <name>", "a column of the tables to skip; may be repeated", collect)
    .option("--progress", "show progress even where stderr is no terminal")
    .action(async (files: readonly string[], options: Options) => {
      const seeds = seedsOf(options);
      const scenario = await readScenario(options.scenario);
      const replayed = await replayFiles(files, { options, scenario, seeds });
      await print(output(), replayed, { scenario: scenario.id, isSummed: options.seeds !== undefined });
    });

const collect = (name: string, names: readonly string[] = []): readonly string[] => [...names, name];

const SEED_MAX = 2 ** 32 - 1;
const SEEDS_MAX = 1000;

function seedsOf({ seed, seeds }: Options): readonly number[] {
  const count = wholeNumber("--seeds", seeds ?? "1", { least: 1, most: SEEDS_MAX });
  const first = wholeNumber("--seed", seed, { least: 0, most: SEED_MAX - count + 1 });
  return Array.from({ length: count }, (_, i) => first + i);
}

function wholeNumber(option: string, text: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new RouterError("invalid_request", `${option} takes a whole number from ${least} to ${most}, not '${text}'.`);
}

async function readScenario(file: string | undefined): Promise<Scenario> {
  if (file === undefined)
    throw new RouterError(
      "invalid_request",
      "Say what is to happen: --scenario FILE. examples/replay/scenario.json is one to begin with.",
      { reason: "no_scenario" },
    );
  // Loaded here, as the rest of the replay is, so that the other commands start without it.
  const { parseScenario } = await import("../replay/scenario.ts");
  return parseScenario(await textOf(file), file);
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ("code" in error && error.code === "ENOENT")
      throw new RouterError("not_found", `There is no scenario ${file}. Name a JSON file with --scenario.`, {
        cause: error,
      });
    throw new RouterError("invalid_request", `The scenario ${file} cannot be read: ${error.message}`, { cause: error });
  }
}

interface Wanted {
  readonly options: Options;
  readonly scenario: Scenario;
  readonly seeds: readonly number[];
}

async function replayFiles(files: readonly string[], { options, scenario, seeds }: Wanted): Promise<ReplayedSeeds> {
  const { readOutcomeTables } = await import("../replay/outcome-table.ts");
  const { replaySeeds } = await import("../replay/replay-seeds.ts");
  const { explain, ignoreColumn: ignoreColumns = [] } = options;
  const isWanted = options.progress === true || process.stderr.isTTY;
  const progress = createProgressLine(isWanted, { requests: scenario.requests, seeds });
  try {
    const table = await readOutcomeTables(files, { ignoreColumns, onProgress: progress.rows });
    return await replaySeeds({ table, scenario, seeds, explain, onProgress: progress.requests });
  } finally {
    progress.clear();
  }
}

/** Notes beyond these are counted only; `--json` has them all. */
const NOTES_MAX = 20;

async function print(
  { json, result, progress }: Output,
  { figures, explanation, notes }: ReplayedSeeds,
  { scenario, isSummed }: { readonly scenario: string; readonly isSummed: boolean },
): Promise<void> {
  const { figuresOfSeeds } = await import("../replay/replay-figures.ts");
  const { seedText, seedsText } = await import("../replay/replay-text.ts");
  const { explanationText } = await import("../replay/explanation-text.ts");
  if (!json) {
    for (const note of notes.slice(0, NOTES_MAX)) progress(`note: ${printable(note)}`);
    if (notes.length > NOTES_MAX) progress(`note: ${notes.length - NOTES_MAX} more, which --json lists`);
  }
  const explained = explanation === null ? {} : { explained: explanation };
  const explanationLines = explanation === null ? "" : `\n\n${explanationText(explanation)}`;
  if (isSummed) {
    const summed = figuresOfSeeds(scenario, figures);
    result({ ...summed, notes, ...explained }, () => printableLines(seedsText(summed)) + explanationLines);
    return;
  }
  for (const one of figures)
    result(
      { ...one, ...(notes.length === 0 ? {} : { notes }), ...explained },
      () => printableLines(seedText(one)) + explanationLines,
    );
}

/** Names come from files: what would steer a terminal is left out. */
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, "");

const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");
