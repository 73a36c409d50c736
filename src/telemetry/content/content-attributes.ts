import {
  EMBEDDING_EMBEDDINGS,
  EMBEDDING_TEXT,
  INPUT_MIME_TYPE,
  INPUT_VALUE,
  LLM_FINISH_REASON,
  LLM_INPUT_MESSAGES,
  LLM_OUTPUT_MESSAGES,
  LLM_RESPONSE_MODEL_NAME,
  LLM_TOOLS,
  MESSAGE_CONTENT,
  MESSAGE_NAME,
  MESSAGE_ROLE,
  MESSAGE_TOOL_CALLS,
  MESSAGE_TOOL_CALL_ID,
  MimeType,
  OUTPUT_MIME_TYPE,
  OUTPUT_VALUE,
  TOOL_CALL_FUNCTION_ARGUMENTS_JSON,
  TOOL_CALL_FUNCTION_NAME,
  TOOL_CALL_ID,
  TOOL_JSON_SCHEMA,
} from "@arizeai/openinference-semantic-conventions";
import type { WireFormat } from "../../core/wire-format.ts";
import type { Said } from "./answer-messages.ts";
import { contentBudget, type ContentBudget, type Entry } from "./content-budget.ts";
import { withoutTornEnd, withoutTornStart } from "./cut-text.ts";
import type { Message } from "./message.ts";
import type { Asked } from "./request-messages.ts";

/** How many messages and tools of a question or an answer there was no room for. */
export const LEFT_OUT = "segue.content.left_out";
/** Whether the answer's end, or its beginning, is missing. */
export const IS_PARTIAL = "segue.content.is_partial";

export interface Content {
  readonly wire: WireFormat;
  readonly asked: Asked;
  readonly said: Said;
  /** False where the answer broke off, or not all of it was kept. */
  readonly isComplete: boolean;
}

/**
 * What was asked and answered, as OpenInference's attributes. When there is no room for all, the answer comes first, then
 * the first instruction, the latest messages and the tools.
 * @param redact what every text passes through
 */
export function contentAttributes(
  { wire, asked, said, isComplete }: Content,
  redact: (text: string) => string,
): readonly Entry[] {
  const budget = contentBudget(redact);
  const isEmbedding = wire === "embeddings";
  if (said.model !== null) budget.add([[LLM_RESPONSE_MODEL_NAME, said.model]]);
  if (said.finish !== null) budget.add([[LLM_FINISH_REASON, said.finish]]);
  if (!isComplete) budget.add([[IS_PARTIAL, true]]);
  const answers = isComplete ? said.messages : said.messages.map(withoutTornEnds);
  const [question, answer] = [lastText(asked.messages), answers[0]];
  if (answer !== undefined && !isEmbedding)
    budget.add(
      answer.text === "" && answer.toolCalls.length > 0
        ? [
            [OUTPUT_VALUE, callsJson(answer)],
            [OUTPUT_MIME_TYPE, MimeType.JSON],
          ]
        : [
            [OUTPUT_VALUE, answer.text],
            [OUTPUT_MIME_TYPE, MimeType.TEXT],
          ],
    );
  if (question !== null)
    budget.add([
      [INPUT_VALUE, question],
      [INPUT_MIME_TYPE, MimeType.TEXT],
    ]);
  const leftOut = isEmbedding
    ? budget.addList(asked.messages, (i, { text }) => [[`${EMBEDDING_EMBEDDINGS}.${i}.${EMBEDDING_TEXT}`, text]])
    : addMessages(budget, asked, answers);
  if (leftOut > 0) budget.note(LEFT_OUT, leftOut);
  return budget.entries();
}

const withoutTornEnds = (message: Message): Message => ({
  ...message,
  text: message.text === "" ? "" : withoutTornEnd(withoutTornStart(message.text)),
  toolCalls: message.toolCalls.map((call) => ({ ...call, input: call.input === "" ? "" : withoutTornEnd(call.input) })),
});

function addMessages(budget: ContentBudget, { messages, tools }: Asked, answers: readonly Message[]): number {
  let leftOut = budget.addList(answers, (i, message) => messageEntries(`${LLM_OUTPUT_MESSAGES}.${i}`, message));
  const hasInstruction = /^(?:system|developer)$/.test(messages[0]?.role ?? "");
  const first = hasInstruction ? messages.slice(0, 1) : [];
  const rest = hasInstruction ? messages.slice(1) : messages;
  const entries = (i: number, message: Message) => messageEntries(`${LLM_INPUT_MESSAGES}.${i}`, message);
  leftOut += budget.addList(first, entries);
  const kept = budget.addLast(rest, (i, message) => entries(i + first.length, message));
  leftOut += rest.length - kept;
  return (
    leftOut + budget.addList(tools, (i, tool) => [[`${LLM_TOOLS}.${i}.${TOOL_JSON_SCHEMA}`, JSON.stringify(tool)]])
  );
}

function messageEntries(prefix: string, { role, name, text, toolCallId, toolCalls }: Message): readonly Entry[] {
  const entries: Entry[] = [[`${prefix}.${MESSAGE_ROLE}`, role]];
  if (text !== "") entries.push([`${prefix}.${MESSAGE_CONTENT}`, text]);
  if (name !== "") entries.push([`${prefix}.${MESSAGE_NAME}`, name]);
  if (toolCallId !== "") entries.push([`${prefix}.${MESSAGE_TOOL_CALL_ID}`, toolCallId]);
  for (const [i, call] of toolCalls.entries()) {
    const start = `${prefix}.${MESSAGE_TOOL_CALLS}.${i}`;
    if (call.id !== "") entries.push([`${start}.${TOOL_CALL_ID}`, call.id]);
    entries.push([`${start}.${TOOL_CALL_FUNCTION_NAME}`, call.name]);
    entries.push([`${start}.${TOOL_CALL_FUNCTION_ARGUMENTS_JSON}`, call.input]);
  }
  return entries;
}

/** What the model was to answer. */
const lastText = (messages: readonly Message[]): string | null =>
  (
    messages.findLast(({ role, text }) => role === "user" && text !== "") ??
    messages.findLast(({ text }) => text !== "")
  )?.text ?? null;

const callsJson = ({ toolCalls }: Message): string =>
  JSON.stringify(toolCalls.map(({ name, input }) => ({ name, arguments: input })));
