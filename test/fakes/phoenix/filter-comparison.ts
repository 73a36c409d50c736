import { literalOf, readAs, type FilterRow, type Operand, type Value } from "./filter-operand.ts";
import { FilterError } from "./filter-tokens.ts";

/** SQL's three values; null is unknown, which matches nothing and whose negation matches nothing. */
export type Truth = boolean | null;
export type Condition = (row: FilterRow) => Truth;

export type Operator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "is" | "is not" | "in" | "not in";

const tests: Readonly<Record<"==" | "!=" | "<" | "<=" | ">" | ">=", (order: number) => boolean>> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/** `left operator right`, refused where two known types differ. */
export function compare(left: Operand, operator: Operator, right: Operand | readonly Operand[]): Condition {
  if (operator === "in" || operator === "not in") {
    const isIn = "kind" in right ? contains(right, left) : among(left, right);
    return operator === "in" ? isIn : negated(isIn);
  }
  if (!("kind" in right)) throw new FilterError("a list is compared with 'in' only");
  if (right.kind === "null" || left.kind === "null") return isNull(left, operator, right);
  if (operator === "is" || operator === "is not") {
    if (typeof right.literal !== "boolean") throw new FilterError("'is' takes None, True or False");
    return compare(left, operator === "is" ? "==" : "!=", right);
  }
  const [a, b] = [literalFor(left, right), literalFor(right, left)];
  const kind = commonKind(a, b);
  if (kind === "boolean" && operator !== "==" && operator !== "!=") throw new FilterError("booleans cannot be ordered");
  const isOrdered = operator !== "==" && operator !== "!=";
  const wanted = kind === "unknown" ? (isOrdered ? "number" : "string") : kind;
  const [readA, readB] = [readAs(a, wanted), readAs(b, wanted)];
  return (row) => {
    const order = orderOf(readA(row), readB(row));
    return order === null ? null : tests[operator](order);
  };
}

export const negated =
  (condition: Condition): Condition =>
  (row) => {
    const truth = condition(row);
    return truth === null ? null : !truth;
  };

function isNull(left: Operand, operator: Operator, right: Operand): Condition {
  const subject = right.kind === "null" ? left : right;
  if (operator === "==" || operator === "is") return (row) => (subject.read(row) ?? null) === null;
  if (operator === "!=" || operator === "is not") return (row) => (subject.read(row) ?? null) !== null;
  throw new FilterError(`None cannot be compared with '${operator}'`);
}

/** A literal as its other side needs it: enums upper-cased, times parsed. */
function literalFor(operand: Operand, other: Operand): Operand {
  if (typeof operand.literal !== "string") return operand;
  if (other.isEnum === true) return literalOf(operand.literal.toUpperCase());
  if (other.kind !== "datetime") return operand;
  if (!/(?:Z|[+-]\d\d:?\d\d)$/.test(operand.literal) || Number.isNaN(Date.parse(operand.literal)))
    throw new FilterError("a time is an ISO 8601 string with an offset");
  return { ...literalOf(Date.parse(operand.literal)), kind: "datetime" };
}

function commonKind(a: Operand, b: Operand): Operand["kind"] {
  if (a.kind === b.kind) return a.kind;
  if (a.kind === "datetime" || b.kind === "datetime") throw new FilterError("a time is compared with a literal only");
  if (a.kind === "unknown") return b.kind;
  if (b.kind === "unknown") return a.kind;
  throw new FilterError(`cannot compare ${a.kind} and ${b.kind}`);
}

/** Substring containment, whatever the case. */
function contains(text: Operand, part: Operand): Condition {
  const whole = readAs(text, "string");
  const needle = readAs(part, "string");
  if (text.kind !== "string" && text.kind !== "unknown") throw new FilterError(`'in' needs a text, not a ${text.kind}`);
  return (row) => {
    const [a, b] = [whole(row), needle(row)];
    return a === null || b === null ? null : String(a).toLowerCase().includes(String(b).toLowerCase());
  };
}

function among(subject: Operand, list: readonly Operand[]): Condition {
  if (subject.literal !== undefined) throw new FilterError("'in' needs a field on its left");
  if (list.some(({ literal }) => literal === undefined || literal === null))
    throw new FilterError("a list holds literals, not None");
  const conditions = list.map((item) => compare(subject, "==", item));
  return (row) => {
    const truths = new Set(conditions.map((condition) => condition(row)));
    return truths.has(true) ? true : truths.has(null) ? null : false;
  };
}

function orderOf(a: Value, b: Value): number | null {
  if (a === null || b === null) return null;
  return a === b ? 0 : a < b ? -1 : 1;
}
