import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import * as fc from "fast-check";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { memoryCounters } from "../../../src/telemetry/counters.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { createSpanEncoder } from "../../../src/telemetry/spans/encode-span.ts";
import { exportRequest, requestHead } from "../../../src/telemetry/spans/export-request.ts";
import type { SpanBuffer, WaitingSpan } from "../../../src/telemetry/spans/span-buffer.ts";
import { openSpanSpool } from "../../../src/telemetry/spans/span-spool.ts";
import { decodeTraceRequest } from "../../fakes/otlp/trace-request.ts";
import { collector, exporting, numberOf } from "./exporting.ts";
import { plainRedaction, servedSpan } from "./served-spans.ts";

const everything = { spansMax: Infinity, bytesMax: Infinity };
const encode = createSpanEncoder(() => plainRedaction);
const head = requestHead("p", { name: "segue", version: "1", instance: "i" });
const waiting = (number: number): WaitingSpan => ({ ...encode(servedSpan(number)), content: null });
const numbersOf = (spans: readonly WaitingSpan[]): number[] =>
  decodeTraceRequest(
    exportRequest(
      head,
      spans.map((span) => ({ span, content: null })),
    ),
  ).map(numberOf);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

let directory: string;
let counters: ReturnType<typeof memoryCounters>;
const opened: SpanBuffer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "segue-spool-"));
  counters = memoryCounters();
});
afterEach(() => {
  for (const spool of opened.splice(0)) spool.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(bytesMax?: number): SpanBuffer {
  const spool = openSpanSpool({ directory, counters, log: silentLog, ...(bytesMax === undefined ? {} : { bytesMax }) });
  opened.push(spool);
  return spool;
}
/** Ends as a process does that is killed: nothing is saved, only the lock is gone. */
function reopen(bytesMax?: number): SpanBuffer {
  const places = join(directory, "0", "places.json");
  const saved = readdirSync(join(directory, "0")).includes("places.json") ? readFileSync(places) : null;
  for (const spool of opened.splice(0)) spool.close();
  if (saved === null) rmSync(places, { force: true });
  else writeFileSync(places, saved);
  return open(bytesMax);
}
const files = (lane = "0"): string[] =>
  readdirSync(join(directory, lane))
    .filter((name) => name.endsWith(".bin"))
    .sort();
const lastFile = (): string => join(directory, "0", files().at(-1)!);

describe("the spool", () => {
  test("gives back what was added, attempts and content included, after a restart too", () => {
    const content = {
      request: new Uint8Array([1, 2, 3]),
      answer: [new Uint8Array([4]), new Uint8Array(0), new Uint8Array([5, 6])],
      isEventStream: true,
      isComplete: false,
    };
    const attempt = { target: { provider: "a", model: "b" }, startedAt: 1, endedAt: 2, status: 500, error: "e" };
    const item = {
      policy: "support-chat",
      segment: "eu",
      wire: "chat" as const,
      content,
      hidden: [{ value: "maria", shown: "tok_1" }],
    };
    const spool = open();
    spool.reader("a");
    spool.add({ ...encode(servedSpan(1, { failedAttempts: [attempt] })), content: item });
    const [first] = reopen().reader("a").peek(everything);
    expect(first!.attempts).toHaveLength(1);
    expect(numbersOf([{ ...first!, attempts: [] }])).toEqual([1]);
    const kept = first!.content!;
    expect({
      ...kept,
      content: {
        ...kept.content,
        request: [...kept.content.request],
        answer: kept.content.answer.map((piece) => [...piece]),
      },
    }).toEqual({
      ...item,
      content: { ...content, request: [1, 2, 3], answer: [[4], [], [5, 6]] },
    });
  });

  test("is readable by its owner only", () => {
    const spool = open();
    spool.reader("a");
    spool.add(waiting(1));
    expect(statSync(lastFile()).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "0")).mode & 0o777).toBe(0o700);
  });

  test("goes on after a restart where each destination was", () => {
    const spool = open();
    const [a] = [spool.reader("a"), spool.reader("b")];
    for (const number of range(0, 10)) spool.add(waiting(number));
    a.peek({ spansMax: 4, bytesMax: Infinity });
    a.pass(4);
    const again = reopen();
    for (const number of range(10, 12)) again.add(waiting(number));
    expect(numbersOf(again.reader("a").peek(everything))).toEqual(range(4, 12));
    expect(numbersOf(again.reader("b").peek(everything))).toEqual(range(0, 12));
  });

  test("removes files that all destinations have passed, and none before", () => {
    const spool = open(80_000);
    const [a, b] = [spool.reader("a"), spool.reader("b")];
    for (const number of range(0, 30)) spool.add(waiting(number));
    const before = files().length;
    expect(before).toBeGreaterThan(3);
    a.peek(everything);
    a.pass(30);
    expect(files()).toHaveLength(before);
    b.peek(everything);
    b.pass(29);
    expect(files()).toHaveLength(1);
    expect(numbersOf(b.peek(everything))).toEqual([29]);
  });

  test("drops the oldest when it is full, and counts what each destination lost", () => {
    const spool = open(40_000);
    const [slow, fast] = [spool.reader("slow"), spool.reader("fast")];
    for (const number of range(0, 200)) {
      spool.add(waiting(number));
      fast.peek(everything);
      fast.pass(1);
    }
    const left = numbersOf(slow.peek(everything));
    expect(left.at(-1)).toBe(199);
    expect(left).toEqual(range(200 - left.length, 200));
    expect(counters.print()).toContain(
      `segue_spans_dropped_total{destination="slow",reason="spool_full"} ${200 - left.length}`,
    );
    expect(counters.read("segue_spans_dropped_total")).toBe(200 - left.length);
    const bytes = files().reduce((sum, name) => sum + statSync(join(directory, "0", name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(40_000);
  });

  test.each([
    {
      tear: (file: string) => truncateSync(file, statSync(file).size - 1),
      kept: 2,
      because: "its last byte is missing",
    },
    { tear: (file: string) => appendFileSync(file, new Uint8Array(5)), kept: 3, because: "half of a length follows" },
    { tear: (file: string) => appendFileSync(file, new Uint8Array(9).fill(255)), kept: 3, because: "garbage follows" },
    {
      tear: (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 20]! ^= 1;
        writeFileSync(file, bytes);
      },
      kept: 2,
      because: "a bit flipped",
    },
  ])("skips a torn tail and loses nothing else: $because", ({ tear, kept }) => {
    const spool = open();
    spool.reader("a");
    for (const number of range(0, 3)) spool.add(waiting(number));
    const file = lastFile();
    for (const one of opened.splice(0)) one.close();
    tear(file);
    const again = open();
    const reader = again.reader("a");
    again.add(waiting(7));
    expect(numbersOf(reader.peek(everything))).toEqual([...range(0, kept), 7]);
    reader.pass(kept + 1);
    expect(reader.peek(everything)).toEqual([]);
    expect(counters.read("segue_spool_torn_total")).toBe(1);
    expect(files()).toHaveLength(1);
  });

  test("gives each process a folder of its own, and takes over what an ended one left", () => {
    const [first, second] = [open(), open()];
    first.reader("a");
    second.reader("a");
    first.add(waiting(1));
    second.add(waiting(2));
    expect([files("0").length, files("1").length]).toEqual([1, 1]);
    for (const one of opened.splice(0)) one.close();
    expect(numbersOf(open().reader("a").peek(everything))).toEqual([1, 2]);
    expect(files("1")).toEqual([]);
  });

  test("hands every answer to every destination once, in order, whatever restarts come between, idle ones too", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), count: fc.integer({ min: 1, max: 12 }) }),
      fc.record({
        kind: fc.constant("send" as const),
        to: fc.constantFrom([0], [1], [0, 1]),
        count: fc.constantFrom(1, 5, 40),
      }),
      fc.record({ kind: fc.constant("restart" as const), count: fc.integer({ min: 1, max: 3 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25, size: "max" }), (steps) => {
        for (const one of opened.splice(0)) one.close();
        rmSync(directory, { recursive: true, force: true });
        let added = 0;
        const got: number[][] = [[], []];
        const start = () => {
          const spool = open(80_000);
          return { spool, readers: [spool.reader("a"), spool.reader("b")] };
        };
        let now = start();
        const send = (to: number, count: number): void => {
          const spans = now.readers[to]!.peek({ spansMax: count, bytesMax: Infinity });
          got[to]!.push(...numbersOf(spans));
          now.readers[to]!.pass(spans.length);
        };
        for (const one of [...steps, { kind: "restart" as const, count: 1 }]) {
          if (one.kind === "add") for (let i = 0; i < one.count && added < 40; i++) now.spool.add(waiting(added++));
          else if (one.kind === "send") for (const to of one.to) send(to, one.count);
          else
            for (let i = 0; i < one.count; i++) {
              for (const spool of opened.splice(0)) spool.close();
              now = start();
            }
        }
        for (const to of [0, 1]) send(to, Infinity);
        expect(got).toEqual([range(0, added), range(0, added)]);
      }),
      { numRuns: 100 },
    );
  });

  test("reads what it took over, though places of both folders are left from files that are gone", () => {
    const closeAll = (): void => {
      for (const one of opened.splice(0)) one.close();
    };
    const send = (spool: SpanBuffer, numbers: readonly number[], passed: number): void => {
      const reader = spool.reader("a");
      for (const number of numbers) spool.add(waiting(number));
      reader.peek(everything);
      reader.pass(passed);
    };
    send(open(), [1, 2], 2);
    closeAll();
    // An idle process removes what was sent; only the place is left.
    open().reader("a");
    closeAll();
    const [idle, other] = [open(), open()];
    idle.reader("a");
    send(other, [3, 4], 1);
    closeAll();
    const [first, second] = [open(), open()];
    expect(numbersOf(first.reader("a").peek(everything))).toEqual([3, 4]);
    second.add(waiting(5));
    expect(numbersOf(second.reader("a").peek(everything))).toEqual([5]);
  });

  test("sends again what is there when a place is of files that never were", () => {
    const spool = open();
    spool.reader("a");
    spool.add(waiting(1));
    for (const one of opened.splice(0)) one.close();
    writeFileSync(join(directory, "0", "places.json"), JSON.stringify({ a: { file: 1000, offset: 7, spans: 1 } }));
    expect(numbersOf(open().reader("a").peek(everything))).toEqual([1]);
  });

  test("lets files go that all have passed though places cannot be written, and nobody is told of a fault", () => {
    const spool = open(80_000);
    const reader = spool.reader("a");
    for (const number of range(0, 30)) spool.add(waiting(number));
    mkdirSync(join(directory, "0", "places.json.new"));
    reader.peek(everything);
    reader.pass(30);
    expect(files()).toHaveLength(1);
    expect(counters.read("segue_spool_faults_total")).toBeGreaterThan(0);
    expect(counters.read("segue_spans_dropped_total")).toBe(0);
  });

  test.each([
    { at: 20, lost: 1, because: "a bit flipped in what the first record holds" },
    { at: 2, lost: 10, because: "its length leads nowhere" },
  ])("loses no more to damage than it must, and counts it once: $because", ({ at, lost }) => {
    const spool = open();
    spool.reader("a");
    for (const number of range(0, 10)) spool.add(waiting(number));
    const bytes = readFileSync(lastFile());
    bytes[at]! ^= 64;
    writeFileSync(lastFile(), bytes);
    for (const one of opened.splice(0)) one.close();
    const again = open();
    for (const name of ["a", "b"])
      expect(numbersOf(again.reader(name).peek(everything))).toEqual(lost === 1 ? range(1, 10) : []);
    expect(counters.print()).toContain(`segue_spans_dropped_total{reason="spool_damaged"} ${lost}`);
  });

  test("goes on when somebody removed a file, and counts what was in it", () => {
    const spool = open(80_000);
    const reader = spool.reader("a");
    for (const number of range(0, 30)) spool.add(waiting(number));
    rmSync(join(directory, "0", files()[0]!));
    const left = reader.peek(everything).length;
    expect(left).toBeLessThan(30);
    expect(left + counters.read("segue_spans_dropped_total")).toBe(30);
    reader.pass(left);
    expect(reader.peek(everything)).toEqual([]);
  });

  test.each([{ arrives: true }, { arrives: false }])(
    "counts an answer that was under way when it was dropped once: as sent where it arrived ($arrives)",
    ({ arrives }) => {
      const spool = open(40_000);
      const reader = spool.reader("a");
      spool.add(waiting(0));
      spool.add(waiting(1));
      const underWay = reader.peek(everything).length;
      for (const number of range(2, 100)) spool.add(waiting(number));
      if (arrives) reader.pass(underWay);
      const left = reader.peek(everything).length;
      expect((arrives ? underWay : 0) + left + counters.read("segue_spans_dropped_total")).toBe(100);
    },
  );

  test("counts what is dropped of an earlier process's files right", () => {
    const before = open(40_000);
    const reader = before.reader("a");
    for (const number of range(0, 20)) before.add(waiting(number));
    reader.peek({ spansMax: 1, bytesMax: Infinity });
    reader.pass(1);
    for (const one of opened.splice(0)) one.close();
    expect(counters.read("segue_spans_dropped_total")).toBe(0);
    const spool = open(40_000);
    const again = spool.reader("a");
    for (const number of range(20, 120)) spool.add(waiting(number));
    const left = again.peek(everything).length;
    expect(left + counters.read("segue_spans_dropped_total")).toBe(119);
  });

  test("counts an answer that the disk does not take, and goes on with the next", () => {
    const spool = open();
    const reader = spool.reader("a");
    rmSync(join(directory, "0"), { recursive: true });
    spool.add(waiting(1));
    expect(counters.print()).toContain('segue_spans_dropped_total{reason="spool_failed"} 1');
    opened.length = 0;
    expect(reader.peek(everything)).toEqual([]);
  });

  test("names the directory when it cannot be used", () => {
    writeFileSync(join(directory, "file"), "");
    const broken = () => openSpanSpool({ directory: join(directory, "file"), counters, log: silentLog });
    expect(broken).toThrow(/cannot be used/);
  });
});

