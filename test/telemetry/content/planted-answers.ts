import * as fc from "fast-check";
import { WIRE_FORMATS, type WireFormat } from "../../../src/core/wire-format.ts";
import type { ServedContent } from "../../../src/ports.ts";

type Json = Readonly<Record<string, unknown>>;

/** Texts for the places of one question and its answer. */
interface Texts {
  readonly wire: WireFormat;
  readonly texts: readonly string[];
  readonly isEventStream: boolean;
}

const chatRequest = (t: (i: number) => string): Json => ({
  model: "support",
  user: t(0),
  metadata: { customer: t(1), [t(2)]: t(3) },
  messages: [
    { role: "system", content: t(4) },
    {
      role: "user",
      name: t(5),
      content: [
        { type: "text", text: t(6) },
        { type: "image_url", image_url: { url: `https://h.example/${t(7)}` } },
      ],
    },
    {
      role: "assistant",
      content: null,
      tool_calls: [
        {
          id: t(8),
          type: "function",
          function: { name: "look_up", arguments: JSON.stringify({ q: t(9), [t(10)]: [t(11)] }) },
        },
      ],
    },
    { role: "tool", tool_call_id: t(8), content: JSON.stringify({ found: t(12) }) },
    { role: "user", content: t(13) },
  ],
  tools: [
    {
      type: "function",
      function: {
        name: "look_up",
        description: t(14),
        parameters: { type: "object", properties: { q: { enum: [t(15)] } } },
      },
    },
  ],
});

const requests: Record<WireFormat, (t: (i: number) => string) => Json> = {
  chat: chatRequest,
  messages: (t) => ({
    model: "support",
    metadata: { user_id: t(0) },
    system: [{ type: "text", text: t(1) }],
    messages: [
      { role: "user", content: t(2) },
      {
        role: "assistant",
        content: [
          { type: "text", text: t(3) },
          { type: "tool_use", id: t(4), name: "look_up", input: { q: t(5), [t(6)]: { deep: t(7) } } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: t(4), content: [{ type: "text", text: t(8) }] },
          { type: "text", text: t(9) },
          { type: t(10), source: { data: t(11) } },
        ],
      },
    ],
    tools: [{ name: "look_up", description: t(12), input_schema: { type: "object" } }],
  }),
  responses: (t) => ({
    model: "support",
    instructions: t(0),
    user: t(1),
    metadata: { [t(2)]: t(3) },
    input: [
      {
        role: "user",
        content: [
          { type: "input_text", text: t(4) },
          { type: "input_file", filename: t(5), file_data: t(6) },
        ],
      },
      { type: "function_call", call_id: t(7), name: "look_up", arguments: JSON.stringify({ q: t(8) }) },
      { type: "function_call_output", call_id: t(7), output: t(9) },
      { type: "reasoning", summary: [{ text: t(10) }] },
      { type: "message", role: "user", content: t(11) },
    ],
    tools: [{ type: "function", name: "look_up", description: t(12) }],
  }),
  embeddings: (t) => ({ model: "support", user: t(0), input: [t(1), t(2), t(3)] }),
};

const bodies: Record<WireFormat, (t: (i: number) => string) => Json> = {
  chat: (t) => ({
    model: "m-1",
    choices: [0, 1].map((index) => ({
      index,
      message: {
        role: "assistant",
        content: t(16 + index),
        refusal: null,
        tool_calls: [{ id: t(18), function: { name: "look_up", arguments: JSON.stringify({ q: t(19) }) } }],
      },
      finish_reason: "stop",
    })),
  }),
  messages: (t) => ({
    model: "m-1",
    content: [
      { type: "text", text: t(16) },
      { type: "tool_use", id: t(17), name: "look_up", input: { q: t(18) } },
    ],
    stop_reason: "tool_use",
  }),
  responses: (t) => ({
    model: "m-1",
    status: "completed",
    output: [
      {
        type: "message",
        role: "assistant",
        content: [
          { type: "output_text", text: t(16) },
          { type: "refusal", refusal: t(17) },
        ],
      },
      { type: "function_call", call_id: t(18), name: "look_up", arguments: JSON.stringify({ q: t(19) }) },
    ],
  }),
  embeddings: () => ({ model: "m-1", data: [{ embedding: [0.25, 1] }] }),
};

