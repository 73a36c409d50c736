import type { SpanShelf, StoredSpan } from "../otlp/span-shelf.ts";
import { globalId } from "../vendor/global-id.ts";
import { treeOf, type Tree } from "./attribute-tree.ts";
import type { PhoenixPrompts } from "./prompts.ts";
import type { AnnotationShelf } from "./span-annotations.ts";

/** What a model's tokens cost, in USD a token; Phoenix reckons costs itself. */
export interface TokenPrice {
  readonly prompt: number;
  readonly completion: number;
}

/** Everything that one fake server holds. */
export interface PhoenixWorld {
  readonly now: () => number;
  readonly version: string;
  /** Null where authentication is off. */
  readonly keys: { readonly member: string; readonly viewer: string } | null;
  readonly spans: SpanShelf;
  readonly annotations: AnnotationShelf;
  readonly projects: PhoenixProject[];
  readonly prompts: PhoenixPrompts;
  readonly prices: Readonly<Record<string, TokenPrice>>;
  /** Spans that wait to be written, at most. */
  readonly queueMax: number;
}

export interface PhoenixProject {
  readonly id: string;
  readonly name: string;
}

/** Finds a project by its id or name. */
export const projectOf = ({ projects }: PhoenixWorld, identifier: string): PhoenixProject | undefined =>
  projects.find(({ id, name }) => id === identifier || name === identifier);

/** The project of a name, which its first span creates. */
export function ensureProject({ projects }: Pick<PhoenixWorld, "projects">, name: string): PhoenixProject {
  const found = projects.find((project) => project.name === name);
  if (found !== undefined) return found;
  const created = { id: globalId("Project", projects.length + 1), name };
  projects.push(created);
  return created;
}

const trees = new WeakMap<StoredSpan, Tree>();
/** A span's attributes, nested. */
export function attributesOf(span: StoredSpan): Tree {
  const tree = trees.get(span) ?? treeOf(span.attributes);
  trees.set(span, tree);
  return tree;
}

export const spanKindOf = ({ attributes }: StoredSpan): string => {
  const kind = attributes["openinference.span.kind"];
  return typeof kind === "string" ? kind.toUpperCase() : "UNKNOWN";
};
