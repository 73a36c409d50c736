import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { Agent, fetch } from "undici";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RouterError } from "../../src/core/errors.ts";
import type { ProviderRequest } from "../../src/ports.ts";
import { openaiProvider, type Fetch } from "../../src/providers/openai.ts";
import { json, startOpenaiUpstream, type OpenaiUpstream } from "../fakes/openai-upstream.ts";

let upstream: OpenaiUpstream;
const agent = new Agent();
beforeEach(async () => {
  upstream = await startOpenaiUpstream();
});
afterEach(() => upstream.close());

const onUndici: Fetch = (url, init) => fetch(url, { ...init, dispatcher: agent });
const provider = (rest: Partial<Parameters<typeof openaiProvider>[0]> = {}) =>
  openaiProvider({ id: "up", baseUrl: upstream.baseUrl, apiKey: () => "sk-1", fetch: onUndici, ...rest });
const request = (rest: Partial<ProviderRequest> = {}): ProviderRequest => ({
  target: { provider: "up", model: "m" },
  path: "/chat/completions",
  body: { model: "m", messages: [] },
  headers: {},
  signal: new AbortController().signal,
  ...rest,
});
const failure = (promise: Promise<unknown>): Promise<RouterError> =>
  promise.then(
    () => {
      throw new Error("it answered");
    },
    (error: RouterError) => error,
  );

describe("the openai provider", () => {
  test.each([
    { name: "undici's fetch", send: onUndici },
    { name: "the host's fetch", send: globalThis.fetch as Fetch },
  ])("answers status, headers and bytes as they came, over $name", async ({ send }) => {
    upstream.reply(json({ a: 1 }, { status: 418, headers: { "x-odd": "yes" } }));
    const answer = await provider({ fetch: send }).send(request());
    expect(answer.status).toBe(418);
    expect(answer.headers.get("x-odd")).toBe("yes");
    expect(await new Response(answer.body).text()).toBe('{"a":1}');
  });

  test.each(["", "/", "//"])("joins base URL and path whatever slashes the base ends with (%j)", async (slashes) => {
    await provider({ baseUrl: upstream.baseUrl + slashes }).send(request());
    expect(upstream.requests[0]?.path).toBe("/v1/chat/completions");
  });

  test("sends its own key, read anew for every request, and never another", async () => {
    const keys = ["sk-old", "sk-new", undefined, ""];
    const rotating = provider({ apiKey: () => keys.shift() });
    for (let i = 0; i < 4; i++) await rotating.send(request({ headers: { "x-mine": "1" } }));
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer sk-old",
      "Bearer sk-new",
      undefined,
      undefined,
    ]);
    expect(upstream.requests[0]?.headers["x-mine"]).toBe("1");
  });

  test("asks for bytes that need no unpacking, and for events when it streams", async () => {
    await provider().send(request());
    await provider().send(request({ body: { model: "m", stream: true } }));
    expect(upstream.requests.map(({ headers }) => [headers["accept-encoding"], headers.accept])).toEqual([
      ["identity", "application/json"],
      ["identity", "text/event-stream"],
    ]);
  });

  test("is unavailable when nobody listens, keeping the cause", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => free.once("listening", resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const error = await failure(provider({ baseUrl: `http://127.0.0.1:${port}` }).send(request()));
    expect(error).toMatchObject({ code: "upstream_unavailable", message: expect.stringContaining("ECONNREFUSED") });
    expect(error.cause).toBeInstanceOf(Error);
  });

  test("is unavailable when no answer begins in time, and lets the upstream go", async () => {
    upstream.reply({ headless: true, ending: "hold" });
    const error = await failure(provider({ headersTimeoutMs: 10 }).send(request()));
    expect(error).toMatchObject({ code: "upstream_unavailable", message: expect.stringContaining("within 10 ms") });
    expect(await upstream.requests[0]?.closed).toBe("aborted");
  });

  test("does not limit an answer that began in time", async () => {
    vi.useFakeTimers();
    const signals: AbortSignal[] = [];
    const answering: Fetch = (_, init) => {
      signals.push(init.signal);
      return Promise.resolve(new Response("a"));
    };
    await provider({ fetch: answering, headersTimeoutMs: 30 }).send(request());
    await vi.advanceTimersByTimeAsync(60);
    vi.useRealTimers();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });

  test("lets the upstream go when the signal aborts, before and after the headers", async () => {
    for (const headless of [true, false]) {
      upstream.reply({ headless, chunks: headless ? [] : ["a"], ending: "hold" });
      const leaving = new AbortController();
      const sending = provider().send(request({ signal: leaving.signal }));
      const seen = await upstream.arrived(headless ? 0 : 1);
      if (!headless) await sending;
      leaving.abort();
      if (headless) expect(await failure(sending)).toMatchObject({ code: "upstream_unavailable" });
      expect(await seen.closed).toBe("aborted");
    }
  });

  test("asks nothing of the upstream when the signal was aborted before", async () => {
    await failure(provider().send(request({ signal: AbortSignal.abort() })));
    expect(upstream.requests).toEqual([]);
  });

  test("does not follow redirects, which would carry its key elsewhere", async () => {
    upstream.reply({ status: 307, headers: { location: "/v1/elsewhere" } });
    expect((await provider().send(request())).status).toBe(307);
    expect(upstream.requests).toHaveLength(1);
  });

  test("never says its key, even when what failed does", async () => {
    const leaky: Fetch = () => Promise.reject(new TypeError("Invalid header value: Bearer sk-1"));
    const error = await failure(provider({ fetch: leaky }).send(request()));
    expect(error.message).not.toContain("sk-1");
  });

  test.each(["", "nonsense", "ftp://x", "http://user:pass@x/v1", "https://x/v1?api-key=secret"])(
    "refuses the base URL %j without repeating it",
    (baseUrl) => {
      expect(() => provider({ baseUrl })).toThrow(RouterError);
      expect(() => provider({ baseUrl })).not.toThrow(/pass|secret/);
    },
  );
});
