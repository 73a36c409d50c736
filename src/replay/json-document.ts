import type { Path, Position } from "../core/fault.ts";
import { quote } from "../core/quote.ts";

const DEPTH_MAX = 100;
const SPACE = /[ \t\n\r]*/y;
/** Of the control characters (`Cc`) JSON forbids only those below U+0020. */
const TEXT = /"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

export interface JsonFault extends Position {
  readonly message: string;
}

export interface JsonDocument {
  /** Undefined when there are faults. */
  readonly value: unknown;
  readonly faults: readonly JsonFault[];
  /** Where the entry at a path begins, its key in an object; of what is not there, its nearest parent. */
  readonly locate: (path: Path) => Position;
}

interface Node {
  readonly offset: number;
  readonly children: Map<string | number, Node> | null;
}

interface Found {
  readonly message: string;
  readonly offset: number;
}

interface Scan {
  readonly text: string;
  at: number;
  syntax: Found | null;
  readonly duplicates: Found[];
}

/** Reads JSON (RFC 8259) and remembers where everything stands; a key that an object has twice is a fault. Never throws. */
export function readJson(text: string): JsonDocument {
  const scan: Scan = { text, at: text.startsWith("\ufeff") ? 1 : 0, syntax: null, duplicates: [] };
  const start = scan.at;
  const root = value(scan, 0);
  skip(scan);
  if (root !== null && scan.at < text.length) fail(scan, "the end of the text is expected");
  const found = scan.syntax === null ? scan.duplicates : [...scan.duplicates, scan.syntax];
  const faults = found.map(({ message, offset }) => ({ message, ...positionAt(text, offset) }));
  const parsed: unknown = faults.length === 0 ? JSON.parse(text.slice(start)) : undefined;
  return {
    value: parsed,
    faults,
    locate: (path) => {
      let node = root;
      for (const step of path) {
        const child = node?.children?.get(step);
        if (child === undefined) break;
        node = child;
      }
      return positionAt(text, node?.offset ?? 0);
    },
  };
}

function value(scan: Scan, depth: number): Node | null {
  skip(scan);
  const opening = scan.text[scan.at];
  if (depth > DEPTH_MAX) return fail(scan, `no more than ${DEPTH_MAX} levels are expected`);
  if (opening === "{" || opening === "[") return container(scan, opening === "{", depth);
  const offset = scan.at;
  if (match(scan, TEXT) === null && match(scan, SCALAR) === null) return fail(scan, "a value is expected");
  return { offset, children: null };
}

function container(scan: Scan, hasKeys: boolean, depth: number): Node | null {
  const node = { offset: scan.at, children: new Map<string | number, Node>() };
  const closing = hasKeys ? "}" : "]";
  scan.at += 1;
  if (take(scan, closing)) return node;
  for (let index = 0; ; index++) {
    const name = hasKeys ? key(scan, node.children) : { key: index, offset: null };
    if (name === null) return null;
    const child = value(scan, depth + 1);
    if (child === null) return null;
    node.children.set(name.key, { ...child, offset: name.offset ?? child.offset });
    if (take(scan, closing)) return node;
    if (!take(scan, ",")) return fail(scan, `',' or '${closing}' is expected`);
  }
}

function key(scan: Scan, siblings: ReadonlyMap<string | number, Node>): { key: string; offset: number } | null {
  skip(scan);
  const offset = scan.at;
  const token = match(scan, TEXT);
  if (token === null) return fail(scan, "a key in double quotes is expected");
  const name = JSON.parse(token) as string;
  if (siblings.has(name)) scan.duplicates.push({ message: `the key ${quote(name, 80)} stands here twice`, offset });
  return take(scan, ":") ? { key: name, offset } : fail(scan, "':' is expected after a key");
}

function match(scan: Scan, pattern: RegExp): string | null {
  pattern.lastIndex = scan.at;
  const token = pattern.exec(scan.text)?.[0] ?? null;
  scan.at += token?.length ?? 0;
  return token;
}

const skip = (scan: Scan): void => void match(scan, SPACE);

function take(scan: Scan, character: string): boolean {
  skip(scan);
  if (scan.text[scan.at] !== character) return false;
  scan.at += 1;
  return true;
}

function fail(scan: Scan, expected: string): null {
  const found = scan.at < scan.text.length ? `not ${quote(scan.text[scan.at])}` : "but the text ends";
  scan.syntax = { message: `not valid JSON: ${expected}, ${found}`, offset: scan.at };
  return null;
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset).split(/\r\n|\n|\r/);
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
