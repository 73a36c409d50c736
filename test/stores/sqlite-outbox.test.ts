import { join } from "node:path";
import { expect, test } from "vitest";
import type { RouterError } from "../../src/core/errors.ts";
import { createSqliteOutbox } from "../../src/stores/sqlite-outbox.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { BOUNDS, outboxContract } from "../contracts/outbox.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

outboxContract("SQLite", async (deps) => {
  const folder = temporaryFolder();
  const databases = [0, 1].map(() => openDatabase(join(folder.path, "outbox.db")));
  const [outbox, other] = databases.map((database) => createSqliteOutbox(database, deps, BOUNDS));
  const clean = async () => {
    for (const database of databases) database.close();
    folder.remove();
  };
  return { outbox: outbox!, other: other!, clean };
});

const item = (id: string) => ({ topic: "arize", id, body: { id }, readyAt: 0 });

test("a SQLite outbox holds after a restart what it acknowledged, claimed or not, and its dead letters", async () => {
  const folder = temporaryFolder();
  const open = () => openDatabase(join(folder.path, "outbox.db"));
  try {
    const before = open();
    const outbox = createSqliteOutbox(before, { counters: memoryCounters() });
    await Promise.all([outbox.add([item("a"), item("b")], 0), outbox.add([item("c")], 0)]);
    const { token } = await outbox.claim("arize", { limit: 2, leaseMs: 100, now: 0 });
    const settlements = [{ id: "a", kind: "buried", problem: "refused" }] as const;
    await outbox.settle("arize", { token, settlements, now: 0 });
    before.close();
    const after = open();
    const again = createSqliteOutbox(after, { counters: memoryCounters() });
    expect(await again.counts("arize")).toEqual({ waiting: 2, buried: 1 });
    const { entries } = await again.claim("arize", { limit: 9, leaseMs: 100, now: 100 });
    expect(entries.map(({ id }) => id).sort()).toEqual(["b", "c"]);
    after.close();
  } finally {
    folder.remove();
  }
});

test("a SQLite outbox acknowledges nothing that it could not write, and goes on afterwards", async () => {
  const folder = temporaryFolder();
  const database = openDatabase(join(folder.path, "outbox.db"));
  const other = openDatabase(join(folder.path, "outbox.db"));
  try {
    database.connection.exec("PRAGMA busy_timeout = 5");
    const outbox = createSqliteOutbox(database, { counters: memoryCounters() });
    other.connection.exec("BEGIN IMMEDIATE");
    const refused = await Promise.allSettled([outbox.add([item("a")], 0), outbox.add([item("b")], 0)]);
    expect(refused.map((one) => one.status === "rejected" && (one.reason as RouterError).code)).toEqual([
      "unavailable",
      "unavailable",
    ]);
    other.connection.exec("ROLLBACK");
    expect(await outbox.add([item("a")], 1)).toEqual(["added"]);
    expect(await outbox.counts("arize")).toEqual({ waiting: 1, buried: 0 });
  } finally {
    database.close();
    other.close();
    folder.remove();
  }
});
