import { compare, negated, type Condition, type Operator } from "./filter-comparison.ts";
import { castOperand, literalOf, namedOperand, type FilterRow, type Operand } from "./filter-operand.ts";
import { FilterError, filterTokens } from "./filter-tokens.ts";

const CASTS = new Set(["str", "float", "int"]);
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["True", true],
  ["False", false],
  ["None", null],
]);

/** A compiled filter, and the annotations that it names. */
export interface SpanFilter {
  readonly matches: (row: FilterRow) => boolean;
  readonly annotations: readonly string[];
}

/**
 * Compiles a filter condition: comparisons (chained too) of columns, attributes, `metadata[…]` and `annotations[…]`,
 * with `in`, `is`, `and`, `or`, `not`, brackets and casts. Arithmetic, `any()` and its like are no part of this fake.
 * @throws `FilterError`
 */
export function compileFilter(source: string): SpanFilter {
  const parser = new FilterParser(source);
  const condition = parser.whole();
  return { matches: (row) => condition(row) === true, annotations: parser.annotations };
}

class FilterParser {
  readonly annotations: string[] = [];
  readonly #tokens;
  #at = 0;
  constructor(source: string) {
    this.#tokens = filterTokens(source);
  }

  whole(): Condition {
    const operand = this.#or();
    this.#expect("end", "the end");
    if (!operand.isCondition)
      throw new FilterError("the filter is a value, not a condition such as `latency_ms > 100`");
    return operand.read as Condition;
  }

  get #next() {
    return this.#tokens[this.#at] ?? { kind: "end" as const, text: "the end", value: null };
  }
  #take(text: string): boolean {
    const found = this.#next.text === text && (this.#next.kind === "symbol" || this.#next.kind === "name");
    if (found) this.#at += 1;
    return found;
  }
  #expect(kind: string, wanted: string) {
    const token = this.#next;
    if (token.kind !== kind) throw new FilterError(`invalid syntax: expected ${wanted} before ${token.text}`);
    this.#at += 1;
    return token;
  }
  #expectSymbol(text: string): void {
    if (!this.#take(text)) throw new FilterError(`invalid syntax: expected '${text}' before ${this.#next.text}`);
  }

  #or(): Operand {
    const parts = [this.#and()];
    while (this.#take("or")) parts.push(this.#and());
    return combined(parts, true);
  }
  #and(): Operand {
    const parts = [this.#not()];
    while (this.#take("and")) parts.push(this.#not());
    return combined(parts, false);
  }
  #not(): Operand {
    return this.#take("not") ? condition(negated(conditionOf(this.#not()))) : this.#comparison();
  }
  #comparison(): Operand {
    let left = this.#operand();
    const steps: Condition[] = [];
    for (let operator = this.#operator(); operator !== null; operator = this.#operator()) {
      const right = this.#next.text === "[" || this.#isTuple() ? this.#list() : this.#operand();
      steps.push(compare(left, operator, right));
      if ("kind" in right) left = right;
    }
    return steps.length === 0 ? left : combined(steps.map(condition), false);
  }
  #operator(): Operator | null {
    const { kind, text } = this.#next;
    if (kind === "symbol" && ["==", "!=", "<", "<=", ">", ">="].includes(text)) {
      this.#at += 1;
      return text as Operator;
    }
    if (this.#take("is")) return this.#take("not") ? "is not" : "is";
    if (this.#take("in")) return "in";
    if (!this.#take("not")) return null;
    if (!this.#take("in")) throw new FilterError("invalid syntax: expected 'in' after 'not'");
    return "not in";
  }
  #operand(): Operand {
    const token = this.#next;
    if (this.#take("(")) {
      const inner = this.#or();
      this.#expectSymbol(")");
      return inner;
    }
    if (this.#take("-")) return literalOf(-Number(this.#expect("number", "a number").value));
    this.#at += 1;
    if (token.kind === "string" || token.kind === "number") return literalOf(token.value);
    if (token.kind !== "name") throw new FilterError(`invalid syntax: ${token.text}`);
    const constant = CONSTANTS.get(token.text);
    if (constant !== undefined) return literalOf(constant);
    if (this.#next.text === "(" && CASTS.has(token.text)) return castOperand(token.text, this.#operand());
    if (this.#next.text === "(") throw new FilterError(`'${token.text}()' is not supported`);
    return this.#path(token.text);
  }
  #path(root: string): Operand {
    const path = [root];
    for (;;) {
      if (this.#take(".")) path.push(this.#expect("name", "a name").text);
      else if (this.#take("[")) {
        path.push(...(this.#take("[") ? this.#keys() : [this.#key()]));
        this.#expectSymbol("]");
      } else break;
    }
    if ((root === "annotations" || root === "evals") && path[1] !== undefined) this.annotations.push(path[1]);
    return namedOperand(path);
  }
  #keys(): readonly string[] {
    const keys = [this.#key()];
    while (this.#take(",")) keys.push(this.#key());
    this.#expectSymbol("]");
    return keys;
  }
  #key(): string {
    const { kind, value, text } = this.#next;
    if (kind !== "string" && kind !== "number") throw new FilterError(`invalid syntax: '${text}' is no key`);
    this.#at += 1;
    return String(value);
  }
  #isTuple(): boolean {
    return this.#next.text === "(" && this.#tokens[this.#at + 2]?.text === ",";
  }
  #list(): readonly Operand[] {
    const close = this.#take("[") ? "]" : ")";
    if (close === ")") this.#expectSymbol("(");
    const items: Operand[] = [];
    while (!this.#take(close)) {
      items.push(this.#operand());
      if (this.#next.text !== close) this.#expectSymbol(",");
    }
    return items;
  }
}

const condition = (read: Condition): Operand => ({ kind: "boolean", isCondition: true, read });

function conditionOf(operand: Operand): Condition {
  if (!operand.isCondition && typeof operand.literal !== "boolean")
    throw new FilterError("a value is not a condition, expected a comparison such as `name == 'x'`");
  return operand.read as Condition;
}

/** `and` and `or` of SQL's three values: unknown stays unknown unless another part settles it. */
function combined(parts: readonly Operand[], settles: boolean): Operand {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const conditions = parts.map(conditionOf);
  return condition((row) => {
    const truths = new Set(conditions.map((part) => part(row)));
    return truths.has(settles) ? settles : truths.has(null) ? null : !settles;
  });
}
