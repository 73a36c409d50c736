/**
 * What Segue adds to a model call: `npm run -s bench -- [--json] [--quick]`. docs/benchmarks.md says what is measured.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCores, startNodeProcess, type Child } from "./overhead/child.ts";
import { scriptOf } from "./overhead/gateways.ts";
import type { MicroResult } from "./overhead/micro-result.ts";
import { HELP, parseOptions, type Options } from "./overhead/options.ts";
import { describeMachine, gateFailures, reportOf } from "./overhead/report.ts";
import { runRounds } from "./overhead/run-rounds.ts";
import { scheduleOf } from "./overhead/schedule.ts";
import { createSegueWorkspace } from "./overhead/segue-workspace.ts";
import { soak } from "./overhead/soak.ts";
import { reportText, soakText } from "./overhead/text.ts";

const startedAt = performance.now();
const say = (line: string): void =>
  console.error(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}`);

const cores = findCores();

function startOther(name: string, script: string, folder: string): Child {
  return startNodeProcess([scriptOf(script)], { name, folder, core: cores?.others ?? null });
}

/** Runs the parts that need no server, on the gateways' core. */
async function runMicro({ checkout, quick }: Options, folder: string): Promise<MicroResult> {
  const budget = quick ? "250" : "2000";
  const child = startNodeProcess([scriptOf("micro.ts"), checkout, budget], {
    name: "micro",
    folder,
    core: cores?.gateway ?? null,
  });
  const micro = await child.message<MicroResult>();
  await child.stop();
  for (const { segments, us, bytes, compileMs } of micro.decisions)
    say(
      `${segments} segments: a decision ${us.toFixed(2)} µs and ${bytes?.toFixed(0) ?? "?"} bytes, compiling the table ${compileMs.toFixed(1)} ms`,
    );
  say(`an exposure: ${micro.exposureUs.toFixed(2)} µs, a span: ${micro.spanUs.toFixed(2)} µs`);
  return micro;
}

/** @returns what is wrong with what was measured */
async function run(options: Options, folder: string): Promise<readonly string[]> {
  const machine = describeMachine(cores);
  if (cores === null)
    say("No taskset, or one core only: gateways share their cores with the load, and figures are rough.");
  if (machine.loadBefore > 0.7) say(`The machine's load is ${machine.loadBefore}: figures will be rough.`);
  const upstream = startOther("upstream", "upstream.ts", folder);
  const { port: upstreamPort } = await upstream.message<{ port: number }>();
  const generators = [startOther("load", "load.ts", folder), startOther("load-2", "load.ts", folder)] as const;
  await Promise.all(generators.map((generator) => generator.message()));
  const { checkout, variants, modes, content } = options;
  const isSegueWanted = variants.includes("segue");
  // On different cores, therefore at the same time.
  const [workspace, micro] = await Promise.all([
    isSegueWanted
      ? createSegueWorkspace(checkout, { folder, upstreamPort, core: cores?.others ?? null, content })
      : null,
    isSegueWanted && options.soakMinutes === null ? runMicro(options, folder) : null,
  ]);
  const gateways = { folder, core: cores?.gateway ?? null, upstreamPort, checkout, workspace };
  try {
    if (options.soakMinutes !== null) {
      const result = await soak(options.soakMinutes, { options: gateways, generators, say });
      console.log(options.json ? JSON.stringify({ machine, soak: result }) : soakText(result));
      return [
        ...(result.isFlat === false ? ["Resident memory is not flat."] : []),
        ...(result.errors > 0 ? [`${result.errors} requests failed.`] : []),
      ];
    }
    const measurements = await runRounds(scheduleOf(options), {
      variants,
      generator: generators[0],
      options: gateways,
      say,
    });
    if (measurements.every(({ variant, cpuUsPerRequest }) => variant === "direct" || cpuUsPerRequest === null))
      say(
        "No gateway was measured, or this system has no /proc: CPU and memory are left out, and with them every ratio.",
      );
    const { report, refused } = reportOf(machine, measurements, micro);
    console.log(options.json ? JSON.stringify(report) : reportText(report));
    return [...refused, ...(options.gate === null ? [] : gateFailures(report, options.gate, modes))];
  } finally {
    await Promise.all([upstream, ...generators].map((child) => child.stop()));
  }
}

const options = parseOptions(process.argv.slice(2), join(import.meta.dirname, ".."));
if (options === null) console.log(HELP);
else {
  const folder = mkdtempSync(join(tmpdir(), "segue-bench-"));
  // Children are killed as this process ends.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const problems = await run(options, folder);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
