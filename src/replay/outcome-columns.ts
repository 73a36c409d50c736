import { RouterError } from "../core/errors.ts";
import { nearestName } from "../core/nearest-name.ts";
import { quote } from "../core/quote.ts";

const REQUIRED = ["item", "segment", "model", "score"];
/** What is measured of one answer, so a wide table has no place for it. */
const PER_ANSWER = ["cost_usd", "latency_ms"];
/** Known, so that nobody must leave them out, but nothing reads them: they differ from answer to answer. */
const UNREAD = ["out_chars", "out_tokens"];
const NUMBERS = ["in_chars", "in_tokens"];
const TEXTS = ["subsegment", "ts"];
const KNOWN = [...REQUIRED, ...PER_ANSWER, "epoch", ...UNREAD, ...NUMBERS, ...TEXTS];

interface ItemColumns {
  readonly item: number;
  readonly segment: number;
  readonly epoch: number | null;
  /** What describes an item, by column name. */
  readonly attributes: readonly { readonly name: string; readonly index: number; readonly isNumber: boolean }[];
}

interface LongColumns extends ItemColumns {
  readonly kind: "long";
  readonly model: number;
  readonly score: number;
  readonly costUsd: number | null;
  readonly latencyMs: number | null;
}

interface WideColumns extends ItemColumns {
  readonly kind: "wide";
  readonly subsegment: number | null;
  readonly models: readonly { readonly name: string; readonly index: number }[];
}

/** Where the cells of a row stand, counted from 0. A wide table has neither `model` nor `score`, but a column for each model. */
export type OutcomeColumns = LongColumns | WideColumns;

/** A text of the user's as part of a message. */
export const named = (text: string): string => `'${quote(text, 80).slice(1, -1)}'`;

/**
 * The columns of an outcome table, from the names in its header.
 * @param ignored names of columns to skip
 * @throws RouterError `invalid_request` that names the column, the file and the header's line
 */
export function outcomeColumns(
  header: readonly string[],
  ignored: readonly string[],
  place: { readonly file: string; readonly line: number },
): OutcomeColumns {
  const refuse = (problem: string) => new RouterError("invalid_request", `${place.file}:${place.line}: ${problem}`);
  const columns = new Map<string, number>();
  for (const [index, cell] of header.entries()) {
    const name = cell.trim();
    if (ignored.includes(name)) continue;
    if (name === "") throw refuse(`column ${index + 1} has no name. Name it, or leave it out of the file.`);
    if (columns.has(name)) throw refuse(`there are two columns ${named(name)}. Keep one of them.`);
    columns.set(name, index);
  }
  const isWide = !columns.has("model") && !columns.has("score");
  const problem = problemOf([...columns.keys()], isWide);
  if (problem !== null) throw refuse(problem);
  return isWide ? wideColumns(columns) : longColumns(columns);
}

function problemOf(names: readonly string[], isWide: boolean): string | null {
  const unknown = names.filter((name) => !KNOWN.includes(name));
  const [first, ...others] = unknown;
  if (!isWide && first !== undefined) return unknownColumn(first, others);
  const missing = (isWide ? ["item", "segment"] : REQUIRED).find((name) => !names.includes(name));
  if (missing !== undefined) return missingColumn(missing, names);
  if (!isWide) return null;
  const misplaced = PER_ANSWER.find((name) => names.includes(name));
  if (misplaced !== undefined)
    return (
      `${named(misplaced)} says something of one answer, and a row of a wide table holds many. ` +
      `Write a row for each item and model, or leave it out with --ignore-column ${misplaced}.`
    );
  return unknown.length > 0 ? null : missingColumn("model", names);
}

function unknownColumn(name: string, others: readonly string[]): string {
  const near = nearestName(name, KNOWN);
  const guess = near === null ? "." : `; did you mean ${named(near)}?`;
  const more = others.length === 0 ? "" : ` Also unknown: ${others.slice(0, 10).map(named).join(", ")}.`;
  const option = /^[\w.-]+$/.test(name) ? name : quote(name, 80);
  return `unknown column ${named(name)}${guess} Known columns: ${KNOWN.join(", ")}. Leave it out with --ignore-column ${option}.${more}`;
}

function missingColumn(missing: string, names: readonly string[]): string {
  const near = nearestName(
    missing,
    names.filter((name) => !KNOWN.includes(name)),
  );
  const guess = near === null ? "" : ` (is it ${named(near)}?)`;
  const cells = names.length === 1 && /[;\t]/.test(names[0] ?? "") ? " Separate the cells by commas." : "";
  return (
    `there is no column '${missing}'${guess}. An outcome table has the columns item, segment, model and score, ` +
    `a row for each item and model; or item, segment and a column for each model.${cells}`
  );
}

const indexOf = (columns: ReadonlyMap<string, number>, name: string): number => columns.get(name) ?? -1;

function itemColumns(columns: ReadonlyMap<string, number>): ItemColumns {
  const attributes = [...NUMBERS, ...TEXTS].flatMap((name) => {
    const index = columns.get(name);
    return index === undefined ? [] : [{ name, index, isNumber: NUMBERS.includes(name) }];
  });
  return {
    item: indexOf(columns, "item"),
    segment: indexOf(columns, "segment"),
    epoch: columns.get("epoch") ?? null,
    attributes,
  };
}

const longColumns = (columns: ReadonlyMap<string, number>): LongColumns => ({
  ...itemColumns(columns),
  kind: "long",
  model: indexOf(columns, "model"),
  score: indexOf(columns, "score"),
  costUsd: columns.get("cost_usd") ?? null,
  latencyMs: columns.get("latency_ms") ?? null,
});

const wideColumns = (columns: ReadonlyMap<string, number>): WideColumns => ({
  ...itemColumns(columns),
  kind: "wide",
  subsegment: columns.get("subsegment") ?? null,
  models: [...columns].flatMap(([name, index]) => (KNOWN.includes(name) ? [] : [{ name, index }])),
});
