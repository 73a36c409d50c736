import { afterEach, describe, expect, test } from "vitest";
import { phoenixHub } from "../../src/prompt-hubs/phoenix.ts";
import { arizeWorld, phoenixWorld, system, type HubVersion, type HubWorld } from "./hub-world.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const worlds = { arize: arizeWorld, phoenix: phoenixWorld } as const;

describe.each(["arize", "phoenix"] as const)("the prompt hub %s", (hub) => {
  const world = async (options: { apiKey?: string } = {}): Promise<HubWorld> => {
    const opened = await worlds[hub](options);
    closers.push(opened.close);
    return opened;
  };
  const resolving = (opened: HubWorld, given: { label: string } | { version: string }, prompt = "support") =>
    opened.hub.resolve({ hub, prompt, ...given });

  test("gives the version that a label is on, and after the label moved the other one", async () => {
    const opened = await world();
    const [v1, v2] = [opened.add("support", system("Be kind.")), opened.add("support", system("Be brief."))];
    opened.label(v1, "production");
    expect(await resolving(opened, { label: "production" })).toMatchObject({
      version: v1,
      text: "Be kind.",
      name: "support",
    });
    opened.label(v2, "production");
    expect(await resolving(opened, { label: "production" })).toMatchObject({ version: v2, text: "Be brief." });
  });

  test("gives a version by its id, among many", async () => {
    const opened = await world();
    const ids = [1, 2, 3, 4, 5].map((n) => opened.add("support", system(`Version ${n}.`)));
    expect(await resolving(opened, { version: ids[0]! })).toMatchObject({ version: ids[0], text: "Version 1." });
  });

  test("refuses the version of another prompt", async () => {
    const opened = await world();
    opened.add("support", system("Be kind."));
    const other = opened.add("sales", system("Sell."));
    await expect(resolving(opened, { version: other })).rejects.toMatchObject({ code: "not_found" });
  });

  test("takes the prompt whose name is exactly the one", async () => {
    const opened = await world();
    for (const name of ["support-old", "Support"]) opened.label(opened.add(name, system("No.")), "production");
    opened.label(opened.add("support", system("Yes.")), "production");
    expect((await resolving(opened, { label: "production" })).text).toBe("Yes.");
  });

  test("joins system messages, takes f-strings over to mustache, and ends lines as files do", async () => {
    const opened = await world();
    const messages = [
      { role: "system", content: "Answer as JSON: {{}}\r\n" },
      { role: "system", content: "in {region}\n\n" },
    ];
    const version = opened.add("support", { messages, format: "F_STRING", model: "gpt-x", temperature: 0.2 });
    expect(await resolving(opened, { version })).toMatchObject({
      text: "Answer as JSON: {}\n\n\nin {{region}}",
      model: "gpt-x",
      parameters: { temperature: 0.2 },
    });
  });

  test.each<{ because: string; version: HubVersion; problem: RegExp }>([
    {
      because: "a user message is in it",
      version: {
        messages: [
          { role: "system", content: "Be kind." },
          { role: "user", content: "{question}" },
        ],
      },
      problem: /message of role "user".*make a version without/,
    },
    {
      because: "an answer is in it",
      version: { messages: [{ role: "assistant", content: "Hello." }] },
      problem: /message of role "assistant"/,
    },
    { because: "tools are in it", version: { ...system("Be kind."), tools: 2 }, problem: /2 tool\(s\)/ },
    {
      because: "a variable is formatted",
      version: { messages: [{ role: "system", content: "{price:.2f}" }] },
      problem: /variable "\{price:\.2f\}"/,
    },
  ])("refuses a version when $because", async ({ version, problem }) => {
    const opened = await world();
    const id = opened.add("support", version);
    await expect(resolving(opened, { version: id })).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringMatching(problem),
    });
  });

  test.each([
    { fault: 401, reason: "hub_refused_key", says: /does not take the API key: set SEGUE_/ },
    { fault: 403, reason: "hub_refused_permission", says: /may not read prompts/ },
    { fault: 404, reason: "unknown_prompt", says: /has no/ },
    { fault: 429, reason: "hub_rate_limited", says: /wait a minute/ },
    { fault: 503, reason: "hub_unavailable", says: /try again/ },
    {
      fault: { status: 307, headers: { location: "http://127.0.0.1:9/" } },
      reason: "hub_redirects",
      says: /not followed/,
    },
    { fault: "cut", reason: "hub_unavailable", says: /gave no answer/ },
    { fault: { status: 200, body: "<html>" }, reason: "hub_answer", says: /is not JSON/ },
    { fault: { status: 200, body: "{}" }, reason: "hub_answer", says: /unknown form/ },
  ] as const)("answered $fault says $reason and what to do, without the key", async ({ fault, reason, says }) => {
    const opened = await world();
    opened.fail(fault);
    const error: Error = await resolving(opened, { label: "production" }).then(
      () => expect.unreachable(),
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ name: "RouterError", reason, message: expect.stringMatching(says) });
    expect(`${error.message} ${String(error.cause)}`).not.toContain(`${hub}-key`);
  });

  test("with a wrong key is refused", async () => {
    const opened = await world({ apiKey: "another" });
    await expect(resolving(opened, { label: "production" })).rejects.toMatchObject({ reason: "hub_refused_key" });
  });

  test.each([{ label: "staging" }, { version: "UHJvbXB0VmVyc2lvbjo5OTk=" }])("has no %j", async (given) => {
    const opened = await world();
    opened.label(opened.add("support", system("Be kind.")), "production");
    await expect(resolving(opened, given)).rejects.toMatchObject({ code: "not_found" });
    await expect(resolving(opened, given, "nobody")).rejects.toMatchObject({ code: "not_found" });
  });

  test("keeps a strange name inside its place of the address", async () => {
    const opened = await world();
    opened.label(opened.add("support", system("Be kind.")), "production");
    await expect(resolving(opened, { label: "../../v1/x?y#z" })).rejects.toMatchObject({ code: "not_found" });
    expect(opened.requests.at(-1)).toContain("%2F");
  });
});

