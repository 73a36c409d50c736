import { afterEach, describe, expect, test } from "vitest";
import { pollSource } from "../../src/loop/poll-source.ts";
import { receiveWebhook } from "../../src/loop/receive-webhook.ts";
import { arize } from "../../src/sources/arize.ts";
import { configureSource } from "../../src/core/signal-source.ts";
import { sources } from "../../src/sources/index.ts";
import { fakeArize, hmacHeaders, monitorId, type MonitorJson } from "../fakes/arize/arize.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const SECRET = "whsec_secret";
const iso = (ms: number) => new Date(ms).toISOString();
const ID = monitorId(1);
const monitor = (over: Partial<MonitorJson> = {}): MonitorJson => ({
  id: ID,
  name: "seg|support|prime|accuracy",
  status: "TRIGGERED",
  evaluated_at: iso(START),
  latest_computed_value: 0.7,
  ...over,
});

async function world(over: { limits?: { deliveries?: number; waiting?: number }; timeoutMs?: number } = {}) {
  const base = await signalWorld();
  const service = await fakeArize({ pageSize: 2 });
  closers.push(service.close);
  const settings = { apiKey: "arize-key", baseUrl: service.url, webhook: { auth: "hmac", secret: SECRET } };
  const source = configureSource(arize, settings);
  const deps = { ...base.deps, ...over, sources: [source], known: sources };
  const receive = receiveWebhook(deps);
  let nextId = 0;
  /** A genuine delivery; `id` null leaves the header out. */
  const ring = (body: unknown, { id = `evt-${(nextId += 1)}` }: { id?: string | null } = {}) => {
    const text = JSON.stringify(body);
    const timestamp = base.clock.at / 1000;
    const headers = hmacHeaders(text, { timestamp, key: SECRET, ...(id === null ? {} : { id }) });
    return receive({ source: "arize", rawBody: new TextEncoder().encode(text), headers });
  };
  return { ...base, deps, service, source, receive, ring };
}

