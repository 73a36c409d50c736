import { describe, expect, test } from "vitest";
import type { WireFormat } from "../../../src/core/wire-format.ts";
import { contentAttributes, IS_PARTIAL, LEFT_OUT } from "../../../src/telemetry/content/content-attributes.ts";
import { contentOf } from "../../../src/telemetry/content/encode-content.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const streamed = (events: readonly object[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");

interface Given {
  readonly request: object;
  readonly answer?: object | readonly object[];
  readonly isComplete?: boolean;
  readonly redact?: (text: string) => string;
}

function attributesOf(wire: WireFormat, { request, answer = {}, isComplete = true, redact = (text) => text }: Given) {
  const isEventStream = Array.isArray(answer);
  const text = isEventStream ? streamed(answer) : JSON.stringify(answer);
  const content = { request: bytes(JSON.stringify(request)), answer: [bytes(text)], isEventStream, isComplete };
  return Object.fromEntries(contentAttributes(contentOf(wire, content), redact));
}

const weatherCall = { id: "c-1", type: "function", function: { name: "weather", arguments: '{"city":"Köln"}' } };
const called = (prefix: string) => ({
  [`${prefix}.message.role`]: "assistant",
  [`${prefix}.message.tool_calls.0.tool_call.id`]: "c-1",
  [`${prefix}.message.tool_calls.0.tool_call.function.name`]: "weather",
  [`${prefix}.message.tool_calls.0.tool_call.function.arguments`]: '{"city":"Köln"}',
});
const inputs = {
  "llm.input_messages.0.message.role": "system",
  "llm.input_messages.0.message.content": "Be kind.",
  "llm.input_messages.1.message.role": "user",
  "llm.input_messages.1.message.content": "What is this?\n[image]",
  "input.value": "What is this?\n[image]",
  "input.mime_type": "text/plain",
};
const outputs = {
  "llm.output_messages.0.message.role": "assistant",
  "llm.output_messages.0.message.content": "A cat.",
  "output.value": "A cat.",
  "output.mime_type": "text/plain",
  "llm.response.model_name": "m-1",
};

describe("content becomes OpenInference's attributes", () => {
  const chatRequest = {
    metadata: { secret: "not content" },
    messages: [
      { role: "system", content: "Be kind." },
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: "data:x" } },
        ],
      },
    ],
    tools: [weatherCall],
  };
  const tools = { "llm.tools.0.tool.json_schema": JSON.stringify(weatherCall) };

  test("of a chat completion, whole and streamed", () => {
    const expected = { ...inputs, ...outputs, ...tools, "llm.finish_reason": "stop" };
    const answer = {
      model: "m-1",
      choices: [{ index: 0, message: { role: "assistant", content: "A cat." }, finish_reason: "stop" }],
    };
    expect(attributesOf("chat", { request: chatRequest, answer })).toEqual(expected);
    const deltas = ["A ", "cat", "."].map((content) => ({ model: "m-1", choices: [{ index: 0, delta: { content } }] }));
    const events = [...deltas, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }];
    expect(attributesOf("chat", { request: chatRequest, answer: events })).toEqual(expected);
  });

  test("of Anthropic's messages, whole and streamed", () => {
    const request = {
      system: "Be kind.",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image", source: { data: "AAAA" } },
          ],
        },
      ],
    };
    const expected = { ...inputs, ...outputs, "llm.finish_reason": "end_turn" };
    const answer = { model: "m-1", content: [{ type: "text", text: "A cat." }], stop_reason: "end_turn" };
    expect(attributesOf("messages", { request, answer })).toEqual(expected);
    const events = [
      { type: "message_start", message: { model: "m-1" } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "A " } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "cat." } },
      { type: "message_delta", delta: { stop_reason: "end_turn" } },
    ];
    expect(attributesOf("messages", { request, answer: events })).toEqual(expected);
  });

  test("of responses, whole and streamed", () => {
    const request = {
      instructions: "Be kind.",
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text: "What is this?" },
            { type: "input_image", image_url: "data:x" },
          ],
        },
      ],
    };
    const expected = { ...inputs, ...outputs, "llm.finish_reason": "completed" };
    const output = [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "A cat." }] }];
    const answer = { model: "m-1", status: "completed", output };
    expect(attributesOf("responses", { request, answer })).toEqual(expected);
    const deltas = ["A ", "cat."].map((delta) => ({ type: "response.output_text.delta", output_index: 0, delta }));
    for (const last of [answer, { ...answer, output: [] }]) {
      const events = [...deltas, { type: "response.completed", response: last }];
      expect(attributesOf("responses", { request, answer: events })).toEqual(expected);
    }
  });

  test("of embeddings: the texts that went in", () => {
    const request = { input: ["one", "two", [1, 2, 3]] };
    expect(attributesOf("embeddings", { request, answer: { model: "m-1", data: [{ embedding: [0.5] }] } })).toEqual({
      "embedding.embeddings.0.embedding.text": "one",
      "embedding.embeddings.1.embedding.text": "two",
      "embedding.embeddings.2.embedding.text": "[3 tokens]",
      "input.value": "[3 tokens]",
      "input.mime_type": "text/plain",
      "llm.response.model_name": "m-1",
    });
  });

  test.each([
    { wire: "chat", answer: { choices: [{ message: { role: "assistant", tool_calls: [weatherCall] } }] } },
    {
      wire: "chat",
      answer: [
        {
          choices: [
            {
              index: 0,
              delta: { tool_calls: [{ index: 0, id: "c-1", function: { name: "weather", arguments: '{"city":' } }] },
            },
          ],
        },
        { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '"Köln"}' } }] } }] },
      ],
    },
    {
      wire: "messages",
      answer: { content: [{ type: "tool_use", id: "c-1", name: "weather", input: { city: "Köln" } }] },
    },
    {
      wire: "messages",
      answer: [
        {
          type: "content_block_start",
          index: 1,
          content_block: { type: "tool_use", id: "c-1", name: "weather", input: {} },
        },
        { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '{"city":"Köln"}' } },
      ],
    },
    {
      wire: "responses",
      answer: { output: [{ type: "function_call", call_id: "c-1", name: "weather", arguments: '{"city":"Köln"}' }] },
    },
  ] as const)("of calls of tools by $wire", ({ wire, answer }) => {
    expect(attributesOf(wire, { request: {}, answer })).toMatchObject({
      ...called("llm.output_messages.0"),
      "output.value": '[{"name":"weather","arguments":"{\\"city\\":\\"Köln\\"}"}]',
      "output.mime_type": "application/json",
    });
  });

  test("of calls of tools and their results that a question repeats", () => {
    const request = {
      messages: [
        { role: "assistant", tool_calls: [weatherCall] },
        { role: "tool", tool_call_id: "c-1", content: "Rain" },
      ],
    };
    expect(attributesOf("chat", { request })).toMatchObject({
      ...called("llm.input_messages.0"),
      "llm.input_messages.1.message.tool_call_id": "c-1",
      "llm.input_messages.1.message.content": "Rain",
    });
  });

  test.each([
    { request: "no JSON" },
    { request: '{"messages":[null,7,{"role":3}],"tools":[null]}' },
    { request: "[]" },
  ])("of whatever else it is, as far as it is understood: $request", ({ request }) => {
    const content = { request: bytes(request), answer: [bytes("<html>")], isEventStream: false, isComplete: true };
    for (const wire of ["chat", "messages", "responses", "embeddings"] as const)
      expect(() => contentAttributes(contentOf(wire, content), (text) => text)).not.toThrow();
  });
});

