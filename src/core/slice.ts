import { z } from "zod";
import type { AttributeValue } from "./attributes.ts";
import { quote } from "./quote.ts";

/** The longest name or value that a condition holds. */
export const TEXT_MAX = 256;
const Text = z.string().max(TEXT_MAX);

/** What an answer's attribute must be to lie in a slice: a value, a range, or that it was not there. */
export const Condition = z.union([
  z.strictObject({ attribute: Text, value: z.union([Text, z.number(), z.boolean()]) }),
  /** From `from` on and below `to`; null where the range is open. */
  z.strictObject({ attribute: Text, from: z.number().nullable(), to: z.number().nullable() }),
  z.strictObject({ attribute: Text, absent: z.literal(true) }),
]);
export type Condition = z.infer<typeof Condition>;

/** One condition, for people. */
export function conditionText(condition: Condition): string {
  const name = printed(condition.attribute);
  if ("value" in condition) return `${name} = ${printed(condition.value)}`;
  if ("absent" in condition) return `${name} is absent`;
  const { from, to } = condition;
  if (from === null) return to === null ? `${name} is there` : `${name} < ${to}`;
  return to === null ? `${name} ≥ ${from}` : `${from} ≤ ${name} < ${to}`;
}

/** Words that need no quotes: a client may put anything into an attribute. */
const PLAIN = /^[\p{L}\p{N}_.:@/+-]{1,64}$/u;

const printed = (value: AttributeValue): string =>
  typeof value === "string" && !PLAIN.test(value) ? quote(value) : String(value);
