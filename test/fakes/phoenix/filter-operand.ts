import { FilterError } from "./filter-tokens.ts";

/** What a filter is evaluated on. */
export interface FilterRow {
  /** A typed column: `name`, `span_kind`, `latency_ms`, … Times are epoch milliseconds. */
  readonly column: (name: Column) => Value;
  /** A value inside the attributes, as JSON has it; null where there is none. */
  readonly attribute: (path: readonly string[]) => unknown;
  /** The annotation of a name, where the span has one. */
  readonly annotation: (name: string) => RowAnnotation | null;
}
export interface RowAnnotation {
  readonly score: number | null;
  readonly label: string | null;
  readonly explanation: string | null;
}

export type Value = string | number | boolean | null;
type Kind = "string" | "number" | "boolean" | "datetime" | "null" | "unknown";

/** A part of a filter with a type known before any row is read; attributes are `unknown` until they are compared. */
export interface Operand {
  readonly kind: Kind;
  /** Comparisons and their combinations, and an annotation's existence: what may stand in a boolean position. */
  readonly isCondition: boolean;
  readonly literal?: Value;
  /** Literals that this is compared with are upper-cased. */
  readonly isEnum?: boolean;
  readonly read: (row: FilterRow) => unknown;
}

export const COLUMNS = {
  span_id: "string",
  trace_id: "string",
  parent_id: "string",
  span_kind: "string",
  name: "string",
  status_code: "string",
  status_message: "string",
  latency_ms: "number",
  start_time: "datetime",
  end_time: "datetime",
} as const satisfies Record<string, Kind>;
export type Column = keyof typeof COLUMNS;
const isColumn = (name: string): name is Column => Object.hasOwn(COLUMNS, name);
const NUMERIC_ATTRIBUTES = new Set(["llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total"]);

export const literalOf = (value: Value): Operand => ({
  kind: value === null ? "null" : (typeof value as "string" | "number" | "boolean"),
  isCondition: false,
  literal: value,
  read: () => value,
});

/** A name with its members and subscripts: a column, an annotation, or a path into the attributes. */
export function namedOperand(path: readonly string[]): Operand {
  const [root = "", ...rest] = path[0] === "context" ? path.slice(1) : path;
  if (root === "annotations" || root === "evals") return annotationOperand(rest);
  if (root === "parent_span" || root === "span") throw new FilterError(`'${root}' is no part of this fake`);
  if (rest.length === 0 && isColumn(root)) {
    const isEnum = root === "span_kind" || root === "status_code";
    return { kind: COLUMNS[root], isCondition: false, isEnum, read: (row) => row.column(root) };
  }
  const inside = root === "attributes" ? rest.flatMap((part) => part.split(".")) : [root, ...rest];
  if (inside.length === 0) throw new FilterError("'attributes' needs a key");
  const kind = NUMERIC_ATTRIBUTES.has(inside.join(".")) ? "number" : "unknown";
  const read = (row: FilterRow) => row.attribute(inside);
  return { kind, isCondition: false, read: kind === "number" ? (row) => asNumber(read(row)) : read };
}

function annotationOperand([name, member, ...more]: readonly string[]): Operand {
  if (name === undefined) throw new FilterError("annotations needs a name, such as annotations['quality']");
  if (member === undefined) return { kind: "boolean", isCondition: true, read: (row) => row.annotation(name) !== null };
  if ((member !== "score" && member !== "label" && member !== "explanation") || more.length > 0)
    throw new FilterError(`'${member}' is no member of an annotation; it has score, label and explanation`);
  const kind = member === "score" ? "number" : "string";
  return { kind, isCondition: false, read: (row) => row.annotation(name)?.[member] ?? null };
}

/** `str`, `float` and `int`: the only calls there are. */
export function castOperand(name: string, operand: Operand): Operand {
  switch (name) {
    case "float":
    case "int":
      if (operand.kind === "boolean") throw new FilterError(`cannot cast a boolean with ${name}()`);
      return { kind: "number", isCondition: false, read: (row) => asNumber(operand.read(row)) };
    case "str":
      if (operand.kind !== "string" && operand.kind !== "unknown")
        throw new FilterError(`cannot cast a ${operand.kind} with str()`);
      return { kind: "string", isCondition: false, read: (row) => asText(operand.read(row)) };
    default:
      throw new FilterError(`'${name}' is not callable here`);
  }
}

/** A value as the other side of a comparison wants it; what cannot be converted is null and matches nothing. */
export function readAs(operand: Operand, kind: Kind): (row: FilterRow) => Value {
  if (operand.kind !== "unknown") return operand.read as (row: FilterRow) => Value;
  const as = kind === "number" ? asNumber : kind === "boolean" ? asBoolean : asText;
  return (row) => as(operand.read(row));
}

function asNumber(value: unknown): number | null {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  return typeof value === "string" && /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)
    ? Number(value)
    : null;
}
function asBoolean(value: unknown): boolean | null {
  if (value === true || value === "true" || value === 1) return true;
  return value === false || value === "false" || value === 0 ? false : null;
}
/** As SQLite: a stored number is not equal to the text that looks like it. */
const asText = (value: unknown): string | null =>
  typeof value === "string" ? value : typeof value === "object" && value !== null ? JSON.stringify(value) : null;
