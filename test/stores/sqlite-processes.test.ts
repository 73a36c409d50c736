import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EMPTY, verifyChain } from "../../src/core/ledger.ts";
import { createSqliteLease } from "../../src/stores/sqlite-lease.ts";
import { openSqliteLedger } from "../../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { draft, signalEvent } from "../contracts/history.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, "ledger.db");
});
afterEach(() => folder.remove());

const program = fileURLToPath(new URL("./append-entries.ts", import.meta.url));

interface Writer {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** The entries that it was told are written, by number. */
  readonly acknowledged: Map<number, string>;
  readonly ready: Promise<unknown>;
  readonly start: () => void;
  readonly ended: Promise<unknown>;
}

function openWriter(name: string, count: number, onAcknowledged: (writer: Writer) => void = () => undefined): Writer {
  const child = spawn(process.execPath, [program, file, name, String(count)], { stdio: ["pipe", "pipe", "inherit"] });
  const acknowledged = new Map<number, string>();
  const lines = createInterface({ input: child.stdout });
  const writer = {
    child,
    acknowledged,
    ready: once(lines, "line"),
    start: () => child.stdin.end("go\n"),
    ended: Promise.all([once(child, "exit"), once(lines, "close")]),
  };
  lines.on("line", (line) => {
    const [seq, hash] = line.split(" ");
    if (hash?.length !== 64) return;
    acknowledged.set(Number(seq), hash);
    onAcknowledged(writer);
  });
  return writer;
}

async function entriesOfFile() {
  const ledger = openSqliteLedger(openDatabase(file));
  const entries = await ledger.readStored(0, 100_000);
  const head = await ledger.head();
  await ledger.close();
  expect(verifyChain(EMPTY, entries)).toEqual({ head });
  return new Map(entries.map((entry) => [entry.seq, entry.hash]));
}

test("processes that write to one file, and create it at the same time, lose nothing and never share a number", async () => {
  const writers = ["a", "b", "c"].map((name) => openWriter(name, 100));
  await Promise.all(writers.map((writer) => writer.ready));
  for (const writer of writers) writer.start();
  await Promise.all(writers.map((writer) => writer.ended));
  const acknowledged = writers.flatMap((writer) => [...writer.acknowledged]);
  expect(writers.map((writer) => writer.child.exitCode)).toEqual([0, 0, 0]);
  expect(acknowledged).toHaveLength(300);
  expect(await entriesOfFile()).toEqual(new Map(acknowledged.sort(([a], [b]) => a - b)));
});

test("a process that is killed at any moment loses nothing that was acknowledged", async () => {
  const acknowledged = new Map<number, string>();
  for (let round = 0; round < 10; round++) {
    const deadline = 1 + Math.floor(Math.random() * 40);
    const writer = openWriter(`round-${round}`, 1_000_000, ({ child, acknowledged: { size } }) => {
      if (size >= deadline) child.kill("SIGKILL");
    });
    writer.start();
    await writer.ended;
    expect(writer.child.signalCode).toBe("SIGKILL");
    for (const [seq, hash] of writer.acknowledged) acknowledged.set(seq, hash);
    const found = await entriesOfFile();
    for (const [seq, hash] of acknowledged) expect(found.get(seq)).toBe(hash);
    // Only the last entry may be there without having been acknowledged: the kill came in between.
    expect(found.size - Math.max(...acknowledged.keys())).toBeLessThanOrEqual(1);
    for (const [seq, hash] of found) acknowledged.set(seq, hash);
  }
});

test("followers hear of entries that another process wrote, and only of entries", async () => {
  const ledger = openSqliteLedger(openDatabase(file), { pollMs: 5 });
  const heard = new Promise<void>((resolve) => ledger.follow(resolve));
  const writer = openWriter("a", 1);
  writer.start();
  await heard;
  expect(await ledger.head()).toMatchObject({ seq: 1 });
  await writer.ended;
  await ledger.close();
});

test("a look at the file rings after foreign entries and after a failed look, and not for other changes", async () => {
  const looks: (() => void)[] = [];
  const database = openDatabase(file);
  const every = (_: number, look: () => void) => {
    looks.push(look);
    return () => undefined;
  };
  const ledger = openSqliteLedger(database, { every });
  const other = openDatabase(file);
  const otherLedger = openSqliteLedger(other);
  let rings = 0;
  ledger.follow(() => (rings += 1));
  const ringsOfLook = () => {
    const before = rings;
    for (const look of looks) look();
    return rings - before;
  };
  expect(looks).toHaveLength(1);
  expect(ringsOfLook()).toBe(0);
  await otherLedger.append(0, [draft(signalEvent("s-1"))]);
  expect(ringsOfLook()).toBe(1);
  expect(ringsOfLook()).toBe(0);
  await createSqliteLease(other).acquire("b", 1000, 0);
  expect(ringsOfLook()).toBe(0);
  other.connection.exec("ALTER TABLE meta RENAME TO hidden");
  expect(ringsOfLook()).toBe(1);
  other.connection.exec("ALTER TABLE hidden RENAME TO meta");
  expect(ringsOfLook()).toBe(1);
  expect(ringsOfLook()).toBe(0);
  await otherLedger.close();
  await ledger.close();
});
