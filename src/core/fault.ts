/** Where something stands in a document: keys and indices from its root. */
export type Path = readonly (string | number)[];

/** Both counted from 1, the column in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Points at a key instead of its value, or so many characters into a text value. */
export type Within = { readonly key: true } | { readonly offset: number };

export type FaultCode =
  // Files and syntax.
  | "missing-directory"
  | "no-policies"
  | "unreadable-file"
  | "file-too-large"
  | "not-utf8"
  | "outside-directory"
  | "prompt-name"
  | "yaml-syntax"
  | "duplicate-key"
  // The shape of a policy.
  | "unknown-key"
  | "missing-key"
  | "wrong-type"
  | "unknown-value"
  | "bad-name"
  | "out-of-range"
  | "invalid-value"
  | "duplicate-policy"
  | "reserved-name"
  // What a policy says.
  | "attribute-values"
  | "attribute-default"
  | "predicate-syntax"
  | "predicate-type"
  | "predicate-not-bool"
  | "predicate-refused"
  | "unknown-attribute"
  | "unknown-variant"
  | "unknown-metric"
  | "unknown-prompt"
  | "unused-variant"
  | "untrusted-attribute"
  | "unreachable-segment"
  | "duplicate-segment"
  | "high-risk-auto"
  | "ladder-of-one"
  | "duplicate-rung"
  | "unvalidated-rung"
  | "shadow-in-vain"
  | "no-objectives"
  | "judges-itself"
  | "canary-steps"
  | "prompt-template"
  | "prompt-variable"
  | "prompt-injection"
  // Prompts of hubs.
  | "prompt-hub"
  | "prompt-moved"
  | "prompt-settings"
  // What was published before.
  | "prompt-changed"
  | "variant-changed"
  | "missing-policy";

export interface Finding {
  readonly severity: "error" | "warning";
  readonly code: FaultCode;
  /** Names the thing that is wrong. */
  readonly message: string;
  /** Says what to do about it. */
  readonly fix: string;
}

/** A finding with its place. */
export interface Fault extends Finding, Position {
  readonly file: string;
}

export const error = (code: FaultCode, message: string, fix: string): Finding => ({
  severity: "error",
  code,
  message,
  fix,
});

export const warning = (code: FaultCode, message: string, fix: string): Finding => ({
  severity: "warning",
  code,
  message,
  fix,
});

/** In reading order: by file, line and column. */
export const byPlace = (a: Fault, b: Fault): number =>
  compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.code, b.code);

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** What stands at a path of a document; undefined where nothing of its own does. */
export function valueAt(document: unknown, path: Path): unknown {
  let value = document;
  for (const step of path) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
