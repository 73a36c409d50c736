import type { HiddenValue } from "../core/privacy.ts";

/** Shorter ones stand in every text by chance. */
const LENGTH_MIN = 3;
/** Shorter ones count only as words of their own. */
const ANYWHERE_MIN = 6;

/** Characters that stand for the values while the rest of a text is redacted: of the private use area, so that nothing else means anything by them. */
const MARK = 0xe000;
const MARKS = /[\ue000-\uf8ff]/g;

/** Hides values that were found elsewhere to be somebody's, literally and as they are written in URLs and in JSON that was cut. */
export interface HiddenValues {
  readonly hide: (text: string) => string;
  /** What is shown instead of what was hidden. */
  readonly show: (text: string) => string;
}

/** Nothing is done twice: what is shown is not redacted again. @param hidden at most 6400 */
export function hiddenValues(hidden: readonly HiddenValue[]): HiddenValues {
  const forms = hidden.flatMap(({ value }, i) => {
    const mark = String.fromCharCode(MARK + i);
    return value.length < LENGTH_MIN ? [] : [...formsOf(value)].map((form) => ({ form, mark }));
  });
  return {
    hide: (text) => forms.reduce((replaced, { form, mark }) => without(replaced, form, mark), text),
    show: (text) =>
      hidden.length === 0 ? text : text.replace(MARKS, (mark) => hidden[mark.charCodeAt(0) - MARK]?.shown ?? ""),
  };
}

/** Most values have one. */
function formsOf(value: string): Iterable<string> {
  if (/^[\w.~-]*$/.test(value)) return [value];
  const json = escaped(value);
  const ascii = json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return new Set([escaped(json), ascii, json, encodeURIComponent(value.toWellFormed()), value]);
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

function without(text: string, value: string, mark: string): string {
  if (!text.includes(value)) return text;
  if (value.length >= ANYWHERE_MIN) return text.replaceAll(value, mark);
  const literal = value.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "gu"), mark);
}
