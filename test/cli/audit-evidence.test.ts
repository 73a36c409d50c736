import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Draft } from "../../src/core/ledger.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { createWorkspace, type Workspace } from "../e2e/segue-process.ts";
import { storyOfMove } from "../loop/evidence-fixture.ts";

let home: Workspace;
const verify = (file: string, ...args: readonly string[]) => home.run("audit", "verify", "--file", file, ...args);

async function write(file: string, drafts: readonly Draft[]): Promise<void> {
  const ledger = openSqliteLedger(openDatabase(join(home.path, file)));
  await ledger.append(0, drafts);
  await ledger.close();
}

beforeAll(async () => {
  home = createWorkspace();
  const story = storyOfMove();
  await write("honest.db", story);
  const forged = structuredClone(story);
  for (const { event } of forged)
    if (event.type === "switchover.proposed" && event.switchover.change.basis?.cause === "degraded")
      event.switchover.change.basis.guard.moves = { lastHour: 2, allowed: 9 };
  await write("forged.db", forged);
});
afterAll(() => home.remove());

test("a decision that agrees with its evidence is told with every check, and exits with 0", async () => {
  const { code, stdout } = await verify("honest.db", "--evidence", "alpha-3");
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /entries verified\. Head \d+:[0-9a-f]{64}\nalpha-3: the decision agrees with its evidence \(\d+ checks/,
  );
  expect(stdout).toContain('  ok    variant to move to: "second"');
  expect(stdout).toContain("  ok    trial: confirmed");
  const all = await verify("honest.db", "--evidence", "all", "--json");
  expect(all.json()).toMatchObject({
    verified: true,
    evidence: { reports: [{ id: "alpha-3", engine: 1, agrees: true }, { agrees: true }], without: [] },
  });
});

test("one that does not exits with 1 and names what is wrong, with what is stored and what it should be", async () => {
  const one = await verify("forged.db", "--evidence", "alpha-3");
  expect(one.code).toBe(1);
  expect(one.stdout).toContain("alpha-3: the decision DISAGREES with its evidence");
  expect(one.stdout).toContain(
    'WRONG guard: moves in an hour: stored {"allowed":9,"lastHour":2}, recomputed {"allowed":6,"lastHour":0}',
  );
  const all = await verify("forged.db", "--evidence", "all");
  expect([all.code, all.stdout.trimEnd().split("\n").at(-1)]).toEqual([
    1,
    "1 of 2 decisions agree with their evidence.",
  ]);
  const json = await verify("forged.db", "--evidence", "all", "--json");
  expect([json.code, json.json()]).toMatchObject([
    1,
    { verified: false, fault: null, evidence: { reports: [{ agrees: false }, {}] } },
  ]);
  expect((await verify("forged.db")).code).toBe(0);
});

test("an id that nobody proposed is refused with the nearest", async () => {
  const { code, json } = await verify("honest.db", "--evidence", "alpha-4", "--json");
  expect([code, json().error]).toMatchObject([
    1,
    { code: "switchover_not_found", message: expect.stringContaining("Did you mean 'alpha-3'?") },
  ]);
});
