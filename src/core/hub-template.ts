import { RouterError } from "./errors.ts";
import { fStringParts, type TemplatePart } from "./prompt.ts";
import { quote } from "./quote.ts";

/** `literal` has no variables: every brace is text. */
export type HubTemplateFormat = "mustache" | "f-string" | "literal";

/**
 * A hub's template in our mustache, which renders to the same text. Mustache cannot say two braces in a row, nor one right
 * before a variable, so a text that needs them is refused.
 * @throws RouterError `invalid_request` saying what cannot be taken over
 */
export function mustacheOf(text: string, format: HubTemplateFormat): string {
  switch (format) {
    case "mustache":
      return text;
    case "literal":
      return joined([{ type: "literal", text }]);
    case "f-string":
      return joined(checkedParts(text));
  }
}

function checkedParts(text: string): TemplatePart[] {
  try {
    return fStringParts(text);
  } catch (thrown) {
    const problem = thrown instanceof Error ? thrown.message : String(thrown);
    throw refusal(`is malformed: ${problem.split("\n")[0]}`, "In f-strings, write a brace that is text twice.");
  }
}

function joined(parts: readonly TemplatePart[]): string {
  let text = "";
  let literal = "";
  for (const part of parts) {
    if (part.type === "literal") {
      literal += part.text;
      continue;
    }
    if (!/^\w+$/.test(part.name))
      throw refusal(
        `has the variable ${quote(`{${part.name}}`, 80)}`,
        "Use plain names such as {region}, without formats, indices and members.",
      );
    if (literal.endsWith("{"))
      throw refusal(`has a brace right before the variable '${part.name}'`, "Put a space between the two.");
    text += `${checked(literal)}{{${part.name}}}`;
    literal = "";
  }
  return text + checked(literal);
}

function checked(literal: string): string {
  if (!literal.includes("{{")) return literal;
  throw refusal("has two opening braces in a row as text", "Put a space between the two.");
}

const refusal = (problem: string, fix: string): RouterError =>
  new RouterError("invalid_request", `its text ${problem}. ${fix}`, { reason: "prompt_unusable" });
