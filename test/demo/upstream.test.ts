import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { publishedFigures } from "../../src/demo/llmdrift.ts";
import { makeQuestion, POOL_SIZE, questionPool, type Question } from "../../src/demo/questions.ts";
import { simulatedModel } from "../../src/demo/simulated-model.ts";
import { startUpstream, type Upstream } from "../../src/demo/upstream.ts";

const clientOf = (url: string): OpenAI => new OpenAI({ baseURL: url, apiKey: "any", maxRetries: 0 });

const ask = async (client: OpenAI, model: string, { text }: Question): Promise<string> => {
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content: text }] });
  return answer.choices[0]?.message.content ?? "";
};

const collect = async <T>(from: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of from) all.push(item);
  return all;
};

/** A prime that gpt-4 knows in March and not in June. */
const drifting = (seed: number): Question => {
  const answer = simulatedModel({ seed, figures: publishedFigures });
  return questionPool("prime").find(
    ({ text, grade }) => grade(answer("gpt-4", "2023-03", text)) && !grade(answer("gpt-4", "2023-06", text)),
  )!;
};

describe("the model server", () => {
  let upstream: Upstream;
  let client: OpenAI;

  beforeEach(async () => {
    upstream = await startUpstream({ seed: 1 });
    client = clientOf(upstream.url);
  });
  afterEach(async () => upstream.stop());

  test("answers OpenAI's client with one JSON completion and its usage", async () => {
    const question = makeQuestion("composite", 1);
    const answer = await client.chat.completions.create({
      model: "gpt-4",
      n: 2,
      messages: [
        { role: "system", content: "Answer as asked." },
        { role: "user", content: [{ type: "text", text: question.text }] },
      ],
    });
    expect(answer.id).toMatch(/^chatcmpl-[0-9a-f]{32}$/);
    expect(answer.object).toBe("chat.completion");
    expect(answer.model).toBe("gpt-4");
    expect(answer.choices.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, "stop"],
      [1, "stop"],
    ]);
    expect(answer.choices[0]?.message.content).toMatch(/\[(Yes|No)\]$/);
    expect(answer.usage?.total_tokens).toBe(
      (answer.usage?.prompt_tokens ?? NaN) + (answer.usage?.completion_tokens ?? NaN),
    );
  });

  test("streams the same text in pieces, with usage last when asked for", async () => {
    const question = makeQuestion("happy-numbers", 1);
    const stream = await client.chat.completions.create({
      model: "gpt-4",
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: "user", content: question.text }],
    });
    const chunks = await collect(stream);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(chunks.length).toBeGreaterThan(4);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(text).toBe(await ask(client, "gpt-4", question));
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
    expect(chunks.at(-1)?.choices).toEqual([]);
    expect(chunks.at(-1)?.usage?.completion_tokens).toBeGreaterThan(0);
  });

  test("changes what an undated name means with the epoch, and nothing else in the answer", async () => {
    const question = drifting(1);
    const request = { model: "gpt-4", messages: [{ role: "user" as const, content: question.text }] };
    const before = await client.chat.completions.create(request);
    upstream.setEpoch("2023-06");
    const after = await client.chat.completions.create(request);
    expect(question.grade(before.choices[0]?.message.content ?? "")).toBe(true);
    expect(question.grade(after.choices[0]?.message.content ?? "")).toBe(false);
    expect(after.model).toBe(before.model);
    expect(Object.keys(after)).toEqual(Object.keys(before));
  });

  test("keeps dated names on their date whatever the epoch", async () => {
    const question = drifting(1);
    for (const epoch of ["2023-03", "2023-06"] as const) {
      upstream.setEpoch(epoch);
      expect(question.grade(await ask(client, "gpt-4-0314", question)), epoch).toBe(true);
      expect(question.grade(await ask(client, "gpt-4-0613", question)), epoch).toBe(false);
    }
  });

  test("is right on the published share of a pool over HTTP too", async () => {
    upstream.setEpoch("2023-06");
    const questions = questionPool("prime");
    const answers = await Promise.all(questions.map((question) => ask(client, "gpt-3.5-turbo", question)));
    const right = questions.filter(({ grade }, i) => grade(answers[i] ?? "")).length;
    expect(right).toBe(Math.round(0.866 * POOL_SIZE));
    expect(upstream.requests()).toBe(POOL_SIZE);
  });

  test("lists its models and refuses others in OpenAI's shape", async () => {
    const models = await collect(await client.models.list());
    expect(models.map(({ id }) => id)).toContain("gpt-3.5-turbo-0613");
    await expect(ask(client, "gpt-5", makeQuestion("prime", 0))).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
    await expect(ask(client, "toString", makeQuestion("prime", 0))).rejects.toMatchObject({ status: 404 });
  });

  test.each([
    { body: "{", because: "it is not JSON", status: 400 },
    { body: '{"model":"gpt-4","messages":[]}', because: "it has no message", status: 400 },
    {
      body: '{"model":"gpt-4","messages":[{"role":"user","content":7}]}',
      because: "a content is no text",
      status: 400,
    },
    { body: JSON.stringify("x".repeat(1_100_000)), because: "it is too long", status: 413 },
  ])("refuses a body with $status when $because", async ({ body, status }) => {
    const response = await fetch(`${upstream.url}/chat/completions`, { method: "POST", body });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });
});

describe("the model server's process", () => {
  test("prints its URL, obeys commands on stdin, and ends when stdin closes", async () => {
    const entry = fileURLToPath(new URL("../../src/demo/upstream-process.ts", import.meta.url));
    const child = spawn(process.execPath, [entry, "--seed", "3"], { stdio: ["pipe", "pipe", "inherit"] });
    // Also when the test times out: a process that ignores its stdin would otherwise outlive the run.
    onTestFinished(() => void child.kill());
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const nextLine = async (): Promise<Record<string, string>> => JSON.parse((await lines.next()).value ?? "null");
    const { url } = await nextLine();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);

    const question = drifting(3);
    const client = clientOf(url ?? "");
    expect(question.grade(await ask(client, "gpt-4", question))).toBe(true);
    child.stdin.write('{"epoch":"2023-06"}\n');
    expect(await nextLine()).toEqual({ epoch: "2023-06" });
    expect(question.grade(await ask(client, "gpt-4", question))).toBe(false);
    child.stdin.write('{"epoch":"2024-01"}\n');
    expect(await nextLine()).toHaveProperty("error");

    const ended = once(child, "exit");
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
  });
});
