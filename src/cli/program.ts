import { Command, CommanderError } from "commander";
import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import { auditCommand } from "./audit-commands.ts";
import type { CommandContext } from "./context.ts";
import { demoCommand } from "./demo-command.ts";
import { doctorCommand } from "./doctor-command.ts";
import { initCommand } from "./init-command.ts";
import { keysCommand } from "./key-commands.ts";
import { monitorsCommand } from "./monitor-commands.ts";
import {
  approveCommand,
  freezeCommand,
  rejectCommand,
  rollBackCommand,
  switchoversCommand,
  unfreezeCommand,
} from "./operate-commands.ts";
import { applyCommand, lintCommand, planCommand } from "./policy-commands.ts";
import { explainCommand, statusCommand } from "./read-commands.ts";
import { replayCommand } from "./replay-command.ts";
import { reportCommand } from "./report-command.ts";
import { serveCommand } from "./serve-command.ts";

const commands = [
  initCommand,
  serveCommand,
  demoCommand,
  replayCommand,
  lintCommand,
  planCommand,
  applyCommand,
  monitorsCommand,
  statusCommand,
  explainCommand,
  switchoversCommand,
  approveCommand,
  rejectCommand,
  rollBackCommand,
  freezeCommand,
  unfreezeCommand,
  auditCommand,
  keysCommand,
  reportCommand,
  doctorCommand,
];

/** The command line. Its parser throws, and neither ends the process nor, with `json`, prints a usage error. */
export function createProgram(context: CommandContext, json: boolean): Command {
  const program = new Command("segue")
    .description("A closed-loop, segment-aware prompt and model router.")
    .version("0.1.0")
    .configureHelp({ showGlobalOptions: true });
  for (const build of commands) program.addCommand(build(context));
  prepare(program, json);
  return program;
}

function prepare(command: Command, json: boolean): void {
  command.exitOverride().showHelpAfterError("(--help shows how to use it)");
  command.option("--json", "print one JSON object on stdout");
  if (json) command.configureOutput({ writeErr: () => undefined, outputError: () => undefined });
  for (const sub of command.commands) prepare(sub, json);
}

/** What is left to tell of a failure; null when help or a usage error was printed already. */
export function failureOf(error: unknown, json: boolean): { readonly code: string; readonly message: string } | null {
  if (error instanceof RouterError) return { code: error.reason, message: error.message };
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || !json) return null;
    const isHelp = error.code === "commander.help";
    const message = isHelp ? "Name a command; --help lists them." : error.message.replace(/^error: /, "");
    return { code: "usage", message };
  }
  if (error instanceof z.ZodError)
    return {
      code: "unexpected_answer",
      message: `The server's answer is not what this version of Segue expects: ${z.prettifyError(error)}`,
    };
  if (error instanceof Error && "syscall" in error) return { code: "io_error", message: error.message };
  return { code: "internal_error", message: error instanceof Error ? error.message : String(error) };
}
