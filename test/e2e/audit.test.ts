import { copyFileSync, truncateSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { publishChat } from "./chat-policy.ts";
import { createWorkspace, type Workspace } from "./segue-process.ts";

let home: Workspace;
let ledger: string;
let whole: string;
let head: { seq: number; hash: string };

beforeAll(async () => {
  home = createWorkspace();
  await publishChat(home);
  ledger = join(home.path, ".segue/ledger.db");
  whole = join(home.path, "whole.db");
  for (const name of ["one", "two"]) await home.run("keys", "create", "--machine", name);
  copyFileSync(ledger, whole);
  ({ head } = (await home.run("audit", "verify", "--json")).json());
});
beforeEach(() => copyFileSync(whole, ledger));
afterAll(() => home?.remove());

function edit(sql: string): void {
  const database = new DatabaseSync(ledger);
  expect(database.prepare(sql).run().changes).toBe(1);
  database.close();
}

test("export prints every entry as a JSON line, in order and without a gap", async () => {
  const { code, stdout } = await home.run("audit", "export");
  const entries = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { seq: number; hash: string; prev: string; actorName: string });
  expect(code).toBe(0);
  expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(entries.at(-1)).toMatchObject(head);
  for (const [at, entry] of entries.entries()) if (at > 0) expect(entry.prev).toBe(entries[at - 1]?.hash);
  const rest = await home.run("audit", "export", "--after", "4");
  expect(rest.stdout).toBe(`${JSON.stringify(entries[4])}\n`);
});

describe("a ledger that somebody edited", () => {
  test.each([
    ["changed", 3, `UPDATE entries SET body = replace(body, 'movesPerHour', 'movesPerDay') WHERE seq = 3`],
    ["deleted", 4, "DELETE FROM entries WHERE seq = 4"],
    ["deleted at the end", 5, "DELETE FROM entries WHERE seq = 5"],
  ])("with an entry %s is refused by verify and by serve, which name entry %i", async (_how, seq, sql) => {
    edit(sql);
    for (const command of [
      ["audit", "verify"],
      ["serve", "--port", "0"],
    ]) {
      const ran = await home.run(...command, "--json");
      expect([ran.code, ran.json().error.code]).toEqual([1, "broken_chain"]);
      expect(ran.json().error.message).toContain(`entry ${seq} `);
    }
  });

  test("verifies against a head that was noted down, and one that was cut back since does not", async () => {
    const noted = `${head.seq}:${head.hash}`;
    expect((await home.run("audit", "verify", "--head", noted)).code).toBe(0);
    const rewritten = await home.run("audit", "verify", "--head", `2:${"0".repeat(64)}`, "--json");
    expect([rewritten.code, rewritten.json()]).toMatchObject([1, { verified: false, fault: { seq: 2 } }]);
    const { prev } = JSON.parse((await home.run("audit", "export", "--after", "4")).stdout) as { prev: string };
    edit("DELETE FROM entries WHERE seq = 5");
    edit(`UPDATE meta SET head_seq = 4, head_hash = '${prev}'`);
    const cutBack = await home.run("audit", "verify", "--head", noted, "--json");
    expect([cutBack.code, cutBack.json()]).toMatchObject([1, { verified: false, fault: { seq: 5 } }]);
    const unreadable = await home.run("audit", "verify", "--head", "five", "--json");
    expect([unreadable.code, unreadable.json().error.code]).toEqual([1, "invalid_request"]);
  });
});

test("a file of exposures is refused, not taken for a ledger without entries", async () => {
  const server = await home.serve();
  await server.stop();
  const verified = await home.run("audit", "verify", "--file", ".segue/exposures.db", "--json");
  expect([verified.code, verified.json().error.code]).toEqual([1, "foreign_file"]);
  expect(verified.json().error.message).toContain("not a ledger");
});

test.each([0, 0.4, 0.95])(
  "a database cut to %f of its size is refused, never taken for a shorter ledger",
  async (share) => {
    truncateSync(ledger, Math.floor(statSync(ledger).size * share));
    const verified = await home.run("audit", "verify", "--json");
    expect([verified.code, verified.stderr]).toEqual([1, ""]);
    expect(verified.json().error.code).toMatch(/^(empty_file|damaged_file|broken_chain|foreign_file)$/);
  },
);
