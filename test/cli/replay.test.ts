import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { progressText } from "../../src/cli/replay-progress.ts";
import { createProgram } from "../../src/cli/program.ts";
import { readConfig } from "../../src/config.ts";
import { createWorkspace } from "../e2e/segue-process.ts";

const root = join(import.meta.dirname, "../..");
const OUTCOMES = join(root, "examples/replay/outcomes.csv");
const SCENARIO = join(root, "examples/replay/scenario.json");

const workspace = createWorkspace();
afterAll(() => workspace.remove());

const file = (name: string, text: string): string => {
  workspace.write(name, text);
  return join(workspace.path, name);
};

/** Small, so that nothing can be noticed yet and a replay takes no time. */
const SHORT = file("short.json", '{ "id": "short", "requests": 300, "labels": { "delay": 10 } }');

interface Printed {
  // What the command prints is judged by the tests.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any;
  readonly text: string;
  /** What goes to stderr without `--json`. */
  readonly notes: readonly string[];
}

/** What the command prints, run within this process. */
async function replay(...args: readonly string[]): Promise<Printed> {
  const printed = { json: null as unknown, text: "", notes: [] as string[] };
  const output = {
    json: args.includes("--json"),
    result: (value: unknown, text: () => string) =>
      // As it would be printed and read again.
      void Object.assign(printed, { json: JSON.parse(JSON.stringify(value)) as unknown, text: text() }),
    progress: (line: string) => void printed.notes.push(line),
  };
  const context = { config: () => readConfig({}), output: () => output, client: () => expect.fail("asks no server") };
  await createProgram(context, output.json).parseAsync(["replay", ...args], { from: "user" });
  return printed;
}

/** What may not differ from run to run. */
const withoutClock = ({ wallMs: _wall, microsecondsPerSample: _each, ...figures }: Record<string, unknown>) => figures;

/** The README's example, explained; replayed once. */
let example: Promise<Printed> | undefined;
const explainedExample = (): Promise<Printed> =>
  (example ??= replay(OUTCOMES, "--scenario", SCENARIO, "--seed", "1", "--explain", "bill"));

