import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAT_POLICY } from "./chat-policy.ts";
import { createWorkspace, type Ran, type Workspace } from "./segue-process.ts";

const open: Workspace[] = [];
function workspace(extra?: Readonly<Record<string, string>>): Workspace {
  const created = createWorkspace(extra);
  open.push(created);
  return created;
}
afterAll(async () => void (await Promise.all(open.map((one) => one.remove()))));

/** Every file with its content, but for what SQLite keeps beside its database. */
const filesOf = ({ path, read }: Workspace): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(path, name)).isFile() && !/ledger\.db/.test(name))
      .map((name) => [name, read(name)]),
  );

describe("a new user's first steps", () => {
  const home = workspace();
  let init: Ran;
  beforeAll(async () => {
    init = await home.run("init", "--json");
  });

  test("init writes a starter policy, flags and keys, the secret ones readable by their owner alone", () => {
    expect(init.code).toBe(0);
    expect(init.json()).toMatchObject({ written: ["policies", "flags.json"], operatorKeyFile: ".segue/operator.key" });
    expect(init.json().applicationKey).toMatch(/^segue_/);
    expect(Object.keys(filesOf(home))).toEqual(
      expect.arrayContaining(["flags.json", "policies/support-chat.yaml", ".segue/operator.key", ".segue/.gitignore"]),
    );
    for (const secret of ["operator.key", "ledger.db"])
      expect(statSync(join(home.path, ".segue", secret)).mode & 0o077).toBe(0);
  });

  test("init a second time overwrites nothing and makes no key", async () => {
    const before = filesOf(home);
    const again = await home.run("init", "--json");
    expect(again.json()).toMatchObject({ written: [], applicationKey: null });
    expect(filesOf(home)).toEqual(before);
    expect((await home.run("keys", "list", "--json")).json().keys).toHaveLength(2);
  });

  test("no listing, export or log shows the text of a key", async () => {
    const secrets = [init.json().applicationKey as string, home.read(".segue/operator.key").trim()];
    const printed = await Promise.all([
      home.run("keys", "list", "--json"),
      home.run("keys", "export", "--json"),
      home.run("audit", "export"),
      home.run("init"),
    ]);
    for (const { stdout, stderr } of printed)
      for (const secret of secrets) expect(stdout + stderr).not.toContain(secret.split("_")[2]);
  });

  test("the starter lints clean, plan says 2 until apply has published it, and 0 afterwards", async () => {
    const lint = await home.run("lint", "--json");
    expect([lint.code, lint.json()]).toEqual([0, { faults: [] }]);
    expect((await home.run("plan", "--json")).code).toBe(2);
    const applied = await home.run("apply", "--json");
    expect(applied.code).toBe(0);
    expect(applied.json()).toMatchObject({ published: ["support-chat"] });
    const settled = await home.run("plan", "--json");
    expect([settled.code, settled.json().faults]).toEqual([0, []]);
    expect((await home.run("apply", "--json")).json().published).toEqual([]);
  });
});

describe("a saved plan", () => {
  test("is refused once another apply went first, and once the files changed", async () => {
    const home = workspace();
    home.write("policies/chat.yaml", CHAT_POLICY);
    await home.run("plan", "--out", "old.json");
    expect((await home.run("apply", "--json")).code).toBe(0);
    home.write("policies/chat.yaml", CHAT_POLICY.replace("movesPerHour: 100", "movesPerHour: 50"));
    const stale = await home.run("apply", "old.json", "--json");
    expect([stale.code, stale.json().error.code]).toEqual([1, "stale_plan"]);

    expect((await home.run("plan", "--out", "new.json", "--json")).code).toBe(2);
    home.write("policies/chat.yaml", CHAT_POLICY.replace("movesPerHour: 100", "movesPerHour: 60"));
    const other = await home.run("apply", "new.json", "--json");
    expect([other.code, other.json().error.code]).toEqual([1, "other_plan"]);

    home.write("policies/chat.yaml", CHAT_POLICY.replace("movesPerHour: 100", "movesPerHour: 50"));
    const applied = await home.run("apply", "new.json", "--json");
    expect([applied.code, applied.json().published]).toEqual([0, ["chat"]]);
    const noPlan = await home.run("apply", "policies/chat.yaml", "--json");
    expect([noPlan.code, noPlan.json().error.code]).toEqual([1, "not_a_plan"]);
  });
});

describe("broken policy files", () => {
  test("lint, plan and apply name the file and line and end with 1, and apply publishes nothing", async () => {
    const home = workspace();
    home.write("policies/chat.yaml", CHAT_POLICY.replace('when: topic == "calm"', 'when: subject == "calm"'));
    const line =
      home
        .read("policies/chat.yaml")
        .split("\n")
        .findIndex((text) => text.includes("subject ==")) + 1;
    for (const command of ["lint", "plan", "apply"]) {
      const ran = await home.run(command);
      expect(ran.code).toBe(1);
      expect(ran.stdout).toContain(`policies/chat.yaml:${line}:`);
    }
    const refused = await home.run("apply", "--json");
    expect(refused.code).toBe(1);
    expect(refused.json()).toMatchObject({
      error: { code: "policy_faults" },
      faults: [expect.objectContaining({ file: "policies/chat.yaml", line, severity: "error" })],
    });
    const entries = await home.run("audit", "export");
    expect(entries.stdout).not.toContain("policy.published");
  });

  test.each([
    ["not YAML", "policy: [chat\n"],
    ["of another shape", "policy: chat\nvariants: 7\n"],
    ["empty", ""],
  ])("a file that is %s is a fault with a line, never a crash", async (_what, content) => {
    const home = workspace();
    home.write("policies/chat.yaml", content);
    const lint = await home.run("lint", "--json");
    expect([lint.code, lint.stderr]).toEqual([1, ""]);
    expect(lint.json().faults[0]).toMatchObject({ file: "policies/chat.yaml", line: expect.any(Number) });
  });
});

describe("every command", () => {
  const home = workspace();
  test("explains itself with --help, and its subcommands too", async () => {
    const help = await home.run("audit", "verify", "--help");
    expect([help.code, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("Usage: segue audit verify");
  });

  test.each([
    ["status", "unavailable"],
    ["freeze --reason x --for abc", "invalid_request"],
    ["nonsense", "usage"],
    ["keys create --machine m --scopes fly", "invalid_request"],
    ["keys revoke 123456789abc --reason x", "key_not_found"],
    ["audit verify --file nowhere.db", "no_ledger"],
    ["serve --port 99999", "invalid_request"],
  ])("'segue %s --json' fails with the code %s, one JSON object and exit 1", async (command, code) => {
    const ran = await home.run(...command.split(" "), "--json");
    expect(ran.json()).toEqual({ error: { code, message: expect.any(String) } });
    expect([ran.code, ran.stderr]).toEqual([1, ""]);
  });

  test("looking creates no ledger", async () => {
    const empty = workspace();
    await inPairs(["plan", "keys list", "audit verify", "serve"], (command) => empty.run(...command.split(" ")));
    expect(readdirSync(empty.path)).toEqual([]);
  });
  beforeAll(async () => void (await home.run("init")));
});

/** More processes at once than cores only slow each other down. */
async function inPairs<T>(items: readonly string[], work: (item: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < items.length; at += 2) results.push(...(await Promise.all(items.slice(at, at + 2).map(work))));
  return results;
}
