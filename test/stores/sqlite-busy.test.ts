import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteCheckpoints } from "../../src/stores/sqlite-checkpoints.ts";
import { createSqliteLease } from "../../src/stores/sqlite-lease.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase, SERVING, type Database } from "../../src/stores/sqlite.ts";
import { draft, signalEvent } from "../contracts/history.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

let folder: ReturnType<typeof temporaryFolder>;
let other: Database;
beforeEach(() => {
  folder = temporaryFolder();
  other = openDatabase(join(folder.path, "ledger.db"));
});
afterEach(() => {
  other.close();
  folder.remove();
});

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("while another holds the file, a server's event loop turns and its reads answer; its writes are made afterwards", async () => {
  const database = openDatabase(other.file, SERVING);
  const ledger = openSqliteLedger(database);
  other.connection.exec("BEGIN IMMEDIATE");
  let settled = 0;
  const writes = [
    ledger.append(0, [draft(signalEvent("s-1"))]),
    createSqliteLease(database).acquire("a", 1000, 0),
    createSqliteCheckpoints(database).save("name", { saved: true }),
  ].map((write) => Promise.resolve(write).finally(() => (settled += 1)));
  await turns(50);
  expect(settled).toBe(0);
  expect(await ledger.head()).toMatchObject({ seq: 0 });
  other.connection.exec("ROLLBACK");
  expect(await Promise.all(writes)).toEqual([[expect.objectContaining({ seq: 1 })], 1, undefined]);
  expect(await createSqliteCheckpoints(database).load("name")).toEqual({ saved: true });
  await ledger.close();
});

test("a write that stays in vain is given up as busy, and writes nothing", async () => {
  const ledger = openSqliteLedger(openDatabase(other.file, { busyTimeoutMs: 0, busyPauses: { count: 3, pauseMs: 1 } }));
  other.connection.exec("BEGIN IMMEDIATE");
  await expect(ledger.append(0, [draft(signalEvent("s-1"))])).rejects.toMatchObject({
    code: "unavailable",
    reason: "busy",
  });
  other.connection.exec("ROLLBACK");
  expect(await ledger.head()).toMatchObject({ seq: 0 });
  await ledger.close();
});
