import { chmodSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EMPTY } from "../core/ledger.ts";
import { RouterError } from "../core/errors.ts";
import { linkUnlessThere } from "./link-unless-there.ts";
import { storageError } from "./sqlite-error.ts";

const FORMAT = 1;
/** Opening may have to recover a log, which others wait for. */
const OPEN_TIMEOUT_MS = 2000;

const META = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    application TEXT NOT NULL, format INTEGER NOT NULL,
    head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
  ) STRICT;
`;
const LEDGER = `
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, body TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL
  ) STRICT;
  CREATE TABLE snapshots (
    seq INTEGER PRIMARY KEY, format INTEGER NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL
  ) STRICT;
  CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT, fence INTEGER NOT NULL, until INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE checkpoints (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  INSERT INTO lease VALUES (1, NULL, 0, 0);
`;
const EXPOSURES = `
  CREATE TABLE exposures (
    id INTEGER PRIMARY KEY, prediction_id TEXT NOT NULL, at INTEGER NOT NULL,
    policy TEXT NOT NULL, segment TEXT NOT NULL, variant TEXT NOT NULL, revision INTEGER NOT NULL,
    reason TEXT NOT NULL, unit TEXT, key_id TEXT, attributes TEXT NOT NULL,
    status INTEGER NOT NULL, latency_ms REAL NOT NULL, error TEXT, answered TEXT
  ) STRICT;
  CREATE INDEX exposures_by_segment ON exposures (policy, segment);
`;

/** What a file may hold. A power cut may cost the last seconds of what nobody was promised, and nothing else. */
const KINDS = {
  ledger: { application: "segue", schema: META + LEDGER, isLasting: true },
  exposures: { application: "segue-exposures", schema: META + EXPOSURES, isLasting: false },
  /** Its tables are its adapter's. */
  outbox: { application: "segue-outbox", schema: META, isLasting: false },
} as const;
type Kind = keyof typeof KINDS;

/** An open database file. Every call that touches it goes through `attempt` or `transaction`, which translate failures. */
export interface Database {
  readonly file: string;
  readonly connection: DatabaseSync;
  /** @throws RouterError `unavailable` (disk full, read-only, busy) or `ledger_broken` (corrupt), naming the file */
  readonly attempt: <T>(work: () => T) => T;
  /** All of `work` or none of it. `write` takes the write lock first, so that what `work` reads stays true. */
  readonly transaction: <T>(kind: "read" | "write", work: () => T) => T;
  /** A `write` transaction that waits for another process's without holding up the event loop, see `busyPauses`. */
  readonly write: <T>(work: () => T) => Promise<T>;
  readonly close: () => void;
}

export interface DatabaseOptions {
  /** `ledger` unless told: what was acknowledged survives `kill -9` and a power cut. `exposures` survive the former. */
  readonly kind?: Kind;
  /** How long a call waits for another process's write. The event loop stands still meanwhile. */
  readonly busyTimeoutMs?: number;
  /** How often `write` pauses for `pauseMs` and tries again while the file is locked; never unless told. */
  readonly busyPauses?: { readonly count: number; readonly pauseMs: number };
}

/** For a process that serves: no call holds up the event loop for long, and a write is given up after two seconds. */
export const SERVING = { busyTimeoutMs: 5, busyPauses: { count: 80, pauseMs: 20 } } as const;

/**
 * Opens the database at `file`, and creates it when nothing is there.
 * @throws RouterError `ledger_broken` for a file that is empty, damaged, not Segue's, or of a newer format;
 *   `unavailable` when it cannot be opened
 */
export function openDatabase(file: string, options: DatabaseOptions = {}): Database {
  const { kind = "ledger", busyTimeoutMs = 2000, busyPauses = { count: 0, pauseMs: 0 } } = options;
  const { isLasting } = KINDS[kind];
  try {
    if (!existsSync(file)) create(file, kind);
    else if (statSync(file).size === 0)
      throw broken(file, "it is empty, which a database of Segue never is", "empty_file");
    const connection = new DatabaseSync(file, { timeout: OPEN_TIMEOUT_MS });
    try {
      checkOrigin(connection, file, kind);
      connection.exec("PRAGMA journal_mode = WAL");
      connection.exec(`PRAGMA synchronous = ${isLasting ? "FULL" : "NORMAL"}`);
      // Copying each commit on to the main file at once leaves only the newest in the log, whose
      // damaged frames SQLite drops without a word; damage in the main file breaks the hash chain.
      if (isLasting) connection.exec("PRAGMA wal_autocheckpoint = 1");
      connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    } catch (error) {
      connection.close();
      throw error;
    }
    return wrap(file, connection, busyPauses);
  } catch (error) {
    throw storageError(file, error);
  }
}

/** Built under another name and linked when whole, so that no crash leaves half a database and no two processes build two. */
function create(file: string, kind: Kind): void {
  if (existsSync(`${file}-wal`))
    throw broken(file, `it is gone, while its log ${file}-wal is still there`, "missing_file");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const { application, schema } = KINDS[kind];
  const draft = `${file}.${process.pid}.${process.hrtime.bigint().toString(36)}.new`;
  try {
    const connection = new DatabaseSync(draft);
    // The ledger holds policies and digests of keys: only its owner may read it.
    chmodSync(draft, 0o600);
    connection.exec("PRAGMA synchronous = FULL");
    connection.exec(`BEGIN; ${schema}`);
    connection.prepare("INSERT INTO meta VALUES (1, ?, ?, ?, ?)").run(application, FORMAT, EMPTY.seq, EMPTY.hash);
    connection.exec("COMMIT; PRAGMA journal_mode = WAL");
    connection.close();
    linkUnlessThere(draft, file);
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(draft + suffix, { force: true });
  }
}

function checkOrigin(connection: DatabaseSync, file: string, kind: Kind): void {
  const tables = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").all();
  if (tables.length === 0) throw broken(file, "it is a database of another program", "foreign_file");
  const meta = connection.prepare("SELECT * FROM meta").all();
  const row = meta[0];
  const found = Object.values(KINDS).find(({ application }) => application === row?.application);
  if (meta.length === 1 && found !== undefined && found !== KINDS[kind])
    throw broken(
      file,
      found === KINDS.ledger
        ? "it is a ledger"
        : `it is not ${kind === "ledger" ? "a ledger" : "what it should be"}, but holds ${found === KINDS.outbox ? "an outbox" : "exposures"}`,
      "foreign_file",
    );
  if (meta.length !== 1 || row === undefined || found === undefined)
    throw broken(file, "it is a database of another program", "foreign_file");
  if (typeof row.format !== "number" || row.format > FORMAT)
    throw new RouterError(
      "ledger_broken",
      `${file} has format ${String(row.format)}; this version of Segue reads up to ${FORMAT}. Start it with the version that wrote the file, or a newer one.`,
      { reason: "newer_format" },
    );
}

const broken = (file: string, what: string, reason: string): RouterError =>
  new RouterError(
    "ledger_broken",
    `${file} cannot be used: ${what}. Restore it from a backup, or move it away to start with an empty one.`,
    { reason },
  );

/** Writing to a file that was removed succeeds, and is forgotten when the process ends. */
function checkStillThere(file: string, inode: number): void {
  if (statSync(file, { throwIfNoEntry: false })?.ino === inode) return;
  throw new RouterError(
    "unavailable",
    `${file} was removed or replaced while it was in use; nothing was changed. Put it back and restart Segue.`,
    { reason: "file_replaced" },
  );
}

function wrap(
  file: string,
  connection: DatabaseSync,
  { count, pauseMs }: NonNullable<DatabaseOptions["busyPauses"]>,
): Database {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw storageError(file, error);
    }
  };
  const { ino: inode } = statSync(file);
  const transaction = <T>(kind: "read" | "write", work: () => T): T =>
    attempt(() => {
      if (kind === "write") checkStillThere(file, inode);
      connection.exec(kind === "write" ? "BEGIN IMMEDIATE" : "BEGIN");
      try {
        const result = work();
        connection.exec("COMMIT");
        return result;
      } catch (error) {
        // A full disk makes SQLite roll back by itself; a second ROLLBACK would hide the cause.
        if (connection.isTransaction) connection.exec("ROLLBACK");
        throw error;
      }
    });
  const write = async <T>(work: () => T): Promise<T> => {
    for (let paused = 0; ; paused++) {
      try {
        return transaction("write", work);
      } catch (error) {
        const isBusy = error instanceof RouterError && error.reason === "busy";
        if (!isBusy || paused >= count) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const close = () => {
    if (connection.isOpen) attempt(() => connection.close());
  };
  return { file, connection, attempt, transaction, write, close };
}
