import { Buffer } from "node:buffer";
import { closeSync, ftruncateSync, openSync, readSync, rmSync, statSync, writevSync } from "node:fs";
import { join } from "node:path";
import type { WaitingSpan } from "./span-buffer.ts";
import { FRAME_BYTES, HEAD_START, isIntact, readRecord, recordBytes } from "./spool-record.ts";
import { spoolFile, spoolNumbers } from "./spool-lane.ts";
import type { SpoolPlace } from "./spool-places.ts";

/** Read at once; a larger record is read by itself. */
const CHUNK_BYTES = 256 * 1024;

/** A place in a file, and how many of its records are before it. */
export type PlaceInFile = Pick<SpoolPlace, "offset" | "spans">;

/** A record of a spool, or so many that are lost, and where it ends in its file. */
export type SpoolRecord =
  | { readonly span: WaitingSpan; readonly end: PlaceInFile }
  | { readonly span: null; readonly lost: number; readonly isMissing: boolean; readonly end: PlaceInFile };

/** The files of a spool: the last is written to, the others are only read. */
export class SpoolFiles {
  readonly #folder: string;
  readonly #fileBytesMax: number;
  /** Bytes by number, oldest first. */
  readonly #sizes = new Map<number, number>();
  /** Records by number, as far as they were counted. */
  readonly #spans = new Map<number, number>();
  #descriptor: number | null = null;
  #current: number;
  #total = 0;

  /** @param last the number that was given last */
  constructor(folder: string, last: number, fileBytesMax: number) {
    this.#folder = folder;
    this.#current = last;
    this.#fileBytesMax = fileBytesMax;
    for (const number of spoolNumbers(folder)) {
      const { size } = statSync(this.#path(number));
      this.#sizes.set(number, size);
      this.#total += size;
    }
  }

  get total(): number {
    return this.#total;
  }

  numbers(): readonly number[] {
    return [...this.#sizes.keys()];
  }

  size(number: number): number {
    return this.#sizes.get(number) ?? 0;
  }

  isCurrent(number: number): boolean {
    return this.#descriptor !== null && number === this.#current;
  }

  /**
   * Appends in one write. It is in the system's hands then: a process that is killed loses nothing, a machine that loses
   * its power may. @throws where it could not be written; nothing of it is left then
   */
  append(pieces: readonly Uint8Array[]): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (this.#descriptor === null || this.size(this.#current) >= this.#fileBytesMax) this.#begin();
    const [descriptor, size] = [this.#descriptor ?? -1, this.size(this.#current)];
    try {
      const written = writevSync(descriptor, pieces, size);
      if (written !== length) throw new Error(`only ${written} of ${length} bytes were written`);
    } catch (error) {
      ftruncateSync(descriptor, size);
      throw error;
    }
    this.#sizes.set(this.#current, size + length);
    this.#spans.set(this.#current, this.count(this.#current) + 1);
    this.#total += length;
  }

  remove(number: number): void {
    if (number === this.#current) this.close();
    rmSync(this.#path(number), { force: true });
    this.#total -= this.size(number);
    this.#sizes.delete(number);
    this.#spans.delete(number);
  }

  /** How many records a file has. Known of those that this process wrote; others are walked through once, without reading what is in them. */
  count(number: number): number {
    const known = this.#spans.get(number);
    if (known !== undefined) return known;
    let count = 0;
    withFile(this.#path(number), this.size(number), (read) => {
      let at = 0;
      for (let length = lengthAt(read, at); length !== null; length = lengthAt(read, at)) {
        at += length;
        count += 1;
      }
      if (at < this.size(number)) count += startsFrom(read, at, this.size(number));
    });
    this.#spans.set(number, count);
    return count;
  }

  /**
   * The records of a file from a place on. One that is damaged is skipped by its length where that leads to another; else
   * the rest of the file is lost, as nobody can tell where the next begins.
   */
  *records(number: number, from: PlaceInFile): Generator<SpoolRecord, void, undefined> {
    const size = this.size(number);
    let { offset, spans } = from;
    if (offset >= size) return;
    const descriptor = openIfThere(this.#path(number));
    if (descriptor === null) {
      const lost = Math.max(1, (this.#spans.get(number) ?? 0) - spans);
      return yield { span: null, lost, isMissing: true, end: { offset: size, spans: spans + lost } };
    }
    try {
      const read = reader(descriptor, size);
      while (offset < size) {
        const length = lengthAt(read, offset);
        const record = length === null ? null : read(offset, length);
        const span = record === null ? null : readRecord(record);
        if (span === null) {
          const next = record === null ? null : afterDamaged(read, offset, { record, size });
          const rest = (): number =>
            Math.max(1, (this.#spans.get(number) ?? spans + startsFrom(read, offset, size)) - spans);
          const lost = next === null ? rest() : 1;
          [offset, spans] = [next ?? size, spans + lost];
          yield { span: null, lost, isMissing: false, end: { offset, spans } };
        } else {
          [offset, spans] = [offset + (length ?? 0), spans + 1];
          yield { span, end: { offset, spans } };
        }
      }
    } finally {
      closeSync(descriptor);
    }
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #begin(): void {
    this.close();
    const number = this.#current + 1;
    this.#descriptor = openSync(this.#path(number), "wx", 0o600);
    this.#current = number;
    this.#sizes.set(number, 0);
    this.#spans.set(number, 0);
  }

  #path(number: number): string {
    return join(this.#folder, spoolFile(number));
  }
}

/** The bytes of a file at a place; null where it has fewer. */
type Read = (from: number, bytes: number) => Buffer | null;

function reader(descriptor: number, size: number): Read {
  let chunk: Buffer = Buffer.alloc(0);
  let start = 0;
  return (from, bytes) => {
    if (from + bytes > size) return null;
    if (from < start || from + bytes > start + chunk.length) {
      start = from;
      chunk = readAt(descriptor, from, Math.min(size - from, Math.max(CHUNK_BYTES, bytes)));
    }
    const part = chunk.subarray(from - start, from - start + bytes);
    return part.length < bytes ? null : part;
  };
}

function withFile(path: string, size: number, use: (read: Read) => void): void {
  const descriptor = openIfThere(path);
  if (descriptor === null) return;
  try {
    use(reader(descriptor, size));
  } finally {
    closeSync(descriptor);
  }
}

/** @returns the length of the record at a place; null where it is not there in full */
function lengthAt(read: Read, at: number): number | null {
  const frame = read(at, FRAME_BYTES);
  const length = frame === null ? null : recordBytes(frame);
  return length === null || read(at, length) === null ? null : length;
}

/** @returns where the record after a damaged one begins; null where its length leads nowhere */
function afterDamaged(
  read: Read,
  at: number,
  { record, size }: { readonly record: Buffer; readonly size: number },
): number | null {
  const next = at + record.length;
  if (isIntact(record) || next === size) return next;
  const length = lengthAt(read, next);
  const following = length === null ? null : read(next, length);
  return following !== null && isIntact(following) ? next : null;
}

/** About how many records begin in the rest of a file, where their lengths do not say. */
function startsFrom(read: Read, from: number, size: number): number {
  const rest = read(from, size - from);
  let count = 0;
  if (rest !== null) for (let at = rest.indexOf(HEAD_START); at >= 0; at = rest.indexOf(HEAD_START, at + 1)) count += 1;
  return count;
}

/** @returns null where somebody removed it */
function openIfThere(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

function readAt(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let read = 0;
  for (;;) {
    const count = readSync(descriptor, bytes, read, length - read, position + read);
    read += count;
    if (count === 0 || read === length) return bytes.subarray(0, read);
  }
}
