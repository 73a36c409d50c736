import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { afterEach, describe, expect, test } from "vitest";
import { errorResponse } from "../../routes/error-response.ts";
import { webhookRoutes } from "../../routes/webhooks.ts";
import { RouterError } from "../../src/core/errors.ts";
import { receiveWebhook } from "../../src/loop/receive-webhook.ts";
import { arize } from "../../src/sources/arize.ts";
import { configureSource } from "../../src/core/signal-source.ts";
import { sources } from "../../src/sources/index.ts";
import { bearerHeaders, fakeArize, hmacHeaders, monitorId } from "../fakes/arize/arize.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const key = "whsec_secret";
const timestamp = START / 1000;

async function world(webhook: object | null = { auth: "hmac", secret: key }, { isConfigured = true } = {}) {
  const base = await signalWorld();
  const service = await fakeArize();
  closers.push(service.close);
  service.set({
    id: monitorId(1),
    name: "seg|support|prime|accuracy",
    status: "TRIGGERED",
    evaluated_at: "2026-09-01T10:00:00Z",
  });
  const settings = { apiKey: "arize-key", baseUrl: service.url, ...(webhook === null ? {} : { webhook }) };
  const configured = isConfigured ? [configureSource(arize, settings)] : [];
  const works: Promise<void>[] = [];
  const receive = receiveWebhook({ ...base.deps, sources: configured, known: sources });
  const app = new Hono()
    .route("/webhooks", webhookRoutes({ receive, background: (work) => works.push(work) }))
    .onError((error) => (error instanceof RouterError ? errorResponse(error) : Promise.reject(error)));
  const post = (source: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    app.request(`/webhooks/${source}`, { method: "POST", body, headers });
  return { ...base, service, app, post, done: () => Promise.all(works) };
}
const doorbell = JSON.stringify({ monitor: monitorId(1) });

describe("POST /webhooks/:source", () => {
  test("answers at once, and what the monitor says is recorded afterwards", async () => {
    const { post, done, signals, service } = await world();
    const response = await post("arize", doorbell, hmacHeaders(doorbell, { timestamp, key, id: "evt-1" }));
    expect([response.status, await response.json()]).toEqual([200, { accepted: true, duplicate: false }]);
    await done();
    expect(signals()).toMatchObject([{ status: "degraded" }]);
    const again = await post("arize", doorbell, hmacHeaders(doorbell, { timestamp, key, id: "evt-1" }));
    expect([again.status, await again.json()]).toEqual([200, { accepted: true, duplicate: true }]);
    expect(service.requests).toHaveLength(1);
  });

  test("takes a bearer webhook whose whole Authorization value is ours, and no other", async () => {
    const { post } = await world({ auth: "bearer", secret: "Bearer xyz" });
    expect((await post("arize", doorbell, bearerHeaders("Bearer xyz"))).status).toBe(200);
    expect((await post("arize", doorbell, bearerHeaders("Bearer xy"))).status).toBe(401);
    expect((await post("arize", doorbell)).status).toBe(401);
  });

  test("refuses a body that differs by one byte from what was signed", async () => {
    const { post, done, signals } = await world();
    const headers = hmacHeaders(doorbell, { timestamp, key });
    for (const changed of [` ${doorbell}`, `${doorbell}\n`, doorbell.replace("monitor", "Monitor")])
      expect((await post("arize", changed, headers)).status).toBe(401);
    await done();
    expect(signals()).toEqual([]);
  });

  test("verifies bytes, not text: a body that is no UTF-8 stays what it was", async () => {
    const { post } = await world();
    const headers = hmacHeaders("\uFFFD", { timestamp, key });
    expect((await post("arize", new Uint8Array([0xff]), headers)).status).toBe(401);
  });

  test("does not know a source that there is not", async () => {
    const { post } = await world();
    for (const source of ["phoenix", "__proto__", "toString"]) {
      const response = await post(source, "{}");
      expect(response.status).toBe(404);
      expect(await response.text()).toContain("known: arize");
    }
  });

  test.each([
    { because: "nothing of it is set", isConfigured: false },
    { because: "only its webhook's secret is not set", isConfigured: true },
  ])("says which settings are missing when $because", async ({ isConfigured }) => {
    const { post } = await world(null, { isConfigured });
    const response = await post("arize", doorbell, bearerHeaders(""));
    expect(response.status).toBe(404);
    expect(await response.text()).toContain("SEGUE_ARIZE_WEBHOOK_SECRET");
  });

  test("takes a mebibyte and refuses one byte more, over a socket too", async () => {
    const { post, app } = await world();
    const whole = "x".repeat(1024 * 1024);
    expect((await post("arize", whole, hmacHeaders(whole, { timestamp, key }))).status).toBe(200);
    const over = `${whole}x`;
    expect((await post("arize", over, hmacHeaders(over, { timestamp, key }))).status).toBe(413);
    const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/arize`;
    // Without a content-length, so that only counting can find out.
    const body = new Blob([over]).stream();
    const init: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half" };
    expect((await fetch(url, init)).status).toBe(413);
    server.close();
  });
});
