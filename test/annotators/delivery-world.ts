import { arizeAnnotator } from "../../src/annotators/arize.ts";
import {
  arizeDestination,
  createAnnotationQueue,
  phoenixDestination,
  type AnnotationDestination,
} from "../../src/annotators/annotation-queue.ts";
import { phoenixAnnotator } from "../../src/annotators/phoenix.ts";
import type { AnnotatedMetric, Annotation } from "../../src/core/annotation.ts";
import { outboxDelivery } from "../../src/loop/deliver-outbox.ts";
import type { Outbox, OutboxSender } from "../../src/ports.ts";
import { createMemoryOutbox } from "../../src/stores/memory-outbox.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { fakeArize } from "../fakes/arize/arize.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";
import { makeKnown } from "./known-spans.ts";
import { numberedFeedback, SERVED } from "./numbered-feedback.ts";

export { numberedFeedback as annotation, SERVED } from "./numbered-feedback.ts";
export const SECOND = 1000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export const numbered = (count: number, from = 0): Annotation[] =>
  Array.from({ length: count }, (_, index) => numberedFeedback(from + index));

export const handClock = (at: number) => {
  const clock = { at, now: () => clock.at };
  return clock;
};

/** A queue, its outbox and the way out, on a hand-cranked clock. */
export function deliveryWorld(
  senders: Readonly<Record<string, OutboxSender>>,
  {
    clock = handClock(SERVED + HOUR),
    destinations = [arizeDestination],
    counters = memoryCounters(),
    outbox = createMemoryOutbox({ counters }),
  }: {
    clock?: ReturnType<typeof handClock>;
    destinations?: readonly AnnotationDestination[];
    counters?: ReturnType<typeof memoryCounters>;
    outbox?: Outbox;
  } = {},
) {
  const logged: string[] = [];
  const note = (message: string, fields?: object) => void logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const log = { info: note, warn: note, error: note };
  // The longest wait that jitter allows.
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const delivery = outboxDelivery({ outbox, clock, random, log, counters }, senders);
  return {
    clock,
    outbox,
    counters,
    logged,
    log,
    queue: createAnnotationQueue({ outbox, clock }, destinations),
    deliver: delivery.deliver,
    /** Turns the clock by this, and delivers at each step. */
    crank: async (forMs: number, stepMs: number) => {
      for (const end = clock.at + forMs; clock.at < end;) {
        clock.at += stepMs;
        await delivery.deliver();
      }
    },
    waiting: async (topic = "arize") => (await outbox.counts(topic)).waiting,
    buried: async (topic = "arize") => (await outbox.counts(topic)).buried,
  };
}

export const METRICS: Readonly<Record<string, AnnotatedMetric>> = {
  thumbs: { better: "higher", labels: { up: 1, down: 0 } },
  toxicity: { better: "lower" },
};

/** The world with a fake of Arize AX at its end. */
export async function arizeWorld(options: Omit<NonNullable<Parameters<typeof fakeArize>[0]>, "now"> = {}) {
  const clock = handClock(SERVED + HOUR);
  const arize = await fakeArize({ annotationConfigs: ["thumbs", "toxicity"], ...options, now: clock.now });
  const logged: string[] = [];
  const note = (message: string) => void logged.push(message);
  const sender = arizeAnnotator(
    { fetch, clock, log: { info: note, warn: note, error: note } },
    {
      url: arize.url,
      apiKey: "arize-key",
      spaceId: arize.space.id,
      projectId: "TW9kZWw6MTIz",
      metricOf: (name) => METRICS[name] ?? null,
    },
  );
  const headers = { authorization: "arize-key", "arize-space-id": arize.space.id };
  return {
    ...deliveryWorld({ arize: sender }, { clock }),
    sender,
    arize,
    said: logged,
    known: (spans: readonly Annotation[]) => makeKnown(arize, headers, spans),
    /** Requests that wrote, or tried to. */
    attempts: () => arize.requests.filter((path) => path.startsWith("/v2/spans/annotate")).length,
    close: arize.close,
  };
}

/** The world with a fake of Phoenix at its end. */
export async function phoenixWorld({ apiKey = "phoenix-key" } = {}) {
  const clock = handClock(SERVED + HOUR);
  const phoenix = await fakePhoenix({ now: clock.now });
  const sender = phoenixAnnotator({ fetch, clock }, { url: `${phoenix.url}/`, apiKey });
  return {
    ...deliveryWorld({ phoenix: sender }, { clock, destinations: [phoenixDestination] }),
    sender,
    phoenix,
    known: (spans: readonly Annotation[]) => makeKnown(phoenix, { authorization: "Bearer phoenix-key" }, spans),
    attempts: () => phoenix.requests.filter((path) => path.startsWith("/v1/span_annotations")).length,
    close: phoenix.close,
  };
}
