import { contentHandling, type ContentRedaction } from "../../core/privacy.ts";
import type { Policy } from "../../core/policy.ts";
import { segmentsOf } from "../../core/state.ts";
import { faultOf } from "./fault-of.ts";
import type { Flags, ServedSpan, Spans } from "../../ports.ts";
import { createSpanEncoder } from "./encode-span.ts";
import { requestHead, type SpanService } from "./export-request.ts";
import { BATCH_BYTES_MAX, BATCH_SPANS_MAX, createSpanExporter, type ExportDeps } from "./export-spans.ts";
import { sentBytes, type SpanBuffer, type WaitingSpan } from "./span-buffer.ts";
import type { SpanDestination } from "./span-destinations.ts";
import { createSpanSampling } from "./span-sampling.ts";

const BATCH_MS = 1000;
const CLOSE_MS = 5000;

export interface SpansOptions extends ExportDeps {
  readonly destinations: readonly SpanDestination[];
  readonly service: SpanService;
  readonly flags: Pick<Flags, "telemetry" | "onChange">;
  /** What every value of a policy's spans passes through. */
  readonly redactionOf: (policy: Policy) => ContentRedaction;
  /** Where spans wait: `createSpanQueue`, or on Node `openSpanSpool`. */
  readonly buffer: SpanBuffer;
}

/**
 * Exports answers as OpenInference spans. `record` samples, encodes and buffers without waiting, and never throws; what it
 * could not encode is counted in `segue_spans_dropped_total`, what was not sampled in `segue_spans_sampled_out_total`.
 */
export function createSpans(options: SpansOptions): Spans & { readonly close: () => Promise<void> } {
  const { buffer, clock, counters, deadlines, log, destinations, service } = options;
  const sampling = createSpanSampling(options.flags);
  const redactionOf = onceAPolicy(options.redactionOf);
  const encode = createSpanEncoder(redactionOf);
  const exporters = destinations.map((destination) => {
    const head = requestHead(destination.projectName, service);
    return createSpanExporter(options, { destination, head, reader: buffer.reader(destination.name) });
  });
  const handling = contentHandlings(options.contentEncoder !== null);
  let count = 0;
  let bytes = 0;
  let isFull = false;
  let hasFailed = false;
  let isClosed = false;
  const startAll = (): void => {
    count = bytes = 0;
    isFull = false;
    for (const exporter of exporters) exporter.start();
  };
  const batch = deadlines.watch(startAll);
  const add = (span: WaitingSpan): void => {
    buffer.add(span);
    count += 1;
    bytes += sentBytes(span);
    if (isFull) return;
    isFull = count >= BATCH_SPANS_MAX || bytes >= BATCH_BYTES_MAX;
    // Sending begins in a turn of its own, not in the request's.
    if (isFull) batch.dueAt = clock.now();
    else if (count === 1) batch.dueAt = clock.now() + BATCH_MS;
  };
  // What an earlier process left in the spool.
  startAll();

  const flush = async (): Promise<void> => {
    await Promise.all(exporters.map((exporter) => exporter.flush()));
  };
  return {
    wantsContent: (policy, segment, spanId) =>
      exporters.length > 0 && handling(policy, segment) && sampling.takes(policy.policy, segment, spanId),
    record: (span) => {
      if (exporters.length === 0 || isClosed) return;
      const { policy, segment } = span.decision;
      if (!sampling.takes(policy, segment, span.spanId)) return counters.add("segue_spans_sampled_out_total");
      try {
        add({ ...encode(span), content: contentOf(span, redactionOf) });
      } catch (error) {
        counters.add("segue_spans_dropped_total", { reason: "not_encoded" });
        if (!hasFailed) log.error("a span was not recorded; more of them are only counted", faultOf(error));
        hasFailed = true;
      }
    },
    flush,
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      batch.end();
      sampling.close();
      const late = Promise.withResolvers<void>();
      const deadline = deadlines.watch(late.resolve);
      deadline.dueAt = clock.now() + CLOSE_MS;
      await Promise.race([flush(), late.promise]);
      deadline.end();
      for (const exporter of exporters) exporter.close();
      buffer.close();
    },
  };
}

function contentOf(span: ServedSpan, redactionOf: SpansOptions["redactionOf"]): WaitingSpan["content"] {
  const { content, decision, wire } = span;
  if (content === null) return null;
  const { policy, segment } = decision;
  return { policy, segment, wire, content, hidden: redactionOf(span.policy).hidden(span) };
}

/** What is made of a policy, made once and kept as long as the policy is. */
function onceAPolicy<T extends object>(make: (policy: Policy) => T): (policy: Policy) => T {
  const made = new WeakMap<Policy, T>();
  return (policy) => {
    const known = made.get(policy) ?? make(policy);
    made.set(policy, known);
    return known;
  };
}

/** Whether a segment's content may leave, found once a policy. */
function contentHandlings(isEncoded: boolean): (policy: Policy, segment: string) => boolean {
  const exported = onceAPolicy((policy) => {
    const segments = segmentsOf(policy).filter((spec) => contentHandling(policy.privacy, spec) === "redacted");
    return new Set(segments.map(({ id }) => id));
  });
  return (policy, segment) => isEncoded && exported(policy).has(segment);
}
