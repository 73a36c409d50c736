import type { AttributeValue, SpanAttributes } from "../otlp/trace-request.ts";

/** Attributes as Phoenix keeps them: nested at the dots, and some strings of JSON parsed. */
export type Tree = AttributeValue;

/** These hold an object as one string of JSON, which is parsed when a span comes in, wherever they are nested. */
const JSON_ATTRIBUTES = new Set(["metadata", "llm.prompt_template.variables", "tool.parameters"]);

export function treeOf(attributes: SpanAttributes): Tree {
  const tree: Record<string, Tree> = {};
  for (const [key, value] of Object.entries(attributes)) put(tree, key.split("."), parsed(key, value));
  return tree;
}

/** Follows a path; null where it leads nowhere. */
export function valueAt(tree: Tree, path: readonly string[]): Tree {
  let node: Tree | undefined = tree;
  for (const step of path) {
    if (typeof node !== "object" || node === null) return null;
    node = (node as Readonly<Record<string, Tree>>)[step];
  }
  return node ?? null;
}

/** The other way round, lists included: what REST answers. */
export function flattened(tree: Tree, prefix = ""): Record<string, unknown> {
  if (typeof tree !== "object" || tree === null) return { [prefix]: typeof tree === "bigint" ? Number(tree) : tree };
  return Object.assign(
    {},
    ...Object.entries(tree).map(([key, value]) => flattened(value, prefix === "" ? key : `${prefix}.${key}`)),
  ) as Record<string, unknown>;
}

function parsed(key: string, value: AttributeValue): Tree {
  if (typeof value !== "string") return value;
  if (!JSON_ATTRIBUTES.has(key) && !key.endsWith(".document.metadata")) return value;
  try {
    const object: unknown = JSON.parse(value);
    return typeof object === "object" && object !== null && !Array.isArray(object) ? (object as Tree) : value;
  } catch {
    return value; // What cannot be read stays the string that it was.
  }
}

function put(tree: Record<string, Tree>, path: readonly string[], value: Tree): void {
  const [step = "", ...rest] = path;
  if (rest.length === 0) {
    tree[step] = value;
    return;
  }
  const below = tree[step];
  const branch = typeof below === "object" && below !== null && !Array.isArray(below) ? below : {};
  tree[step] = branch;
  put(branch as Record<string, Tree>, rest, value);
}
