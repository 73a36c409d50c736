import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSegueClient, predictionIdOf, SegueError, type SegueApiOptions } from "../../src/sdk/client.ts";

type Play = (outgoing: ServerResponse, incoming: IncomingMessage) => void;
interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

let script: Play[];
let seen: Seen[];
let waits: number[];
let close: () => Promise<void>;
let baseUrl: string;

const json =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Play =>
  (outgoing) =>
    void outgoing.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const receipt = { recorded: true, policy: "p", segment: "s", variant: "v" };
const busy = (headers: Readonly<Record<string, string>> = {}, status = 429) =>
  json(status, { error: { message: "busy", type: "t", code: "rate_limited", param: null } }, headers);

beforeEach(async () => {
  script = [];
  seen = [];
  waits = [];
  const server = createServer((incoming, outgoing) => {
    void readText(incoming).then((body) => {
      const { method, url, headers } = incoming;
      seen.push({ method, url, authorization: headers.authorization, body: JSON.parse(body === "" ? "null" : body) });
      (script.shift() ?? json(200, receipt))(outgoing, incoming);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
});
afterEach(() => close());

const client = (rest: Partial<SegueApiOptions> = {}) =>
  createSegueClient({
    baseUrl,
    apiKey: "segue_key",
    sleep: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
    ...rest,
  });
const up = { predictionId: "id-1", name: "thumbs", label: "up" } as const;
const failureOf = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => null,
    (error: unknown) => error,
  );

describe("the client", () => {
  test("sends a batch, of which each item has its own receipt or its own error", async () => {
    const error = { message: "no such metric", type: "invalid_request_error", code: "unknown_metric", param: "name" };
    script.push(json(207, { feedback: [receipt, { error }], errors: 1 }));
    const [good, bad] = await client().feedbackBatch([
      up,
      { ...up, name: "nope", annotator: { kind: "LLM", id: "j1" } },
    ]);
    expect(good).toEqual(receipt);
    expect(bad).toMatchObject({ name: "SegueError", code: "unknown_metric", param: "name" });
    expect(seen[0]?.body).toEqual({
      feedback: [
        { prediction_id: "id-1", name: "thumbs", label: "up" },
        { prediction_id: "id-1", name: "nope", label: "up", annotator: { kind: "LLM", id: "j1" } },
      ],
    });
  });

  test("sends feedback as the server reads it", async () => {
    expect(await client().feedback({ ...up, comment: "well done" })).toEqual(receipt);
    expect(seen).toEqual([
      {
        method: "POST",
        url: "/v1/feedback",
        authorization: "Bearer segue_key",
        body: { prediction_id: "id-1", name: "thumbs", label: "up", comment: "well done" },
      },
    ]);
  });

  test("asks for a decision as the server reads it", async () => {
    script.push(json(200, { segment: "eu", feedback_wanted: true }));
    const query = { policy: "chat", attributes: { region: "eu", seats: 3 }, session: "s", user: "u" };
    expect(await client().decide(query)).toEqual({ segment: "eu", feedbackWanted: true });
    expect(seen[0]).toMatchObject({
      url: "/v1/decisions",
      body: { model: "chat", attributes: { region: "eu", seats: 3 }, session: "s", user: "u" },
    });
  });

  test.each(["", "/", "/v1", "/v1/"])("finds the server whose address ends with '%s'", async (end) => {
    await client({ baseUrl: `${baseUrl}${end}` }).feedback(up);
    expect(seen[0]?.url).toBe("/v1/feedback");
  });

  test("tells what the server refused, and does not ask again", async () => {
    const error = { message: "No such metric.", type: "invalid_request_error", code: "unknown_metric", param: "name" };
    script.push(json(400, { error }, { "x-segue-request-id": "r-1" }));
    const failure = await failureOf(client().feedback(up));
    expect(SegueError.isInstance(failure)).toBe(true);
    expect(failure).toMatchObject({
      message: "No such metric.",
      status: 400,
      code: "unknown_metric",
      param: "name",
      requestId: "r-1",
      retryAfter: null,
    });
    expect(seen).toHaveLength(1);
  });

  test.each([408, 429, 500, 502, 503, 504])("asks again after %i, and the same", async (status) => {
    script.push(busy({}, status));
    expect(await client().feedback(up)).toEqual(receipt);
    expect(seen[1]).toEqual(seen[0]);
  });

  test("waits as long as the server asks", async () => {
    script.push(busy({ "retry-after": "3" }), busy({ "retry-after": "0" }));
    await client().feedback(up);
    expect(waits).toEqual([3000, 0]);
  });

  test("waits longer each time where the server says nothing", async () => {
    script.push(busy(), busy(), busy());
    await client({ retriesMax: 3 }).feedback(up);
    expect(waits).toHaveLength(3);
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(375 * 2 ** index);
      expect(wait).toBeLessThanOrEqual(500 * 2 ** index);
    }
  });

  test("gives up after its last attempt, with what the server said last", async () => {
    script.push(busy(), busy(), busy({ "retry-after": "7" }));
    expect(await failureOf(client().feedback(up))).toMatchObject({ status: 429, code: "rate_limited", retryAfter: 7 });
    expect(seen).toHaveLength(3);
  });

  test("hands a long wait to its caller", async () => {
    script.push(busy({ "retry-after": "3600" }));
    expect(await failureOf(client().feedback(up))).toMatchObject({ retryAfter: 3600 });
    expect(seen).toHaveLength(1);
  });

  test("does not ask again where the server says that it tried already", async () => {
    script.push(busy({ "x-should-retry": "false" }));
    expect(await failureOf(client().feedback(up))).toMatchObject({ status: 429 });
    expect(seen).toHaveLength(1);
  });

  test("asks again after a connection that broke", async () => {
    script.push((outgoing) => void outgoing.destroy());
    expect(await client().feedback(up)).toEqual(receipt);
  });

  test("says when nothing answers, and when not in time", async () => {
    script.push(() => undefined);
    expect(await failureOf(client({ timeoutMs: 30, retriesMax: 0 }).feedback(up))).toMatchObject({
      status: null,
      code: "timeout",
    });
    await close();
    expect(await failureOf(client({ retriesMax: 0 }).feedback(up))).toMatchObject({ code: "connection_failed" });
  });

  test("stops when its caller does, while it asks and while it waits", async () => {
    const asking = new AbortController();
    script.push(() => asking.abort(new Error("left")));
    expect(await failureOf(client({ retriesMax: 0 }).feedback(up, { signal: asking.signal }))).toMatchObject({
      message: "left",
    });
    expect(seen).toHaveLength(1);

    const waiting = new AbortController();
    script.push(busy({ "retry-after": "50" }, 503));
    const call = createSegueClient({
      baseUrl,
      apiKey: "k",
      fetch: async (...args) => {
        const response = await fetch(...args);
        setImmediate(() => waiting.abort(new Error("enough")));
        return response;
      },
    }).feedback(up, { signal: waiting.signal });
    expect(await failureOf(call)).toMatchObject({ message: "enough" });
    expect(seen).toHaveLength(2);
  });

  test("says that it met something else than Segue", async () => {
    script.push((outgoing) => void outgoing.writeHead(200).end("<html>"));
    expect(await failureOf(client().feedback(up))).toMatchObject({ status: 200, code: "unexpected_answer" });
    script.push((outgoing) => void outgoing.writeHead(404).end("<html>"));
    expect(await failureOf(client().feedback(up))).toMatchObject({ status: 404, code: "status_404" });
  });
});

describe("a prediction id", () => {
  const fields = { "x-segue-prediction-id": "id-1" };
  test.each([
    { of: "a response", answer: new Response(null, { headers: fields }) },
    { of: "headers", answer: new Headers(fields) },
    { of: "what has headers", answer: { headers: fields } },
    { of: "plain fields, whatever their case", answer: { "X-Segue-Prediction-Id": "id-1" } },
    { of: "a message of SegueChatModel", answer: { response_metadata: { segue: { predictionId: "id-1" } } } },
  ])("is found in $of", ({ answer }) => expect(predictionIdOf(answer)).toBe("id-1"));

  test.each([null, undefined, "id-1", {}, new Headers(), { headers: null }, { response_metadata: {} }])(
    "is not in %o",
    (answer) => expect(predictionIdOf(answer)).toBeNull(),
  );
});