describe("Arize", () => {
  test("is asked by the prompt's id without looking for its name", async () => {
    const opened = await arizeWorld();
    closers.push(opened.close);
    const version = opened.add("support", system("Be kind."));
    const { promptId } = await opened.hub.resolve({ hub: "arize", prompt: "support", version });
    const before = opened.requests.length;
    expect(await opened.hub.resolve({ hub: "arize", prompt: promptId, version })).toMatchObject({ name: "support" });
    expect(opened.requests.length - before).toBe(1);
  });
});

describe("Phoenix", () => {
  const versionOf = (id: string, template: unknown, format: string) => ({
    id,
    model_name: "m",
    template,
    template_format: format,
    invocation_parameters: { type: "openai", openai: {} },
  });
  /** A Phoenix that answers by path and cursor. */
  const hubAnswering = (answers: Readonly<Record<string, unknown>>) => {
    const asked: string[] = [];
    const hub = phoenixHub({
      baseUrl: "http://phoenix.test/",
      timeoutMs: 1000,
      fetch: (url) => {
        const { pathname, searchParams } = new URL(url);
        const key = `${pathname} ${searchParams.get("cursor") ?? ""}`.trim();
        asked.push(key);
        return Promise.resolve(key in answers ? Response.json(answers[key]) : new Response("", { status: 404 }));
      },
    });
    return { hub, asked };
  };

  test("is read no further than the limit, whatever it sends", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1;
        // Ends some time, so that a reader without a limit fails and does not fill the memory.
        if (sent > 100) controller.close();
        else controller.enqueue(new Uint8Array(1024 * 1024).fill(32));
      },
    });
    const hub = phoenixHub({
      baseUrl: "http://phoenix.test/",
      timeoutMs: 5000,
      fetch: () => Promise.resolve(new Response(endless)),
    });
    await expect(hub.resolve({ hub: "phoenix", prompt: "support", label: "x" })).rejects.toMatchObject({
      reason: "hub_answer",
      message: expect.stringContaining("is longer than 8388608 bytes"),
    });
    expect(sent).toBeLessThan(20);
  });

  test("is asked for the next page of versions until the one is there", async () => {
    const version = versionOf("v1", { type: "string", template: "Be {kind}." }, "NONE");
    const { hub, asked } = hubAnswering({
      "/v1/prompts/support/versions": { data: [{ id: "v3" }], next_cursor: "a" },
      "/v1/prompts/support/versions a": { data: [{ id: "v1" }], next_cursor: "b" },
      "/v1/prompt_versions/v1": { data: version },
    });
    // A text without a format has no variables, and one that is no chat is one text.
    const resolved = await hub.resolve({ hub: "phoenix", prompt: "support", version: "v1" });
    expect(resolved).toMatchObject({ version: "v1", text: "Be {kind}." });
    expect(asked).toEqual(["/v1/prompts/support/versions", "/v1/prompts/support/versions a", "/v1/prompt_versions/v1"]);
  });

  test.each([
    {
      because: "all parts are text",
      parts: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
      text: "a\nb",
    },
    { because: "a part is no text", parts: [{ type: "text", text: "a" }, { type: "tool_call" }], text: null },
  ])("takes or refuses a message in parts: $because", async ({ parts, text }) => {
    const template = { type: "chat", messages: [{ role: "SYSTEM", content: parts }] };
    const { hub } = hubAnswering({ "/v1/prompts/support/tags/x": { data: versionOf("v1", template, "mustache") } });
    const resolving = hub.resolve({ hub: "phoenix", prompt: "support", label: "x" });
    if (text === null) await expect(resolving).rejects.toThrow(/is not text/);
    else expect((await resolving).text).toBe(text);
  });
});
