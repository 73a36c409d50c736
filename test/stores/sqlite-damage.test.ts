import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RouterError } from "../../src/core/errors.ts";
import type { StoredEntry } from "../../src/core/ledger.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { draft, signalEvent } from "../contracts/history.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

const COUNT = 40;
const PAGE_BYTES = 4096;
const folder = temporaryFolder();
const source = join(folder.path, "source.db");
const file = join(folder.path, "damaged.db");
let entries: readonly StoredEntry[];
/** The files of a process that was killed: the log is still there. */
let main: Buffer;
let log: Buffer;

beforeAll(async () => {
  const database = openDatabase(source);
  const ledger = openSqliteLedger(database);
  for (let seq = 1; seq <= COUNT; seq++) await ledger.append(seq - 1, [draft(signalEvent(`s-${seq}`))]);
  entries = await ledger.readStored(0, COUNT);
  main = readFileSync(source);
  log = readFileSync(`${source}-wal`);
  await ledger.close();
});
afterAll(() => folder.remove());

/** Puts the files in place, without the log unless one is given, opens them and reads everything. */
async function open(mainBytes: Uint8Array, logBytes?: Uint8Array): Promise<readonly StoredEntry[] | RouterError> {
  for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
  writeFileSync(file, mainBytes);
  if (logBytes !== undefined) writeFileSync(`${file}-wal`, logBytes);
  return reopen();
}

async function reopen(): Promise<readonly StoredEntry[] | RouterError> {
  try {
    const database = openDatabase(file);
    try {
      return await openSqliteLedger(database).readStored(0, COUNT + 1);
    } finally {
      database.close();
    }
  } catch (error) {
    if (error instanceof RouterError) return error;
    throw error;
  }
}

function expectRefusal(outcome: readonly StoredEntry[] | RouterError): RouterError {
  if (!(outcome instanceof RouterError)) throw new Error(`opened with ${outcome.length} entries`);
  expect(outcome.code).toBe("ledger_broken");
  expect(outcome.message).toContain(file);
  return outcome;
}

const flipped = (bytes: Buffer, place: number, mask: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[place % copy.length]! ^= mask;
  return copy;
};
const mask = fc.integer({ min: 1, max: 255 });

describe("a damaged file", () => {
  test("opens when nothing is wrong with it", async () => {
    expect(await open(main, log)).toEqual(entries);
  });

  test("cut to any length is refused, whatever was cut off", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(main.length - 1), async (length) => {
        expectRefusal(await open(main.subarray(0, length)));
      }),
      { numRuns: 150, examples: [[0], [1], [100], [4096], [main.length - 4096]] },
    ));

  test("with any byte changed opens with every entry, or is refused", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(main.length - 1), mask, async (place, bits) => {
        const outcome = await open(flipped(main, place, bits));
        if (outcome instanceof RouterError) expectRefusal(outcome);
        else expect(outcome).toEqual(entries);
      }),
      { numRuns: 400 },
    ));

  test("with its log cut or changed loses at most the last entry", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(log.length - 1), fc.integer({ min: 0, max: 255 }), async (place, bits) => {
        const outcome = await open(main, bits === 0 ? log.subarray(0, place) : flipped(log, place, bits));
        if (outcome instanceof RouterError) return void expectRefusal(outcome);
        expect(outcome.length).toBeGreaterThanOrEqual(COUNT - 1);
        expect(outcome).toEqual(entries.slice(0, outcome.length));
      }),
      { numRuns: 150 },
    ));
});

/** The leaves of the table's tree as its root names them, see https://sqlite.org/fileformat2.html#b_tree_pages. */
function leaves(): { readonly page: number; readonly lastSeq: number; readonly keyAt: number }[] {
  const connection = new DatabaseSync(source, { readOnly: true });
  const { rootpage } = connection.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'entries'").get()!;
  connection.close();
  const root = (Number(rootpage) - 1) * PAGE_BYTES;
  expect(main[root]).toBe(5);
  return Array.from({ length: main.readUInt16BE(root + 3) }, (_, index) => {
    const cell = root + main.readUInt16BE(root + 12 + 2 * index);
    return { page: (main.readUInt32BE(cell) - 1) * PAGE_BYTES, lastSeq: main[cell + 4]!, keyAt: cell + 4 };
  });
}

describe("a damaged page", () => {
  test("is refused with the number of the first entry on it", async () => {
    const [before, damaged] = leaves();
    const outcome = expectRefusal(await open(flipped(main, damaged!.page, 0xff)));
    expect(outcome).toMatchObject({ reason: "broken_chain", param: `entry ${before!.lastSeq + 1}` });
  });

  test("is refused when only a search by number would meet the damage", async () => {
    const { keyAt, lastSeq } = leaves()[1]!;
    const outcome = expectRefusal(await open(flipped(main, keyAt, lastSeq ^ (lastSeq - 2))));
    expect(outcome).toMatchObject({ reason: "damaged_file", message: expect.stringContaining("entries") });
  });
});

