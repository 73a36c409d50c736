import { hash } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FOLD_VERSION } from "../../src/core/fold.ts";
import { emptyState } from "../../src/core/state.ts";
import type { Ledger } from "../../src/ports.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase, type Database } from "../../src/stores/sqlite.ts";
import { after, draft, signalEvent } from "../contracts/history.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

const snapshotKeys = ["the key of this data directory"];
let folder: ReturnType<typeof temporaryFolder>;
let database: Database;
let ledger: Ledger;
beforeEach(() => {
  folder = temporaryFolder();
  database = openDatabase(join(folder.path, "ledger.db"), { busyTimeoutMs: 0 });
  ledger = openSqliteLedger(database, { snapshotKeys });
});
afterEach(async () => {
  await ledger.close();
  folder.remove();
});

const signals = (count: number) => Array.from({ length: count }, (_, index) => draft(signalEvent(`s-${index}`)));

describe("an append that fails writes nothing, says why, and can be tried again", () => {
  const failsAs = async (reason: string, appended: Promise<unknown>) => {
    await expect(appended).rejects.toMatchObject({
      code: "unavailable",
      reason,
      message: expect.stringContaining(database.file),
    });
    expect(await ledger.head()).toMatchObject({ seq: 1 });
    expect(await ledger.readStored(0, 1000)).toHaveLength(1);
  };
  beforeEach(() => ledger.append(0, signals(1)));
  afterEach(async () => {
    expect(await ledger.append(1, signals(1000))).toHaveLength(1000);
    const again = openSqliteLedger(openDatabase(database.file));
    expect(await again.head()).toMatchObject({ seq: 1001 });
    await again.close();
  });

  test("on a full disk", async () => {
    const { connection } = database;
    const pages = Number(connection.prepare("PRAGMA page_count").get()?.page_count);
    connection.exec(`PRAGMA max_page_count = ${pages + 2}`);
    await failsAs("disk_full", ledger.append(1, signals(1000)));
    connection.exec("PRAGMA max_page_count = 1000000");
  });

  test("on a read-only file", async () => {
    database.connection.exec("PRAGMA query_only = 1");
    await failsAs("read_only", ledger.append(1, signals(1)));
    database.connection.exec("PRAGMA query_only = 0");
  });

  test("while another process holds the file", async () => {
    const other = openDatabase(database.file);
    other.connection.exec("BEGIN IMMEDIATE");
    await failsAs("busy", ledger.append(1, signals(1)));
    other.connection.exec("ROLLBACK");
    other.close();
  });
});

describe("snapshots in SQLite", () => {
  const save = async (count: number) => {
    let state = emptyState;
    for (let seq = 1; seq <= count; seq++) {
      await ledger.append(seq - 1, [draft(signalEvent(`s-${seq}`))]);
      state = { ...after(state, signalEvent(`s-${seq}`)), head: await ledger.head() };
      await ledger.saveSnapshot({ head: state.head, state });
    }
  };
  const loadedSeq = async () => (await ledger.loadSnapshot())?.head.seq ?? null;

  test("keep the last two", async () => {
    await save(4);
    const rows = database.connection.prepare("SELECT seq FROM snapshots ORDER BY seq").all();
    expect(rows.map((row) => row.seq)).toEqual([3, 4]);
  });

  test.each([
    { wrong: "state", because: "its text was changed" },
    { wrong: "digest", because: "its digest was changed" },
    { wrong: "hash", because: "it is of another chain" },
    { wrong: "format", because: "another version wrote it" },
    { wrong: "seq", because: "it claims to be of another entry" },
  ])("count as not there when $because, and the one before serves", async ({ wrong }) => {
    await save(3);
    const change = { state: "replace(state, 's-3', 's-9')", seq: "1" }[wrong] ?? `replace(${wrong}, '1', '2')`;
    const text = wrong === "digest" || wrong === "hash" ? `'${"f".repeat(64)}'` : change;
    database.connection.exec(`UPDATE snapshots SET ${wrong} = ${wrong === "format" ? 99 : text} WHERE seq = 3`);
    expect(await loadedSeq()).toBe(2);
    database.connection.exec("DELETE FROM snapshots WHERE seq = 2");
    expect(await loadedSeq()).toBeNull();
  });

  test("count as not there when somebody without the key wrote them, whatever digest they bear", async () => {
    await save(1);
    const row = database.connection.prepare("SELECT hash, replace(state, 's-1', 's-9') AS state FROM snapshots").get()!;
    const digest = hash("sha256", `${FOLD_VERSION}\n1\n${String(row.hash)}\n${String(row.state)}`);
    database.connection.prepare("UPDATE snapshots SET state = ?, digest = ?").run(String(row.state), digest);
    expect(await loadedSeq()).toBeNull();
  });

  test("open with any of the keys, with no other, and not without one", async () => {
    await save(1);
    const seqWith = async (...keys: readonly string[]) => {
      const again = openSqliteLedger(openDatabase(database.file), { snapshotKeys: keys });
      const snapshot = await again.loadSnapshot();
      await again.close();
      return snapshot?.head.seq ?? null;
    };
    expect(await seqWith("a newer key", ...snapshotKeys)).toBe(1);
    expect(await seqWith("another key")).toBeNull();
    expect(await seqWith()).toBeNull();
  });

  test("do not keep a ledger from opening when their text is damaged", async () => {
    await save(2);
    database.connection.exec("UPDATE snapshots SET state = '{'");
    const again = openSqliteLedger(openDatabase(database.file), { snapshotKeys });
    expect(await again.loadSnapshot()).toBeNull();
    await again.close();
  });
});