describe("an Arize webhook", () => {
  test("records what its monitor says, by the source", async () => {
    const { service, ring, signals, entries } = await world();
    service.set(monitor());
    const receipt = ring({ monitor: { id: ID } });
    expect(receipt).toMatchObject({ accepted: true, duplicate: false });
    expect(signals()).toEqual([]);
    await receipt.work;
    expect(signals()).toMatchObject([
      { source: "arize", status: "degraded", variant: "large", evidence: { lossMean: 0.3 } },
    ]);
    expect((await entries()).at(-1)?.actor).toEqual({ kind: "webhook", source: "arize" });
  });

  test("that lies about the status records what the monitor says", async () => {
    const { service, ring, signals } = await world();
    service.set(monitor({ status: "CLEARED" }));
    await ring({ monitor_id: ID, status: "TRIGGERED", metric_value: 0.01 }).work;
    expect(signals()).toMatchObject([{ status: "recovered", evidence: { lossMean: 0.3 } }]);
  });

  test("that points at nothing has everything read, page by page", async () => {
    const { service, ring, signals } = await world();
    for (const n of [1, 2, 3, 4]) service.set(monitor({ id: monitorId(n), name: `something else ${n}` }));
    service.set(monitor({ id: monitorId(5) }));
    await ring({ event: "who knows" }).work;
    expect(signals()).toHaveLength(1);
    expect(service.requests).toHaveLength(3);
  });

  test("that names a monitor of ours has it read by its name", async () => {
    const { service, ring, signals } = await world();
    service.set(monitor());
    await ring({ text: "seg|support|prime|accuracy" }).work;
    expect(service.requests).toEqual([expect.stringContaining("name=seg")]);
    expect(signals()).toHaveLength(1);
  });

  test.each([{ id: "evt" }, { id: null }])("delivered twice (id $id) is read once", async ({ id }) => {
    const { service, ring, entries } = await world();
    service.set(monitor());
    await ring({ id: ID }, { id }).work;
    const again = ring({ id: ID }, { id });
    expect(again.duplicate).toBe(true);
    await again.work;
    expect(service.requests).toHaveLength(1);
    expect(await entries()).toHaveLength(2);
  });

  test("delivered again under another id records the evaluation once", async () => {
    const { service, ring, entries } = await world();
    service.set(monitor());
    await ring({ id: ID }).work;
    await ring({ id: ID }).work;
    expect(service.requests).toHaveLength(2);
    expect(await entries()).toHaveLength(2);
  });

  test("that comes late does not bring back an older evaluation", async () => {
    const { service, ring, signals } = await world();
    service.set(monitor({ status: "CLEARED", evaluated_at: iso(START) }));
    await ring({ id: ID }).work;
    // Such as a replica of the API that lags behind.
    service.set(monitor({ evaluated_at: iso(START - 600_000), status: "TRIGGERED" }));
    await ring({ id: ID }).work;
    expect(signals()).toMatchObject([{ status: "recovered", observedAt: START }]);
  });

  test.each([
    { because: "its signature is another's", change: { "x-arize-webhook-signature": `v1=${"0".repeat(64)}` } },
    { because: "it is unsigned", change: { "x-arize-webhook-signature": "" } },
    { because: "its timestamp is old", change: { "x-arize-webhook-timestamp": String(START / 1000 - 301) } },
  ])("is refused and nothing is read when $because", async ({ change }) => {
    const { service, receive, signals, counted } = await world();
    service.set(monitor());
    const text = JSON.stringify({ id: ID });
    const headers = { ...hmacHeaders(text, { timestamp: START / 1000, key: SECRET }), ...change };
    const call = { source: "arize", rawBody: new TextEncoder().encode(text), headers };
    expect(() => receive(call)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    expect(service.requests).toEqual([]);
    expect(signals()).toEqual([]);
    expect(counted.get("segue_webhook_refused_total arize")).toBe(1);
  });

  test("that was recorded cannot be replayed once it is old", async () => {
    const { service, receive, clock } = await world();
    service.set(monitor());
    const text = JSON.stringify({ id: ID });
    const rawBody = new TextEncoder().encode(text);
    const headers = hmacHeaders(text, { timestamp: START / 1000, key: SECRET });
    clock.at += 301_000;
    expect(() => receive({ source: "arize", rawBody, headers })).toThrow(
      expect.objectContaining({ code: "unauthenticated" }),
    );
  });

  test("about monitors that are not ours records nothing and counts them", async () => {
    const { service, ring, signals, counted } = await world();
    service.set(monitor({ name: "checkout latency" }));
    service.set(monitor({ id: monitorId(2), name: "seg|support|gone|accuracy" }));
    await ring({ ids: [ID, monitorId(2), monitorId(3)] }).work;
    expect(signals()).toEqual([]);
    expect(counted.get("segue_source_ignored_total arize not-ours")).toBe(1);
    expect(counted.get("segue_source_ignored_total arize unknown-segment")).toBe(1);
    expect(counted.get("segue_source_ignored_total arize not-found")).toBe(1);
  });

  test("about an evaluation of the future is not recorded, and its neighbour is", async () => {
    const { service, ring, signals, lines } = await world();
    service.set(monitor({ evaluated_at: iso(START + 3_600_000) }));
    service.set(monitor({ id: monitorId(2), name: "seg|support|prime|toxicity" }));
    await ring({}).work;
    expect(signals()).toMatchObject([{ metric: "toxicity" }]);
    expect(lines.join("\n")).toContain("five minutes ahead");
  });
});

describe("reading Arize", () => {
  test.each([
    { because: "seconds", header: "7", waits: 7000 },
    { because: "a date", header: new Date(START + 9000).toUTCString(), waits: 9000 },
  ])("waits as long as a 429 asks for in $because, then reads on", async ({ header, waits }) => {
    const { service, ring, signals, slept } = await world();
    service.set(monitor());
    service.faults.push({ status: 429, headers: { "retry-after": header } });
    await ring({ id: ID }).work;
    expect(slept).toEqual([waits]);
    expect(signals()).toHaveLength(1);
  });

  test("outlives errors, broken connections, hanging and nonsense, with growing waits", async () => {
    const { service, ring, signals, slept } = await world({ timeoutMs: 100 });
    service.set(monitor());
    service.faults.push({ status: 500 }, "cut", "hang", { status: 200, body: "<html>" });
    await ring({ id: ID }).work;
    expect(slept).toEqual([500, 1000, 2000, 4000]);
    expect(signals()).toHaveLength(1);
  });

  test("gives up after five attempts, says so, and tries again when it is delivered again", async () => {
    const { service, ring, signals, lines, counted } = await world();
    service.set(monitor());
    service.faults.push(...Array.from({ length: 5 }, () => ({ status: 503 })));
    await ring({ id: ID }, { id: "evt" }).work;
    expect(service.requests).toHaveLength(5);
    expect(lines.join("\n")).toContain("it answered 503");
    expect(counted.get("segue_source_failures_total arize")).toBe(1);
    await ring({ id: ID }, { id: "evt" }).work;
    expect(signals()).toHaveLength(1);
  });

  test.each([
    { status: 401, says: "check the key" },
    { status: 403, says: "check the key" },
    { status: 422, says: "422" },
    { status: 302, says: "302" },
  ])("gives up at once on a $status and never tells the key", async ({ status, says }) => {
    const { service, ring, lines } = await world();
    service.faults.push({ status, headers: { location: "/v2/monitors" } });
    await ring({ id: ID }).work;
    expect(service.requests).toHaveLength(1);
    expect(lines.join("\n")).toContain(says);
    expect(lines.join("\n")).not.toContain("arize-key");
  });

  test("leaves alone a service that asks for an hour", async () => {
    const { service, ring, slept } = await world();
    service.faults.push({ status: 429, headers: { "retry-after": "3600" } });
    await ring({ id: ID }).work;
    expect(slept).toEqual([]);
    expect(service.requests).toHaveLength(1);
  });

  test("serves a burst of doorbells at one monitor with two readings", async () => {
    const { service, ring, entries } = await world();
    service.set(monitor());
    await Promise.all(Array.from({ length: 50 }, () => ring({ id: ID }).work));
    expect(service.requests.length).toBeLessThanOrEqual(2);
    expect(await entries()).toHaveLength(2);
  });

  test("drops and counts what does not fit its queue, and takes it when it comes again", async () => {
    const { service, ring, counted, signals } = await world({ limits: { waiting: 3 } });
    for (let n = 1; n <= 6; n += 1) service.set(monitor({ id: monitorId(n) }));
    const work = [1, 2, 3, 4, 5, 6].map((n) => ring({ id: monitorId(n) }, { id: `evt-${n}` }).work);
    await Promise.all(work);
    expect(counted.get("segue_webhook_dropped_total arize")).toBe(3);
    expect(service.requests).toHaveLength(3);
    const again = ring({ id: monitorId(6) }, { id: "evt-6" });
    expect(again.duplicate).toBe(false);
    await again.work;
    expect(signals().map(({ id }) => id)).toContainEqual(expect.stringContaining(monitorId(6)));
  });

  test("remembers only so many deliveries", async () => {
    const { service, ring } = await world({ limits: { deliveries: 2 } });
    service.set(monitor());
    for (const id of ["a", "b", "c"]) await ring({ id: ID }, { id }).work;
    expect(ring({ id: ID }, { id: "c" }).duplicate).toBe(true);
    expect(ring({ id: ID }, { id: "a" }).duplicate).toBe(false);
  });
});

describe("polling Arize", () => {
  test("records every state, also what no webhook told, and nothing twice", async () => {
    const { service, deps, source, signals } = await world();
    service.set(monitor({ status: "NO_DATA" }));
    service.set(monitor({ id: monitorId(2), name: "seg|support|prime|toxicity", status: "CLEARED" }));
    service.set(monitor({ id: monitorId(3), name: "seg|support|default|accuracy" }));
    service.set(monitor({ id: monitorId(4), name: "theirs" }));
    expect(await pollSource(deps, source)).toEqual({ recorded: 3, duplicates: 0, ignored: { "not-ours": 1 } });
    expect(
      signals()
        .map(({ status }) => status)
        .sort(),
    ).toEqual(["degraded", "inconclusive", "recovered"]);
    expect(await pollSource(deps, source)).toMatchObject({ recorded: 0, ignored: { "not-ours": 1 } });
  });

  test("that fails says so and does not throw", async () => {
    const { service, deps, source, counted } = await world();
    service.faults.push({ status: 401 });
    expect(await pollSource(deps, source)).toBeNull();
    expect(counted.get("segue_source_failures_total arize")).toBe(1);
  });
});
