import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Policy } from "../../../src/core/policy.ts";
import { staticFlags } from "../../../src/flags/static.ts";
import { memoryCounters } from "../../../src/telemetry/counters.ts";
import type { WaitingSpan } from "../../../src/telemetry/spans/span-buffer.ts";
import { createSpanQueue } from "../../../src/telemetry/spans/span-queue.ts";
import { createSpanSampling } from "../../../src/telemetry/spans/span-sampling.ts";
import { collector, exporting } from "./exporting.ts";
import { plainRedaction, policy, servedSpan } from "./served-spans.ts";

const spanId = fc.nat({ max: 0xffffffff }).map((leading) => `${leading.toString(16).padStart(8, "0")}01234567`);
const takes = (share: number, id: string): boolean =>
  createSpanSampling(staticFlags({ telemetry: share })).takes("p", "s", id);

describe("sampling", () => {
  test("takes all at a share of one, and none at zero", () => {
    fc.assert(
      fc.property(spanId, (id) => {
        expect([takes(1, id), takes(0, id)]).toEqual([true, false]);
      }),
    );
    expect([takes(1, "ffffffffffffffff"), takes(0, "0000000000000000")]).toEqual([true, false]);
  });

  test("decides by the id alone, and a larger share takes all that a smaller one does", () => {
    fc.assert(
      fc.property(
        spanId,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (id, a, b) => {
          const [small, large] = [Math.min(a, b), Math.max(a, b)];
          expect(takes(small, id)).toBe(takes(small, id));
          if (takes(small, id)) expect(takes(large, id)).toBe(true);
        },
      ),
    );
  });

  test("takes the share that the flag says", () => {
    const ids = Array.from(
      { length: 4096 },
      (_, index) => `${(index * 0x100000).toString(16).padStart(8, "0")}01234567`,
    );
    for (const share of [0.01, 0.25, 0.5, 0.9])
      expect(ids.filter((id) => takes(share, id)).length).toBe(Math.ceil(share * 4096));
  });

  test("asks a segment's flag once, and again when a flag changed", () => {
    let asked = 0;
    const flags = staticFlags({ telemetry: (_policy, segment) => ((asked += 1), segment === "loud" ? 1 : 0) });
    const sampling = createSpanSampling(flags);
    for (let i = 0; i < 10; i++)
      expect(["loud", "quiet"].map((segment) => sampling.takes("p", segment, "8".repeat(16)))).toEqual([true, false]);
    expect(asked).toBe(2);
    flags.set({ telemetry: 0 });
    expect(sampling.takes("p", "loud", "8".repeat(16))).toBe(false);
    sampling.close();
    flags.set({ telemetry: 1 });
    expect(sampling.takes("p", "loud", "8".repeat(16))).toBe(false);
  });

  test("happens before anything is encoded, and is counted", async () => {
    const to = collector();
    let asked = 0;
    const { spans, count } = exporting({
      fetch: to.fetch,
      flags: staticFlags({ telemetry: 0 }),
      redactionOf: () => ((asked += 1), plainRedaction),
    });
    spans.record(servedSpan(1));
    await spans.flush();
    expect([asked, to.requests.length, count("segue_spans_sampled_out_total")]).toEqual([0, 0, 1]);
  });
});

describe("recording", () => {
  test("never throws; what cannot be encoded is counted, and logged once without what it held", () => {
    const redactionOf = () => {
      throw new Error("cannot redact maria@example.org");
    };
    const { spans, count, lines } = exporting({ redactionOf });
    spans.record(servedSpan(1));
    spans.record(servedSpan(2));
    expect(count("segue_spans_dropped_total")).toBe(2);
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain("maria");
  });

  test("wants content where the segment's privacy allows it, an encoder is there and the answer is sampled", () => {
    const contentEncoder = { encode: () => Promise.resolve([]) };
    const id = servedSpan(1).spanId;
    const risky = Policy.parse({
      ...policy,
      segments: policy.segments.map((segment) => ({ ...segment, risk: "high" })),
    });
    expect(exporting({ contentEncoder }).spans.wantsContent(policy, "eu", id)).toBe(true);
    expect(exporting({ contentEncoder }).spans.wantsContent(risky, "eu", id)).toBe(false);
    expect(exporting({ contentEncoder }).spans.wantsContent(policy, "unknown", id)).toBe(false);
    expect(exporting().spans.wantsContent(policy, "eu", id)).toBe(false);
    const off = staticFlags({ telemetry: 0 });
    expect(exporting({ contentEncoder, flags: off }).spans.wantsContent(policy, "eu", id)).toBe(false);
  });

  test("does nothing where there is no destination", () => {
    const { spans, time } = exporting({ destinations: [] });
    spans.record(servedSpan(1));
    expect(time.nextDueInMs()).toBe(Infinity);
  });
});

