import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorsCommand } from "../../src/cli/monitor-commands.ts";
import { readConfig, type Config } from "../../src/config.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";
import { fakeArize } from "../fakes/arize/arize.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const policies = join(folder.path, "policies");
const contacts = join(folder.path, "contacts.json");

const POLICY = `policy: shop
attributes:
  topic: { type: string }
metrics:
  solved: { from: feedback }
  slow: { from: latency, slowerThanMs: 8000 }
variants:
  large: { provider: openai, model: gpt }
default: large
segments:
  - id: gold
    when: topic == "gold"
    owner: tests
    objectives:
      - { metric: solved, against: bound, lossMax: 0.2 }
      - { metric: slow, against: bound, lossMax: 0.05 }
    ladder: [{ variant: large }]
    why: A segment with something to hold.
`;
const write = (text: string) => writeFileSync(join(policies, "shop.yaml"), text);

let arize: Awaited<ReturnType<typeof fakeArize>>;
beforeAll(() => mkdirSync(policies, { recursive: true }));
beforeEach(async () => {
  arize = await fakeArize({ developerKey: "developer-key" });
  write(POLICY);
});
afterEach(async () => {
  await arize.close();
  rmSync(contacts, { force: true });
});

/** What a command printed, and the code that it would end with. */
async function run(args: readonly string[], over: Readonly<Record<string, string | undefined>> = {}) {
  const access = { SEGUE_ARIZE_GRAPHQL_URL: arize.graphqlUrl, SEGUE_ARIZE_DEVELOPER_KEY: "developer-key" };
  const project = { SEGUE_ARIZE_SPACE_ID: "U3BhY2U6MQ==", SEGUE_ARIZE_PROJECT: "segue" };
  const config = { ...readConfig({ SEGUE_POLICIES: policies }), ...access, ...project, ...over } as Config;
  // What commands print is judged by the tests.
  // oxlint-disable-next-line typescript/no-explicit-any
  const printed = { text: "", json: null as any, progress: "" };
  const output = {
    json: true,
    result: (value: unknown, text: () => string) => void ((printed.json = value), (printed.text = text())),
    progress: (line: string) => void (printed.progress += `${line}\n`),
  };
  const context = {
    config: () => config,
    output: () => output,
    client: () => () => Promise.reject(new Error("no server")),
  };
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await monitorsCommand(context).parseAsync(args, { from: "user" });
    return { ...printed, code: process.exitCode };
  } finally {
    process.exitCode = before;
  }
}

