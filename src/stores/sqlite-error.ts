import { RouterError, type ErrorCode } from "../core/errors.ts";

interface Meaning {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly what: string;
  readonly todo: string;
}

const damaged: Meaning = {
  code: "ledger_broken",
  reason: "damaged_file",
  what: "is damaged",
  todo: "Restore it from a backup; keep the damaged file for the audit.",
};
const unwritable = (reason: string, what: string, todo: string): Meaning => ({
  code: "unavailable",
  reason,
  what,
  todo: `Nothing was written. ${todo}`,
});

/** SQLite's primary result codes that are conditions of the host and not bugs, see https://sqlite.org/rescode.html. */
const meanings: Readonly<Record<number, Meaning>> = {
  // SQLITE_ERROR: our statements are fixed, so one that fails means that the file's schema is not ours any more.
  1: damaged,
  3: unwritable("no_permission", "may not be accessed", "Give this user the right to read and write it."),
  5: unwritable("busy", "is locked by another process", "Try again; if it stays so, end the process that holds it."),
  6: unwritable("busy", "is locked by this process", "Try again."),
  8: unwritable("read_only", "is read-only", "Make the file and its folder writable for this user."),
  10: unwritable("io_error", "could not be read or written", "Check the disk, its free space and the system's log."),
  11: damaged,
  13: unwritable("disk_full", "could not grow: the disk is full", "Free some space and try again."),
  14: unwritable("cannot_open", "cannot be opened", "Check that its folder exists and that this user may write there."),
  // SQLITE_CONSTRAINT and SQLITE_MISMATCH: rows that only another program can have written.
  19: damaged,
  20: damaged,
  26: { ...damaged, what: "is damaged or not a database" },
};

/** What failed, as something that an operator can act on. Anything that is not a storage failure comes back as it is. */
export function storageError(file: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RouterError) return error;
  if ("errcode" in error && typeof error.errcode === "number") {
    const meaning = meanings[error.errcode & 0xff];
    if (meaning === undefined) return error;
    const { code, reason, what, todo } = meaning;
    return new RouterError(code, `${file} ${what} (${error.message}). ${todo}`, { reason, cause: error });
  }
  if ("code" in error && error.code === "ERR_INVALID_STATE")
    return new RouterError("unavailable", `${file} is closed: Segue is stopping.`, { reason: "closed", cause: error });
  if ("syscall" in error)
    return new RouterError(
      "unavailable",
      `${file} cannot be opened: ${error.message}. Check the path and its rights.`,
      {
        reason: "cannot_open",
        cause: error,
      },
    );
  return error;
}
