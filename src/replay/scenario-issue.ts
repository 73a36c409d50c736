import type { z } from "zod";
import { valueAt, type Path } from "../core/fault.ts";
import { suggest } from "../core/nearest-name.ts";
import { quote } from "../core/quote.ts";

type Issue = z.core.$ZodIssue;

/** What is wrong with a scenario, and where. */
export interface ScenarioIssue {
  readonly path: Path;
  readonly problem: string;
}

/**
 * What zod found wrong, in words for the person who wrote the scenario.
 * Zod does not say which keys an object knows: the message of an `unrecognized_keys` must list them, separated by ", ".
 */
export function scenarioIssues(document: unknown, issue: Issue): ScenarioIssue[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  const found = valueAt(document, path);
  const name = nameOf(path);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => unknownKey(path, key, issue.message.split(", ")));
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const issues = unionIssues(issue, path, found);
    if (issues !== null) return issues.flatMap((inner) => scenarioIssues(document, inner));
    const keys = unknownToAll(issue.errors);
    if (keys.length > 0) return keys.map(({ key, known }) => unknownKey(path, key, known));
  }
  if (found === undefined) return [{ path, problem: `${name} is missing${expectation(issue)}` }];
  return [{ path, problem: `${name} is ${quote(found, 80)}${ruleOf(issue, found)}` }];
}

const unknownKey = (path: Path, key: string, known: readonly string[]): ScenarioIssue => ({
  path: [...path, key],
  problem: `unknown key ${quote(key, 80)} in ${nameOf(path)}. ${suggest(key, known, "keys allowed here")}`,
});

/** What is wrong by the one form of a union that the value has; null when it has none or could be several. */
function unionIssues(issue: Extract<Issue, { code: "invalid_union" }>, path: Path, found: unknown): Issue[] | null {
  if (found === null || typeof found !== "object") return null;
  const alike = issue.errors.filter((issues) =>
    issues.every(
      ({ code, path }) =>
        code !== "unrecognized_keys" && (path.length > 0 || !["invalid_type", "invalid_value"].includes(code)),
    ),
  );
  const [only, ...others] = alike;
  return only === undefined || others.length > 0
    ? null
    : only.map((inner) => ({ ...inner, path: [...path, ...inner.path] }));
}

/** Keys that no form of a union knows, with those that any of them knows. */
function unknownToAll(forms: readonly Issue[][]): { readonly key: string; readonly known: string[] }[] {
  const strict = forms.flatMap((issues) => issues.filter((issue) => issue.code === "unrecognized_keys"));
  const known = [...new Set(strict.flatMap(({ message }) => message.split(", ")))];
  const keys = new Set(strict.flatMap((issue) => issue.keys));
  return [...keys].filter((key) => !known.includes(key)).map((key) => ({ key, known }));
}

const KINDS: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  array: "a list",
  object: "an object",
};

function ruleOf(issue: Issue, found: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return `, not ${KINDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `. ${suggest(String(found), issue.values.map(String), "allowed values")}`;
    case "too_small":
      if (issue.origin !== "number" && issue.origin !== "int")
        return issue.minimum === 1 ? ", but must not be empty" : `, but must have at least ${issue.minimum} entries`;
      return `, but must be ${issue.inclusive === true ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      if (issue.origin === "array") return `, but must have at most ${issue.maximum} entries`;
      return `, but must be at most ${issue.maximum}`;
    case "invalid_union": {
      const options: unknown = "options" in issue ? issue.options : null;
      if (Array.isArray(options)) return `. ${suggest(String(found), options.map(String), "allowed values")}`;
      return `, but must be ${issue.message}`;
    }
    case "custom":
    case "invalid_element":
    case "invalid_format":
    case "invalid_key":
    case "not_multiple_of":
    case "unrecognized_keys":
      return `, but ${issue.message}`;
  }
}

function expectation(issue: Issue): string {
  if (issue.code === "invalid_type") return `: write ${KINDS[issue.expected] ?? issue.expected} there`;
  if (issue.code === "invalid_union" && "options" in issue && Array.isArray(issue.options))
    return `: write one of ${issue.options.join(", ")}`;
  return issue.code === "invalid_union" ? `: write ${issue.message}` : "";
}

/** Such as `faults[0].segments`. */
const nameOf = (path: Path): string =>
  path.length === 0
    ? "the scenario"
    : path
        .map((step, i) =>
          typeof step === "number" ? `[${step}]` : (i === 0 ? "" : ".") + quote(step, 80).slice(1, -1),
        )
        .join("");
