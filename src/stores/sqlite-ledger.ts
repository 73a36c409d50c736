import { hash } from "node:crypto";
import type { StatementSync } from "node:sqlite";
import type { Sha256 } from "../core/digest.ts";
import { assert } from "../core/errors.ts";
import { chain, parseEntry, type Head, type StoredEntry } from "../core/ledger.ts";
import type { Ledger } from "../ports.ts";
import { checkFence, checkSeq } from "./append-conflict.ts";
import type { Database } from "./sqlite.ts";
import { createSqliteFollower, type Every } from "./sqlite-follower.ts";
import { createSqliteSnapshots } from "./sqlite-snapshots.ts";
import { verifyDatabase } from "./sqlite-verify.ts";

/** OpenSSL's SHA-256: four times as fast as the portable one of the core. */
const sha256: Sha256 = (text) => hash("sha256", text);

export interface SqliteLedgerOptions {
  /** How often to look for entries of other processes, in milliseconds. */
  readonly pollMs?: number;
  readonly every?: Every;
  /** Seal snapshots; the first seals, all open. Without one there are no snapshots: who can edit the file could forge them. */
  readonly snapshotKeys?: readonly string[];
}

/**
 * The ledger in an open database file, after checking every entry of it. Several processes may use
 * one file: the head is always read from it. `close` closes the database too.
 * @throws RouterError `ledger_broken` with the number of the first entry that is missing or was changed
 */
export function openSqliteLedger(database: Database, options: SqliteLedgerOptions = {}): Ledger {
  verifyDatabase(database, sha256);
  const { connection, attempt, write, file } = database;
  const { prepared, snapshots } = attempt(() => ({
    prepared: prepareStatements(database),
    snapshots: createSqliteSnapshots(database, options.snapshotKeys ?? []),
  }));
  const head = (): Head => headOf(prepared.head);
  const follower = createSqliteFollower({
    version: () => attempt(() => Number(connection.prepare("PRAGMA data_version").get()?.data_version)),
    headSeq: () => attempt(() => head().seq),
    ...options,
  });
  const readStored = (afterSeq: number, limit: number): StoredEntry[] =>
    attempt(() => prepared.read.all(afterSeq, limit)).map(toStored);

  return {
    head: async () => attempt(head),
    append: async (expectedSeq, drafts, { fence } = {}) => {
      const entries = await write(() => {
        const before = head();
        if (fence !== undefined) checkFence(fence, Number(prepared.fence.get()?.fence ?? 0));
        checkSeq(expectedSeq, before.seq);
        const stored = chain(before, drafts, sha256);
        for (const { seq, body, prev, hash } of stored) prepared.insert.run(seq, body, prev, hash);
        const last = stored.at(-1);
        if (last !== undefined) {
          const { changes } = prepared.advance.run(last.seq, last.hash);
          assert(changes === 1, `${file} has no head`);
        }
        // Parsed before the commit: an entry that could not be read back must not be written.
        return stored.map(parseEntry);
      });
      if (entries.length > 0) follower.ring();
      return entries;
    },
    read: async (afterSeq, limit) => readStored(afterSeq, limit).map(parseEntry),
    readStored: async (afterSeq, limit) => readStored(afterSeq, limit),
    follow: follower.follow,
    loadSnapshot: async () => snapshots.load(),
    saveSnapshot: async (snapshot) => snapshots.save(snapshot),
    close: async () => {
      follower.close();
      database.close();
    },
  };
}

const prepareStatements = ({ connection }: Database) => ({
  head: connection.prepare("SELECT head_seq, head_hash FROM meta WHERE id = 1"),
  advance: connection.prepare("UPDATE meta SET head_seq = ?, head_hash = ? WHERE id = 1"),
  fence: connection.prepare("SELECT fence FROM lease WHERE id = 1"),
  insert: connection.prepare("INSERT INTO entries (seq, body, prev, hash) VALUES (?, ?, ?, ?)"),
  read: connection.prepare("SELECT seq, body, prev, hash FROM entries WHERE seq > ? ORDER BY seq LIMIT ?"),
});

function headOf(statement: StatementSync): Head {
  const row = statement.get();
  return { seq: Number(row?.head_seq), hash: String(row?.head_hash) };
}

// The tables are STRICT and were checked when the file was opened, so the columns have these types.
const toStored = (row: Record<string, unknown>): StoredEntry => row as unknown as StoredEntry;