describe("content is kept within what a span may have", () => {
  const history = (count: number, text = "said") => ({
    messages: [
      { role: "system", content: "Be kind." },
      ...Array.from({ length: count }, (_, i) => ({ role: "user", content: `${text} ${i}` })),
    ],
  });
  const lastIndex = (attributes: object) =>
    Math.max(
      ...Object.keys(attributes)
        .flatMap((name) => /^llm\.input_messages\.(\d+)/.exec(name)?.[1] ?? [])
        .map(Number),
    );

  test("at most 120 attributes and how many messages were left out, the first instruction and the last messages kept", () => {
    const attributes = attributesOf("chat", { request: history(500) });
    const last = lastIndex(attributes);
    expect(Object.keys(attributes).length).toBeLessThanOrEqual(120);
    expect(attributes["llm.input_messages.0.message.content"]).toBe("Be kind.");
    expect(attributes[`llm.input_messages.${last}.message.content`]).toBe("said 499");
    expect(attributes["llm.input_messages.1.message.content"]).toBe(`said ${500 - last}`);
    expect(attributes[LEFT_OUT]).toBe(500 - last);
    expect(last).toBeGreaterThan(50);
  });

  test("at most 32 KiB a value and 256 KiB a span, and what was cut says so", () => {
    const attributes = attributesOf("chat", {
      request: history(20, "çé ".repeat(20_000)),
      redact: (text) => text.replaceAll("ç", "[LONGER]"),
    });
    const sizes = Object.entries(attributes).map(([name, value]) => name.length + Buffer.byteLength(String(value)));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1024 + 60);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(256 * 1024);
    expect(attributes["input.value"]).toMatch(/…\[CUT\]$/);
    expect(attributes[LEFT_OUT]).toBeGreaterThan(10);
  });

  test("without half of what stood where it was cut", () => {
    // The limit is in the number.
    const long = `${"word ".repeat(6551)}x +49 170 1234567 and so on`;
    const value = attributesOf("chat", { request: { messages: [{ role: "user", content: long }] } })["input.value"];
    expect(value).toMatch(/word x…\[CUT\]$/);
  });

  test("and an answer that broke off is marked, and ends before the word that it broke off in", () => {
    const answer = ["My number is +49 170", " 12", "34 and jo"].map((content) => ({
      choices: [{ index: 0, delta: { content } }],
    }));
    const cut = (events: readonly object[]) => attributesOf("chat", { request: {}, answer: events, isComplete: false });
    expect(cut(answer)["output.value"]).toBe("My number is +49 170 1234 and…[CUT]");
    expect(cut(answer.slice(0, 2))["output.value"]).toBe("My number is…[CUT]");
    expect(cut(answer)[IS_PARTIAL]).toBe(true);
  });
});
