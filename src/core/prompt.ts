import { parseTemplate, renderTemplate } from "@langchain/core/prompts";
import type { Attributes } from "./attributes.ts";

/** A prompt's text for one request. */
export type RenderPrompt = (attributes: Attributes) => string;

/** The names that a template asks for. Throws when the template is malformed. */
export function promptVariables(text: string): string[] {
  const names = parseTemplate(text, "mustache").flatMap((node) => (node.type === "variable" ? [node.name] : []));
  return [...new Set(names)];
}

/** A piece of a template: text, or a name that a value is put in for. */
export type TemplatePart = ReturnType<typeof parseTemplate>[number];

/** The parts of an f-string (`{region}`), its doubled braces being single ones. Throws when it is malformed. */
export const fStringParts = (text: string): TemplatePart[] => parseTemplate(text, "f-string");

/**
 * Prepares a LangChain mustache template (`{{region}}`). A prompt without variables costs nothing to render.
 * An attribute that the request does not carry renders as nothing.
 */
export function compilePrompt(text: string): RenderPrompt {
  const names = promptVariables(text);
  if (names.length === 0) return () => text;
  return (attributes) =>
    renderTemplate(
      text,
      "mustache",
      Object.fromEntries(names.map((name) => [name, Object.hasOwn(attributes, name) ? attributes[name] : ""])),
    );
}

/**
 * Puts the prompt in front of the client's messages as one system message. The client's own
 * messages, whatever their roles and content parts, follow untouched.
 */
export const withPrompt = (prompt: string, messages: readonly unknown[]): unknown[] => [
  { role: "system", content: prompt },
  ...messages,
];
