import { assert } from "../../core/errors.ts";
import type { Counters } from "../../ports.ts";
import {
  ownBytes,
  sentBytes,
  type BatchLimits,
  type SpanBuffer,
  type SpanReader,
  type WaitingSpan,
} from "./span-buffer.ts";

const SPANS_MAX = 20_000;
const BYTES_MAX = 64 * 1024 * 1024;

/** Where a destination is. Numbers count all answers that were ever added. */
interface Place {
  readonly destination: string;
  next: number;
  /** Up to where it was peeked: that may be on its way, and is lost only if it is asked for again. */
  peeked: number;
}

export interface SpanQueueOptions {
  readonly counters: Counters;
  readonly spansMax?: number;
  /** Of answers' own bytes; what they share with others is not counted. */
  readonly bytesMax?: number;
}

/**
 * Keeps answers in memory until all destinations have passed them. When it is full, the oldest make room: of an outage
 * the newest part is what people look at. What a destination lost so is counted for it, reason `queue_full`.
 */
export function createSpanQueue(options: SpanQueueOptions): SpanBuffer {
  const queue = new SpanQueue(options);
  return {
    add: (span) => queue.add(span),
    reader: (destination) => queue.reader(destination),
    close: () => queue.close(),
  };
}

class SpanQueue {
  readonly #counters: Counters;
  readonly #spansMax: number;
  readonly #bytesMax: number;
  /** A ring, so that what all have passed is let go at once. */
  readonly #ring: (WaitingSpan | undefined)[] = [];
  readonly #places: Place[] = [];
  #first = 0;
  #end = 0;
  #bytes = 0;

  constructor({ counters, spansMax = SPANS_MAX, bytesMax = BYTES_MAX }: SpanQueueOptions) {
    this.#counters = counters;
    this.#spansMax = spansMax;
    this.#bytesMax = bytesMax;
  }

  add(span: WaitingSpan): void {
    if (this.#places.length === 0) return;
    const bytes = ownBytes(span);
    if (bytes > this.#bytesMax) return this.#counters.add("segue_spans_dropped_total", { reason: "too_large" });
    while (this.#isFullFor(bytes)) this.#makeRoom();
    this.#ring[this.#end % this.#spansMax] = span;
    this.#end += 1;
    this.#bytes += bytes;
  }

  reader(destination: string): SpanReader {
    const isNew = !this.#places.some((place) => place.destination === destination);
    assert(isNew, `two readers for ${destination}`);
    const place: Place = { destination, next: this.#end, peeked: this.#end };
    this.#places.push(place);
    return {
      peek: (limits) => this.#peek(place, limits),
      pass: (count) => {
        place.next = Math.min(place.next + count, place.peeked);
        this.#release();
      },
    };
  }

  close(): void {
    for (const place of this.#places) {
      this.#lose(place, this.#end - place.next, "shutdown");
      place.next = place.peeked = this.#end;
    }
    this.#release();
  }

  #peek(place: Place, { spansMax, bytesMax }: BatchLimits): readonly WaitingSpan[] {
    // What made room while it was on its way did not arrive, else it would have been passed.
    if (place.next < this.#first) {
      this.#lose(place, this.#first - place.next, "queue_full");
      place.next = this.#first;
    }
    const spans: WaitingSpan[] = [];
    let bytes = 0;
    for (let at = place.next; at < this.#end && spans.length < spansMax; at++) {
      const span = this.#ring[at % this.#spansMax];
      assert(span !== undefined, "a span that waits is not in the queue");
      bytes += sentBytes(span);
      if (bytes > bytesMax && spans.length > 0) break;
      spans.push(span);
    }
    place.peeked = place.next + spans.length;
    return spans;
  }

  #isFullFor(bytes: number): boolean {
    const count = this.#end - this.#first;
    return count > 0 && (count >= this.#spansMax || this.#bytes + bytes > this.#bytesMax);
  }

  /**
   * Drops some of the oldest at once, as counting costs more than dropping. They are counted now for those that wait for
   * them, and for those that they may be on their way to when they ask again.
   */
  #makeRoom(): void {
    const count = Math.max(1, (this.#end - this.#first) >> 6);
    for (const place of this.#places) {
      if (place.next < this.#first || place.peeked > this.#first) continue;
      const lost = Math.max(0, this.#first + count - place.next);
      place.next = place.peeked = place.next + lost;
      this.#lose(place, lost, "queue_full");
    }
    for (let i = 0; i < count; i++) this.#dropFirst();
  }

  /** Lets go of what every destination has. */
  #release(): void {
    const passed = Math.min(this.#end, ...this.#places.map(({ next }) => next));
    while (this.#first < passed) this.#dropFirst();
  }

  #dropFirst(): void {
    const at = this.#first % this.#spansMax;
    const span = this.#ring[at];
    this.#ring[at] = undefined;
    if (span !== undefined) this.#bytes -= ownBytes(span);
    this.#first += 1;
  }

  #lose({ destination }: Place, count: number, reason: string): void {
    if (count > 0) this.#counters.add("segue_spans_dropped_total", { destination, reason }, count);
  }
}
