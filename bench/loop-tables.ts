import { existsSync } from "node:fs";
import { join } from "node:path";
import { readOutcomes, readOutcomeTables, type OutcomeTable } from "../src/replay/outcome-table.ts";
import { seededRandom } from "../src/replay/random.ts";

/** Where the tables of real outcomes are looked for when none is named: beside the checkout. */
const FOLDER = join(import.meta.dirname, "../../shared/data");
const NAMES = ["llmdrift", "routellm", "mmlupro_long", "mmlupro_wide", "bbh_codex_prompts", "livecodebench"];

/** The tables that are named, or else those that stand in the usual folder; none at all stands for made-up ones. */
export function tableFiles(named: readonly string[]): readonly string[] {
  if (named.length > 0) return named;
  return NAMES.map((name) => join(FOLDER, `${name}.csv`)).filter((file) => existsSync(file));
}

/** @throws RouterError `not_found` or `invalid_request`, as `readOutcomeTables` does */
export const readTables = (files: readonly string[]): Promise<OutcomeTable> =>
  files.length > 0
    ? readOutcomeTables(files, { ignoreColumns: [] })
    : readOutcomes([{ name: "made-up", chunks: chunks(madeUpTable()) }], { ignoreColumns: [] });

const SEGMENTS = 80;
const ITEMS = 150;
const MODELS = ["alpha", "beta", "gamma", "delta"];

/** The CSV of a table that is made up: models of different strength, whose order differs by segment. */
export function madeUpTable(): string {
  const random = seededRandom(1, "made-up table");
  const lines = [`item,segment,${MODELS.join(",")}`];
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const levels = MODELS.map(() => 0.35 + 0.6 * random());
    for (let item = 0; item < ITEMS; item++)
      lines.push(`${segment}-${item},part-${segment},${levels.map((level) => Number(random() < level)).join(",")}`);
  }
  return lines.join("\n");
}

async function* chunks(text: string): AsyncGenerator<string> {
  yield text;
}
