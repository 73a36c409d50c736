import type { Deadline, Random } from "../../ports.ts";
import { exportRequest, type RequestHead } from "./export-request.ts";
import type { ExportResult } from "./export-result.ts";
import { exportTeller } from "./export-teller.ts";
import { faultOf } from "./fault-of.ts";
import { postSpans, type PostDeps } from "./post-spans.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";
import { createRefusedBatch } from "./refused-batch.ts";
import { sentBytes, type SpanReader, type WaitingSpan } from "./span-buffer.ts";
import type { SpanDestination } from "./span-destinations.ts";
import { withContent, type ContentDeps } from "./with-content.ts";

/** Answers in a request at most; each may bring spans of failed attempts. */
export const BATCH_SPANS_MAX = 512;
/** Of a request, before content is encoded; one answer may be larger. */
export const BATCH_BYTES_MAX = 512 * 1024;

/** How many batches are looked at, at most, for one that is taken. */
const REACH_MAX = 16;

const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 60_000;

export interface ExportDeps extends PostDeps, ContentDeps {
  readonly random: Random;
}

export interface SpanExporter {
  /** Sends what waits, unless it is to be left alone for now. */
  readonly start: () => void;
  /** Tries to send all that waits, once, even where it would be left alone. Never rejects. */
  readonly flush: () => Promise<void>;
  /** Stops, and lets go of a request under way. */
  readonly close: () => void;
}

/** What became of a turn: `part` means that less than a batch waited. */
type Turn = "empty" | "part" | "full" | "failed";

export interface ExportTo {
  readonly destination: SpanDestination;
  readonly head: RequestHead;
  readonly reader: SpanReader;
}

/**
 * Sends answers to one destination, a request at a time, oldest first. What fails is sent again until it is taken or the
 * buffer is full; what is refused is halved until the span at fault is found, and that one is dropped. A destination that
 * refuses all is left alone like one that is out of order, and nothing is dropped.
 */
export function createSpanExporter(deps: ExportDeps, to: ExportTo): SpanExporter {
  const exporter = new Exporter(deps, to);
  return { start: () => exporter.start(), flush: () => exporter.flush(), close: () => exporter.close() };
}

class Exporter {
  readonly #deps: ExportDeps;
  readonly #to: ExportTo;
  readonly #tell: ReturnType<typeof exportTeller>;
  readonly #refused = createRefusedBatch();
  readonly #closing = new AbortController();
  readonly #pause: Deadline;
  #memory = new ProtobufWriter(BATCH_BYTES_MAX);
  #failures = 0;
  /** Batches to look at: more once a whole one was refused, as one at fault may be alone in its batch. */
  #reach = 1;
  #waitUntil = 0;
  #wasAsked = false;
  #sending: Promise<void> | null = null;

