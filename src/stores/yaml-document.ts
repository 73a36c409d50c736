import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
  type Scalar,
} from "yaml";
import { error, type Fault, type Finding, type Path, type Position, type Within } from "../core/fault.ts";
import { quote } from "../core/quote.ts";

/** An alias may repeat what it names only so often: nested aliases grow exponentially. */
const ALIASES_MAX = 100;

export interface YamlDocument {
  /** Plain JSON-like data; undefined when there are faults. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  readonly locate: (path: Path, within?: Within) => Position;
}

/** Reads YAML 1.2 (core schema; no merge keys, custom tags or keys that are not text). Never throws. */
export function readYaml(file: string, text: string): YamlDocument {
  const lines = new LineCounter();
  const placed = (finding: Finding, offset: number): Fault => ({ ...finding, file, ...positionAt(lines, offset) });
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      schema: "core",
      merge: false,
      uniqueKeys: true,
      stringKeys: true,
      resolveKnownTags: false,
      prettyErrors: false,
      logLevel: "error",
    });
    const faults = [...document.errors, ...document.warnings].map(({ code, message, pos }) =>
      placed(syntaxFinding(code, message), pos[0]),
    );
    const value: unknown = faults.length > 0 ? undefined : document.toJS({ maxAliasCount: ALIASES_MAX });
    return { value, faults, locate: (path, within) => positionAt(lines, offsetOf(document, text, path, within)) };
  } catch (thrown) {
    // The parser recurses, so very deep nesting overflows its stack, and too many aliases are refused by throwing.
    const finding = error(
      "yaml-syntax",
      `the file cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      "Nest less deeply, and write values out instead of repeating aliases.",
    );
    return { value: undefined, faults: [placed(finding, 0)], locate: () => ({ line: 1, column: 1 }) };
  }
}

function syntaxFinding(code: string, message: string): Finding {
  switch (code) {
    case "DUPLICATE_KEY":
      return error("duplicate-key", "this key is in the map already", "Keep one of the two.");
    case "MULTIPLE_DOCS":
      return error("yaml-syntax", "the file holds several documents", "Put each policy in a file of its own.");
    case "TAG_RESOLVE_FAILED":
      return error("yaml-syntax", `tags are not read: ${quote(message)}`, "Remove the tag and write a plain value.");
    case "TAB_AS_INDENT":
      return error("yaml-syntax", "a tab is used as indentation", "Indent with spaces.");
    case "RESOURCE_EXHAUSTION":
      return error("yaml-syntax", "the file is nested too deeply", "Nest less deeply.");
    default:
      return error("yaml-syntax", `not valid YAML: ${message}`, "Correct the syntax here or on the line above.");
  }
}

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Where the value at a path begins; for a map or list the key that holds it, for what is missing its nearest parent. */
function offsetOf(document: Document, text: string, path: Path, within: Within | undefined): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [i, step] of path.entries()) {
    const parent = isAlias(node) ? node.resolve(document) : node;
    let key: unknown = null;
    if (isMap(parent)) {
      const pair = parent.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(step));
      if (pair === undefined) return offset;
      key = pair.key;
      node = pair.value;
    } else if (isSeq(parent) && typeof step === "number" && step < parent.items.length) node = parent.items[step];
    else return offset;
    const isLast = i === path.length - 1;
    const valueStart = startOf(node);
    offset = startOf(key) ?? valueStart ?? offset;
    if (isLast && within !== undefined && "key" in within) return offset;
    if (isScalar(node) && valueStart !== null && node.range?.[0] !== node.range?.[1])
      offset =
        valueStart +
        (isLast && within !== undefined && "offset" in within ? shiftInside(node, text, within.offset) : 0);
  }
  return offset;
}

const startOf = (node: unknown): number | null => (node as Node | null | undefined)?.range?.[0] ?? null;

/** How far into a scalar's source the character at `offset` of its value stands; 0 where the two cannot be matched. */
function shiftInside(node: Scalar, text: string, offset: number): number {
  const value = String(node.value);
  const source = text.slice(node.range?.[0], node.range?.[1]);
  const found = source.indexOf(value.trimEnd());
  if (found >= 0) return found + offset;
  if (source.includes("\n") || (node.type !== "QUOTE_SINGLE" && node.type !== "QUOTE_DOUBLE")) return 0;
  let at = 1;
  for (let passed = 0; passed < offset; passed++) at += unitLength(source, at);
  return at;
}

/** How many characters of a quoted scalar's source stand for one of its value. */
function unitLength(source: string, at: number): number {
  if (source[0] === "'") return source[at] === "'" ? 2 : 1;
  if (source[at] !== "\\") return 1;
  return { x: 4, u: 6, U: 10 }[source[at + 1] ?? ""] ?? 2;
}
