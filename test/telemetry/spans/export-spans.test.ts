import { describe, expect, test } from "vitest";
import { RouterError } from "../../../src/core/errors.ts";
import { memoryCounters } from "../../../src/telemetry/counters.ts";
import {
  arizeDestination,
  otlpDestination,
  phoenixDestination,
} from "../../../src/telemetry/spans/span-destinations.ts";
import { createSpanQueue } from "../../../src/telemetry/spans/span-queue.ts";
import { attributeBytes } from "../../../src/telemetry/spans/otlp-fields.ts";
import { crankedTime } from "./cranked-time.ts";
import { collector, exporting, numberOf } from "./exporting.ts";
import { decision, plainRedaction, servedSpan, START, variant } from "./served-spans.ts";

const plainDecision = { ...decision, variant: { ...variant, prompt: null } };

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
const refusesNumbers =
  (...bad: readonly number[]) =>
  (spans: Parameters<typeof numberOf>[0][]): number =>
    spans.some((span) => bad.includes(numberOf(span))) ? 400 : 200;

describe("exported spans", () => {
  test("are sent within a second, together, and nothing is sent while nothing waits", async () => {
    const to = collector();
    const { spans, pass } = exporting({ fetch: to.fetch });
    for (const number of range(0, 5)) spans.record(servedSpan(number));
    await pass(999);
    expect(to.requests).toHaveLength(0);
    await pass(1);
    expect(to.numbers()).toEqual(range(0, 5));
    await pass(60_000);
    expect(to.requests).toHaveLength(1);
  });

  test("are sent at once when a batch is full, in a turn of its own, at most 512 answers in a request", async () => {
    const to = collector();
    const { spans, pass } = exporting({ fetch: to.fetch });
    const small = { attributes: {}, session: null, user: null };
    for (const number of range(0, 1100)) spans.record(servedSpan(number, { ...small, decision: plainDecision }));
    expect(to.requests).toHaveLength(0);
    await pass(0);
    expect(to.requests.map((request) => request.spans.length)).toEqual([512, 512, 76]);
    expect(to.numbers()).toEqual(range(0, 1100));
    expect(to.underWayMax()).toBe(1);
  });

  test("are no more than half a megabyte a request", async () => {
    const to = collector();
    const { spans } = exporting({ fetch: to.fetch });
    for (const number of range(0, 40)) spans.record(servedSpan(number, { session: "s".repeat(100_000) }));
    await spans.flush();
    expect(to.numbers()).toEqual(range(0, 40));
    for (const { init } of to.requests) expect((init.body as Uint8Array).length).toBeLessThanOrEqual(525_000);
  });

  test("that are larger than a request go alone, and the rest follows though no more traffic comes", async () => {
    const to = collector();
    const { spans, pass } = exporting({ fetch: to.fetch });
    spans.record(servedSpan(1));
    spans.record(servedSpan(2, { session: "s".repeat(600_000) }));
    spans.record(servedSpan(3));
    await pass(1000);
    await pass(2000);
    await pass(2000);
    expect(to.numbers()).toEqual([1, 2, 3]);
  });

  test("name their project, service and instance", async () => {
    const to = collector();
    const { spans } = exporting({ fetch: to.fetch });
    spans.record(servedSpan(1));
    await spans.flush();
    expect(to.taken[0]!.resource).toEqual({
      "openinference.project.name": "support",
      "service.name": "segue",
      "service.version": "1.2.3",
      "segue.instance": "test",
    });
  });

  test("reach every destination with its own address, headers and project", async () => {
    const to = collector();
    const destinations = [
      arizeDestination({ url: "https://otlp.test/v1", apiKey: "key-a", spaceId: "space", project: "ax" }),
      phoenixDestination({ url: "http://phoenix.test:6006/", apiKey: "key-p", project: "px" }),
      otlpDestination({ url: "http://any.test/v1/traces", headers: { "x-api": "key-o" }, project: "any" }),
    ];
    const { spans } = exporting({ fetch: to.fetch, destinations });
    spans.record(servedSpan(1));
    await spans.flush();
    const type = { "content-type": "application/x-protobuf" };
    expect(to.requests.map(({ url, init: { headers, redirect } }) => ({ url, headers, redirect }))).toEqual([
      {
        url: "https://otlp.test/v1/traces",
        headers: { authorization: "key-a", "arize-space-id": "space", "arize-interface": "otel", ...type },
        redirect: "manual",
      },
      {
        url: "http://phoenix.test:6006/v1/traces",
        headers: { authorization: "Bearer key-p", ...type },
        redirect: "manual",
      },
      { url: "http://any.test/v1/traces", headers: { "x-api": "key-o", ...type }, redirect: "manual" },
    ]);
    expect(to.taken.map(({ project }) => project)).toEqual(["ax", "px", "any"]);
  });

  test("are counted, those of failed attempts included", async () => {
    const { spans, count } = exporting();
    const attempt = { target: { provider: "a", model: "b" }, startedAt: 1, endedAt: 2, status: 500, error: "e" };
    spans.record(servedSpan(1, { failedAttempts: [attempt, attempt] }));
    await spans.flush();
    expect(count("segue_spans_exported_total")).toBe(3);
  });

  test("need a destination with a URL and headers that HTTP can send, and an error does not show the key", () => {
    expect(() => otlpDestination({ url: "collector:4317", headers: {}, project: "p" })).toThrow(RouterError);
    const broken = () => arizeDestination({ url: "https://a.test/v1", apiKey: "sec\nret", spaceId: "s", project: "p" });
    expect(broken).toThrow(/line break/);
    expect(broken).not.toThrow(/sec/);
  });
});