  constructor(deps: ExportDeps, to: ExportTo) {
    this.#deps = deps;
    this.#to = to;
    this.#tell = exportTeller(deps.log, to.destination);
    this.#pause = deps.deadlines.watch(() => {
      // Hosts' timers may fire a millisecond early, and nobody would ask again.
      this.#waitUntil = 0;
      this.start();
    });
  }

  start(): void {
    if (this.#sending !== null) this.#wasAsked = true;
    else if (!this.#closing.signal.aborted && this.#deps.clock.now() >= this.#waitUntil)
      this.#sending = this.#drain(false);
  }

  async flush(): Promise<void> {
    for (let sending = this.#sending; sending !== null; sending = this.#sending) await sending;
    if (this.#closing.signal.aborted) return;
    this.#sending = this.#drain(true);
    await this.#sending;
  }

  close(): void {
    this.#closing.abort();
    this.#pause.end();
  }

  async #drain(isForced: boolean): Promise<void> {
    for (;;) {
      this.#wasAsked = false;
      const turn = await this.#turn();
      // Less than a batch is waited for again: small requests cost the most.
      if (turn === "full" || (turn === "part" && isForced)) continue;
      if (turn !== "failed" && this.#wasAsked) continue;
      this.#sending = null;
      // An answer that was too large for the last request; others come with a call of their own.
      if (turn === "part" && this.#to.reader.peek({ spansMax: 1, bytesMax: 1 }).length > 0) this.#pauseFor(PAUSE_MS);
      return;
    }
  }

  async #turn(): Promise<Turn> {
    try {
      return await this.#sendNext();
    } catch (error) {
      const { log } = this.#deps;
      log.error("spans were not sent because of a fault in Segue", { destination: this.#name, ...faultOf(error) });
      this.#leaveAlone(PAUSE_MS_MAX);
      return "failed";
    }
  }

  async #sendNext(): Promise<Turn> {
    const { destination, head } = this.#to;
    const spans = this.#refused.next() ?? this.#peek();
    if (spans.length === 0) return "empty";
    const wasHeld = this.#refused.next() !== null;
    const body = exportRequest(head, await withContent(this.#deps, spans), this.#memory);
    const { signal } = this.#closing;
    const result = await postSpans(this.#deps, { destination, body, signal });
    // Who knows whether a connection that failed still reads from it.
    if (result.kind !== "taken") this.#memory = new ProtobufWriter(BATCH_BYTES_MAX);
    if (signal.aborted || !this.#settle(result, spans)) return "failed";
    if (wasHeld || this.#refused.next() !== null || spans.length >= BATCH_SPANS_MAX) return "full";
    return spans.reduce((sum, span) => sum + sentBytes(span), 0) * 2 > BATCH_BYTES_MAX ? "full" : "part";
  }

  #peek(): readonly WaitingSpan[] {
    const reach = this.#reach;
    const spans = this.#to.reader.peek({ spansMax: BATCH_SPANS_MAX * reach, bytesMax: BATCH_BYTES_MAX * reach });
    if (reach === 1 || spans.length < 2) return spans;
    this.#refused.hold(batchesOf(spans));
    return this.#refused.next() ?? spans;
  }

  /** @returns whether more may be sent now */
  #settle(result: ExportResult, spans: readonly WaitingSpan[]): boolean {
    const { counters } = this.#deps;
    const destination = this.#name;
    counters.add("segue_span_requests_total", { destination, result: result.kind });
    switch (result.kind) {
      case "taken": {
        const { rejected } = result;
        counters.add("segue_spans_exported_total", { destination }, Math.max(0, spanCount(spans) - rejected));
        if (rejected > 0) counters.add("segue_spans_dropped_total", { destination, reason: "rejected" }, rejected);
        this.#reach = 1;
        this.#pass(this.#refused.take(spans));
        this.#tell.taken(rejected);
        return true;
      }
      case "refused":
        return this.#refuse(result.problem, spans);
      case "later":
        this.#tell.failed(result);
        this.#leaveAlone(Math.max(result.afterMs ?? 0, this.#jitter()));
        return false;
      case "blocked":
        this.#tell.failed(result);
        this.#leaveAlone(PAUSE_MS_MAX);
        return false;
    }
  }

  /** @returns whether more may be sent now */
  #refuse(problem: string, spans: readonly WaitingSpan[]): boolean {
    const { dropped, passed, isBlocked } = this.#refused.refuse(spans);
    if (dropped.length > 0) {
      const { counters } = this.#deps;
      counters.add("segue_spans_dropped_total", { destination: this.#name, reason: "refused" }, spanCount(dropped));
      this.#tell.refused(problem, dropped.length);
    }
    if (passed > 0) this.#pass(passed);
    if (!isBlocked) return true;
    if (this.#refused.next() === null) this.#reach = Math.min(REACH_MAX, this.#reach * 2);
    const fix = `Check that ${new URL(this.#to.destination.url).host} takes OTLP over HTTP as protobuf; spans wait meanwhile.`;
    this.#tell.failed({ kind: "blocked", problem: `${problem} to everything`, fix });
    this.#leaveAlone(PAUSE_MS_MAX);
    return false;
  }

  #pass(count: number): void {
    if (count > 0) this.#to.reader.pass(count);
    this.#failures = 0;
    this.#waitUntil = 0;
  }

  #leaveAlone(ms: number): void {
    this.#failures += 1;
    this.#waitUntil = this.#deps.clock.now() + ms;
    this.#pauseFor(ms);
  }

  #pauseFor(ms: number): void {
    if (!this.#closing.signal.aborted) this.#pause.dueAt = this.#deps.clock.now() + ms;
  }

  /** Full jitter (Brooker, "Exponential Backoff And Jitter", 2015), so that instances do not come back together. */
  #jitter(): number {
    const longest = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.min(this.#failures, 16));
    const uniform = this.#deps.random.bytes(4).reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 32;
    return longest * uniform;
  }

  get #name(): string {
    return this.#to.destination.name;
  }
}

/** Parts that a request has room for each. */
function batchesOf(spans: readonly WaitingSpan[]): readonly (readonly WaitingSpan[])[] {
  const batches: WaitingSpan[][] = [];
  let bytes = 0;
  for (const span of spans) {
    const last = batches.at(-1);
    bytes += sentBytes(span);
    if (last !== undefined && last.length < BATCH_SPANS_MAX && bytes <= BATCH_BYTES_MAX) last.push(span);
    else {
      batches.push([span]);
      bytes = sentBytes(span);
    }
  }
  return batches;
}

const spanCount = (spans: readonly WaitingSpan[]): number =>
  spans.reduce((sum, { attempts }) => sum + 1 + attempts.length, 0);
