import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RouterError } from "../../core/errors.ts";
import { readPlaces, removePlaces, type SpoolPlace } from "./spool-places.ts";

/** Processes that may share a data directory. */
const LANES = 16;
const FILE = /^spans-(\d{12})\.bin$/;

export const spoolFile = (number: number): string => `spans-${String(number).padStart(12, "0")}.bin`;

/** The numbers of a folder's spool files, oldest first. */
export const spoolNumbers = (folder: string): number[] =>
  readdirSync(folder)
    .flatMap((name) => FILE.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);

type SpoolPlaces = Readonly<Record<string, SpoolPlace>>;

/** A folder that this process alone writes to, until it ends. */
export interface SpoolLane {
  readonly folder: string;
  /** Where the destinations of the process before were. */
  readonly places: SpoolPlaces;
  /** The last number that a file has, or had as far as places say: a number is never given twice, else a new file would be before a place. */
  readonly last: number;
  readonly release: () => void;
}

/**
 * Takes the first folder of a spool that no process holds, and what ended processes left in others. A folder is held by
 * SQLite's lock of an empty database: the system lets it go when a process is killed, and no number of a process that
 * another has meanwhile stands for it.
 * @throws RouterError `unavailable` when the directory cannot be used, or too many processes share it
 */
export function claimSpoolLane(directory: string): SpoolLane {
  const lanes = Array.from({ length: LANES }, (_, index) => join(directory, String(index)));
  for (const folder of lanes) {
    const release = tryLock(folder);
    if (release === null) continue;
    const places = soundPlaces(folder);
    let last = Math.max(spoolNumbers(folder).at(-1) ?? 0, ...Object.values(places).map(({ file }) => file));
    for (const other of lanes)
      if (other !== folder && existsSync(other)) last = takeOver(other, { folder, after: last });
    return { folder, places, last, release };
  }
  throw new RouterError(
    "unavailable",
    `${LANES} processes use the spool in ${directory} already. Give this one a data directory of its own, or set SEGUE_SPOOL=off.`,
  );
}

/** @returns the way to let it go; null while another process holds it */
function tryLock(folder: string): (() => void) | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(join(folder, "lock"));
    try {
      database.exec("BEGIN EXCLUSIVE");
      return () => database.close();
    } catch (error) {
      database.close();
      if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return null;
      throw error;
    }
  } catch (error) {
    throw new RouterError("unavailable", `The spool in ${folder} cannot be used. Check that it may be written to.`, {
      cause: error,
    });
  }
}

const SQLITE_BUSY = 5;

/** Without those that are after the end of what is there, which belong to files of another time: what is there is sent again then. */
function soundPlaces(folder: string): SpoolPlaces {
  const last = spoolNumbers(folder).at(-1);
  const places = Object.entries(readPlaces(folder));
  const isSound = ({ file, offset }: SpoolPlace): boolean =>
    last === undefined || file <= last || (file === last + 1 && offset === 0);
  return Object.fromEntries(places.filter(([, place]) => isSound(place)));
}

/**
 * Moves what a process that ended left to the end of this one's files; what was sent of it already is sent again.
 * @returns the last number then
 */
function takeOver(from: string, { folder, after }: { readonly folder: string; readonly after: number }): number {
  const release = tryLock(from);
  if (release === null) return after;
  try {
    let last = after;
    for (const number of spoolNumbers(from)) renameSync(join(from, spoolFile(number)), join(folder, spoolFile(++last)));
    // They say nothing of the files that come here next.
    removePlaces(from);
    return last;
  } finally {
    release();
  }
}
