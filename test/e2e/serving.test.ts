import { readFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startOpenaiUpstream, type OpenaiUpstream } from "../fakes/openai-upstream.ts";
import { publishChat } from "./chat-policy.ts";
import { createWorkspace, until, type SegueServer, type Workspace } from "./segue-process.ts";

let upstream: OpenaiUpstream;
let home: Workspace;
let server: SegueServer;
let key: string;
let openai: OpenAI;

beforeAll(async () => {
  upstream = await startOpenaiUpstream();
  home = createWorkspace({ OPENAI_BASE_URL: upstream.baseUrl, OPENAI_API_KEY: "sk-upstream-secret" });
  key = await publishChat(home);
  server = await home.serve();
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(async () => {
  await home?.remove();
  await upstream?.close();
});

const question = (topic: string) => ({
  model: "chat",
  messages: [{ role: "user" as const, content: "my secret question" }],
  metadata: { topic },
});

describe("the unmodified openai client", () => {
  test("is answered by the segment's variant, and the headers say what served it", async () => {
    const { data, response } = await openai.chat.completions.create(question("plain")).withResponse();
    expect(data.choices[0]?.message.content).toBe("answer 0 of model-first");
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-segue-segment": "plain",
      "x-segue-variant": "first",
      "x-segue-reason": "TARGETING_MATCH",
      "x-segue-revision": "3",
      "x-segue-prediction-id": expect.stringMatching(/.{20,}/),
    });
    const asked = upstream.requests.at(-1);
    expect(asked?.body).toMatchObject({ model: "model-first" });
    expect(asked?.body.metadata).toBeUndefined();
    expect(asked?.headers.authorization).toBe("Bearer sk-upstream-secret");
  });

  test("streams", async () => {
    const stream = await openai.chat.completions.create({ ...question("other"), stream: true });
    let content = "";
    for await (const chunk of stream) content += chunk.choices[0]?.delta.content ?? "";
    expect(content).toBe("hello");
    expect(upstream.requests.at(-1)?.body.model).toBe("model-third");
  });

  test("reads a refusal as its own kind of error", async () => {
    await expect(openai.chat.completions.create({ ...question("plain"), model: "gpt-4o" })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "segue_nobody", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401 });
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(["chat"]);
  });
});

describe("feedback", () => {
  test("counts once, is told of a repetition, and is refused for an id that was not issued here", async () => {
    const { response } = await openai.chat.completions.create(question("calm")).withResponse();
    const id = response.headers.get("x-segue-prediction-id")!;
    const send = (prediction_id: string) =>
      server.ask("POST", "/v1/feedback", { key, body: { prediction_id, name: "quality", label: "good" } });
    const row = { policy: "chat", segment: "calm", variant: "first" };
    expect((await send(id)).body).toEqual({ recorded: true, ...row });
    expect((await send(id)).body).toEqual({ recorded: false, ...row });
    const middle = Math.floor(id.length / 2);
    const forged = id.slice(0, middle) + (id[middle] === "A" ? "B" : "A") + id.slice(middle + 1);
    const refused = await send(forged);
    expect([refused.status, refused.body.error.code]).toEqual([400, "invalid_prediction_id"]);
  });
});

describe("flags.json", () => {
  const variantOf = async (topic: string): Promise<{ variant: string; reason: string; at: string }> => {
    const { body } = await server.ask("POST", "/v1/decisions", { key, body: { model: "chat", attributes: { topic } } });
    return { variant: body.variant.id, reason: body.reason, at: body.segment };
  };
  const setFallback = (segments: readonly string[]): void => {
    const flags = JSON.parse(home.read("flags.json"));
    flags.flags["segue-fallback"].contextTargets[0].values = segments;
    home.write("flags.json", JSON.stringify(flags));
  };
  const effects = async () => {
    const { body } = await server.ask("GET", "/api/ledger?limit=1000");
    return (body.entries as { event: { type: string; segment?: string }; actor: { kind: string } }[])
      .filter(({ event }) => event.type.startsWith("flag."))
      .map(({ event, actor }) => `${actor.kind} ${event.type} ${event.segment}`);
  };

  test("an edit forces one segment's fallback, and taking it back ends it; the ledger holds both", async () => {
    setFallback(["plain"]);
    await until("the fallback is served", async () => (await variantOf("plain")).variant === "second");
    expect(await variantOf("plain")).toEqual({ variant: "second", reason: "DISABLED", at: "plain" });
    expect(await variantOf("calm")).toEqual({ variant: "first", reason: "TARGETING_MATCH", at: "calm" });
    await openai.chat.completions.create(question("plain"));
    expect(upstream.requests.at(-1)?.body.model).toBe("model-second");
    await until("the start is recorded", async () => (await effects()).length === 1);
    setFallback([]);
    await until("the first variant is served again", async () => (await variantOf("plain")).variant === "first");
    await until("the end is recorded", async () => (await effects()).length === 2);
    expect(await effects()).toEqual(["flag flag.effect-started plain", "flag flag.effect-ended plain"]);
  });
});

describe("the process", () => {
  test("binds loopback, says where, and logs neither questions nor secrets", () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    for (const secret of ["my secret question", "sk-upstream-secret", key, home.read(".segue/operator.key").trim()])
      expect(server.log()).not.toContain(secret);
  });

  test("refuses a port that is taken, ends, and leaves the running server as it was", async () => {
    const second = await home.run("serve", "--port", new URL(server.url).port, "--json");
    expect([second.code, second.json().error.code]).toEqual([1, "port_in_use"]);
    expect((await server.ask("GET", "/readyz")).status).toBe(200);
  });
});

test("serve refuses to start without keys", async () => {
  const empty = createWorkspace();
  empty.write("policies/chat.yaml", readFileSync(join(home.path, "policies/chat.yaml"), "utf8"));
  expect((await empty.run("apply", "--json")).code).toBe(0);
  const refused = await empty.run("serve", "--port", "0", "--json");
  expect([refused.code, refused.json().error.code]).toEqual([1, "no_keys"]);
  await empty.remove();
});
