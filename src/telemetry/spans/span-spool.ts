import { assert } from "../../core/errors.ts";
import type { Counters, Log } from "../../ports.ts";
import { sentBytes, type BatchLimits, type SpanBuffer, type SpanReader, type WaitingSpan } from "./span-buffer.ts";
import { SpoolFiles } from "./spool-files.ts";
import { claimSpoolLane, type SpoolLane } from "./spool-lane.ts";
import { readPlaces, writePlaces, type SpoolPlace } from "./spool-places.ts";
import { recordPieces } from "./spool-record.ts";

const BYTES_MAX = 1024 ** 3;
const FILE_BYTES_MAX = 8 * 1024 * 1024;
/** At least so many files, so that dropping the oldest does not drop too much. */
const FILES_MIN = 8;

export interface SpanSpoolOptions {
  /** Made where it is missing. What it holds is not redacted yet, so only its owner may read it. */
  readonly directory: string;
  readonly counters: Counters;
  readonly log: Log;
  /** Of all files of a process. */
  readonly bytesMax?: number;
}

/** Where a destination is, and where what was peeked last ends. */
interface Place {
  readonly destination: string;
  at: SpoolPlace;
  ends: readonly SpoolPlace[];
}

/**
 * Keeps answers in files until all destinations have passed them. An answer is written before `add` returns, so a process
 * that is killed loses none; what was on its way then is sent again, with the same ids. When the files are full, the
 * oldest is dropped, and counted in `segue_spans_dropped_total`, reason `spool_full`.
 * @throws RouterError `unavailable` when the directory cannot be used
 */
export function openSpanSpool(options: SpanSpoolOptions): SpanBuffer {
  const spool = new SpanSpool(options);
  return {
    add: (span) => spool.add(span),
    reader: (destination) => spool.reader(destination),
    close: () => spool.close(),
  };
}

class SpanSpool {
  readonly #counters: Counters;
  readonly #log: Log;
  readonly #bytesMax: number;
  readonly #lane: SpoolLane;
  readonly #files: SpoolFiles;
  readonly #saved: Readonly<Record<string, SpoolPlace>>;
  readonly #places: Place[] = [];
  /** Files that end in a torn record, as far as they were read. */
  readonly #torn = new Set<number>();
  #hasFailed = false;

  constructor({ directory, counters, log, bytesMax = BYTES_MAX }: SpanSpoolOptions) {
    this.#counters = counters;
    this.#log = log;
    this.#bytesMax = bytesMax;
    this.#lane = claimSpoolLane(directory);
    this.#files = new SpoolFiles(this.#lane.folder, Math.min(FILE_BYTES_MAX, Math.floor(bytesMax / FILES_MIN)));
    this.#saved = readPlaces(this.#lane.folder);
  }

  add(span: WaitingSpan): void {
    const pieces = recordPieces(span);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > this.#bytesMax) return this.#counters.add("segue_spans_dropped_total", { reason: "too_large" });
    while (this.#isFullFor(bytes)) this.#dropOldest();
    try {
      this.#files.append(pieces);
      this.#hasFailed = false;
    } catch (error) {
      this.#counters.add("segue_spans_dropped_total", { reason: "spool_failed" });
      if (!this.#hasFailed)
        this.#log.error("a span could not be written to the spool; more are only counted", { error });
      this.#hasFailed = true;
    }
  }

  reader(destination: string): SpanReader {
    const isNew = !this.#places.some((place) => place.destination === destination);
    assert(isNew, `two readers for ${destination}`);
    // A destination that is new here is sent what there is.
    const place: Place = { destination, at: this.#saved[destination] ?? { file: 0, offset: 0 }, ends: [] };
    this.#places.push(place);
    return {
      peek: (limits) => this.#peek(place, limits),
      pass: (count) => {
        place.at = place.ends[count - 1] ?? place.at;
        place.ends = place.ends.slice(count);
        this.#release();
      },
    };
  }

  /** What waits stays for the next process. */
  close(): void {
    this.#release();
    this.#files.close();
    this.#lane.release();
  }

  #peek(place: Place, { spansMax, bytesMax }: BatchLimits): readonly WaitingSpan[] {
    const spans: WaitingSpan[] = [];
    const ends: SpoolPlace[] = [];
    let bytes = 0;
    const isWithin = (span: WaitingSpan): boolean => {
      bytes += sentBytes(span);
      return spans.length === 0 || (spans.length < spansMax && bytes <= bytesMax);
    };
    this.#skipEmpty(place);
    for (const number of this.#files.numbers()) {
      if (number < place.at.file) continue;
      const from = number === place.at.file ? place.at.offset : 0;
      if (!this.#readInto(spans, ends, { number, from, isWithin })) break;
    }
    place.ends = ends;
    return spans;
  }

  /** @returns whether all of the file was within the limits */
  #readInto(
    spans: WaitingSpan[],
    ends: SpoolPlace[],
    { number, from, isWithin }: { number: number; from: number; isWithin: (span: WaitingSpan) => boolean },
  ): boolean {
    const records = this.#files.records(number, from);
    for (let next = records.next(); ; next = records.next()) {
      if (next.done === true) {
        if (next.value) this.#tear(number);
        return true;
      }
      const { span, end } = next.value;
      if (!isWithin(span)) {
        records.return(false);
        return false;
      }
      spans.push(span);
      ends.push({ file: number, offset: end });
    }
  }

  /** A crash tears at most the last record of a file; what comes after a torn one cannot be told apart. */
  #tear(number: number): void {
    if (this.#torn.has(number)) return;
    this.#torn.add(number);
    this.#counters.add("segue_spool_torn_total");
    this.#log.warn("a file of the spool ends in a torn record, which is skipped", { file: number });
  }

  /** Goes on to the file where the next record is. */
  #skipEmpty(place: Place): void {
    for (const number of this.#files.numbers()) {
      if (number < place.at.file || this.#files.isCurrent(number)) continue;
      const from = number === place.at.file ? place.at.offset : 0;
      const records = this.#files.records(number, from);
      const first = records.next();
      records.return(false);
      if (first.done !== true) return;
      if (first.value) this.#tear(number);
      place.at = { file: number + 1, offset: 0 };
    }
  }

  #isFullFor(bytes: number): boolean {
    return this.#files.total > 0 && this.#files.total + bytes > this.#bytesMax;
  }

  #dropOldest(): void {
    const [oldest] = this.#files.numbers();
    if (oldest === undefined) return;
    for (const place of this.#places) {
      if (place.at.file > oldest) continue;
      const from = place.at.file === oldest ? place.at.offset : 0;
      let lost = 0;
      for (const _ of this.#files.records(oldest, from)) lost += 1;
      place.at = { file: oldest + 1, offset: 0 };
      place.ends = [];
      const { destination } = place;
      if (lost > 0) this.#counters.add("segue_spans_dropped_total", { destination, reason: "spool_full" }, lost);
    }
    this.#files.remove(oldest);
  }

  /** Remembers where all are, then removes what all have passed: a crash between the two leaves a file that is passed. */
  #release(): void {
    for (const place of this.#places) this.#skipEmpty(place);
    writePlaces(this.#lane.folder, Object.fromEntries(this.#places.map(({ destination, at }) => [destination, at])));
    const needed = Math.min(...this.#places.map(({ at }) => at.file));
    for (const number of this.#files.numbers()) if (number < needed) this.#files.remove(number);
  }
}
