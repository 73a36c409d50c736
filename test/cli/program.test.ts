import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { commandContext } from "../../src/cli/context.ts";
import { createOutput } from "../../src/cli/output.ts";
import { createProgram, failureOf } from "../../src/cli/program.ts";
import { readConfig } from "../../src/config.ts";
import { RouterError } from "../../src/core/errors.ts";

function program(json: boolean): Command {
  const config = readConfig({});
  return createProgram(
    commandContext(
      () => config,
      () => createOutput(json),
    ),
    json,
  );
}

/** What the command line throws, and what it printed on its way. */
async function failing(args: readonly string[], json: boolean) {
  const built = program(json);
  let printed = "";
  const listen = (command: Command): void => {
    if (!json) command.configureOutput({ writeErr: (text) => (printed += text) });
    for (const sub of command.commands) listen(sub);
  };
  listen(built);
  const error = await built.parseAsync(args, { from: "user" }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { failure: failureOf(error, json), printed };
}

const leaves = (command: Command, path: string): { path: string; command: Command }[] =>
  command.commands.length === 0
    ? [{ path, command }]
    : command.commands.flatMap((sub) => leaves(sub, `${path} ${sub.name()}`));

describe("the command line", () => {
  test("describes every command and every option, and gives each of them --json", () => {
    const all = leaves(program(false), "segue");
    expect(all.length).toBeGreaterThan(18);
    for (const { path, command } of all) {
      const help = command.helpInformation();
      expect(help).toContain(`Usage: ${path}`);
      expect(help).toContain("--json");
      expect([path, command.description()]).not.toEqual([path, ""]);
    }
  });

  test.each([
    [["lint", "--nope"], "unknown option '--nope'"],
    [["approve"], "missing required argument 'id'"],
    [["reject", "x"], "required option '--reason <text>' not specified"],
    [["plan", "extra"], "too many arguments for 'plan'. Expected 0 arguments but got 1: extra."],
    [["nonsense"], "unknown command 'nonsense'"],
    [["keys"], "Name a command; --help lists them."],
    [["keys", "create", "--machine", "a", "--person", "b"], expect.stringContaining("cannot be used with")],
  ])("with --json, the misuse %j is a failure to be printed as JSON and nothing else", async (args, message) => {
    expect(await failing([...args, "--json"], true)).toEqual({ failure: { code: "usage", message }, printed: "" });
  });

  test("without --json a misuse is printed once, with a hint at --help", async () => {
    const { failure, printed } = await failing(["lint", "--nope"], false);
    expect(failure).toBeNull();
    expect(printed).toBe("error: unknown option '--nope'\n(--help shows how to use it)\n");
  });

  test("takes --json before the command too", async () => {
    const { failure } = await failing(["--json", "freeze", "--reason", "x", "--for", "soon"], true);
    expect(failure).toEqual({ code: "invalid_request", message: "--for takes a number of seconds, not 'soon'." });
  });

  test("a failure keeps its own code, and what is not ours is internal", () => {
    const refused = new RouterError("conflict", "Too late.", { reason: "stale_plan" });
    expect(failureOf(refused, true)).toEqual({ code: "stale_plan", message: "Too late." });
    const unwritable = Object.assign(new Error("EROFS: read-only file system, open 'plan.json'"), { syscall: "open" });
    expect(failureOf(unwritable, true)).toEqual({ code: "io_error", message: unwritable.message });
    expect(failureOf(new TypeError("oops"), true)).toEqual({ code: "internal_error", message: "oops" });
  });
});