describe("an outage", () => {
  test.each([
    { behaviour: new TypeError("fetch failed"), because: "there is no connection" },
    { behaviour: 503, because: "it answers 503" },
    { behaviour: 429, because: "it answers 429" },
    { behaviour: 408, because: "it answers 408" },
    { behaviour: 500, because: "it answers 500" },
    { behaviour: "silence", because: "it never answers" },
  ] as const)("of days delays spans and loses none, in order, when $because", async ({ behaviour }) => {
    let isDown = true;
    const to = collector(() => (isDown ? behaviour : 200));
    const { spans, pass, count, lines } = exporting({ fetch: to.fetch });
    for (const minute of range(0, 200)) {
      spans.record(servedSpan(minute));
      await pass(60_000);
    }
    // And two days of silence.
    await pass(172_800_000);
    expect(to.numbers()).toEqual([]);
    // A try a minute, and those of the first minute.
    expect(to.requests.length).toBeLessThan(210);
    isDown = false;
    for (let minute = 0; minute < 3; minute++) await pass(60_000);
    expect(to.numbers()).toEqual(range(0, 200));
    expect(count("segue_spans_dropped_total")).toBe(0);
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info"]);
  });

  test("waits longer from try to try, up to a minute, and as long as the collector asks for", async () => {
    const waits: number[] = [];
    const to = collector((_, request) =>
      request === 9 ? new Response(null, { status: 429, headers: { "retry-after": "45" } }) : 503,
    );
    const { spans, time, pass } = exporting({ fetch: to.fetch });
    spans.record(servedSpan(1));
    await pass(1000);
    for (let tries = 0; tries < 9; tries++) {
      waits.push(Math.round(time.nextDueInMs() / 1000));
      await pass(time.nextDueInMs());
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(to.requests).toHaveLength(10);
  });

  test("is over when its pause is, though timers may fire before the clock says so and no more traffic comes", async () => {
    const time = crankedTime(START);
    const to = collector((_, request) => (request === 1 ? 503 : 200));
    const clock = { now: () => time.clock.now() - 1 };
    const { spans, settled } = exporting({ fetch: to.fetch, clock, deadlines: time.deadlines });
    spans.record(servedSpan(1));
    for (let second = 0; second < 3; second++) {
      time.advance(1000);
      await settled();
    }
    expect(to.numbers()).toEqual([1]);
  });

  test("is never left alone for longer than a minute, whatever the collector asks for, nor for less than it asks for", async () => {
    const later = (value: string) => new Response(null, { status: 503, headers: { "retry-after": value } });
    for (const [value, ms] of [
      ["86400", 60_000],
      ["30", 30_000],
      ["Wed, 21 Oct 2099 07:28:00 GMT", 60_000],
    ] as const) {
      const { spans, time, pass } = exporting({ fetch: collector(() => later(value)).fetch });
      spans.record(servedSpan(1));
      await pass(1000);
      expect(time.nextDueInMs()).toBe(ms);
    }
  });

  test("of one destination does not hold up another", async () => {
    const down = collector(() => 503);
    const up = collector();
    const destinations = ["down", "up"].map((host) => ({
      ...otlpDestination({ url: `http://${host}.test`, headers: {}, project: "p" }),
      name: host,
    }));
    const fetch: typeof globalThis.fetch = (url, init) =>
      (url === "http://down.test/v1/traces" ? down : up).fetch(url, init);
    const counters = memoryCounters();
    const { spans, pass } = exporting({
      fetch,
      destinations,
      counters,
      buffer: createSpanQueue({ counters, spansMax: 10 }),
    });
    for (const number of range(0, 100)) {
      spans.record(servedSpan(number));
      await pass(1000);
    }
    expect(up.numbers()).toEqual(range(0, 100));
    await spans.flush();
    expect(counters.print()).toContain('segue_spans_dropped_total{destination="down",reason="queue_full"} 90');
    expect(counters.print()).not.toContain('destination="up",reason="queue_full"');
  });

  test("of Arize AX that is no outage is explained: 500 means that the project is missing", async () => {
    const destinations = [
      arizeDestination({ url: "https://ax.test/v1", apiKey: "secret-key", spaceId: "s", project: "p" }),
    ];
    const { spans, pass, lines } = exporting({ fetch: collector(() => 500).fetch, destinations });
    spans.record(servedSpan(1));
    await pass(600_000);
    expect(lines).toMatchObject([{ level: "warn", fields: { fix: expect.stringMatching(/project/) as string } }]);
    expect(JSON.stringify(lines)).not.toContain("secret-key");
  });
});

describe("a refusal", () => {
  test("of one span costs that span only", async () => {
    const to = collector(refusesNumbers(137) as never);
    const { spans, count, lines } = exporting({ fetch: to.fetch });
    for (const number of range(0, 600)) spans.record(servedSpan(number));
    await spans.flush();
    expect(to.numbers()).toEqual(range(0, 600).filter((number) => number !== 137));
    expect(count("segue_spans_dropped_total")).toBe(1);
    expect(to.requests.length).toBeLessThan(25);
    expect(lines).toHaveLength(1);
  });

  test("of several spans costs those only", async () => {
    const bad = [0, 1, 255, 256, 511];
    const to = collector(refusesNumbers(...bad) as never);
    const { spans, count } = exporting({ fetch: to.fetch });
    for (const number of range(0, 512)) spans.record(servedSpan(number));
    await spans.flush();
    expect(to.numbers()).toEqual(range(0, 512).filter((number) => !bad.includes(number)));
    expect(count("segue_spans_dropped_total")).toBe(bad.length);
  });

  test.each([400, 413, 422])(
    "of everything by status %i is a wrong address or a proxy, and drops nothing",
    async (status) => {
      let refusesAll = true;
      const to = collector(() => (refusesAll ? status : 200));
      const { spans, pass, count, lines } = exporting({ fetch: to.fetch });
      for (const number of range(0, 700)) spans.record(servedSpan(number));
      await pass(1000);
      for (let minute = 0; minute < 5; minute++) await pass(60_000);
      expect(to.requests.length).toBeLessThan(200);
      expect(lines).toMatchObject([{ level: "error", fields: { fix: expect.stringMatching(/OTLP/) as string } }]);
      refusesAll = false;
      await pass(60_000);
      await spans.flush();
      expect(to.numbers().toSorted((a, b) => a - b)).toEqual(range(0, 700));
      expect(count("segue_spans_dropped_total")).toBe(0);
    },
  );

  test("of one that fills a request by itself does not hold up those after it", async () => {
    const to = collector(refusesNumbers(0) as never);
    const { spans, pass, count } = exporting({ fetch: to.fetch });
    spans.record(servedSpan(0, { session: "s".repeat(600_000) }));
    for (const number of range(1, 10)) spans.record(servedSpan(number));
    await pass(1000);
    for (let minute = 0; minute < 3; minute++) await pass(60_000);
    expect(to.numbers()).toEqual(range(1, 10));
    expect(count("segue_spans_dropped_total")).toBe(1);
  });

  test("of a key stops sending, is logged once with what to do, and is tried again each minute", async () => {
    let status = 401;
    const to = collector(() => status);
    const { spans, pass, lines, count } = exporting({
      fetch: to.fetch,
      destinations: [phoenixDestination({ url: "http://px.test", apiKey: "secret-key", project: "p" })],
    });
    for (const number of range(0, 600)) spans.record(servedSpan(number));
    await pass(1000);
    for (let minute = 0; minute < 10; minute++) await pass(60_000);
    expect(to.requests.length).toBe(11);
    expect(lines).toMatchObject([
      { level: "error", fields: { fix: expect.stringMatching(/SEGUE_PHOENIX_API_KEY/) as string } },
    ]);
    expect(JSON.stringify(lines)).not.toContain("secret-key");
    status = 200;
    await pass(60_000);
    expect(to.numbers()).toEqual(range(0, 600));
    expect(count("segue_spans_dropped_total")).toBe(0);
  });

  test.each([404, 405, 415, 302])("by status %i is a wrong address and drops nothing", async (status) => {
    let isWrong = true;
    const to = collector(() => (isWrong ? status : 200));
    const { spans, pass, lines } = exporting({ fetch: to.fetch });
    spans.record(servedSpan(1));
    await pass(1000);
    isWrong = false;
    await pass(60_000);
    expect(to.numbers()).toEqual([1]);
    expect(lines[0]).toMatchObject({ level: "error", fields: { fix: expect.stringMatching(/address/) as string } });
  });

  test("of a part of a batch that was taken is counted", async () => {
    // ExportTraceServiceResponse { partial_success { rejected_spans: 3, error_message: "no" } }
    const partial = new Uint8Array([0x0a, 6, 0x08, 3, 0x12, 2, 0x6e, 0x6f]);
    const { spans, counters } = exporting({ fetch: collector(() => new Response(partial)).fetch });
    for (const number of range(0, 10)) spans.record(servedSpan(number));
    await spans.flush();
    expect(counters.print()).toContain('segue_spans_dropped_total{destination="otlp",reason="rejected"} 3');
    expect(counters.read("segue_spans_exported_total")).toBe(7);
  });
});

describe("content", () => {
  const content = {
    request: new Uint8Array([1]),
    answer: [new Uint8Array([2])],
    isEventStream: false,
    isComplete: true,
  };

  test("is encoded in batches just before it is sent, and put into its span", async () => {
    const to = collector();
    const batches: number[] = [];
    const contentEncoder = {
      encode: (items: readonly unknown[]) => {
        batches.push(items.length);
        return Promise.resolve(
          items.map((_, index) => (index === 1 ? null : attributeBytes([["input.value", `${index}`]]))),
        );
      },
    };
    const { spans } = exporting({ fetch: to.fetch, contentEncoder });
    spans.record(servedSpan(0));
    for (const number of [1, 2, 3]) spans.record(servedSpan(number, { content }));
    expect(batches).toEqual([]);
    await spans.flush();
    expect(batches).toEqual([3]);
    expect(to.taken.map(({ attributes }) => attributes["input.value"])).toEqual([undefined, "0", undefined, "2"]);
  });

  test("comes with the values of its request that must not leave", async () => {
    const hidden = [{ value: "user-1", shown: "tok_1" }];
    const seen: unknown[] = [];
    const { spans } = exporting({
      redactionOf: () => ({ ...plainRedaction, hidden: ({ user }) => (user === "user-1" ? hidden : []) }),
      contentEncoder: { encode: (items) => Promise.resolve(items.map((item) => (seen.push(item.hidden), null))) },
    });
    spans.record(servedSpan(1, { content }));
    await spans.flush();
    expect(seen).toEqual([hidden]);
  });

  test.each([
    { encode: () => Promise.reject(new Error("the text was: my card is 4111")), because: "it fails" },
    { encode: () => new Promise<never>(() => undefined), because: "it never ends" },
  ])("is left out, and the span is sent, when encoding it goes wrong: $because", async ({ encode }) => {
    const to = collector();
    const { spans, pass, count, lines } = exporting({ fetch: to.fetch, contentEncoder: { encode } });
    spans.record(servedSpan(1, { content }));
    await pass(1000);
    await pass(10_000);
    expect(to.numbers()).toEqual([1]);
    expect(count("segue_span_content_dropped_total")).toBe(1);
    expect(JSON.stringify(lines)).not.toContain("4111");
  });
});

describe("closing", () => {
  test("sends what waits", async () => {
    const to = collector();
    const { spans } = exporting({ fetch: to.fetch });
    spans.record(servedSpan(1));
    await spans.close();
    expect(to.numbers()).toEqual([1]);
  });

  test("waits a few seconds at most, and counts what was not sent", async () => {
    const { spans, time, counters } = exporting({ fetch: collector(() => "silence").fetch });
    spans.record(servedSpan(1));
    spans.record(servedSpan(2));
    const closed = spans.close();
    time.advance(5000);
    await closed;
    expect(counters.print()).toContain('segue_spans_dropped_total{destination="otlp",reason="shutdown"} 2');
    spans.record(servedSpan(3));
    await spans.close();
    expect(time.nextDueInMs()).toBe(Infinity);
  });
});
