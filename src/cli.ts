#!/usr/bin/env node
import { CommanderError } from "commander";
import { commandContext } from "./cli/context.ts";
import { createOutput } from "./cli/output.ts";
import { createProgram, failureOf } from "./cli/program.ts";
import { readConfig } from "./config.ts";
import { RouterError } from "./core/errors.ts";

const json = process.argv.includes("--json");

// Whoever reads our output may stop early, as `head` does: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  const config = readConfig(process.env);
  const context = commandContext(
    () => config,
    () => createOutput(json),
  );
  await createProgram(context, json).parseAsync();
} catch (error) {
  process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
  const failure = failureOf(error, json);
  if (failure !== null && json) process.stdout.write(`${JSON.stringify({ error: failure })}\n`);
  else if (failure !== null) process.stderr.write(`segue: ${failure.message}\n`);
  const isBug = !(error instanceof RouterError || error instanceof CommanderError);
  if (isBug && process.env.SEGUE_DEBUG !== undefined) process.stderr.write(`${String((error as Error).stack)}\n`);
}