describe("segue replay", () => {
  test("gives the figures of one seed, by their names, and the same for the same seed but for what is measured", async () => {
    const { json, notes } = await replay(OUTCOMES, "--scenario", SCENARIO, "--json");
    expect(Object.keys(json)).toEqual(
      (
        "scenario seed requests labels falseAlarmsPer1e6Labels falseSwitchovers missed wrongTarget switchovers rollbacks " +
        "reverts flaps escalations approvalsAsked delay regret servedDegraded recoveryRequests bytesPerStream " +
        "microsecondsPerSample wallMs ledgerDigest"
      ).split(" "),
    );
    expect(json).toMatchObject({ scenario: "billing-gets-worse", seed: 1, requests: 60_000 });
    expect(json.ledgerDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(json.labels).toBeGreaterThan(10_000);
    expect(json.regret.doNothing).toBeGreaterThan(1000);
    expect(notes).toEqual([]);
    const { explained: _explained, ...again } = (await explainedExample()).json;
    expect(withoutClock(again)).toEqual(withoutClock(json));
  });

  test("gives every seed's figures, their mean and the worst, with --seeds", async () => {
    const { json, text } = await replay(OUTCOMES, "--scenario", SHORT, "--seed", "5", "--seeds", "2");
    expect(Object.keys(json)).toEqual(["scenario", "seeds", "mean", "worst", "notes"]);
    const [first, second, ...others] = json.seeds;
    expect([first.seed, second.seed, others]).toEqual([5, 6, []]);
    expect(json.mean.labels).toBe((first.labels + second.labels) / 2);
    expect(json.worst.labels).toBe(Math.max(first.labels, second.labels));
    expect(first.ledgerDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(text).toContain("short, mean of seeds 5 to 6");
    const alone = await replay(OUTCOMES, "--scenario", SHORT, "--seed", "6");
    expect(withoutClock(alone.json)).toEqual(withoutClock(second));
  });

  test("tells with --explain what happened to a segment and what was true, whatever part of its name it is given", async () => {
    const { json, text } = await explainedExample();
    const { segment, seed, events, faults } = json.explained;
    expect([segment, seed]).toEqual(["billing", 1]);
    expect(faults).toMatchObject([{ kind: "replace", model: "large", start: 30_000, end: 48_000, healthy: 0.95 }]);
    const requests = events.map(({ request }: { request: number }) => request);
    expect(requests.length).toBeGreaterThan(2);
    expect(requests).toEqual(requests.toSorted((a: number, b: number) => a - b));
    expect(JSON.stringify(events)).not.toContain("coding");
    expect(text).toContain("signal of detector:baseline: 'large' degraded on score");
    expect(text).toContain("replace: from request 30000 to 48000: 'large' scores 0.500 on average instead of 0.950");
  });

  test("says what was left out, on stderr or among the JSON", async () => {
    const more = file("more.csv", "item,segment,model,score,mood\n1,lonely,large,1,good\n");
    const args = [OUTCOMES, more, "--scenario", SHORT, "--ignore-column", "mood", "--ignore-column", "weather"];
    const { json, notes } = await replay(...args);
    expect(json.notes).toEqual([
      "no table has the column 'weather' that was to be ignored",
      expect.stringMatching(/^segment 'lonely' .* only one variant, 2 are needed: left out$/),
    ]);
    expect(notes).toEqual(json.notes.map((note: string) => `note: ${note}`));
  });

  test.each([
    [[OUTCOMES], /^Say what is to happen: --scenario FILE\./],
    [
      [OUTCOMES, "--scenario", "absent.json"],
      /^There is no scenario absent\.json\. Name a JSON file with --scenario\.$/,
    ],
    [[OUTCOMES, "--scenario", root], /^The scenario .* cannot be read: EISDIR/],
    [["absent.csv", "--scenario", SHORT], /^There is no file absent\.csv\.$/],
    [[OUTCOMES, "--scenario", OUTCOMES], /outcomes\.csv:1:1: not valid JSON/],
    [[OUTCOMES, "--scenario", SHORT, "--explain", "codin9"], /'codin9'\. Did you mean 'coding'\?/],
    [[OUTCOMES, "--scenario", SHORT, "--seed", "-1"], /^--seed takes a whole number from 0 to 4294967295, not '-1'\.$/],
    [[OUTCOMES, "--scenario", SHORT, "--seed", "1.5"], /^--seed takes/],
    [[OUTCOMES, "--scenario", SHORT, "--seed", "4294967295", "--seeds", "2"], /^--seed takes .* to 4294967294, /],
    [[OUTCOMES, "--scenario", SHORT, "--seeds", "0"], /^--seeds takes a whole number from 1 to 1000, not '0'\.$/],
  ])("%j is refused with what to do", async (args, message) => {
    const failure = await replay(...args).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ name: "RouterError", message: expect.stringMatching(message) as unknown });
  });

  test("as a process prints nothing but one JSON object; progress goes to stderr where it is asked for", async () => {
    const args = ["replay", OUTCOMES, "--scenario", SHORT, "--json"];
    const [quiet, shown, refused] = await Promise.all([
      workspace.run(...args),
      workspace.run(...args, "--progress"),
      workspace.run("replay", OUTCOMES, "--json"),
    ]);
    expect(quiet).toMatchObject({ code: 0, stderr: "" });
    expect(quiet.json()).toMatchObject({ scenario: "short", seed: 1 });
    expect(withoutClock(shown.json())).toEqual(withoutClock(quiet.json()));
    expect(shown.stderr).toContain("\r\u001b[Kreading: 360 rows\r\u001b[K");
    expect(shown.stderr).toMatch(/seed 1: \d+ %/);
    expect(refused).toMatchObject({ code: 1, stderr: "" });
    expect(refused.json()).toMatchObject({ error: { code: "no_scenario" } });
  });
});

test("progress tells the share done, and after a while the pace and the time left", () => {
  expect(progressText({ done: 40_000, total: 200_000, elapsedMs: 100 })).toBe("20 %");
  expect(progressText({ done: 40_000, total: 200_000, elapsedMs: 2000 })).toBe("20 %, 20000 requests/s, 8 s left");
});

describe("the README's example of a replay", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, section = ""] = readme.split("\n## Replay\n");

  test("has the table that its script writes, and shows how it begins", () => {
    const script = join(root, "examples/replay/make-outcomes.ts");
    const outcomes = readFileSync(OUTCOMES, "utf8");
    expect(execFileSync(process.execPath, [script], { encoding: "utf8" })).toBe(outcomes);
    expect(section).toContain(`\`\`\`csv\n${outcomes.split("\n").slice(0, 4).join("\n")}\n`);
  });

  test("shows the scenario as it is", () => {
    expect(section).toContain(`\`\`\`json\n${readFileSync(SCENARIO, "utf8")}\`\`\``);
  });

  test("names files that exist in the command that it shows, and the figures that this prints", async () => {
    const [, command = "", printed = ""] =
      /```sh\nnpm run -s segue -- replay (.*)\n```\n[^`]*```text\n([^`]*)```/.exec(section) ?? [];
    const args = command.split(" ").filter((arg) => existsSync(join(root, arg)));
    expect(args).toEqual(["examples/replay/outcomes.csv", "examples/replay/scenario.json"]);
    const { text } = await explainedExample();
    const titles = (table: string): string[] =>
      table.split("\n").flatMap((line) => /^( *[a-z].*?) {2,}\S/.exec(line)?.[1] ?? []);
    expect(titles(printed).length).toBeGreaterThan(15);
    expect(titles(text)).toEqual(expect.arrayContaining(titles(printed)));
  });
});
