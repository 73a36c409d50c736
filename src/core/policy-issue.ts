import { z } from "zod";
import { error, type Finding, type Path, type Within, valueAt } from "./fault.ts";
import { suggest } from "./nearest-name.ts";
import { PolicyDocument } from "./policy-document.ts";
import { quote } from "./quote.ts";

export interface PlacedFinding {
  readonly path: Path;
  readonly within?: Within;
  readonly finding: Finding;
}

/** What zod found wrong with a document that should be a `PolicyDocument`, in words for the person who wrote it. */
export const policyIssues = (document: unknown, issues: readonly z.core.$ZodIssue[]): PlacedFinding[] =>
  issues.flatMap((issue) => findings(document, issue));

function findings(document: unknown, issue: z.core.$ZodIssue): PlacedFinding[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  const name = describePath(document, path);
  const value = valueAt(document, path);
  const inner = issue.code === "invalid_union" ? memberIssues(issue) : null;
  if (inner !== null) return policyIssues(document, inner);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      path: [...path, key],
      within: { key: true },
      finding: unknownKey(key, name, allowedKeys(PolicyDocument, document, path)),
    }));
  if (issue.code === "invalid_key") {
    const rule = issue.issues[0]?.message ?? issue.message;
    const key = quote(path.at(-1), 80);
    return [
      { path, within: { key: true }, finding: error("bad-name", `${key} is not a valid name`, `Rename it: ${rule}.`) },
    ];
  }
  if (value === undefined && path.length > 0) {
    const parent = describePath(document, path.slice(0, -1));
    const key = String(path.at(-1));
    return [{ path, finding: error("missing-key", `${parent} has no '${key}'`, `Add '${key}' to ${parent}.`) }];
  }
  return [{ path, finding: valueFinding(issue, name, value) }];
}

function valueFinding(issue: z.core.$ZodIssue, name: string, value: unknown): Finding {
  const found = quote(value, 80);
  if (issue.code === "invalid_type") {
    const expected = typeName(issue.expected);
    const quoted = expected === "string" && ["number", "boolean"].includes(typeof value) ? ", in quotes" : "";
    return error("wrong-type", `${name} is ${found}, not a ${expected}`, `Write a ${expected} there${quoted}.`);
  }
  if (issue.code === "invalid_value") return unknownValue(name, value, issue.values.map(String));
  if (issue.code === "invalid_union") {
    const options: unknown = "options" in issue ? issue.options : undefined;
    if (Array.isArray(options)) return unknownValue(name, value, options.map(String));
    return error("wrong-type", `${name} is ${found}`, `Write ${expectedTypes(issue)} there.`);
  }
  if (issue.code === "invalid_format") return error("bad-name", `${name} is ${found}`, `Change it: ${issue.message}.`);
  if (issue.code === "too_small" || issue.code === "too_big")
    return error("out-of-range", `${name} is ${found}: ${issue.message.toLowerCase()}`, "Bring it into that range.");
  return error("invalid-value", `${name} is ${found}: ${issue.message}`, "Change it as the message says.");
}

/** What is wrong by the one member of a union that takes such a value at all; null when none does. */
function memberIssues({ errors, path }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | null {
  const member = errors.find((issues) =>
    issues.some((issue) => issue.path.length > 0 || issue.code !== "invalid_type"),
  );
  return member?.map((issue) => ({ ...issue, path: [...path, ...issue.path] })) ?? null;
}

/** Such as `a string or an object`. */
function expectedTypes({ errors }: z.core.$ZodIssueInvalidUnion): string {
  const types = errors
    .flatMap(([issue]) => (issue?.code === "invalid_type" ? [typeName(issue.expected)] : []))
    .map((type) => `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`);
  return types.length < 2 ? "another value" : `${types.slice(0, -1).join(", ")} or ${types.at(-1)}`;
}

const typeName = (expected: string): string => (expected === "record" ? "map" : expected);

const unknownValue = (name: string, value: unknown, values: readonly string[]): Finding =>
  error("unknown-value", `${name} is ${quote(value, 80)}`, suggest(String(value), values, "allowed values"));

function unknownKey(key: string, name: string, allowed: readonly string[]): Finding {
  const message = `unknown key ${quote(key, 80)} in ${name}`;
  if (key === "<<") return error("unknown-key", message, "Merge keys are not read: write the merged keys out.");
  return error("unknown-key", message, suggest(key, allowed, "keys allowed here"));
}

/** Such as `segments.billing.owner`; an item of a list is called by its id or variant where it has one. */
export function describePath(document: unknown, path: Path): string {
  if (path.length === 0) return "the policy";
  return path
    .map((step, i) => {
      if (typeof step === "string") return (i === 0 ? "" : ".") + quote(step, 80).slice(1, -1);
      const item = valueAt(document, path.slice(0, i + 1));
      const { id, variant } = (item ?? {}) as { id?: unknown; variant?: unknown };
      const label = id ?? variant;
      return typeof label === "string" ? `.${quote(label, 80).slice(1, -1)}` : `[${step}]`;
    })
    .join("");
}

/** The keys that the schema allows at a path, so that a fault can list them. */
function allowedKeys(root: z.core.$ZodType, document: unknown, path: Path): string[] {
  let schema = concrete(root, document);
  for (const [i, step] of path.entries()) {
    const below = childSchema(schema, step);
    if (below === null) return [];
    schema = concrete(below, valueAt(document, path.slice(0, i + 1)));
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function childSchema(schema: z.core.$ZodType, step: string | number): z.core.$ZodType | null {
  if (schema instanceof z.ZodObject) return (schema.shape as Record<string, z.core.$ZodType>)[String(step)] ?? null;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return schema instanceof z.ZodArray ? schema.element : null;
}

/** Without defaults and optionality, and of a union the member that the value's discriminator chose. */
function concrete(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return concrete(schema.unwrap(), value);
  if (!(schema instanceof z.ZodDiscriminatedUnion)) {
    const member = schema instanceof z.ZodUnion && schema.options.find((option) => option instanceof z.ZodObject);
    return member instanceof z.ZodObject ? member : schema;
  }
  const chosen = valueAt(value, [schema.def.discriminator]);
  const member = schema.options.find((option) => {
    if (!(option instanceof z.ZodObject)) return false;
    const literal: unknown = option.shape[schema.def.discriminator];
    return literal instanceof z.ZodLiteral && literal.values.has(chosen as string);
  });
  return member ?? schema;
}
