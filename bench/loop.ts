/**
 * The loop against its targets: `npm run -s bench:loop -- [--json] [TABLE.csv …]`. docs/benchmarks.md says what is measured.
 */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseScenario, type Scenario } from "../src/replay/scenario.ts";
import { measureCost } from "./loop-cost.ts";
import type { Done, Job } from "./loop-job.ts";
import { doJobs } from "./loop-pool.ts";
import { runSeed, scenarioResult, type ScenarioResult } from "./loop-run.ts";
import { kindOf } from "./loop-right.ts";
import { readTables, tableFiles } from "./loop-tables.ts";
import { DELAY_BASELINE, HEALTHY_BASELINE, targetsOf, type Results } from "./loop-targets.ts";
import { resultsMarkdown, resultsText } from "./loop-text.ts";

const FOLDER = join(import.meta.dirname, "../examples/scenarios");
const PARTS = ["scenarios", "detector", "cost"];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
    /** Two seeds, and less of everything else. */
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    seeds: { type: "string" },
    /** By id or kind; only scenarios are measured then. May be repeated, as `part` may. */
    scenario: { type: "string", multiple: true },
    part: { type: "string", multiple: true },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});

const say = (line: string): void => console.error(line);

function wholeNumber(option: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new Error(`--${option} takes a whole number, not '${text}'.`);
}

const first = wholeNumber("seed", options.seed);
const seedCount = Math.max(1, wholeNumber("seeds", options.seeds ?? (options.quick ? "2" : "10")));
const seeds = Array.from({ length: seedCount }, (_, k) => first + k);
const parts = new Set(options.part ?? (options.scenario === undefined ? PARTS : ["scenarios"]));
for (const part of parts)
  if (!PARTS.includes(part)) throw new Error(`--part takes one of ${PARTS.join(", ")}, not '${part}'.`);

/** Every scenario of the examples, and the first kind again without labels beyond the usual share. */
function scenariosToRun(): readonly Scenario[] {
  const all = readdirSync(FOLDER)
    .filter((name) => name.endsWith(".json"))
    .map((name) => parseScenario(readFileSync(join(FOLDER, name), "utf8"), name))
    .sort((a, b) => Number(kindOf(a.id).slice(1)) - Number(kindOf(b.id).slice(1)));
  const wanted = options.scenario;
  const chosen = all.filter(({ id }) => wanted === undefined || wanted.includes(id) || wanted.includes(kindOf(id)));
  if (chosen.length === 0)
    throw new Error(`There is no such scenario. There are ${all.map(({ id }) => id).join(", ")}.`);
  return chosen.flatMap((scenario) =>
    kindOf(scenario.id) === "s1"
      ? [
          scenario,
          {
            ...scenario,
            id: "without-suspicion-s1",
            labels: { ...scenario.labels, onSuspicion: scenario.labels.rate },
          },
        ]
      : [scenario],
  );
}

function jobsOf(scenarios: readonly Scenario[]): readonly Job[] {
  const { quick } = options;
  const delays = [DELAY_BASELINE, HEALTHY_BASELINE].map((baselineLabels): Job => ({
    kind: "delays",
    options: { baselineLabels, pairs: quick ? 40 : 100, runs: quick ? 4 : 20, seed: first },
  }));
  const healthy: Job = {
    kind: "healthy",
    options: { baselineLabels: HEALTHY_BASELINE, streams: quick ? 100 : 1000, labels: 10_000, seed: first },
  };
  return [
    ...(parts.has("detector") ? [healthy, ...delays] : []),
    ...scenarios.flatMap((scenario) => seeds.map((seed): Job => ({ kind: "seed", scenario, seed }))),
  ];
}

/** One line for each job that is done, with what a person would look at first. */
function report(job: Job, done: Done): void {
  if (job.kind !== "seed") return say(`${job.kind} from ${job.options.baselineLabels} labels: done`);
  const name = `${job.scenario.id}, seed ${job.seed}`;
  if (done.kind !== "seed") return say(`${name}: left out. ${done.kind === "unfit" ? done.because : ""}`);
  const { figures, right } = done.run;
  const verdict = right === null ? "" : `${right.isRight ? "right" : "WRONG"} (${right.found.join("; ")}), `;
  const { removedShare } = figures.regret;
  const regret = removedShare === null ? "" : `regret removed ${(removedShare * 100).toFixed(1)} %, `;
  say(`${name}: ${verdict}${regret}${(figures.wallMs / 1000).toFixed(1)} s`);
}

const MILLION = 1e6;

/** The time of a million requests with the scenario's defaults and no fault, after a tenth of that to warm up. */
async function measureMillion(files: readonly string[]): Promise<number> {
  const table = await readTables(files);
  const scenario = parseScenario(JSON.stringify({ id: "million", requests: MILLION }), "million");
  await runSeed(table, { ...scenario, requests: MILLION / 10 }, first);
  return (await runSeed(table, scenario, first)).figures.wallMs;
}

const files = tableFiles(positionals);
if (files.length === 0)
  say(
    "No outcome tables: name some (CSV: item,segment,model,score), as docs/benchmarks.md says. Until then a made-up one stands in, which the targets are not meant for.",
  );
const scenarios = parts.has("scenarios") ? scenariosToRun() : [];
const isCostWanted = parts.has("cost");
// First, while nothing else of the benchmark runs.
const load = loadavg()[0] ?? 0;
if (isCostWanted)
  say(load < 1 ? "cost …" : `cost … (the machine's load is ${load.toFixed(1)}: times will be too long)`);
const cost = isCostWanted ? measureCost() : null;
const millionMs = isCostWanted ? await measureMillion(files) : null;
const jobs = jobsOf(scenarios);
const done = await doJobs(jobs, {
  files,
  threads: Math.max(1, wholeNumber("threads", options.threads)),
  onDone: report,
});
const results: Results = {
  scenarios: scenarios.flatMap(({ id }): readonly ScenarioResult[] => {
    const runs = jobs.flatMap((job, k) => {
      const one = done[k];
      return job.kind === "seed" && job.scenario.id === id && one?.kind === "seed" ? [one.run] : [];
    });
    return runs.length === 0 ? [] : [scenarioResult(id, runs)];
  }),
  delays: done.flatMap((one) => (one.kind === "delays" ? [one.delays] : [])),
  healthy: done.find((one) => one.kind === "healthy")?.healthy ?? null,
  cost,
  millionMs,
};
const targets = targetsOf(results);
console.log(options.markdown ? resultsMarkdown(targets, results) : resultsText(targets, results));
if (options.json) {
  const { scenarios: run, delays, healthy } = results;
  console.log(JSON.stringify({ targets, scenarios: run, detector: { delays, healthy }, cost: { ...cost, millionMs } }));
}
