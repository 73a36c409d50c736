import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const freeze = {
  at: 1,
  actor: { kind: "operator" as const, id: "test" },
  event: { type: "freeze.set" as const, scope: {}, reason: "test", until: null },
};

describe("a database file in use", () => {
  test.each([
    { how: "removed", change: (file: string) => rmSync(file) },
    { how: "replaced", change: (file: string) => renameSync(join(file, "..", "other.db"), file) },
  ])("that is $how takes no change, for it would be forgotten", async ({ change }) => {
    const file = join(folder.path, "ledger.db");
    openDatabase(join(folder.path, "other.db")).close();
    const ledger = openSqliteLedger(openDatabase(file));
    await ledger.append(0, [freeze]);
    change(file);
    await expect(ledger.append(1, [freeze])).rejects.toMatchObject({ code: "unavailable", reason: "file_replaced" });
    await ledger.close();
  });
});
