/** A token of the filter language, which is a subset of Python's expressions. */
export interface FilterToken {
  readonly kind: "string" | "number" | "name" | "symbol" | "end";
  readonly text: string;
  /** Of strings and numbers. */
  readonly value: string | number | null;
}

export class FilterError extends SyntaxError {}

const TOKEN =
  /\s*(?:('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(==|!=|<=|>=|[<>()[\],.+-])|(\S))/gy;

export function filterTokens(source: string): readonly FilterToken[] {
  const tokens = [...source.matchAll(TOKEN)].map(([, string, number, name, symbol, other]): FilterToken => {
    if (string !== undefined) return { kind: "string", text: string, value: unescaped(string.slice(1, -1)) };
    if (number !== undefined) return { kind: "number", text: number, value: Number(number) };
    if (name !== undefined) return { kind: "name", text: name, value: null };
    if (symbol !== undefined) return { kind: "symbol", text: symbol, value: null };
    throw new FilterError(`invalid syntax: '${other ?? ""}'`);
  });
  return [...tokens, { kind: "end", text: "the end", value: null }];
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
const unescaped = (text: string): string =>
  text.replaceAll(/\\(.)/gs, (whole, character: string) =>
    "\\'\"".includes(character) ? character : (escapes[character] ?? whole),
  );
