import type { HiddenValue, Privacy } from "../core/privacy.ts";
import { withoutCards, withoutIbans, withoutSsns } from "./accounts.ts";
import { withoutEmails } from "./emails.ts";
import { hiddenValues, type HiddenValues } from "./hidden-values.ts";
import { withoutIpAddresses } from "./ip-addresses.ts";
import { withoutNames } from "./names.ts";
import { phoneRemover } from "./phones.ts";
import { namesSecret, withoutSecrets } from "./secrets.ts";
import { withoutUrlSecrets } from "./urls.ts";

/** Replaces personal data in a text. @param hidden values that are somebody's, wherever they stand */
export type RedactText = (text: string, hidden?: readonly HiddenValue[]) => string;

/** The same, with the values already known. */
type Redact = (text: string) => string;

/**
 * Replaces what the policy's own patterns match, then e-mail addresses, secrets, account and phone numbers, addresses of
 * hosts and names, each by what it is: `[EMAIL]`. The work grows with the text's length, whatever it holds. A text that is
 * JSON stays JSON: its strings are redacted one by one, with their escapes undone.
 */
export function textRedactor({ patterns, phoneCountries }: Pick<Privacy, "patterns" | "phoneCountries">): RedactText {
  const own = patterns.map(({ name, pattern, replacement }) => ({
    regex: new RegExp(pattern, "gu"),
    replacement: replacement ?? `[${name.toUpperCase()}]`,
  }));
  const withoutPhones = phoneRemover(phoneCountries);
  const byShape = (text: string): string => {
    let redacted = text;
    for (const { regex, replacement } of own) redacted = redacted.replace(regex, () => replacement);
    redacted = withoutSecrets(redacted);
    redacted = withoutUrlSecrets(redacted);
    if (redacted.includes("@") || redacted.includes("%40")) redacted = withoutEmails(redacted);
    if (/\d/.test(redacted)) {
      redacted = withoutIbans(redacted);
      redacted = withoutCards(redacted);
      redacted = withoutIpAddresses(redacted);
      redacted = withoutSsns(redacted);
      redacted = withoutPhones(redacted);
    }
    return withoutNames(redacted);
  };
  const redactPlain = (text: string, { hide, show }: HiddenValues): string => {
    // Before and after characters are made plain: these values may be written either way.
    const hideAll = (given: string): string => hide(plainCharacters(hide(given)));
    const hidden = hideAll(text);
    if (hidden === plainCharacters(text)) return show(byShape(hidden));
    // One that is a part of an address or a number would keep the whole from being recognised, unless that is looked for first.
    return show(byShape(hideAll(byShape(text))));
  };
  return (text, hidden = []) => {
    if (text.length < 3) return text;
    const values = hiddenValues(hidden);
    const redact: Redact = (plain) => redactPlain(plain, values);
    return redactedJson(text, redact) ?? redact(text);
  };
}

const DISGUISED =
  /[\u00ad\u200b\u2060\ufeff\u0660-\u0669\u06f0-\u06f9\uff0b\uff0e\uff10-\uff19\uff20]|\\u00[2-7][0-9a-f]/i;
const DISGUISES = new RegExp(DISGUISED.source, "gi");

/** Digits of other scripts and full width as ASCII, without characters that nobody sees, and JSON's escapes of ASCII undone, so that what looks alike is alike. */
function plainCharacters(text: string): string {
  return DISGUISED.test(text) ? text.replace(DISGUISES, plainCharacter) : text;
}

function plainCharacter(character: string): string {
  if (character.startsWith("\\")) {
    const plain = String.fromCharCode(Number.parseInt(character.slice(2), 16));
    return plain === '"' || plain === "\\" ? character : plain;
  }
  const code = character.charCodeAt(0);
  if (code >= 0xff00) return code === 0xfeff ? "" : String.fromCharCode(code - 0xfee0);
  if (code >= 0x6f0 && code <= 0x6f9) return String(code - 0x6f0);
  return code >= 0x660 && code <= 0x669 ? String(code - 0x660) : "";
}

const DEPTH_MAX = 64;

/** Null where the text is no JSON object or array. */
function redactedJson(text: string, redact: Redact): string | null {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(redactedValue(JSON.parse(text), redact, 0));
  } catch {
    // It only began like JSON, or was cut.
    return null;
  }
}

/** The same value with the strings in it redacted, the names of members included. */
function redactedValue(value: unknown, redact: Redact, depth: number): unknown {
  if (typeof value === "string") return redactedJson(value, redact) ?? redact(value);
  if (typeof value === "number") return redactedNumber(value, redact);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "[DEEPER]";
  if (Array.isArray(value)) return value.map((item: unknown) => redactedValue(item, redact, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      redact(name),
      namesSecret(name) && typeof member === "string" ? "[SECRET]" : redactedValue(member, redact, depth + 1),
    ]),
  );
}

/** Accounts and phones are written as numbers, too. Larger ones than JSON can hold have lost digits already, so nothing is known of them. */
function redactedNumber(value: number, redact: Redact): unknown {
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return "[NUMBER]";
  const text = String(value);
  return text.length < 3 || redact(text) === text ? value : "[NUMBER]";
}
