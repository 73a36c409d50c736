import { staticFlags } from "../../src/flags/static.ts";
import { nodeRandom } from "../../src/node-random.ts";
import type { ServedSpan } from "../../src/ports.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { spanRedactions } from "../../src/privacy/span-redaction.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createSpans } from "../../src/telemetry/spans/create-spans.ts";
import { createSpanQueue } from "../../src/telemetry/spans/span-queue.ts";
import { otlpDestination } from "../../src/telemetry/spans/span-destinations.ts";
import { timerDeadlines } from "../../src/timer-deadlines.ts";
import { servedSpan } from "../../test/telemetry/spans/served-spans.ts";
import { median } from "./statistics.ts";

const SPANS = 10_000;
const ROUNDS = 15;

/**
 * What one span costs in CPU time, by the process's own clock.
 * @param run does something with each of the spans
 * @param after is not part of it
 * @returns microseconds a span; the first rounds compile the code
 */
export async function spanCost<T>(
  make: (number: number) => T,
  run: (spans: readonly T[]) => unknown,
  after: () => unknown = () => undefined,
): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const spans = Array.from({ length: SPANS }, (_, index) => make(round * SPANS + index));
    const before = process.cpuUsage();
    await run(spans);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / SPANS);
    await after();
  }
  return median(times.slice(5)) ?? NaN;
}

function start(fetch: typeof globalThis.fetch) {
  const counters = memoryCounters();
  const clock = { now: () => Date.now() };
  return createSpans({
    destinations: [otlpDestination({ url: "http://collector.invalid", headers: {}, project: "bench" })],
    service: { name: "segue", version: "0", instance: "bench" },
    flags: staticFlags(),
    redactionOf: spanRedactions("a secret of the benchmark"),
    buffer: createSpanQueue({ counters }),
    contentEncoder: null,
    random: nodeRandom,
    deadlines: timerDeadlines(clock),
    log: silentLog,
    fetch,
    clock,
    counters,
  });
}

/** Of a thousand users, each with a session, as the exposures of this benchmark are. */
export const benchSpan = (number: number): ServedSpan =>
  servedSpan(number, { session: `session-${number % 1000}`, user: `user-${number % 1000}` });

/** Of an answer as Segue records it, without content. */
export interface SpanCost {
  /** Redacted, encoded, and waiting to be sent; microseconds. */
  readonly recordUs: number;
  /** And put into requests to a collector that takes them at once. */
  readonly sendUs: number;
}

export async function measureSpan(): Promise<SpanCost> {
  const spans = start(() => Promise.resolve(new Response(null)));
  const recordAll = (served: readonly ServedSpan[]): void => {
    for (const span of served) spans.record(span);
  };
  const recordUs = await spanCost(benchSpan, recordAll, () => spans.flush());
  const sendUs = await spanCost(benchSpan, (served) => {
    recordAll(served);
    return spans.flush();
  });
  await spans.close();
  return { recordUs, sendUs };
}
