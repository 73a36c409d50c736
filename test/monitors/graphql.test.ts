import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createAskArize, type GraphqlOperation } from "../../src/arize/graphql.ts";
import { requestPace } from "../../src/arize/request-pace.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

interface Scripted {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Closes the connection instead of answering. */
  readonly cut?: boolean;
}

/** A server that answers as it is told, in order, and then that all is well. */
async function world(...script: Scripted[]) {
  const asked: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const server = createServer();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => void answer(request, response));
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    asked.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    const { status = 200, headers = {}, body = { data: { ok: true } }, cut } = script.shift() ?? {};
    if (cut === true) request.socket.destroy();
    else response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close().closeAllConnections());
  const slept: number[] = [];
  const clock = { at: 1_000_000 };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  const ask = createAskArize({
    url,
    developerKey: "developer-key",
    fetch,
    counters: memoryCounters(),
    clock: { now: () => clock.at },
    random: { bytes: (count) => new Uint8Array(count).fill(255) },
    sleep: (ms) => {
      slept.push(ms);
      clock.at += ms;
      return Promise.resolve();
    },
  });
  return { ask, asked, slept, clock };
}

const operation = (over: Partial<GraphqlOperation<unknown>> = {}): GraphqlOperation<unknown> => ({
  name: "segueTest",
  kind: "query",
  text: "query segueTest { ok }",
  isRepeatable: true,
  answer: z.object({ ok: z.boolean() }),
  ...over,
});
const mutation = operation({ kind: "mutation", isRepeatable: false });

describe("an operation", () => {
  test("whose answer is longer than can be kept is not read to its end", async () => {
    const { ask, asked } = await world({ body: `{"data":{"ok":true}}${" ".repeat(64 * 1024 * 1024)}` });
    await expect(ask(operation(), {})).rejects.toMatchObject({
      reason: "unexpected_answer",
      message: expect.stringContaining("longer than 8388608 bytes"),
    });
    expect(asked).toHaveLength(1);
  });

  test("goes out under its own name, with the developer key", async () => {
    const { ask, asked } = await world();
    expect(await ask(operation(), { a: "'\"}" })).toEqual({ ok: true });
    expect(asked[0]?.headers).toMatchObject({ "x-api-key": "developer-key" });
    const sent = { operationName: "segueTest", query: "query segueTest { ok }", variables: { a: "'\"}" } };
    expect(JSON.parse(asked[0]!.body)).toEqual(sent);
  });

  test.each([
    { because: "it was not taken", script: { status: 429, headers: { "retry-after": "7" } }, waits: 7000 },
    { because: "the server failed", script: { status: 503 }, waits: 500 },
    { because: "the connection was cut", script: { cut: true }, waits: 500 },
    { because: "a gateway answered a page", script: { body: "<html>" }, waits: 500 },
    {
      because: "the limit is told in the errors",
      script: { body: { errors: [{ message: "Rate limit exceeded" }] } },
      waits: 500,
    },
  ])("is asked again where $because", async ({ script, waits }) => {
    const { ask, asked, slept } = await world(script);
    expect(await ask(operation(), {})).toEqual({ ok: true });
    expect([asked.length, slept]).toEqual([2, [waits]]);
  });

  test.each([
    { because: "the server failed", script: { status: 500 } },
    { because: "the connection was cut", script: { cut: true } },
  ])("that must not be done twice is not asked again where $because, and says so", async ({ script }) => {
    const { ask, asked } = await world(script);
    await expect(ask(mutation, {})).rejects.toMatchObject({
      reason: "outcome_unknown",
      message: expect.stringContaining("Run the command again"),
    });
    expect(asked).toHaveLength(1);
  });

  test.each([
    { because: "429 says so", script: { status: 429, headers: { "retry-after": "1" } } },
    {
      because: "the errors say so",
      script: { body: { errors: [{ message: "x", extensions: { code: "RATE_LIMITED" } }] } },
    },
  ])("that must not be done twice is asked again where it certainly was not done: $because", async ({ script }) => {
    const { ask, asked } = await world(script);
    await ask(mutation, {});
    expect(asked).toHaveLength(2);
  });

  test.each([
    { script: { status: 401 }, says: "SEGUE_ARIZE_DEVELOPER_KEY", code: "forbidden" },
    { script: { status: 403 }, says: "may read, create, change and delete", code: "forbidden" },
    { script: { status: 404 }, says: "SEGUE_ARIZE_GRAPHQL_URL", code: "invalid_request" },
    { script: { status: 302, headers: { location: "/" } }, says: "302", code: "invalid_request" },
    {
      script: { status: 400, body: { errors: [{ message: "Unknown\n argument" }] } },
      says: "Unknown argument",
      code: "invalid_request",
    },
    {
      script: { body: { data: null, errors: [{ message: "No such node" }] } },
      says: "No such node",
      code: "invalid_request",
    },
    { script: { body: { data: { ok: "yes" } } }, says: "not what this version expects", code: "upstream_unavailable" },
  ])("fails at once on $script, says why and never tells the key", async ({ script, says, code }) => {
    const { ask, asked } = await world(script);
    const error = await ask(operation(), {}).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
    expect(String(error)).not.toContain("developer-key");
    expect(asked).toHaveLength(1);
  });

  test("is given up after five attempts, or when the wait would be long", async () => {
    const down = await world(...Array.from({ length: 5 }, () => ({ status: 503 })));
    await expect(down.ask(operation(), {})).rejects.toMatchObject({ reason: "arize_unavailable" });
    expect([down.asked.length, down.slept]).toEqual([5, [500, 1000, 2000, 4000]]);
    const busy = await world({ status: 429, headers: { "retry-after": "3600" } });
    await expect(busy.ask(operation(), {})).rejects.toMatchObject({ reason: "arize_unavailable" });
    expect([busy.asked.length, busy.slept]).toEqual([1, []]);
  });
});

test("no minute sees more requests than the pace allows, and a few need not wait", async () => {
  const begun: number[] = [];
  let at = 0;
  const sleep = (ms: number) => Promise.resolve(void (at += ms));
  const next = requestPace({ clock: { now: () => at }, sleep }, 10);
  for (let n = 0; n < 200; n += 1) {
    await next();
    begun.push(at);
    at += (n * 7919) % 1500;
  }
  expect(begun[9]).toBeLessThan(15_000);
  for (const [n, time] of begun.entries()) if (n >= 10) expect(time - begun[n - 10]!).toBeGreaterThanOrEqual(60_000);
});
