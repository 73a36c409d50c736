import { Buffer } from "node:buffer";
import { closeSync, ftruncateSync, openSync, readSync, rmSync, statSync, writevSync } from "node:fs";
import { join } from "node:path";
import type { WaitingSpan } from "./span-buffer.ts";
import { FRAME_BYTES, readRecord, recordBytes } from "./spool-record.ts";
import { spoolFile, spoolNumbers } from "./spool-lane.ts";

/** Read at once; a larger record is read by itself. */
const CHUNK_BYTES = 256 * 1024;

/** A record of a spool, and where it ends in its file. */
export interface SpoolRecord {
  readonly span: WaitingSpan;
  readonly end: number;
}

/** The files of a spool: the last is written to, the others are only read. */
export class SpoolFiles {
  readonly #folder: string;
  readonly #fileBytesMax: number;
  /** Bytes by number, oldest first. */
  readonly #sizes = new Map<number, number>();
  #descriptor: number | null = null;
  #current = 0;
  #total = 0;

  constructor(folder: string, fileBytesMax: number) {
    this.#folder = folder;
    this.#fileBytesMax = fileBytesMax;
    for (const number of spoolNumbers(folder)) {
      const { size } = statSync(this.#path(number));
      this.#sizes.set(number, size);
      this.#total += size;
      this.#current = number;
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
    this.#total += length;
  }

  remove(number: number): void {
    if (number === this.#current) this.close();
    rmSync(this.#path(number), { force: true });
    this.#total -= this.size(number);
    this.#sizes.delete(number);
  }

  /** The records of a file from a place on, until one that is torn. @returns whether there is such a one */
  *records(number: number, from: number): Generator<SpoolRecord, boolean, undefined> {
    const size = this.size(number);
    const descriptor = openSync(this.#path(number), "r");
    try {
      let chunk: Buffer = Buffer.alloc(0);
      let [start, at] = [from, 0];
      /** Reads on, if need be. @returns whether the next bytes are there */
      const holds = (bytes: number): boolean => {
        if (chunk.length - at >= bytes) return true;
        [start, at] = [start + at, 0];
        if (start + bytes > size) return false;
        chunk = readAt(descriptor, start, Math.min(size - start, Math.max(CHUNK_BYTES, bytes)));
        return chunk.length >= bytes;
      };
      while (start + at < size) {
        const length = holds(FRAME_BYTES) ? recordBytes(chunk, at) : Infinity;
        if (!holds(length)) return true;
        const span = readRecord(chunk.subarray(at, at + length));
        if (span === null) return true;
        at += length;
        yield { span, end: start + at };
      }
      return false;
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
  }

  #path(number: number): string {
    return join(this.#folder, spoolFile(number));
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
