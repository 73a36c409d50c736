import type { WireFormat } from "../../core/wire-format.ts";
import { listOf, membersOf, message, textOf, type Members, type Message } from "./message.ts";
import { anthropicMessage, chatMessage, responseItem } from "./request-messages.ts";

/** What a model said. */
export interface Said {
  readonly messages: readonly Message[];
  /** Null where the answer does not say. */
  readonly finish: string | null;
  readonly model: string | null;
}

/** Gathers an answer from its parsed body or its parsed events. */
export interface SaidReader {
  readonly body: (value: unknown) => void;
  readonly event: (value: unknown) => void;
  readonly result: () => Said;
}

/** Characters of one answer that are gathered, and its choices, blocks and calls. */
const TEXT_MAX = 256 * 1024;
const PARTS_MAX = 128;

interface Part {
  text: string;
  id: string;
  name: string;
  input: string;
}

interface Gathered {
  /** Of a body, or of an event that repeats the whole answer. */
  whole: readonly Message[] | null;
  /** By choice; then by place within it, -1 for its text. */
  readonly choices: Map<unknown, Map<unknown, Part>>;
  finish: string | null;
  model: string | null;
  left: number;
}

export function saidReader(wire: WireFormat): SaidReader {
  const gathered: Gathered = { whole: null, choices: new Map(), finish: null, model: null, left: TEXT_MAX };
  const reading = (read: (gathered: Gathered, value: Members) => void) => (value: unknown) =>
    read(gathered, membersOf(value));
  const result = (): Said => ({ messages: messagesOf(gathered), finish: gathered.finish, model: gathered.model });
  switch (wire) {
    case "chat":
      return { body: reading(chatBody), event: reading(chatEvent), result };
    case "messages":
      return { body: reading(anthropicBody), event: reading(anthropicEvent), result };
    case "responses":
      return { body: reading(responsesBody), event: reading(responsesEvent), result };
    case "embeddings":
      return { body: reading(facts), event: reading(facts), result };
  }
}

function messagesOf({ whole, choices }: Gathered): readonly Message[] {
  if (whole !== null) return whole;
  return [...choices.values()].map((parts) => {
    const all = [...parts.values()];
    return message("assistant", all.map(({ text }) => text).join(""), {
      toolCalls: all
        .filter(({ id, name }) => id !== "" || name !== "")
        .map(({ id, name, input }) => ({ id, name, input })),
    });
  });
}

function facts(gathered: Gathered, { model }: Members): void {
  if (typeof model === "string" && model !== "") gathered.model ??= model;
}

function end(gathered: Gathered, finish: unknown): void {
  if (typeof finish === "string" && finish !== "" && finish !== "in_progress") gathered.finish ??= finish;
}

/** A part to write to; null beyond the bound. */
function partOf({ choices }: Gathered, choice: unknown, place: unknown): Part | null {
  let parts = choices.get(choice);
  if (parts === undefined) {
    if (choices.size >= PARTS_MAX) return null;
    choices.set(choice, (parts = new Map<unknown, Part>()));
  }
  let part = parts.get(place);
  if (part === undefined) {
    if (parts.size >= PARTS_MAX) return null;
    parts.set(place, (part = { text: "", id: "", name: "", input: "" }));
  }
  return part;
}

function append(gathered: Gathered, part: Part | null, member: "text" | "input", value: unknown): void {
  if (part === null || typeof value !== "string") return;
  const taken = value.slice(0, gathered.left);
  gathered.left -= taken.length;
  part[member] += taken;
}

function chatBody(gathered: Gathered, body: Members): void {
  facts(gathered, body);
  const choices = listOf(body.choices).slice(0, PARTS_MAX).map(membersOf);
  gathered.whole = choices.map((choice) => chatMessage(membersOf(choice.message)));
  for (const choice of choices) end(gathered, choice.finish_reason);
}

function chatEvent(gathered: Gathered, event: Members): void {
  facts(gathered, event);
  for (const choice of listOf(event.choices).map(membersOf)) {
    const { index = 0 } = choice;
    const delta = membersOf(choice.delta);
    const text = partOf(gathered, index, -1);
    append(gathered, text, "text", delta.content);
    append(gathered, text, "text", delta.refusal);
    const called = delta.function_call === undefined ? [] : [{ function: delta.function_call }];
    for (const call of [...listOf(delta.tool_calls), ...called].map(membersOf)) {
      const part = partOf(gathered, index, call.index ?? 0);
      const { name, arguments: input } = membersOf(call.function);
      identify(part, call.id, name);
      append(gathered, part, "input", input);
    }
    end(gathered, choice.finish_reason);
  }
}

/** Ids and names come whole, once. */
function identify(part: Part | null, id: unknown, name: unknown): void {
  if (part === null) return;
  part.id ||= textOf(id);
  part.name ||= textOf(name);
}

function anthropicBody(gathered: Gathered, body: Members): void {
  facts(gathered, body);
  gathered.whole = [anthropicMessage("assistant", body.content)];
  end(gathered, body.stop_reason);
}

function anthropicEvent(gathered: Gathered, event: Members): void {
  const delta = membersOf(event.delta);
  facts(gathered, membersOf(event.message));
  switch (event.type) {
    case "content_block_start": {
      const block = membersOf(event.content_block);
      const part = partOf(gathered, 0, event.index);
      append(gathered, part, "text", block.type === "text" ? block.text : undefined);
      if (block.type === "tool_use") identify(part, block.id, block.name);
      return;
    }
    case "content_block_delta": {
      const part = partOf(gathered, 0, event.index);
      append(gathered, part, "text", delta.type === "text_delta" ? delta.text : undefined);
      append(gathered, part, "input", delta.partial_json);
      return;
    }
    case "message_delta":
      return end(gathered, delta.stop_reason);
    default:
  }
}

function responsesBody(gathered: Gathered, body: Members): void {
  facts(gathered, body);
  const items = listOf(body.output).slice(0, PARTS_MAX);
  // A last event may leave out what the events before it said.
  if (items.length > 0 || gathered.choices.size === 0)
    gathered.whole = items.flatMap((item) => responseItem(membersOf(item)));
  end(gathered, membersOf(body.incomplete_details).reason ?? body.status);
}

function responsesEvent(gathered: Gathered, event: Members): void {
  const type = textOf(event.type);
  if (event.response !== undefined) {
    const response = membersOf(event.response);
    if (/^response\.(?:completed|incomplete|failed)$/.test(type)) responsesBody(gathered, response);
    else facts(gathered, response);
    return;
  }
  const part = (): Part | null => partOf(gathered, event.output_index, -1);
  if (type === "response.output_text.delta" || type === "response.refusal.delta")
    append(gathered, part(), "text", event.delta);
  if (type === "response.function_call_arguments.delta" || type === "response.custom_tool_call_input.delta")
    append(gathered, part(), "input", event.delta);
  if (type !== "response.output_item.added") return;
  const item = membersOf(event.item);
  if (textOf(item.type).endsWith("_call")) identify(part(), item.call_id, item.name);
}
