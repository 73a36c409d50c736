/** A call of a tool, as a model asked for it. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON, unless it broke off. */
  readonly input: string;
}

/** One message, whatever the wire format. What is no text is named in the text in brackets: `[image]`. */
export interface Message {
  readonly role: string;
  readonly name: string;
  readonly text: string;
  /** Of the call that the message answers. */
  readonly toolCallId: string;
  readonly toolCalls: readonly ToolCall[];
}

export const message = (role: string, text: string, more: Partial<Message> = {}): Message => ({
  role,
  name: "",
  text,
  toolCallId: "",
  toolCalls: [],
  ...more,
});

export type Members = Readonly<Record<string, unknown>>;

export const membersOf = (value: unknown): Members =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {};

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The value where it is text, else nothing. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** As JSON where it is no text. */
export const jsonOf = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);

/** The text of a message's content: a text, or parts of which those without text are named. */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return textOf(content);
  return content.flatMap((part) => partText(part) ?? []).join("\n");
}

/** Parts that are told of elsewhere, or to nobody. */
const UNSAID = /^(?:tool_use|server_tool_use|tool_result|thinking|redacted_thinking|reasoning)$/;
const KINDS = ["image", "audio", "video", "file", "document"];

function partText(part: unknown): string | null {
  if (typeof part === "string") return part;
  const { type, text, refusal } = membersOf(part);
  if (typeof text === "string") return text;
  if (typeof refusal === "string") return refusal;
  const kind = textOf(type);
  if (UNSAID.test(kind)) return null;
  // Its bytes may hold anything, and nobody reads them in a trace. A type of its own may say anything, too.
  return `[${KINDS.find((known) => kind.includes(known)) ?? "part that is no text"}]`;
}
