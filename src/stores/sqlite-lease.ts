import type { Lease } from "../ports.ts";
import type { Database } from "./sqlite.ts";

/** The lease of the one instance that acts, kept beside the ledger so that `append` can compare the fence in its transaction. */
export function createSqliteLease(database: Database): Lease & {
  /** Another one that holds the lease now; null when nobody does. */
  readonly otherHolder: (candidate: string, now: number) => Promise<string | null>;
} {
  const { connection, attempt, write } = database;
  const prepared = attempt(() => ({
    read: connection.prepare("SELECT holder, fence, until FROM lease WHERE id = 1"),
    write: connection.prepare("UPDATE lease SET holder = ?, fence = ?, until = ? WHERE id = 1"),
    release: connection.prepare("UPDATE lease SET holder = NULL, until = 0 WHERE id = 1 AND holder = ?"),
  }));
  return {
    acquire: async (holder, ttlMs, now) =>
      write(() => {
        const row = prepared.read.get();
        const fence = Number(row?.fence ?? 0);
        const isHeld = row?.holder !== null && now < Number(row?.until ?? 0);
        if (isHeld && row?.holder !== holder) return null;
        const next = row?.holder === holder ? fence : fence + 1;
        prepared.write.run(holder, next, now + ttlMs);
        return next;
      }),
    release: async (holder) => {
      await write(() => prepared.release.run(holder));
    },
    otherHolder: async (candidate, now) => {
      const row = attempt(() => prepared.read.get());
      const isOther = typeof row?.holder === "string" && row.holder !== candidate && now < Number(row.until);
      return isOther ? String(row.holder) : null;
    },
  };
}