/** A text in pieces of a few characters. */
const pieces = (text: string): readonly string[] => text.match(/[\s\S]{1,5}/gu) ?? [];

const events: Record<WireFormat, (t: (i: number) => string) => readonly Json[]> = {
  chat: (t) => [
    ...pieces(t(16)).map((content) => ({ model: "m-1", choices: [{ index: 0, delta: { content } }] })),
    {
      choices: [
        { index: 0, delta: { tool_calls: [{ index: 0, id: t(17), function: { name: "look_up", arguments: "" } }] } },
      ],
    },
    ...pieces(JSON.stringify({ q: t(18) })).map((input) => ({
      choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: input } }] } }],
    })),
    { choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] },
  ],
  messages: (t) => [
    { type: "message_start", message: { model: "m-1", content: [] } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    ...pieces(t(16)).map((text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
    { type: "content_block_start", index: 1, content_block: { type: "tool_use", id: t(17), name: "look_up" } },
    ...pieces(JSON.stringify({ q: t(18) })).map((json) => ({
      type: "content_block_delta",
      index: 1,
      delta: { type: "input_json_delta", partial_json: json },
    })),
    { type: "message_delta", delta: { stop_reason: "tool_use" } },
  ],
  responses: (t) => [
    { type: "response.created", response: { model: "m-1" } },
    ...pieces(t(16)).map((delta) => ({ type: "response.output_text.delta", output_index: 0, delta })),
    {
      type: "response.output_item.added",
      output_index: 1,
      item: { type: "function_call", call_id: t(17), name: "look_up" },
    },
    ...pieces(JSON.stringify({ q: t(18) })).map((delta) => ({
      type: "response.function_call_arguments.delta",
      output_index: 1,
      delta,
    })),
    { type: "response.completed", response: { model: "m-1", status: "completed", output: [] } },
  ],
  embeddings: () => [],
};

const answerText = ({ wire, isEventStream }: Texts, t: (i: number) => string): string =>
  isEventStream
    ? events[wire](t)
        .map((event) => `event: x\r\ndata: ${JSON.stringify(event)}\r\n\r\n`)
        .join("")
    : JSON.stringify(bodies[wire](t));

/** The bytes in pieces, cut anywhere. */
function cut(bytes: Uint8Array, shares: readonly number[]): readonly Uint8Array[] {
  const places = shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b);
  return [...places, bytes.length].map((end, i) => bytes.subarray(places[i - 1] ?? 0, end));
}

/** Content of all wires, with these texts at all of its places, some of it without its end. */
export const plantedContent = (text: fc.Arbitrary<string>) =>
  fc
    .record({
      wire: fc.constantFrom(...WIRE_FORMATS),
      texts: fc.array(text, { minLength: 20, maxLength: 20 }),
      isEventStream: fc.boolean(),
      shares: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
      end: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    })
    .map(({ shares, end, ...given }): { readonly wire: WireFormat; readonly content: ServedContent } => {
      const isEventStream = given.isEventStream && given.wire !== "embeddings";
      const t = (i: number): string => given.texts[i] ?? "";
      const answer = Buffer.from(answerText({ ...given, isEventStream }, t));
      const kept = end === null ? answer : answer.subarray(0, Math.floor(end * answer.length));
      const request = Buffer.from(JSON.stringify(requests[given.wire](t)));
      return {
        wire: given.wire,
        content: { request, answer: cut(kept, shares), isEventStream, isComplete: end === null },
      };
    });
