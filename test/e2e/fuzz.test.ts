import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOpenaiUpstream, type OpenaiUpstream } from "../fakes/openai-upstream.ts";
import { publishChat } from "./chat-policy.ts";
import { createWorkspace, type SegueServer, type Workspace } from "./segue-process.ts";

let upstream: OpenaiUpstream;
let home: Workspace;
let server: SegueServer;
let keys: readonly string[];

beforeAll(async () => {
  upstream = await startOpenaiUpstream();
  home = createWorkspace({ OPENAI_BASE_URL: upstream.baseUrl, SEGUE_BODY_BYTES_MAX: "20000" });
  const application = await publishChat(home);
  server = await home.serve();
  keys = [application, home.read(".segue/operator.key").trim(), "segue_x_y", ""];
});
afterAll(async () => {
  await home?.remove();
  await upstream?.close();
});

interface Call {
  readonly method: string;
  readonly path: string;
  readonly key: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sent as it is: `fetch` would tidy up what is odd about a path. */
function send({ method, path, key, headers, body }: Call): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      server.url,
      {
        method,
        path,
        headers: {
          ...(keys[key] === "" ? {} : { authorization: `Bearer ${keys[key]}` }),
          ...headers,
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
        response.once("error", reject);
      },
    );
    sent.once("error", reject);
    sent.end(body);
  });
}

const word = fc.constantFrom(
  "chat",
  "plain",
  "first",
  "quality",
  "default",
  "x",
  "__proto__",
  "constructor",
  "toString",
  "../..",
  "%00",
  "é",
);
const segment = fc.oneof(word, fc.webSegment(), fc.constant("%E0%A4%A"), fc.constant("%2e%2e%2f"));
const known = fc.constantFrom(
  "/v1/chat/completions",
  "/v1/models",
  "/v1/feedback",
  "/v1/decisions",
  "/api/policies",
  "/api/table",
  "/api/segments/chat/plain",
  "/api/signals",
  "/api/switchovers",
  "/api/switchovers/x/approve",
  "/api/freeze",
  "/api/switchovers/x/roll-back",
  "/api/freeze/lift",
  "/api/ledger",
  "/webhooks/arize",
  "/healthz",
  "/readyz",
  "/metrics",
  "/openapi.json",
  "/console",
);
const query = fc.oneof(
  fc.constant(""),
  fc.constantFrom("?all=1", "?after=-1", "?limit=1e9", "?after=NaN&limit=0", "?all=true&all=false", "?%ff"),
  fc.webQueryParameters().map((text) => `?${text}`),
);
const path = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: known },
      fc.array(segment, { maxLength: 5 }).map((all) => `/${all.join("/")}`),
    ),
    query,
  )
  .map((parts) => encodeURI(parts.join("")).replaceAll("%25", "%"));

const field = fc.constantFrom(
  "model",
  "messages",
  "metadata",
  "stream",
  "n",
  "attributes",
  "session",
  "user",
  "prediction_id",
  "name",
  "score",
  "label",
  "policy",
  "segment",
  "variant",
  "metric",
  "status",
  "observed_at",
  "evidence",
  "signals",
  "policies",
  "scope",
  "reason",
  "for_seconds",
  "digest",
  "expected_revision",
  "__proto__",
  "id",
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  word,
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom("degraded", "recovered", 1e308, -1, {}, [], null, true, [{ role: "user", content: "hi" }]),
  fc.dictionary(word, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
);
/** A request that is right but for what `odd` puts over it. */
const nearly = fc
  .tuple(
    fc.constantFrom(
      { model: "chat", messages: [{ role: "user", content: "hi" }], metadata: { topic: "plain" } },
      { policy: "chat", segment: "plain", metric: "quality", status: "degraded" },
      { scope: { policy: "chat" }, reason: "fuzz", for_seconds: 1 },
      { prediction_id: "AAAA", name: "quality", score: 1 },
      { policies: [{ policy: { policy: "chat", variants: {}, default: "x" }, prompts: {} }] },
    ),
    fc.dictionary(field, value, { maxKeys: 2 }),
  )
  .map(([right, odd]) => JSON.stringify({ ...right, ...odd }));
const body = fc.oneof(
  { weight: 3, arbitrary: nearly },
  fc.dictionary(field, value, { maxKeys: 5 }).map((object) => JSON.stringify(object)),
  fc.json(),
  fc.string(),
  fc.constantFrom("", "{", "null", "[]", '{"model":', "[".repeat(5000), '{"a":'.repeat(3000), "x".repeat(30_000)),
);
const headers = fc.dictionary(
  fc.constantFrom(
    "x-segue-attributes",
    "traceparent",
    "content-type",
    "x-segue-session",
    "accept",
    "x-hub-signature",
    "cookie",
  ),
  fc.oneof(
    fc.constantFrom('{"topic":"plain"}', '{"topic":7}', "{", "null", "00-0-0-0", "application/json", "text/plain"),
    fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
  ),
  { maxKeys: 3 },
);
const anywhere = fc.tuple(fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"), path);
/** Where something listens, so that the odd body is looked at. */
const aimed = fc.constantFrom(
  ...["/v1/chat/completions", "/v1/feedback", "/v1/decisions", "/api/policies", "/api/signals", "/api/freeze"].map(
    (target) => ["POST", target] as const,
  ),
  ...[
    "/api/switchovers/x/approve",
    "/api/switchovers/x/reject",
    "/api/switchovers/x/roll-back",
    "/api/freeze/lift",
  ].map((target) => ["POST", target] as const),
  ...["/v1/models", "/v1/models/chat", "/api/table", "/api/ledger?after=1", "/api/segments/chat/plain"].map(
    (target) => ["GET", target] as const,
  ),
);
const call: fc.Arbitrary<Call> = fc
  .record({
    target: fc.oneof({ weight: 2, arbitrary: aimed }, anywhere),
    key: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.nat({ max: 3 })),
    headers: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, headers),
    body,
  })
  .map(({ target: [method, target], ...rest }) => ({ method, path: target, ...rest }));

test("no request, however odd, is answered with a server error or ends the server", async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(call, async (made) => {
      const status = await send(made);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect(status).toBeGreaterThanOrEqual(200);
      expect(status).toBeLessThan(500);
    }),
    { numRuns: 350 },
  );
  expect(server.log()).not.toContain("a request met a bug");
  expect(server.process.exitCode).toBeNull();
  // The requests reach further than the door: some are served, some are refused for what they say.
  for (const status of [200, 400, 401, 403, 404]) expect([status, statuses.get(status) ?? 0]).not.toEqual([status, 0]);
});

test("bytes that are no HTTP at all do not end the server", async () => {
  const port = Number(new URL(server.url).port);
  const torn = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${keys[0]}\r\ncontent-length: 100\r\n\r\n{`;
  for (const bytes of [
    "\0\0\0\0",
    "GET\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    `GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`,
    torn,
  ]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.end(bytes);
    socket.resume();
    await once(socket, "close");
  }
  expect((await server.ask("GET", "/healthz")).status).toBe(200);
  expect(server.log()).not.toContain("a request met a bug");
});
