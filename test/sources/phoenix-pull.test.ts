import { afterEach, describe, expect, test } from "vitest";
import { createScoreboard } from "../../src/core/scoreboard.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { createSourcePolls } from "../../src/loop/poll-source.ts";
import { configureSource } from "../../src/core/signal-source.ts";
import { Policy } from "../../src/core/policy.ts";
import { tick } from "../../src/loop/tick.ts";
import { phoenix } from "../../src/sources/phoenix.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { postSpans, traceRequest, type MadeSpan } from "../fakes/otlp/made-spans.ts";
import { fakePhoenix, type FakePhoenixOptions } from "../fakes/phoenix/phoenix.ts";
import { published, signalWorld, START } from "../fakes/signal-world.ts";

const MINUTE = 60_000;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const policy = Policy.parse({
  policy: "helpdesk",
  metrics: {
    accuracy: { from: "feedback" },
    failed: { from: "error" },
    slow: { from: "latency", slowerThanMs: 1500 },
  },
  variants: { large: { provider: "main", model: "m1" }, small: { provider: "main", model: "m2" } },
  default: "large",
  segments: ["refunds", "orders"].map((id) => ({
    id,
    when: "true",
    owner: "team",
    objectives: [
      { metric: "accuracy", against: "bound", lossMax: 0.2 },
      { metric: "failed", against: "bound", lossMax: 0.1 },
      { metric: "slow", against: "bound", lossMax: 0.1 },
    ],
    ladder: [{ variant: "large" }, { variant: "small" }],
    why: "Questions about what was bought.",
  })),
});

interface Traffic {
  readonly segment: string;
  readonly variant?: string;
  readonly from: number;
  readonly answers: number;
  /** Of the answers, from the first on. */
  readonly wrong?: number;
  readonly failing?: number;
  readonly slow?: number;
  /** Whether anybody says how good they were. */
  readonly annotated?: boolean;
}

