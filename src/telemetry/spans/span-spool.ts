import { assert } from "../../core/errors.ts";
import type { Counters, Log } from "../../ports.ts";
import { sentBytes, type BatchLimits, type SpanBuffer, type SpanReader, type WaitingSpan } from "./span-buffer.ts";
import { SpoolFiles, type PlaceInFile, type SpoolRecord } from "./spool-files.ts";
import { claimSpoolLane, type SpoolLane } from "./spool-lane.ts";
import { writePlaces, type SpoolPlace } from "./spool-places.ts";
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
 * oldest is dropped, and counted in `segue_spans_dropped_total`, reason `spool_full`; what the disk spoiled is counted with
 * reason `spool_damaged`, and places and files that could not be written or removed in `segue_spool_faults_total`.
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
  readonly #places: Place[] = [];
  /** Up to where damage of a file was counted. */
  readonly #damage = new Map<number, number>();
  #hasFailed = false;
  #isUntidy = false;

  constructor({ directory, counters, log, bytesMax = BYTES_MAX }: SpanSpoolOptions) {
    this.#counters = counters;
    this.#log = log;
    this.#bytesMax = bytesMax;
    this.#lane = claimSpoolLane(directory);
    this.#files = new SpoolFiles(
      this.#lane.folder,
      this.#lane.last,
      Math.min(FILE_BYTES_MAX, Math.floor(bytesMax / FILES_MIN)),
    );
  }

  add(span: WaitingSpan): void {
    const pieces = recordPieces(span);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > this.#bytesMax) return this.#counters.add("segue_spans_dropped_total", { reason: "too_large" });
    try {
      while (this.#isFullFor(bytes)) this.#dropOldest();
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
    const place: Place = { destination, at: this.#lane.places[destination] ?? startOf(0), ends: [] };
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
    for (const place of this.#places) this.#giveUp(place);
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
    this.#giveUp(place);
    this.#skipEmpty(place);
    for (const number of this.#files.numbers()) {
      if (number < place.at.file) continue;
      if (!this.#readInto(spans, ends, { number, from: placeIn(number, place), isWithin })) break;
    }
    place.ends = ends;
    return spans;
  }

  /** @returns whether all of the file was within the limits */
  #readInto(
    spans: WaitingSpan[],
    ends: SpoolPlace[],
    { number, from, isWithin }: { number: number; from: PlaceInFile; isWithin: (span: WaitingSpan) => boolean },
  ): boolean {
    for (const record of this.#files.records(number, from)) {
      if (record.span === null) {
        this.#damaged(number, record);
        continue;
      }
      if (!isWithin(record.span)) return false;
      spans.push(record.span);
      ends.push({ file: number, ...record.end });
    }
    return true;
  }

  /** Counted once, however often it is read. */
  #damaged(number: number, { lost, isMissing, end }: Extract<SpoolRecord, { readonly span: null }>): void {
    if (end.offset > (this.#damage.get(number) ?? 0)) {
      this.#damage.set(number, end.offset);
      this.#counters.add("segue_spool_torn_total");
      this.#counters.add("segue_spans_dropped_total", { reason: "spool_damaged" }, lost);
      const message = isMissing
        ? "a file of the spool was removed, and its spans are lost"
        : "a file of the spool is damaged, and spans of it are lost";
      this.#log.warn(message, { file: number, spans: lost });
    }
    if (isMissing) this.#remove(number);
  }

  /** Goes on to the file where the next record is. */
  #skipEmpty(place: Place): void {
    for (const number of this.#files.numbers()) {
      if (number < place.at.file || this.#files.isCurrent(number)) continue;
      for (const record of this.#files.records(number, placeIn(number, place))) {
        if (record.span !== null) return;
        this.#damaged(number, record);
      }
      place.at = startOf(number + 1);
    }
  }

  #isFullFor(bytes: number): boolean {
    return this.#files.total > 0 && this.#files.total + bytes > this.#bytesMax;
  }

  /** Counts what each destination loses but for what may be on its way to it, which is lost only if it is asked for again. */
  #dropOldest(): void {
    const [oldest] = this.#files.numbers();
    if (oldest === undefined) return;
    const count = this.#files.count(oldest);
    this.#remove(oldest);
    for (const place of this.#places) {
      const { file, spans } = place.ends.at(-1) ?? place.at;
      if (file <= oldest) this.#lose(place, count - (file === oldest ? spans : 0));
    }
  }

  /** What was peeked, was not passed and is not there any more did not arrive. */
  #giveUp(place: Place): void {
    const first = this.#files.numbers()[0] ?? Infinity;
    this.#lose(place, place.ends.filter(({ file }) => file < first).length);
    place.ends = [];
  }

  #lose({ destination }: Place, spans: number): void {
    if (spans > 0) this.#counters.add("segue_spans_dropped_total", { destination, reason: "spool_full" }, spans);
  }

  #remove(number: number): void {
    this.#files.remove(number);
    this.#damage.delete(number);
  }

  /**
   * Remembers where all are, then removes what all have passed: a crash between the two leaves a file that is passed. A
   * place that cannot be written is no reason to keep files, as it is often they that fill the disk: what is left may be
   * sent again after a restart.
   */
  #release(): void {
    if (this.#places.length === 0) return;
    for (const place of this.#places) this.#tidy(() => this.#skipEmpty(place));
    const save = (): void =>
      writePlaces(this.#lane.folder, Object.fromEntries(this.#places.map(({ destination, at }) => [destination, at])));
    const isSaved = this.#tidy(save);
    const needed = Math.min(...this.#places.map(({ at }) => at.file));
    const passed = this.#files.numbers().filter((number) => number < needed);
    for (const number of passed) this.#tidy(() => this.#remove(number));
    if (!isSaved && passed.length > 0) this.#tidy(save);
    if (isSaved) this.#isUntidy = false;
  }

  /** What goes wrong here is no fault of those who add and pass. @returns whether it went well */
  #tidy(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      this.#counters.add("segue_spool_faults_total");
      if (!this.#isUntidy)
        this.#log.error("the spool cannot note what was sent; after a restart it may be sent again", { error });
      this.#isUntidy = true;
      return false;
    }
  }
}

const startOf = (file: number): SpoolPlace => ({ file, offset: 0, spans: 0 });

/** Where a destination is in a file that it has not passed. */
const placeIn = (number: number, { at }: Place): PlaceInFile => (number === at.file ? at : startOf(number));
