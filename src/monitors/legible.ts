import { quote } from "../core/quote.ts";

/** What others wrote, for a terminal: as it is where it is one harmless line, else as JSON. */
export function legible(text: string): string {
  const quoted = quote(text, 300);
  return quoted === `"${text}"` ? text : quoted;
}