describe("with the spool on", () => {
  test("a process that is killed loses nothing that it recorded", async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("./spool-child.ts", import.meta.url)), directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      said += text;
      if (said.length > 20_000) child.kill("SIGKILL");
    });
    await once(child, "close");
    expect(child.signalCode).toBe("SIGKILL");
    const recorded = said.split("\n").slice(0, -1).map(Number);
    expect(recorded.length).toBeGreaterThan(1000);

    const to = collector();
    const { spans } = exporting({ fetch: to.fetch, buffer: open(), counters });
    await spans.flush();
    expect(to.numbers().slice(0, recorded.length)).toEqual(recorded);
    await spans.close();
    opened.length = 0;
  });

  test("an outage outlives the process: what was buffered arrives after both", async () => {
    const down = exporting({ fetch: collector(() => 503).fetch, buffer: open(), counters });
    for (const number of range(0, 700)) down.spans.record(servedSpan(number));
    await down.spans.close();
    opened.length = 0;
    expect(counters.read("segue_spans_dropped_total")).toBe(0);
    const to = collector();
    const up = exporting({ fetch: to.fetch, buffer: open(), counters });
    await up.settled();
    await up.spans.close();
    opened.length = 0;
    expect(to.numbers()).toEqual(range(0, 700));
    expect(files()).toEqual([]);
  });
});
