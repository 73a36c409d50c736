import { parse, type ASTNode } from "@marcbachmann/cel-js";
import type { AttributeValue } from "./attributes.ts";
import type { AttributeSpec } from "./policy.ts";
import { childrenOf } from "./predicate.ts";

/** Values that stand for all that an attribute can have; `undefined` is a request without it. */
export type Domain = readonly (AttributeValue | undefined)[];

/**
 * For each attribute a finite set of values of which every possible value behaves like one, in all of the predicates.
 * Closed lists and booleans have one by themselves. An open string or number has one when predicates only compare it
 * with literals: then the literals, and one value in each gap between them, stand for the rest. An attribute that is
 * used in any other way has none.
 */
export function predicateDomains(
  specs: Readonly<Record<string, AttributeSpec>>,
  predicates: readonly ASTNode[],
): ReadonlyMap<string, Domain> {
  const literals = new Map<string, Set<AttributeValue>>();
  const opaque = new Set<string>();
  const add = (name: string, values: readonly AttributeValue[]) => {
    const known = literals.get(name) ?? new Set();
    for (const value of values) known.add(value);
    literals.set(name, known);
  };
  for (const predicate of predicates) collect(predicate, add, (name) => opaque.add(name));
  const domains = new Map<string, Domain>();
  for (const [name, spec] of Object.entries(specs)) {
    const values = valuesOf(spec, opaque.has(name) ? null : [...(literals.get(name) ?? [])]);
    if (values !== null) domains.set(name, [...new Set([...values, spec.default])]);
  }
  return domains;
}

/** The parts of a predicate that must all be true, as expressions of their own. */
export const conjuncts = (expression: string): string[] => split(expression, parse(expression).ast);

function split(expression: string, node: ASTNode): string[] {
  if (node.op === "&&") return node.args.flatMap((part) => split(expression, part));
  return [expression.slice(node.start, node.end)];
}

function valuesOf(spec: AttributeSpec, literals: readonly AttributeValue[] | null): readonly AttributeValue[] | null {
  if (spec.type === "boolean") return [true, false];
  if (spec.type === "string" && spec.values !== undefined) return spec.values;
  // A closed list on another type is a fault of its own; what it would allow is not worth knowing.
  if (literals === null || spec.values !== undefined) return null;
  if (spec.type === "number") return numbersAround(literals.filter((value) => typeof value === "number"));
  const known = literals.filter((value) => typeof value === "string");
  let other = "other";
  while (known.includes(other)) other += "-";
  return [...known, other];
}

/** Each number, one between each pair of neighbours, one below all and one above all. */
function numbersAround(numbers: readonly number[]): number[] {
  const points = [-Number.MAX_VALUE, ...[...new Set(numbers)].sort((a, b) => a - b), Number.MAX_VALUE];
  return points.flatMap((point, i) => {
    const following = points[i + 1];
    return following === undefined ? [point] : [point, point / 2 + following / 2];
  });
}

const EQUALITIES = new Set(["==", "!="]);
const ORDERS = new Set(["<", "<=", ">", ">="]);

function collect(
  node: ASTNode,
  add: (name: string, values: readonly AttributeValue[]) => void,
  spoil: (name: string) => void,
): void {
  if (node.op === "id") return spoil(node.args);
  const compared = comparison(node);
  if (compared !== null) return add(compared.name, compared.values);
  for (const child of childrenOf(node.args)) collect(child, add, spoil);
}

/** The attribute and the literals of `name == 1.0`, `1 < name`, `name in ["a", "b"]`. */
function comparison(node: ASTNode): { readonly name: string; readonly values: readonly AttributeValue[] } | null {
  if (node.op === "in") {
    const [left, right] = node.args;
    if (left.op !== "id" || right.op !== "list") return null;
    const values = right.args.map(literalOf);
    return values.every((value) => value !== null) ? { name: left.args, values } : null;
  }
  const isEquality = EQUALITIES.has(node.op);
  if (!isEquality && !ORDERS.has(node.op)) return null;
  const [left, right] = childrenOf(node.args);
  if (left === undefined || right === undefined) return null;
  const [name, other] = left.op === "id" ? [left.args, right] : [right.op === "id" ? right.args : null, left];
  const value = literalOf(other);
  if (name === null || value === null) return null;
  // Strings are ordered too, but one value outside of the literals cannot stand for every gap between them.
  return isEquality || typeof value === "number" ? { name, values: [value] } : null;
}

function literalOf(node: ASTNode): AttributeValue | null {
  if (node.op === "-_") {
    const value = literalOf(node.args);
    return typeof value === "number" ? -value : null;
  }
  if (node.op !== "value") return null;
  const value = node.args;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : null;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}
