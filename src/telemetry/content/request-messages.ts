import type { WireFormat } from "../../core/wire-format.ts";
import { contentText, jsonOf, listOf, membersOf, message, textOf, type Members, type Message } from "./message.ts";

/** What a model was asked. */
export interface Asked {
  readonly messages: readonly Message[];
  /** As the wire format describes them. */
  readonly tools: readonly unknown[];
}

/** Reads the body of a request; what it does not understand of it is left out. */
export function askedOf(wire: WireFormat, body: unknown): Asked {
  const members = membersOf(body);
  const tools = listOf(members.tools);
  switch (wire) {
    case "chat":
      return { messages: listOf(members.messages).map((item) => chatMessage(membersOf(item))), tools };
    case "messages": {
      const system = contentText(members.system);
      const said = listOf(members.messages).flatMap((item) => anthropicMessages(membersOf(item)));
      return { messages: [...(system === "" ? [] : [message("system", system)]), ...said], tools };
    }
    case "responses": {
      const instructions = textOf(members.instructions);
      const said =
        typeof members.input === "string"
          ? [message("user", members.input)]
          : listOf(members.input).flatMap((item) => responseItem(membersOf(item)));
      return { messages: [...(instructions === "" ? [] : [message("system", instructions)]), ...said], tools };
    }
    case "embeddings":
      return { messages: inputs(members.input).map((text) => message("user", text)), tools: [] };
  }
}

/** A message of chat completions, of a request as of an answer. */
export function chatMessage({ role, content, name, refusal, ...more }: Members): Message {
  const calls = listOf(more.tool_calls).map((call) => {
    const { id, function: called, custom } = membersOf(call);
    const { name, arguments: input } = membersOf(called);
    const own = membersOf(custom);
    return { id: textOf(id), name: textOf(name ?? own.name), input: jsonOf(input ?? own.input) };
  });
  const old = membersOf(more.function_call);
  if (old.name !== undefined) calls.push({ id: "", name: textOf(old.name), input: jsonOf(old.arguments) });
  return message(textOf(role), contentText(content) || textOf(refusal), {
    name: textOf(name),
    toolCallId: textOf(more.tool_call_id),
    toolCalls: calls,
  });
}

/** Results of tools stand among the parts of a user's message there, and are messages of their own here. */
function anthropicMessages({ role, content }: Members): readonly Message[] {
  const blocks = listOf(content).map(membersOf);
  const results = blocks
    .filter(({ type }) => type === "tool_result")
    .map((block) => message("tool", contentText(block.content), { toolCallId: textOf(block.tool_use_id) }));
  const own = anthropicMessage(textOf(role), content);
  return own.text === "" && own.toolCalls.length === 0 && results.length > 0 ? results : [...results, own];
}

export function anthropicMessage(role: string, content: unknown): Message {
  const toolCalls = listOf(content).flatMap((block) => {
    const { type, id, name, input } = membersOf(block);
    return type === "tool_use" ? [{ id: textOf(id), name: textOf(name), input: jsonOf(input) }] : [];
  });
  return message(role, contentText(content), { toolCalls });
}

/** An item of responses, of a request as of an answer. Reasoning and what a vendor does by itself are no messages. */
export function responseItem({ type, role, content, ...item }: Members): readonly Message[] {
  const kind = textOf(type);
  if (kind === "message" || (kind === "" && role !== undefined)) return [message(textOf(role), contentText(content))];
  if (kind === "function_call" || kind === "custom_tool_call") {
    const call = { id: textOf(item.call_id), name: textOf(item.name), input: jsonOf(item.arguments ?? item.input) };
    return [message("assistant", "", { toolCalls: [call] })];
  }
  if (kind === "function_call_output" || kind === "custom_tool_call_output") {
    const output = typeof item.output === "string" ? item.output : contentText(item.output);
    return [message("tool", output, { toolCallId: textOf(item.call_id) })];
  }
  return [];
}

/** One text, several, or texts as numbers of tokens, which only their model can read. */
function inputs(input: unknown): readonly string[] {
  if (typeof input === "string") return [input];
  const items = listOf(input);
  if (items.some((item) => typeof item === "number")) return [`[${items.length} tokens]`];
  return items.map((item) => (Array.isArray(item) ? `[${item.length} tokens]` : contentText([item])));
}
