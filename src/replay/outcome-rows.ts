import { RouterError } from "../core/errors.ts";
import { named, type OutcomeColumns } from "./outcome-columns.ts";
import { addOutcome, describeItem, emptySegment, itemIndex, type SegmentOutcomes } from "./segment-outcomes.ts";

/** A row of an outcome table, and the line of the file on which it begins. */
export interface OutcomeRow {
  readonly file: string;
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Adds a row's outcomes to the segments, by id; a new segment is added.
 * @throws RouterError `invalid_request` that names the file, the line and the cell
 */
export function addRow(segments: Map<string, SegmentOutcomes>, columns: OutcomeColumns, row: OutcomeRow): void {
  const segment = segmentOf(segments, columns, row);
  const id = nameIn(row, columns.item, "item");
  const item = itemIndex(segment, id);
  for (const { name, index, isNumber } of columns.attributes) {
    const text = cellOf(row, index);
    if (text !== "") describeItem(segment, item, { name, value: isNumber ? amount(row, index, name, id) : text });
  }
  const epoch = cellOf(row, columns.epoch);
  if (columns.kind === "long") {
    addOutcome(segment, item, nameIn(row, columns.model, "model"), {
      score: scoreIn(row, columns.score, id),
      costUsd: amount(row, columns.costUsd, "cost_usd", id),
      latencyMs: amount(row, columns.latencyMs, "latency_ms", id),
      epoch,
    });
    return;
  }
  const unknown = { costUsd: Number.NaN, latencyMs: Number.NaN, epoch };
  for (const { name, index } of columns.models)
    if (cellOf(row, index) !== "")
      addOutcome(segment, item, name, { score: scoreIn(row, index, id, name), ...unknown });
}

function segmentOf(segments: Map<string, SegmentOutcomes>, columns: OutcomeColumns, row: OutcomeRow): SegmentOutcomes {
  const name = nameIn(row, columns.segment, "segment");
  const subsegment = columns.kind === "wide" ? cellOf(row, columns.subsegment) : "";
  const id = subsegment === "" ? name : `${name}/${subsegment}`;
  let segment = segments.get(id);
  if (segment === undefined) segments.set(id, (segment = emptySegment(id, { file: row.file, line: row.line })));
  return segment;
}

const cellOf = ({ cells }: OutcomeRow, index: number | null): string =>
  index === null ? "" : (cells[index] ?? "").trim();

function nameIn(row: OutcomeRow, index: number, column: string): string {
  const name = cellOf(row, index);
  if (name === "") throw refuse(row, `the cell of column '${column}' is empty.`);
  return name;
}

/** @param model the model that a wide table's column stands for */
function scoreIn(row: OutcomeRow, index: number, item: string, model: string | null = null): number {
  const text = cellOf(row, index);
  const score = text === "" ? Number.NaN : Number(text);
  if (score >= 0 && score <= 1) return score;
  const hint =
    model === null
      ? ""
      : `; without columns 'model' and 'score', every column that is not known is read as a model, such as ${named(model)}`;
  throw refuse(row, `score ${named(text)} of item ${named(item)} is not a number in [0,1]${hint}.`);
}

/** NaN where the cell is empty or the table has no such column. */
function amount(row: OutcomeRow, index: number | null, column: string, item: string): number {
  const text = cellOf(row, index);
  if (text === "") return Number.NaN;
  const value = Number(text);
  if (value >= 0 && value < Number.POSITIVE_INFINITY) return value;
  throw refuse(row, `${column} ${named(text)} of item ${named(item)} is not a number of at least 0.`);
}

const refuse = ({ file, line }: OutcomeRow, problem: string): RouterError =>
  new RouterError("invalid_request", `${file}:${line}: ${problem}`);
