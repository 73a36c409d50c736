import { RouterError } from "../core/errors.ts";
import { mustacheOf, type HubTemplateFormat } from "../core/hub-template.ts";
import { quote } from "../core/quote.ts";

export interface HubMessage {
  /** In any case. */
  readonly role: string;
  /** Null where the message has something else than text. */
  readonly text: string | null;
}

/**
 * The system prompt that a version's messages make: all of them are system messages, joined by empty lines. Line ends
 * and white space at the end are as in prompts from files, so that the same text has the same digest.
 * @throws RouterError `invalid_request` for a version that is more than a system prompt
 */
export function systemText(messages: readonly HubMessage[], format: HubTemplateFormat): string {
  if (messages.length === 0) throw refusal("it has no messages", "Make a version with a system message.");
  const texts = messages.map(({ role, text }) => {
    if (!["system", "developer"].includes(role.toLowerCase()))
      throw refusal(
        `it has a message of role ${quote(role.toLowerCase(), 40)}`,
        "Segue takes system messages only, and puts the client's own messages after them: make a version without the others.",
      );
    if (text === null) throw refusal("a system message is not text", "Make a version whose system messages are text.");
    return mustacheOf(text.replaceAll("\r\n", "\n"), format);
  });
  return texts.join("\n\n").trimEnd();
}

/** @throws RouterError `invalid_request` when a version brings tools */
export function refuseTools(count: number): void {
  if (count === 0) return;
  throw refusal(
    `it has ${count} tool(s)`,
    "Tools belong to the client or to the variant's parameters: make a version without them.",
  );
}

const refusal = (problem: string, fix: string): RouterError =>
  new RouterError("invalid_request", `${problem}. ${fix}`, { reason: "prompt_unusable" });
