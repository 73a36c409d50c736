import { join } from "node:path";
import { createSqliteCheckpoints } from "../../src/stores/sqlite-checkpoints.ts";
import { createSqliteLease } from "../../src/stores/sqlite-lease.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { checkpointsContract } from "../contracts/checkpoints.ts";
import { leaseContract } from "../contracts/lease.ts";
import { ledgerContract } from "../contracts/ledger.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

const snapshotKeys = ["a key that both processes have"];

function openTemporary() {
  const folder = temporaryFolder();
  const database = openDatabase(join(folder.path, "ledger.db"));
  const clean = async () => {
    database.close();
    folder.remove();
  };
  return { database, clean };
}

leaseContract("SQLite", async () => {
  const { database, clean } = openTemporary();
  return { lease: createSqliteLease(database), clean };
});

checkpointsContract("SQLite", async () => {
  const { database, clean } = openTemporary();
  return { checkpoints: createSqliteCheckpoints(database), clean };
});

ledgerContract("SQLite", async () => {
  const { database, clean } = openTemporary();
  const other = openSqliteLedger(openDatabase(database.file), { snapshotKeys });
  return {
    ledger: openSqliteLedger(database, { pollMs: 5, snapshotKeys }),
    lease: createSqliteLease(database),
    other,
    clean: async () => {
      await other.close();
      await clean();
    },
  };
});
