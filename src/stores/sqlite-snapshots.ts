import { createHmac } from "node:crypto";
import { FOLD_VERSION } from "../core/fold.ts";
import type { ControlState } from "../core/state.ts";
import type { Snapshot } from "../ports.ts";
import type { Database } from "./sqlite.ts";

/** How many snapshots are kept: the one before the newest is there in case the newest is damaged. */
const KEPT = 2;

/**
 * Snapshots of the state. Only a cache: whatever is wrong with one, it counts as not there. A start believes a snapshot
 * instead of the entries, and so it is sealed with a key that the file does not hold.
 */
export function createSqliteSnapshots({ connection, attempt, write }: Database, keys: readonly string[]) {
  const newest = connection.prepare(
    `SELECT s.seq, s.hash, s.state, s.digest FROM snapshots s JOIN entries e ON e.seq = s.seq AND e.hash = s.hash
     WHERE s.format = ? ORDER BY s.seq DESC`,
  );
  const insert = connection.prepare(
    "INSERT OR REPLACE INTO snapshots (seq, format, hash, state, digest) VALUES (?, ?, ?, ?, ?)",
  );
  const trim = connection.prepare(
    "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
  );
  return {
    load: (): Snapshot | null =>
      attempt(() => {
        for (const row of newest.iterate(FOLD_VERSION)) {
          const [seq, hash, text] = [Number(row.seq), String(row.hash), String(row.state)];
          if (!keys.some((key) => row.digest === seal(key, { seq, hash }, text))) continue;
          const state: ControlState = JSON.parse(text);
          return { head: { seq, hash }, state };
        }
        return null;
      }),
    save: async ({ head, state }: Snapshot): Promise<void> => {
      const [key] = keys;
      if (key === undefined) return;
      const text = JSON.stringify(state);
      const sealed = seal(key, head, text);
      await write(() => {
        insert.run(head.seq, FOLD_VERSION, head.hash, text, sealed);
        trim.run(KEPT);
      });
    },
  };
}

const seal = (key: string, { seq, hash }: Snapshot["head"], text: string): string =>
  createHmac("sha256", key).update(`segue snapshot\n${FOLD_VERSION}\n${seq}\n${hash}\n${text}`).digest("hex");
