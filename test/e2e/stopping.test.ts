import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import OpenAI from "openai";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { delta, eventText, stop } from "../fakes/openai-upstream.ts";
import { publishChat } from "./chat-policy.ts";
import { createWorkspace, until, type Workspace } from "./segue-process.ts";

/** An upstream whose answers begin at once and go on only when they are told to. */
const waiting: ServerResponse[] = [];
const upstream = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(eventText(delta("m", { role: "assistant", content: "before " })));
    waiting.push(response);
  });
});
const finish = (response: ServerResponse): void => {
  for (const event of [delta("m", { content: "after" }), stop("m"), "[DONE]"]) response.write(eventText(event));
  response.end();
};

let home: Workspace;
let key: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  // Checkpoints come late here, so that what is known after a stop was saved by the stop.
  home = createWorkspace({ OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`, SEGUE_CHECKPOINT_MS: "3600000" });
  key = await publishChat(home);
});
afterAll(async () => {
  await home?.remove();
  upstream.closeAllConnections();
  upstream.close();
});

const streaming = async (url: string) => {
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "hi" }];
  const { data, response } = await openai.chat.completions
    .create({ model: "chat", messages, metadata: { topic: "plain" }, stream: true })
    .withResponse();
  const chunks = data[Symbol.asyncIterator]();
  const first = await chunks.next();
  const rest = async (): Promise<string> => {
    let text = String(first.value?.choices[0]?.delta.content);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
      text += next.value.choices[0]?.delta.content ?? "";
    return text;
  };
  return { predictionId: response.headers.get("x-segue-prediction-id")!, rest };
};

const isRefused = (url: string) =>
  fetch(`${url}/healthz`).then(
    () => false,
    () => true,
  );

test("SIGTERM lets a running stream end whole, takes no new request, loses no label, and exits with 0", async () => {
  const server = await home.serve();
  const { predictionId, rest } = await streaming(server.url);
  const feedback = { prediction_id: predictionId, name: "quality", score: 1 };
  expect((await server.ask("POST", "/v1/feedback", { key, body: feedback })).body.recorded).toBe(true);
  const ended = server.stop("SIGTERM");
  await until("no new request is taken", () => isRefused(server.url));
  finish(waiting.shift()!);
  expect(await rest()).toBe("before after");
  expect(await ended).toBe(0);

  const again = await home.serve();
  const { body } = await again.ask("GET", "/api/segments/chat/plain");
  expect(body.objectives).toEqual([expect.objectContaining({ metric: "quality", labels: 1, lossMean: 0 })]);
  expect(await again.stop("SIGINT")).toBe(0);
});

test("a stream that never ends is cut off after the drain time, and the client sees no end", async () => {
  home.environment.SEGUE_DRAIN_MS = "300";
  const server = await home.serve();
  const { rest } = await streaming(server.url);
  const ended = server.stop("SIGTERM");
  await expect(rest()).rejects.toThrow();
  expect(await ended).toBe(0);
  expect(server.log()).toContain("running requests are cut off");
});

test("SIGTERM does not wait for a source that asked for patience", async () => {
  let asked = 0;
  const source = createServer((_, response) => {
    asked += 1;
    response.writeHead(503, { "retry-after": "250" }).end();
  });
  await new Promise<void>((resolve) => source.listen(0, "127.0.0.1", resolve));
  const { port } = source.address() as AddressInfo;
  const settings = {
    SEGUE_ARIZE_URL: `http://127.0.0.1:${port}`,
    SEGUE_ARIZE_API_KEY: "key",
    SEGUE_ARIZE_POLL_MS: "20",
  };
  Object.assign(home.environment, settings);
  const server = await home.serve();
  for (const name of Object.keys(settings)) delete home.environment[name];
  await until("the source was asked", () => asked > 0);
  expect(await server.stop("SIGTERM")).toBe(0);
  source.close();
});

test("a second server on one data directory starts, and warns that feedback is not shared", async () => {
  const first = await home.serve();
  const database = new DatabaseSync(join(home.path, ".segue/ledger.db"), { readOnly: true });
  const holder = () => database.prepare("SELECT holder FROM lease").get()?.holder;
  await until("the first server acts", () => typeof holder() === "string");
  expect(holder()).toMatch(/:\d+:[0-9a-f]{6}$/);
  database.close();
  expect(first.log()).not.toContain("another server works on");
  const second = await home.serve();
  expect(second.log()).toContain("another server works on .segue");
  expect([await second.stop(), await first.stop()]).toEqual([0, 0]);
});