const KEY = { authorization: "Bearer phoenix-key" };
async function annotate(url: string, data: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/v1/span_annotations?sync=true`, {
    method: "POST",
    headers: { ...KEY, "content-type": "application/json" },
    body: JSON.stringify({ data }),
  });
  expect(response.status).toBe(200);
}

/** A Phoenix with spans as Segue sends them, and Segue's own control plane, on one clock. */
async function world({ settings = {}, ...options }: FakePhoenixOptions & { settings?: object } = {}) {
  const base = await signalWorld();
  await base.commit([published(policy)]);
  const server = await fakePhoenix({ now: () => base.clock.at, ...options });
  closers.push(server.close);
  const hosts = new Set<string>();
  const fetched: typeof base.deps.fetch = (url, init) => {
    hosts.add(new URL(url).origin);
    return base.deps.fetch(url, init);
  };
  const deps = { ...base.deps, fetch: fetched };
  const source = configureSource(phoenix, { baseUrl: server.url, apiKey: "phoenix-viewer-key", ...settings });
  let last = 0;
  const serve = async ({
    segment,
    variant = "large",
    from,
    answers,
    wrong = 0,
    failing = 0,
    slow = 0,
    annotated = true,
  }: Traffic) => {
    const spans = Array.from({ length: answers }, (_, n): MadeSpan => {
      const metadata = { policy: "helpdesk", segment_id: `helpdesk|${segment}`, variant, error: n < failing ? 1 : 0 };
      const spanId = (last += 1).toString(16).padStart(16, "0");
      return { spanId, startMs: from + n, durationMs: n < slow ? 2000 : 300, metadata };
    });
    await postSpans(server.otlpUrl, KEY, traceRequest(spans));
    const data = spans.map(({ spanId }, n) => ({
      span_id: spanId,
      name: "accuracy",
      annotator_kind: "HUMAN",
      result: { score: n < wrong ? 0 : 1 },
    }));
    if (annotated) await annotate(server.url, data);
  };
  const found = () =>
    Object.fromEntries(
      base
        .signals()
        .filter(({ source: from }) => from.startsWith("phoenix"))
        .map(({ segment, metric, status }) => [`${segment} ${metric}`, status]),
    );
  const recorded = async () => (await base.entries()).filter(({ event }) => event.type === "signal.recorded");
  return { ...base, deps, server, source, hosts, serve, found, recorded, polls: createSourcePolls(deps, source) };
}

describe("pulling from Phoenix", () => {
  test("finds the one segment with a planted fault, and calls nobody but Phoenix", async () => {
    const { clock, serve, polls, found, hosts, server } = await world();
    await serve({ segment: "refunds", from: START, answers: 200, wrong: 120 });
    await serve({ segment: "orders", from: START, answers: 200, wrong: 10 });
    clock.at += 10 * MINUTE;
    expect(await polls.poll()).toMatchObject({ recorded: 6 });
    expect(found()).toEqual({
      "refunds accuracy": "degraded",
      "refunds failed": "recovered",
      "refunds slow": "recovered",
      "orders accuracy": "recovered",
      "orders failed": "recovered",
      "orders slow": "recovered",
    });
    expect([...hosts]).toEqual([server.url]);
  });

  test("takes five annotators of four answers for four labels, though there are many more answers", async () => {
    const { clock, serve, polls, found, server } = await world();
    await serve({ segment: "refunds", from: START, answers: 4, wrong: 4 });
    const data = server.spans().flatMap(({ spanId }) =>
      ["ada", "bo", "cy", "di"].map((identifier) => ({
        span_id: spanId,
        name: "accuracy",
        annotator_kind: "HUMAN",
        identifier,
        result: { score: 0 },
      })),
    );
    await annotate(server.url, data);
    await serve({ segment: "refunds", from: START, answers: 200, annotated: false });
    clock.at += 10 * MINUTE;
    await polls.poll();
    expect(found()).toMatchObject({ "refunds accuracy": "inconclusive", "refunds failed": "recovered" });
  });

  test("finds errors and slow answers by the spans alone", async () => {
    const { clock, serve, polls, found } = await world();
    await serve({ segment: "refunds", from: START, answers: 200, failing: 80 });
    await serve({ segment: "orders", from: START, answers: 200, slow: 80 });
    clock.at += 10 * MINUTE;
    await polls.poll();
    expect(found()).toMatchObject({
      "refunds failed": "degraded",
      "refunds slow": "recovered",
      "orders failed": "recovered",
      "orders slow": "degraded",
    });
  });

  test("holds nothing of another variant, or of the time before, against what serves now", async () => {
    const { clock, serve, polls, found } = await world();
    await serve({ segment: "refunds", variant: "small", from: START, answers: 200, wrong: 200 });
    await serve({ segment: "refunds", from: START - 30 * MINUTE, answers: 200, wrong: 200 });
    await serve({ segment: "refunds", from: START + MINUTE, answers: 200, wrong: 2 });
    clock.at += 10 * MINUTE;
    await polls.poll();
    expect(found()).toMatchObject({ "refunds accuracy": "recovered" });
  });

  test("says that it recovered once the hour is a good one, and not before", async () => {
    const { clock, serve, polls, found } = await world();
    await serve({ segment: "refunds", from: START, answers: 200, wrong: 120 });
    clock.at += 10 * MINUTE;
    await polls.poll();
    await serve({ segment: "refunds", from: START + 11 * MINUTE, answers: 200, wrong: 2 });
    clock.at = START + 30 * MINUTE;
    await polls.poll();
    expect(found()).toMatchObject({ "refunds accuracy": "degraded" });
    clock.at = START + 65 * MINUTE;
    await polls.poll();
    expect(found()).toMatchObject({ "refunds accuracy": "recovered" });
  });

  test("takes silence for no data, never for health", async () => {
    const { clock, serve, polls, found, counted } = await world();
    await serve({ segment: "orders", from: START, answers: 5 });
    clock.at += 10 * MINUTE;
    await polls.poll();
    expect(new Set(Object.values(found()))).toEqual(new Set(["inconclusive"]));
    await polls.poll();
    expect(counted.get("segue_source_ignored_total phoenix no-data")).toBe(3);
  });

  test("by two instances records one signal a window and row", async () => {
    const { clock, serve, polls, deps, source, recorded } = await world();
    await serve({ segment: "refunds", from: START, answers: 200, wrong: 120 });
    clock.at += 10 * MINUTE;
    const other = createSourcePolls(deps, source);
    await Promise.all([polls.poll(), other.poll()]);
    expect(await recorded()).toHaveLength(6);
    clock.at += 20_000;
    await other.poll();
    expect(await recorded()).toHaveLength(6);
  });

  test("for three hours of steady traffic adds no more to the ledger than what it repeats", async () => {
    const { clock, serve, polls, recorded } = await world({ settings: { repeatMinutes: 60 } });
    for (let minute = 10; minute <= 190; minute += 10) {
      for (const segment of ["refunds", "orders"])
        await serve({
          segment,
          from: START + (minute - 10) * MINUTE,
          answers: 30,
          wrong: segment === "refunds" ? 15 : 1,
        });
      clock.at = START + minute * MINUTE;
      await polls.poll();
    }
    const bySubject = new Map<string, number>();
    for (const { event } of await recorded()) {
      if (event.type !== "signal.recorded") continue;
      const key = `${event.signal.segment} ${event.signal.metric}`;
      bySubject.set(key, (bySubject.get(key) ?? 0) + 1);
    }
    expect(bySubject.size).toBe(6);
    // Once as no data, once as it is, and then each hour.
    for (const count of bySubject.values()) expect(count).toBeLessThanOrEqual(5);
  });
});

describe("the loop on what Phoenix says alone", () => {
  test("moves the segment that has a fault, and only that, after its candidate did well", async () => {
    const { clock, serve, polls, deps, controlPlane, commit } = await world();
    const auto = Policy.parse({
      ...policy,
      segments: policy.segments.map((segment) => ({
        ...segment,
        mode: "auto",
        risk: "low",
        ladder: segment.ladder.map((rung) => ({ ...rung, validated: { score: 0.9, items: 200 } })),
      })),
    });
    await commit([published(auto)]);
    const loop = {
      ...deps,
      controlPlane,
      scoreboard: createScoreboard(),
      flags: staticFlags(),
      lease: createMemoryLease(),
    };
    const segment = (id: string) => controlPlane.state().segments[`helpdesk/${id}`];
    for (let minute = 5; minute <= 150 && segment("refunds")?.incumbent !== "small"; minute += 5) {
      const from = START + (minute - 5) * MINUTE;
      const shared = { from, answers: 60 };
      await serve({ ...shared, segment: "refunds", wrong: 40 });
      await serve({ ...shared, segment: "orders", wrong: 2 });
      if (segment("refunds")?.open != null) await serve({ ...shared, segment: "refunds", variant: "small", wrong: 2 });
      clock.at = START + minute * MINUTE;
      await polls.poll();
      await tick(loop, "one");
    }
    expect(segment("refunds")).toMatchObject({ incumbent: "small", former: { variant: "large" } });
    expect(segment("orders")).toMatchObject({ incumbent: "large", open: null });
  });
});

describe("a Phoenix that cannot be read", () => {
  test("is waited for until the project's first span, and then read", async () => {
    const { clock, serve, polls, lines } = await world();
    clock.at += 10 * MINUTE;
    expect(await polls.poll()).toBeNull();
    expect(polls.status()).toMatchObject({ ready: false, problem: expect.stringContaining("no project 'segue'") });
    expect(lines.join("\n")).toContain("A project appears with its first span");
    await serve({ segment: "refunds", from: START, answers: 30 });
    expect(await polls.poll()).toMatchObject({ recorded: 6 });
    expect(polls.status()).toMatchObject({ ready: true, problem: null });
  });

  test("because of its key is said so, and the key is not", async () => {
    const { polls, lines } = await world({ projects: ["segue"], settings: { apiKey: "wrong-key" } });
    await polls.poll();
    expect(polls.status().problem).toContain("refused the API key with 401");
    expect(lines.join("\n")).not.toContain("wrong-key");
  });

  test("for a while is tried again, and nothing is lost", async () => {
    const { clock, serve, polls, server, found, slept } = await world({ projects: ["segue"] });
    await serve({ segment: "refunds", from: START, answers: 200, wrong: 120 });
    clock.at += 10 * MINUTE;
    server.fail("graphql", 429, 1);
    server.fail("graphql", 500, 1);
    server.fail("graphql", "cut", 1);
    await polls.poll();
    expect(found()).toMatchObject({ "refunds accuracy": "degraded" });
    expect(slept).toContain(1000);
  });

  test("for long changes nothing, and does not throw", async () => {
    const { clock, polls, server, found } = await world({ projects: ["segue"] });
    clock.at += 10 * MINUTE;
    const lift = server.fail("graphql", 504);
    expect(await polls.poll()).toBeNull();
    expect(found()).toEqual({});
    lift();
    expect(await polls.poll()).toMatchObject({ recorded: 6 });
  });
});
