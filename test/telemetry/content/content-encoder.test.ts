import { afterEach, describe, expect, test } from "vitest";
import { Policy } from "../../../src/core/policy.ts";
import { contentThread } from "../../../src/telemetry/content/content-thread.ts";
import {
  createContentEncoder,
  inlineRunner,
  type ContentRunner,
} from "../../../src/telemetry/content/content-encoder.ts";
import { memoryCounters } from "../../../src/telemetry/counters.ts";
import type { Clock, Deadlines } from "../../../src/ports.ts";

const policyOf = (privacy?: object) =>
  Policy.parse({
    policy: "support",
    variants: { v: { provider: "p", model: "m" } },
    default: "v",
    segments: [
      { id: "vip", when: "true", risk: "high", owner: "us", ladder: [{ variant: "v" }], why: "They pay for it." },
    ],
    ...(privacy === undefined ? {} : { privacy }),
  });
const bytes = (text: string) => new TextEncoder().encode(text);
const item = (text: string, segment = "default", policy = "support") => ({
  policy,
  segment,
  wire: "chat" as const,
  content: {
    request: bytes(JSON.stringify({ messages: [{ role: "user", content: text }] })),
    answer: [],
    isEventStream: false,
    isComplete: true,
  },
});
const textOf = (encoded: Uint8Array | null | undefined) => Buffer.from(encoded ?? []).toString();

const clock: Clock = { now: () => 1000 };
const log = { info: () => {}, warn: () => {}, error: () => {} };

/** Deadlines that come when the test says so. */
function handDeadlines(): Deadlines & { readonly pass: () => void } {
  const open = new Set<() => void>();
  return {
    watch: (onDue) => {
      open.add(onDue);
      return { dueAt: Infinity, end: () => open.delete(onDue) };
    },
    pass: () => {
      for (const onDue of open) onDue();
    },
  };
}

const started: ContentRunner[] = [];
afterEach(async () => {
  for (const runner of started.splice(0)) await runner.close();
});
function thread(file?: URL) {
  const counters = memoryCounters();
  const deadlines = handDeadlines();
  const runner = contentThread({ clock, deadlines, counters, log, ...(file === undefined ? {} : { file }) });
  started.push(runner);
  return { runner, counters, deadlines };
}
const encoderOf = (runner: ContentRunner, policy: Policy | undefined = policyOf(), counters = memoryCounters()) =>
  createContentEncoder({ runner, policyOf: (id) => (id === "support" ? policy : undefined), counters });

describe("content leaves", () => {
  test("redacted, and where its segment's content is off, or its policy or segment is gone, not at all", async () => {
    const counters = memoryCounters();
    const encoder = encoderOf(inlineRunner, policyOf(), counters);
    const items = [
      item("joe@x.com"),
      item("hello", "vip"),
      item("hello", "gone"),
      item("hello", "default", "other"),
      item("bye"),
    ];
    const encoded = await encoder.encode(items);
    expect(encoded.map((bytes) => bytes !== null)).toEqual([true, false, false, false, true]);
    expect(textOf(encoded[0])).toContain("[EMAIL]");
    expect(textOf(encoded[4])).toContain("bye");
    expect(counters.read("segue_span_content_dropped_total")).toBe(3);
  });

  test("by the policy's own patterns", async () => {
    const policy = policyOf({ patterns: [{ name: "customer", pattern: "ACME-\\d{4}" }] });
    const [encoded] = await encoderOf(inlineRunner, policy).encode([item("I am ACME-1234.")]);
    expect(textOf(encoded)).toContain("I am [CUSTOMER].");
  });
});

describe("a thread that redacts content", () => {
  test("gives what this thread would, and leaves the bytes that it was given as they were", async () => {
    const given = [item("joe@x.com"), item("+49 170 1234567")];
    const request = given[0]!.content.request.slice();
    const there = await encoderOf(thread().runner).encode(given);
    const here = await encoderOf(inlineRunner).encode(given);
    expect(there.map(textOf)).toEqual(here.map(textOf));
    expect(given[0]!.content.request).toEqual(request);
  });

  test("takes content of several answers that lies in one piece of memory, as a spool reads it", async () => {
    const memory = Buffer.concat(["joe@x.com", "bye"].map((text) => item(text).content.request));
    const { length } = item("joe@x.com").content.request;
    const parts = [memory.subarray(0, length), memory.subarray(length)];
    const given = parts.map((request) => ({ ...item(""), content: { ...item("").content, request } }));
    const encoded = (await encoderOf(thread().runner).encode(given)).map(textOf);
    expect(encoded).toEqual([expect.stringContaining("[EMAIL]"), expect.stringContaining("bye")]);
    expect(memory.length).toBeGreaterThan(length);
  });

  test("that dies loses its jobs, and the next one gets another thread", async () => {
    const file = new URL(
      `data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.on("message", ({ id, job }) => { if (job.tasks.length > 1) process.exit(3); parentPort.postMessage({ id, encoded: [null] }); });`,
    );
    const { runner, counters } = thread(file);
    const encoder = encoderOf(runner);
    await expect(encoder.encode([item("a"), item("b")])).rejects.toThrow(
      "the thread that redacts content ended: exit 3",
    );
    await expect(encoder.encode([item("a")])).resolves.toEqual([null]);
    expect(counters.read("segue_content_thread_restarts_total")).toBe(1);
  });

  test("that hangs is ended at the job's deadline, and takes 16 jobs at once", async () => {
    const file = new URL(
      `data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.on("message", () => {});`,
    );
    const { runner, deadlines } = thread(file);
    const jobs = Array.from({ length: 17 }, () => runner.run({ privacies: [], tasks: [] }));
    const settled = Promise.allSettled(jobs);
    await expect(jobs[16]).rejects.toThrow("has 16 jobs already");
    deadlines.pass();
    expect((await settled).map(({ status }) => status)).toEqual(Array.from({ length: 17 }, () => "rejected"));
    await expect(jobs[0]).rejects.toThrow("no answer within 8000 ms");
  });
});