/** Edits the file as somebody with a database tool would. */
function edit(...statements: readonly string[]): void {
  const connection = new DatabaseSync(file);
  for (const statement of statements) connection.exec(statement);
  connection.close();
}

const at = fc.integer({ min: 1, max: COUNT });

describe("an edited file is refused with the first wrong entry's number", () => {
  const isRefusedAt = async (seq: number, ...statements: readonly string[]) => {
    await open(main, log);
    edit(...statements);
    expect(expectRefusal(await reopen())).toMatchObject({ reason: "broken_chain", param: `entry ${seq}` });
  };

  test("when a byte of its text, its previous hash or its hash was changed", () =>
    fc.assert(
      fc.asyncProperty(at, fc.constantFrom("body", "prev", "hash"), fc.nat(63), async (seq, column, place) => {
        // Swaps one character for another of the same kind, the smallest change there is.
        const part = `substr(${column}, ${place + 1}, 1)`;
        const changed = `CASE ${part} WHEN '1' THEN '2' ELSE '1' END`;
        const around = `substr(${column}, 1, ${place}) || ${changed} || substr(${column}, ${place + 2})`;
        await isRefusedAt(seq, `UPDATE entries SET ${column} = ${around} WHERE seq = ${seq}`);
      }),
      { numRuns: 60 },
    ));

  test("when entries were removed, from anywhere, the end included", () =>
    fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 5 }), (seq, count) =>
        isRefusedAt(seq, `DELETE FROM entries WHERE seq >= ${seq} AND seq < ${seq + count}`),
      ),
      {
        numRuns: 40,
        examples: [
          [COUNT, 1],
          [1, COUNT],
        ],
      },
    ));

  test("when two entries changed places", () =>
    fc.assert(
      fc.asyncProperty(fc.uniqueArray(at, { minLength: 2, maxLength: 2 }), ([a = 1, b = 2]) =>
        isRefusedAt(
          Math.min(a, b),
          `UPDATE entries SET seq = -1 WHERE seq = ${a}`,
          `UPDATE entries SET seq = ${a} WHERE seq = ${b}`,
          `UPDATE entries SET seq = ${b} WHERE seq = -1`,
        ),
      ),
      { numRuns: 30 },
    ));

  test("when an entry was put behind the last, or before the first", async () => {
    await isRefusedAt(
      COUNT + 1,
      `INSERT INTO entries SELECT ${COUNT + 1}, body, prev, hash FROM entries WHERE seq = 1`,
    );
    await isRefusedAt(1, "INSERT INTO entries SELECT 0, body, prev, hash FROM entries WHERE seq = 1");
  });

  test("when the recorded head is another one", async () => {
    await isRefusedAt(COUNT, `UPDATE meta SET head_hash = '${"f".repeat(64)}'`);
    await isRefusedAt(COUNT, `UPDATE meta SET head_seq = ${COUNT - 1}`);
  });
});

describe("a file that is not this ledger is refused and left as it is", () => {
  const isRefused = (reason: string, prepare: () => void) => async () => {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
    prepare();
    const before = existsSync(file) ? readFileSync(file) : null;
    expect(expectRefusal(await reopen())).toMatchObject({ reason });
    expect(existsSync(file) ? readFileSync(file) : null).toEqual(before);
  };

  test(
    "a text file",
    isRefused("damaged_file", () => writeFileSync(file, "seq,body\n".repeat(100))),
  );
  test(
    "an empty file, which may be what is left of one",
    isRefused("empty_file", () => writeFileSync(file, "")),
  );
  test(
    "another program's database",
    isRefused("foreign_file", () => edit("CREATE TABLE notes (text)")),
  );
  test(
    "another program's database with a table of that name",
    isRefused("foreign_file", () => edit("CREATE TABLE meta (a)")),
  );
  test(
    "a file of exposures, which would pass for a ledger without entries",
    isRefused("foreign_file", () => openDatabase(file, { kind: "exposures" }).close()),
  );
  test(
    "a newer format",
    isRefused("newer_format", () => {
      copyFileSync(source, file);
      edit("UPDATE meta SET format = 99");
    }),
  );
  test(
    "a log whose main file is gone",
    isRefused("missing_file", () => writeFileSync(`${file}-wal`, log)),
  );
});

test("a path that cannot be opened is named", () => {
  const folderInTheWay = join(folder.path, "folder");
  mkdirSync(folderInTheWay);
  expect(() => openDatabase(folderInTheWay)).toThrow(expect.objectContaining({ code: "unavailable" }));
  expect(() => openDatabase(join(source, "below.db"))).toThrow(/below\.db cannot be opened/);
});

test("a new file is made with its folders, is readable by its owner only, and leaves no drafts", () => {
  const fresh = join(folder.path, "new", "deep", "ledger.db");
  openDatabase(fresh).close();
  expect(statSync(fresh).mode & 0o077).toBe(0);
  expect(existsSync(`${fresh}-wal`)).toBe(false);
});