describe("segue monitors", () => {
  test("plans with exit code 2, applies, and then plans with 0", async () => {
    const first = await run(["plan"]);
    expect(first.code).toBe(2);
    expect(first.text).toContain(
      "+ seg|shop|gold|solved: alarms when avg of annotation.solved.score over 3600 s is below 0.8",
    );
    expect(first.text).toContain("shop/gold slow against bound: how long an answer took");
    expect(arize.monitors.size).toBe(0);
    expect((await run(["apply"])).json).toMatchObject({ applied: { create: 1 }, withheld: 0 });
    const second = await run(["plan"]);
    expect([second.code, second.json.plan.steps]).toEqual([0, []]);
    expect((await run(["apply"])).text).toBe("0 created, 0 patched, 0 made anew, 0 deleted, 1 unchanged.");
  });

  test("warns of a column that no span had yet", async () => {
    expect((await run(["plan"])).text).toContain("Arize has no column 'attributes.metadata.segment_id' yet");
  });

  test("shows drift field by field, and what waits for a person's word", async () => {
    await run(["apply"]);
    write(POLICY.replace("lossMax: 0.2", "lossMax: 0.1"));
    const drifted = await run(["plan"]);
    expect(drifted.code).toBe(2);
    expect(drifted.text).toContain("threshold: Arize 0.8 → code 0.9");
    write(POLICY.replace("- { metric: solved, against: bound, lossMax: 0.2 }", ""));
    expect((await run(["apply"])).text).toContain("1 change(s) wait for --prune or --replace");
    expect(arize.monitors.size).toBe(1);
    await run(["apply", "--prune"]);
    expect(arize.monitors.size).toBe(0);
  });

  test("adopts a monitor that was made by hand only when told to, and keeps its notes", async () => {
    await run(["apply"]);
    const [made] = arize.monitors.values();
    const byHand = { ...made!, notes: "runbook: call Ada" };
    arize.set(byHand);
    expect((await run(["plan"])).text).toContain("--adopt takes it over");
    expect((await run(["apply", "--adopt"])).json).toMatchObject({ applied: { create: 0, patch: 1 } });
    expect([...arize.monitors.values()]).toMatchObject([
      { id: byHand.id, notes: `${byHand.notes}\n${String(made!.notes)}` },
    ]);
    expect((await run(["plan"])).code).toBe(0);
  });

  test("takes columns, windows, variants and contacts from its options", async () => {
    writeFileSync(
      contacts,
      JSON.stringify([{ notificationChannelType: "integration", integrationKeyId: "aW50ZWdyYXRpb24=" }]),
    );
    const options = (
      "--dimension slow=latency_ms --dimension solved=eval.Correctness.score --per-variant " +
      `--window-seconds 900 --delay-seconds 60 --cadence-seconds 600 --contacts ${contacts} --email oncall@example.com`
    ).split(" ");
    await run(["apply", ...options]);
    expect([...arize.monitors.values()]).toMatchObject([
      { name: "seg|shop|gold|solved|large", dimension: { name: "eval.Correctness.score" } },
      {
        metric: "P95",
        dimension: { name: "latency_ms" },
        evaluation_window_length_seconds: 900,
        delay_seconds: 60,
        notification_configs: [
          { type: "INTEGRATION", integration_id: "aW50ZWdyYXRpb24=" },
          { type: "EMAIL", email_address: "oncall@example.com" },
        ],
      },
    ]);
    expect((await run(["plan", ...options])).code).toBe(0);
  });

  test.each([
    { args: ["--max", "1", "--dimension", "slow=latency_ms"], says: "ask for 2 monitors, and at most 1" },
    { args: ["--max", "none"], says: "--max cannot be used" },
    { args: ["--dimension", "solvd=eval.x.score"], says: "Did you mean 'solved'?" },
    { args: ["--dimension", "solved"], says: "--dimension takes METRIC=COLUMN" },
    { args: ["--dimension", "solved={x}"], says: "--dimension takes METRIC=COLUMN" },
    { args: ["--cadence-seconds", "10"], says: "cadenceSeconds" },
    { args: ["--window-seconds", "soon"], says: "windowSeconds" },
    { args: ["--annotation-category", "notes"], says: "annotationCategory" },
    { args: ["--email", "nobody"], says: "is no e-mail address" },
    { args: ["--policies", "/nowhere"], says: "no readable directory" },
  ])("refuses $args before it changes anything, and says why", async ({ args, says }) => {
    await expect(run(["apply", ...args])).rejects.toThrow(says);
    expect(arize.monitors.size).toBe(0);
  });

  test.each([
    { because: "no key is set", over: { SEGUE_ARIZE_DEVELOPER_KEY: undefined }, says: "Set SEGUE_ARIZE_DEVELOPER_KEY" },
    {
      because: "the key is wrong",
      over: { SEGUE_ARIZE_DEVELOPER_KEY: "wrong-key" },
      says: "check SEGUE_ARIZE_DEVELOPER_KEY",
    },
    { because: "no project is named", over: { SEGUE_ARIZE_SPACE_ID: undefined }, says: "Set SEGUE_ARIZE_PROJECT_ID" },
    {
      because: "the project is not there",
      over: { SEGUE_ARIZE_PROJECT: "nope" },
      says: "no project with the name 'nope'",
    },
  ])("says what to do when $because, and never the key", async ({ over, says }) => {
    const error = await run(["plan"], over).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain(says);
    expect(String(error)).not.toMatch(/developer-key|wrong-key/);
  });
});
