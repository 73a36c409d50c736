import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { Authenticated } from "../../routes/auth.ts";
import { errorResponse } from "../../routes/error-response.ts";
import { signalRoutes } from "../../routes/signals.ts";
import { ApiKey } from "../../src/core/api-key.ts";
import { RouterError } from "../../src/core/errors.ts";
import { actorOf } from "../../src/gateway/authenticate.ts";
import { recordSignal } from "../../src/loop/record-signal.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const keyOf = (over: object = {}): ApiKey =>
  ApiKey.parse({
    id: "abcdefgh",
    hash: "0".repeat(64),
    holder: { kind: "machine", name: "ci" },
    scopes: ["signal", "read"],
    createdAt: 0,
    expiresAt: null,
    ...over,
  });

async function world(key: ApiKey = keyOf()) {
  const base = await signalWorld();
  const app = new Hono<Authenticated>()
    .use(async (c, next) => {
      c.set("key", key);
      c.set("actor", actorOf(key));
      await next();
    })
    .route(
      "/api/signals",
      signalRoutes({
        record: (input) => recordSignal(base.deps, input),
        state: base.controlPlane.state,
        now: base.deps.clock.now,
      }),
    )
    .onError((error) => (error instanceof RouterError ? errorResponse(error) : Promise.reject(error)));
  const post = async (body: unknown) => {
    const response = await app.request("/api/signals", { method: "POST", body: JSON.stringify(body) });
    return {
      status: response.status,
      body: (await response.json()) as { signals?: readonly unknown[]; error?: unknown },
    };
  };
  const get = async (query = "") =>
    (await (await app.request(`/api/signals${query}`)).json()) as { signals: unknown[] };
  return { ...base, post, get };
}
const draft = { policy: "support", segment: "prime", metric: "accuracy", status: "degraded" };

describe("POST /api/signals", () => {
  test("fills in the incumbent, now and an id, and names the caller as the source", async () => {
    const { post, signals } = await world();
    const { status, body } = await post(draft);
    expect([status, body]).toEqual([200, { signals: [{ id: expect.any(String), recorded: true }] }]);
    expect(signals()).toMatchObject([
      { ...draft, variant: "large", source: "api:ci", observedAt: START, evidence: {} },
    ]);
  });

  test("takes up to a hundred at once, and no more", async () => {
    const { post, signals } = await world();
    const some = (count: number) => ({ signals: Array.from({ length: count }, (_, i) => ({ ...draft, id: `s${i}` })) });
    expect((await post(some(101))).status).toBe(400);
    expect((await post(some(0))).status).toBe(400);
    expect((await post(some(100))).body.signals).toHaveLength(100);
    expect(signals()).toHaveLength(1);
  });

  test("says of the same content, or the same id, that it is a duplicate", async () => {
    const { post } = await world();
    const dated = { ...draft, observedAt: "2026-09-01T11:58:00+02:00", evidence: { lossMean: 0.4 } };
    await post(dated);
    expect((await post(dated)).body.signals).toMatchObject([{ recorded: false, reason: "duplicate" }]);
    expect((await post({ ...dated, evidence: { lossMean: 0.5 } })).body.signals).toMatchObject([{ recorded: true }]);
  });

  test.each([
    { because: "it names a source", body: { ...draft, source: "arize" }, param: "source" },
    { because: "its status is unknown", body: { ...draft, status: "fine" }, param: "status" },
    { because: "its loss is no share", body: { ...draft, evidence: { lossMean: 2 } }, param: "evidence.lossMean" },
    {
      because: "its page is no web address",
      body: { ...draft, evidence: { url: "javascript:alert(1)" } },
      param: "evidence.url",
    },
    {
      because: "its page's address breaks the line",
      body: { ...draft, evidence: { url: "https://a.example/\u001b[2J" } },
      param: "evidence.url",
    },
    {
      because: "its page's address is longer than 2 000",
      body: { ...draft, evidence: { url: `https://a.example/${"a".repeat(1983)}` } },
      param: "evidence.url",
    },
    { because: "its policy is unknown", body: { ...draft, policy: "billing" }, param: "policy" },
    { because: "its segment is unknown", body: { ...draft, segment: "gone" }, param: "segment" },
    { because: "its metric is not declared", body: { ...draft, metric: "thumbs" }, param: "metric" },
    { because: "it lies in the future", body: { ...draft, observedAt: START + 600_000 }, param: "observedAt" },
    {
      because: "one of several is wrong",
      body: { signals: [draft, { ...draft, status: 1 }] },
      param: "signals.1.status",
    },
  ])("is refused when $because, and nothing is recorded", async ({ body, param }) => {
    const { post, signals } = await world();
    expect(await post(body)).toMatchObject({ status: 400, body: { error: { param } } });
    expect(signals()).toEqual([]);
  });

  test("keeps the address of a page of up to 2 000 characters", async () => {
    const { post, signals } = await world();
    const url = `https://a.example/${"a".repeat(1982)}`;
    expect((await post({ ...draft, evidence: { url } })).status).toBe(200);
    expect(signals()).toMatchObject([{ evidence: { url } }]);
  });

  test("needs the scope, and a key for that policy", async () => {
    expect((await (await world(keyOf({ scopes: ["read"] }))).post(draft)).status).toBe(403);
    const limited = await world(keyOf({ policies: ["billing"] }));
    expect(await limited.post(draft)).toMatchObject({ status: 403, body: { error: { param: "policy" } } });
    expect((await (await world(keyOf({ policies: ["support"] }))).post(draft)).status).toBe(200);
  });

  test("tells holders with long names apart", async () => {
    const names = ["a", "b"].map((end) => `${"n".repeat(99)}${end}`);
    const found = await Promise.all(
      names.map(async (name) => {
        const { post, signals } = await world(keyOf({ holder: { kind: "machine", name } }));
        await post(draft);
        return signals()[0]?.source;
      }),
    );
    expect(new Set(found).size).toBe(2);
    for (const source of found) expect(source?.length).toBeLessThanOrEqual(64);
  });
});

test("GET /api/signals lists the latest of each source, newest first, as far as the key may see", async () => {
  const { post, get } = await world();
  await post({ ...draft, observedAt: START - 2000 });
  await post({ ...draft, status: "recovered", observedAt: START - 1000 });
  await post({ ...draft, segment: "default", observedAt: START });
  expect((await get()).signals).toMatchObject([{ segment: "default" }, { segment: "prime", status: "recovered" }]);
  expect((await get("?segment=prime")).signals).toHaveLength(1);
  expect((await get("?policy=billing")).signals).toEqual([]);
});
