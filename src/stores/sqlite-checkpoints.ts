import { RouterError } from "../core/errors.ts";
import type { Checkpoints } from "../ports.ts";
import type { Database } from "./sqlite.ts";

/** Checkpoints as JSON text, one row a name. `load` gives null for a name that was never saved. */
export function createSqliteCheckpoints(database: Database): Checkpoints {
  const { connection, attempt, write, file } = database;
  const prepared = attempt(() => ({
    load: connection.prepare("SELECT value FROM checkpoints WHERE name = ?"),
    save: connection.prepare(
      "INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    ),
  }));
  return {
    load: async (name) => {
      const row = attempt(() => prepared.load.get(name));
      if (row === undefined) return null;
      try {
        return JSON.parse(String(row.value));
      } catch (error) {
        throw new RouterError(
          "ledger_broken",
          `Checkpoint '${name}' in ${file} is not JSON: the file was edited. Restore it from a backup.`,
          { reason: "damaged_file", cause: error },
        );
      }
    },
    save: async (name, value) => {
      const text = JSON.stringify(value ?? null);
      await write(() => prepared.save.run(name, text));
    },
  };
}