const span = (bytes: number): WaitingSpan => ({
  own: new Uint8Array(bytes),
  shared: new Uint8Array(0),
  attempts: [],
  content: null,
});
const everything = { spansMax: Infinity, bytesMax: Infinity };
const sizes = (spans: readonly WaitingSpan[]): number[] => spans.map(({ own }) => own.length);

describe("the queue", () => {
  test("drops the oldest when it is full by count, and counts what each destination lost", () => {
    const counters = memoryCounters();
    const queue = createSpanQueue({ counters, spansMax: 3 });
    const [slow, fast] = [queue.reader("slow"), queue.reader("fast")];
    for (const size of [1, 2]) queue.add(span(size));
    fast.peek(everything);
    fast.pass(2);
    for (const size of [3, 4, 5]) queue.add(span(size));
    expect(sizes(slow.peek(everything))).toEqual([3, 4, 5]);
    expect(sizes(fast.peek(everything))).toEqual([3, 4, 5]);
    expect(counters.print()).toContain('segue_spans_dropped_total{destination="slow",reason="queue_full"} 2');
    expect(counters.read("segue_spans_dropped_total")).toBe(2);
  });

  test("drops the oldest when it is full by bytes, those of content among them", () => {
    const queue = createSpanQueue({ counters: memoryCounters(), bytesMax: 100 });
    const reader = queue.reader("a");
    for (const size of [40, 41, 42]) queue.add(span(size));
    expect(sizes(reader.peek(everything))).toEqual([41, 42]);
    const content = {
      request: new Uint8Array(30),
      answer: [new Uint8Array(29)],
      isEventStream: false,
      isComplete: true,
    };
    queue.add({ ...span(1), content: { policy: "p", segment: "s", wire: "chat", content, hidden: [] } });
    expect(sizes(reader.peek(everything))).toEqual([1]);
  });

  test("keeps what it has when one comes that is larger than all of it", () => {
    const counters = memoryCounters();
    const queue = createSpanQueue({ counters, bytesMax: 100 });
    const reader = queue.reader("a");
    queue.add(span(10));
    queue.add(span(101));
    expect(sizes(reader.peek(everything))).toEqual([10]);
    expect(counters.print()).toContain('reason="too_large"} 1');
  });

  test("does not count as lost what was on its way when it made room, if it arrived", () => {
    const counters = memoryCounters();
    const queue = createSpanQueue({ counters, spansMax: 2 });
    const reader = queue.reader("a");
    for (const size of [1, 2]) queue.add(span(size));
    reader.peek(everything);
    for (const size of [3, 4]) queue.add(span(size));
    reader.pass(2);
    expect(sizes(reader.peek(everything))).toEqual([3, 4]);
    expect(counters.read("segue_spans_dropped_total")).toBe(0);
  });

  test("hands over each answer once, in order, or counts it: nothing is lost in silence", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), size: fc.integer({ min: 1, max: 40 }) }),
      fc.record({
        kind: fc.constant("read" as const),
        reader: fc.nat({ max: 1 }),
        count: fc.nat({ max: 6 }),
        arrives: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const counters = memoryCounters();
        const queue = createSpanQueue({ counters, spansMax: 8, bytesMax: 150 });
        const names = ["a", "b"];
        const readers = names.map((name) => queue.reader(name));
        const arrived: number[][] = [[], []];
        let added = 0;
        const numbers = new Map<WaitingSpan, number>();
        for (const step of steps) {
          if (step.kind === "add") {
            const next = span(step.size);
            numbers.set(next, added++);
            queue.add(next);
            continue;
          }
          const spans = readers[step.reader]!.peek({ spansMax: step.count, bytesMax: 60 });
          if (!step.arrives) continue;
          arrived[step.reader]!.push(...spans.map((one) => numbers.get(one)!));
          readers[step.reader]!.pass(spans.length);
        }
        queue.close();
        for (const [index, got] of arrived.entries()) {
          expect(got).toEqual([...new Set(got)].sort((a, b) => a - b));
          const lost = ["queue_full", "shutdown"].map(
            (reason) =>
              new RegExp(`destination="${names[index]!}",reason="${reason}"} (\\d+)`).exec(counters.print())?.[1] ?? 0,
          );
          expect(got.length + Number(lost[0]) + Number(lost[1])).toBe(added);
        }
      }),
    );
  });
});
