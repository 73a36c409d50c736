import { setImmediate as turn } from "node:timers/promises";
import { staticFlags } from "../../../src/flags/static.ts";
import type { Log } from "../../../src/ports.ts";
import { memoryCounters } from "../../../src/telemetry/counters.ts";
import { createSpans, type SpansOptions } from "../../../src/telemetry/spans/create-spans.ts";
import { otlpDestination } from "../../../src/telemetry/spans/span-destinations.ts";
import { createSpanQueue } from "../../../src/telemetry/spans/span-queue.ts";
import { decodeTraceRequest, type ReceivedSpan } from "../../fakes/otlp/trace-request.ts";
import { crankedTime } from "./cranked-time.ts";
import { plainRedaction, START } from "./served-spans.ts";

/** What a collector does with a request: a status, a whole answer, an error of the network, or nothing for ever. */
export type Behaviour = number | Response | Error | "silence";

/** A collector behind `fetch` that does as it is told, and keeps what it took. */
export function collector(behave: (spans: readonly ReceivedSpan[], request: number) => Behaviour = () => 200) {
  const taken: ReceivedSpan[] = [];
  const requests: { readonly url: string; readonly init: RequestInit; readonly spans: readonly ReceivedSpan[] }[] = [];
  let underWay = 0;
  let underWayMax = 0;
  const answer = async (spans: readonly ReceivedSpan[], signal: AbortSignal | null | undefined): Promise<Response> => {
    const behaviour = behave(spans, requests.length);
    if (behaviour === "silence") {
      await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
      throw new Error("unreachable");
    }
    await turn();
    if (behaviour instanceof Error) throw behaviour;
    const response = behaviour instanceof Response ? behaviour : new Response(null, { status: behaviour });
    if (response.ok) taken.push(...spans);
    return response;
  };
  const fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const spans = decodeTraceRequest(init.body as Uint8Array);
    requests.push({ url: url as string, init, spans });
    underWay += 1;
    underWayMax = Math.max(underWayMax, underWay);
    try {
      return await answer(spans, init.signal);
    } finally {
      underWay -= 1;
    }
  };
  return { fetch, requests, taken, numbers: () => taken.map(numberOf), underWayMax: () => underWayMax };
}

/** The number that `servedSpan` made an answer's ids of. */
export const numberOf = ({ spanId }: ReceivedSpan): number => Number.parseInt(spanId.slice(8), 16);

/** Spans exported to collectors of the test, in time that is cranked by hand. */
export function exporting(options: Partial<SpansOptions> = {}) {
  const time = crankedTime(START);
  const counters = memoryCounters();
  const lines: { readonly level: string; readonly message: string; readonly fields: unknown }[] = [];
  const line =
    (level: string): Log["info"] =>
    (message, fields) =>
      void lines.push({ level, message, fields });
  const spans = createSpans({
    destinations: [otlpDestination({ url: "http://collector.test", headers: {}, project: "support" })],
    service: { name: "segue", version: "1.2.3", instance: "test" },
    flags: staticFlags(),
    redactionOf: () => plainRedaction,
    buffer: createSpanQueue({ counters }),
    contentEncoder: null,
    // Full jitter waits the longest that it may.
    random: { bytes: (count) => new Uint8Array(count).fill(255) },
    log: { info: line("info"), warn: line("warn"), error: line("error") },
    fetch: collector().fetch,
    clock: time.clock,
    deadlines: time.deadlines,
    counters,
    ...options,
  });
  return {
    spans,
    counters,
    lines,
    time,
    /** Lets time pass, and what began then end. */
    pass: async (ms: number): Promise<void> => {
      time.advance(ms);
      await settled();
    },
    settled,
    count: (name: string): number => counters.read(name),
  };
}

/** Lets all that waits for nothing but its turn come to its end. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 60; i++) await turn();
}
