import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Row } from "../../src/core/calibrate.ts";
import { createScoreboard } from "../../src/core/scoreboard.ts";
import { startOpenaiUpstream, type OpenaiUpstream } from "../fakes/openai-upstream.ts";
import { publishChat } from "./chat-policy.ts";
import { askAndRate, traffic } from "./chat-traffic.ts";
import { createWorkspace, until, type SegueServer, type Workspace } from "./segue-process.ts";

let upstream: OpenaiUpstream;
let home: Workspace;
let key: string;

beforeAll(async () => {
  upstream = await startOpenaiUpstream();
  home = createWorkspace({ OPENAI_BASE_URL: upstream.baseUrl });
  key = await publishChat(home);
});
afterAll(async () => {
  await home?.remove();
  await upstream?.close();
});

const labelsOf = async (server: SegueServer, topic: string): Promise<number> =>
  (await server.ask("GET", `/api/segments/chat/${topic}`)).body.objectives[0].labels;

/** Labels of a row as the last checkpoint on disk has them. */
function savedLabels(row: Row): number {
  const database = new DatabaseSync(join(home.path, ".segue/ledger.db"), { readOnly: true });
  try {
    const saved = database.prepare("SELECT value FROM checkpoints WHERE name = 'scoreboard'").get();
    if (saved === undefined) return 0;
    return createScoreboard(JSON.parse(String(saved.value))).level(row)?.labels ?? 0;
  } finally {
    database.close();
  }
}

/** Everything that the ledger holds, as text to search in. */
async function ledgerText(server: SegueServer): Promise<string> {
  const { body } = await server.ask("GET", "/api/ledger?limit=1000");
  return JSON.stringify(body.entries);
}

test("kill -9 in the middle of changes and feedback, six times: no acknowledged change is lost, and serving goes on", async () => {
  const acknowledged: string[] = [];
  let revision = 0;
  let served = 0;
  // How many acknowledged calls each life lasts: the kill then meets whatever is under way.
  for (const [round, lifetime] of [3, 1, 17, 8, 29, 12].entries()) {
    const server = await home.serve();
    const table = (await server.ask("GET", "/api/table")).body;
    expect(table.revision).toBeGreaterThanOrEqual(revision);
    const text = await ledgerText(server);
    expect(acknowledged.filter((mark) => !text.includes(mark))).toEqual([]);
    const before = await labelsOf(server, "plain");
    expect(before).toBeLessThanOrEqual(served);

    let left = lifetime;
    let next = 0;
    const lives = (): boolean => left > 0;
    const change = async (): Promise<void> => {
      while (lives()) {
        const mark = `mark-${round}-${next++}`;
        const body = { scope: { policy: "chat" }, reason: mark, for_seconds: 1 };
        const { status } = await server.ask("POST", "/api/freeze", { body });
        if (status !== 200) continue;
        acknowledged.push(mark);
        if (--left === 0) server.process.kill("SIGKILL");
      }
    };
    const rate = async (): Promise<void> => {
      while (lives()) {
        await askAndRate(server, key, "plain", () => 1);
        served += 1;
      }
    };
    // Calls that the kill cut off are nobody's loss: they were not acknowledged.
    await Promise.allSettled([change(), change(), rate(), rate()]);
    revision = table.revision;
    expect(await server.stop("SIGKILL")).toBeNull();
  }
  const last = await home.serve();
  const text = await ledgerText(last);
  expect(acknowledged.length).toBeGreaterThanOrEqual(70);
  expect(acknowledged.filter((mark) => !text.includes(mark))).toEqual([]);
  expect(await askAndRate(last, key, "plain", () => 1)).toBe("first");
  await last.stop("SIGKILL");
  const verified = await home.run("audit", "verify", "--json");
  expect([verified.code, verified.json().verified]).toEqual([0, true]);
});

test("after kill -9 the detectors go on from the last checkpoint: only feedback newer than that is lost", async () => {
  const row = { policy: "chat", segment: "calm", variant: "first", metric: "quality" };
  const server = await home.serve();
  await traffic(server, key, { topic: "calm", count: 30, grade: () => 1 });
  await until("a checkpoint holds the 30 labels", () => savedLabels(row) === 30);
  await askAndRate(server, key, "calm", () => 0);
  await server.stop("SIGKILL");
  const saved = savedLabels(row);
  const again = await home.serve();
  expect([30, 31]).toContain(saved);
  expect(await labelsOf(again, "calm")).toBe(saved);
  expect(await again.stop()).toBe(0);
});
