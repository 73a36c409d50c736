/**
 * A writer in a process of its own: `node append-entries.ts FILE NAME COUNT`. Says `ready`, waits for a
 * line, then prints each entry's number and hash once its append returned, from when on it must not be lost.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { RouterError } from "../../src/core/errors.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { draft, signalEvent } from "../contracts/history.ts";

const [file = "", name = "", count = "0"] = process.argv.slice(2);
writeSync(1, "ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
const ledger = openSqliteLedger(openDatabase(file));
for (let written = 0; written < Number(count);) {
  try {
    const [entry] = await ledger.append((await ledger.head()).seq, [draft(signalEvent(`${name}-${written}`))]);
    writeSync(1, `${entry!.seq} ${entry!.hash}\n`);
    written += 1;
  } catch (error) {
    if (!(error instanceof RouterError && error.code === "conflict")) throw error;
  }
}
await ledger.close();
