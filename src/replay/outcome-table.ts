import { createReadStream } from "node:fs";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import { RouterError } from "../core/errors.ts";
import { outcomeColumns, type OutcomeColumns } from "./outcome-columns.ts";
import { addRow } from "./outcome-rows.ts";
import { closeSegment, type SegmentOutcomes } from "./segment-outcomes.ts";

const CHUNK_BYTES = 256 * 1024;
/** A quote that nothing closes makes one row of the rest of the file. */
const ROW_BYTES_MAX = 1024 * 1024;
const PROGRESS_ROWS = 20_000;

/** What really happened to items under models, by segment in the order of first appearance. */
export interface OutcomeTable {
  readonly segments: readonly TableSegment[];
  /** What was left out or is doubtful, for people. */
  readonly notes: readonly string[];
}

/**
 * The outcomes of one segment. Its models are those that cover at least half of what the best covered one covers (there may
 * be one only, or none), its items those with an outcome of every such model. Where an item was measured in several epochs,
 * all but `epochs` is of its oldest.
 */
export interface TableSegment {
  readonly id: string;
  /** Where its first row stands. */
  readonly line: { readonly file: string; readonly line: number };
  /** In the order of first appearance. */
  readonly models: readonly string[];
  /** How many. */
  readonly items: number;
  readonly itemIds: readonly string[];
  /** [model][item] in [0,1], 1 best. */
  readonly scores: readonly Float64Array[];
  /** [model][item]; null unless known for every answer. */
  readonly costUsd: readonly Float64Array[] | null;
  /** [model][item]; null unless known for every answer. */
  readonly latencyMs: readonly Float64Array[] | null;
  /**
   * Later epochs by name, oldest first: [model] the scores of the items that were measured again then, null where none was.
   * Those of `itemIds` come first and in their order, so where all were measured again an index means the same item.
   */
  readonly epochs: ReadonlyMap<string, readonly (Float64Array | null)[]>;
  /** What describes the items, such as `in_chars`: name → value by item, "" where it is unknown. */
  readonly attributes: ReadonlyMap<string, readonly (string | number)[]>;
}

export interface ReadOptions {
  /** Columns to skip. */
  readonly ignoreColumns: readonly string[];
  /** Called with the rows read so far, now and then and at the end. */
  readonly onProgress?: (rows: number) => void;
}

/** A table's text in UTF-8, and the name that messages give it. */
export interface TableSource {
  readonly name: string;
  readonly chunks: AsyncIterable<string | Buffer>;
}

/**
 * Reads outcome tables (CSV: commas, a header, quotes where needed), long or wide. Rows of one segment may stand in several files.
 * @throws RouterError `not_found` or `invalid_request`, naming the file, the line and what to do
 */
export const readOutcomeTables = (paths: readonly string[], options: ReadOptions): Promise<OutcomeTable> =>
  readOutcomes(
    paths.map((path) => ({ name: path, chunks: chunksOf(path) })),
    options,
  );

/** As `readOutcomeTables`, from text. */
export async function readOutcomes(sources: readonly TableSource[], options: ReadOptions): Promise<OutcomeTable> {
  const reading: Reading = { segments: new Map(), unmet: new Set(options.ignoreColumns), rows: 0, options };
  for (const source of sources) await readTable(source, reading);
  options.onProgress?.(reading.rows);
  const closed = Array.from(reading.segments.values(), closeSegment);
  return {
    segments: closed.map(({ segment }) => segment),
    notes: [
      ...Array.from(reading.unmet, (name) => `no table has the column '${name}' that was to be ignored`),
      ...closed.flatMap(({ notes }) => notes),
    ],
  };
}

interface Reading {
  readonly segments: Map<string, SegmentOutcomes>;
  /** Columns to ignore that no table had yet. */
  readonly unmet: Set<string>;
  rows: number;
  readonly options: ReadOptions;
}

/** Opens the file only when it is its turn: a stream that nobody reads would fail unheard. */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  yield* createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
}

async function readTable({ name: file, chunks }: TableSource, reading: Reading): Promise<void> {
  let columns: OutcomeColumns | null = null;
  let last = 0;
  const before = reading.rows;
  const take = (cells: string[], lines: number): void => {
    last = lines;
    const line = firstLine(cells, lines);
    if (columns === null) {
      columns = outcomeColumns(cells, reading.options.ignoreColumns, { file, line });
      for (const name of cells) reading.unmet.delete(name.trim());
      return;
    }
    addRow(reading.segments, columns, { file, line, cells });
    reading.rows += 1;
    if (reading.rows % PROGRESS_ROWS === 0) reading.options.onProgress?.(reading.rows);
  };
  const parser = parse({
    bom: true,
    skip_empty_lines: true,
    record_delimiter: ["\r\n", "\n", "\r"],
    max_record_size: ROW_BYTES_MAX,
    // Rows are taken as they are parsed and none is passed on, so faults come up in the order of their lines.
    on_record: (cells: string[], { lines }) => {
      take(cells, lines);
      return null;
    },
  });
  try {
    await pipeline(chunks, parser, new Writable({ objectMode: true, write: (_chunk, _encoding, done) => done() }));
  } catch (thrown) {
    throw failure(file, last, thrown);
  }
  if (columns === null) throw new RouterError("invalid_request", `${file}: the table is empty.`);
  if (reading.rows === before) throw new RouterError("invalid_request", `${file}:${last}: no rows follow the header.`);
}

/** The parser knows the line on which a row ends; one with line ends inside quotes began earlier. */
const firstLine = (cells: readonly string[], lines: number): number =>
  lines - cells.reduce((total, cell) => total + (cell.match(/[\r\n]/g)?.length ?? 0), 0);

/** @param last the line of the last row that was read well */
function failure(file: string, last: number, thrown: unknown): unknown {
  if (thrown instanceof CsvError) {
    const { line, problem } = malformed(thrown, last);
    return new RouterError("invalid_request", `${file}:${line}: ${problem}`, { cause: thrown });
  }
  if (!(thrown instanceof Error) || !("syscall" in thrown)) return thrown;
  if ("code" in thrown && thrown.code === "ENOENT")
    return new RouterError("not_found", `There is no file ${file}.`, { cause: thrown });
  return new RouterError("invalid_request", `${file} cannot be read: ${thrown.message}`, { cause: thrown });
}

function malformed(fault: CsvError, last: number): { readonly line: number; readonly problem: string } {
  const line = Number(fault.lines);
  const { code } = fault;
  if (code === "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH") {
    const cells = fault.record as string[];
    const expected = /expect (\d+)/.exec(fault.message)?.[1] ?? "another number";
    return {
      line: firstLine(cells, line),
      problem: `the row's number of cells is ${cells.length}, the header's ${expected}.`,
    };
  }
  if (code === "CSV_QUOTE_NOT_CLOSED" || code === "CSV_MAX_RECORD_SIZE")
    return { line: last + 1, problem: "a cell of this row or soon after begins with a quote that nothing closes." };
  if (code === "INVALID_OPENING_QUOTE")
    return { line, problem: 'a quote stands inside a cell. Quote the whole cell, and write "" for a quote in it.' };
  if (code === "CSV_INVALID_CLOSING_QUOTE")
    return { line, problem: 'text follows a closing quote. Write "" for a quote inside a quoted cell.' };
  return { line, problem: `not valid CSV: ${fault.message}.` };
}
