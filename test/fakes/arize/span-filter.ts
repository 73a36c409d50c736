import type { Cell } from "./columns.ts";

/** Reads a column of the row at hand; undefined where there is no such column. */
type ReadCell = (column: string) => Cell | undefined;
/** Null is SQL's unknown: neither it nor its negation matches. */
type Test = (read: ReadCell) => boolean | null;

const TOKEN = /\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|(<=|>=|!=|<>|=|<|>|\(|\)|,)|([A-Za-z_][\w.|-]*)|(.))/gy;
interface Token {
  readonly kind: "string" | "number" | "symbol" | "word";
  readonly text: string;
}

/**
 * Compiles the SQL-like filter of `POST /v2/spans`: `= != < <= > >= AND OR NOT IN CONTAINS LIKE IS [NOT] NULL`.
 * @throws `SyntaxError` that names the place
 */
export function compileSpanFilter(source: string): (read: ReadCell) => boolean {
  const tokens = tokenise(source);
  let at = 0;
  const fail = (wanted: string): never => {
    throw new SyntaxError(`Filter: expected ${wanted} before '${tokens[at]?.text ?? "the end"}'.`);
  };
  const isWord = (...words: string[]): boolean => {
    const token = tokens[at];
    return token?.kind === "word" && words.includes(token.text.toUpperCase());
  };
  const takeWord = (word: string): boolean => isWord(word) && Boolean((at += 1));
  const takeSymbol = (symbol: string): boolean => {
    const found = tokens[at]?.kind === "symbol" && tokens[at]?.text === symbol;
    if (found) at += 1;
    return found;
  };

  function anyOf(): Test {
    let left = allOf();
    while (takeWord("OR")) left = or(left, allOf());
    return left;
  }
  function allOf(): Test {
    let left = one();
    while (takeWord("AND")) left = and(left, one());
    return left;
  }
  function one(): Test {
    if (takeWord("NOT")) return not(one());
    if (takeSymbol("(")) {
      const inner = anyOf();
      return takeSymbol(")") ? inner : fail("')'");
    }
    const token = tokens[at];
    if (token?.kind !== "word") return fail("a column");
    at += 1;
    return comparison(token.text);
  }
  function comparison(column: string): Test {
    if (takeWord("IS")) {
      const negated = takeWord("NOT");
      if (!takeWord("NULL")) return fail("NULL");
      return (read) => (readCell(read, column) === null) !== negated;
    }
    const negated = takeWord("NOT");
    const test = takeWord("IN")
      ? isIn(column, list())
      : takeWord("CONTAINS")
        ? matches(column, literal(), (text, part) => text.includes(part))
        : takeWord("LIKE")
          ? matches(column, literal(), isLike)
          : null;
    if (test !== null) return negated ? not(test) : test;
    const operator = tokens[at];
    const compare = operator?.kind === "symbol" ? operators[operator.text] : undefined;
    if (compare === undefined || negated) return fail("an operator");
    at += 1;
    const value = literal();
    return (read) => {
      const order = ordered(readCell(read, column), value);
      return order === null ? null : compare(order);
    };
  }
  function literal(): string | number {
    const token = tokens[at];
    if (token?.kind !== "string" && token?.kind !== "number") return fail("a value");
    at += 1;
    return token.kind === "number" ? Number(token.text) : token.text.slice(1, -1).replaceAll("''", "'");
  }
  function list(): (string | number)[] {
    if (!takeSymbol("(")) fail("'('");
    const values = [literal()];
    while (takeSymbol(",")) values.push(literal());
    return takeSymbol(")") ? values : fail("')'");
  }

  const test = anyOf();
  if (at < tokens.length) fail("the end");
  return (read) => test(read) === true;
}

function tokenise(source: string): readonly Token[] {
  return [...source.matchAll(TOKEN)].flatMap(([, string, number, symbol, word, other]): Token[] => {
    if (string !== undefined) return [{ kind: "string", text: string }];
    if (number !== undefined) return [{ kind: "number", text: number }];
    if (symbol !== undefined) return [{ kind: "symbol", text: symbol }];
    if (word !== undefined) return [{ kind: "word", text: word }];
    if (other?.trim()) throw new SyntaxError(`Filter: '${other}' is not understood.`);
    return [];
  });
}

function readCell(read: ReadCell, column: string): Cell {
  const value = read(column);
  if (value === undefined) throw new SyntaxError(`Filter: there is no column '${column}'.`);
  return value;
}

const operators: Readonly<Record<string, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<>": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/** Compares as the literal's type wants it; null where that cannot be. */
function ordered(cell: Cell, value: string | number): number | null {
  if (cell === null) return null;
  if (typeof value === "string") return String(cell) < value ? -1 : Number(String(cell) !== value);
  const number = Number(cell);
  return Number.isNaN(number) ? null : number - value;
}

const isIn =
  (column: string, values: readonly (string | number)[]): Test =>
  (read) => {
    const cell = readCell(read, column);
    return cell === null ? null : values.some((value) => ordered(cell, value) === 0);
  };
const matches =
  (column: string, part: string | number, test: (text: string, part: string) => boolean): Test =>
  (read) => {
    const cell = readCell(read, column);
    return cell === null ? null : test(String(cell), String(part));
  };
const isLike = (text: string, pattern: string): boolean => {
  const source = pattern
    .replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("%", ".*")
    .replaceAll("_", ".");
  return new RegExp(`^${source}$`, "s").test(text);
};

// SQL's three values: unknown stays unknown unless the other side settles it.
const not =
  (test: Test): Test =>
  (read) => {
    const value = test(read);
    return value === null ? null : !value;
  };
const and =
  (left: Test, right: Test): Test =>
  (read) => {
    const [a, b] = [left(read), right(read)];
    return a === false || b === false ? false : a === null || b === null ? null : true;
  };
const or =
  (left: Test, right: Test): Test =>
  (read) => {
    const [a, b] = [left(read), right(read)];
    return a === true || b === true ? true : a === null || b === null ? null : false;
  };
