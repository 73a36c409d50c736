import { named } from "./outcome-columns.ts";
import type { TableSegment } from "./outcome-table.ts";

/** One answer's outcome; what is unknown is NaN, an unknown epoch "". */
export interface AnswerOutcome {
  readonly score: number;
  readonly costUsd: number;
  readonly latencyMs: number;
  readonly epoch: string;
}

/** What is known of one model, by index of the item. Arrays may be shorter than there are items: the rest is unknown. */
interface Measured {
  readonly scores: number[];
  readonly costsUsd: number[];
  readonly latenciesMs: number[];
  readonly epochs: string[];
  /** Epoch → item → score, of the epochs that are not an item's oldest. */
  readonly later: Map<string, Map<number, number>>;
  /** How many items have a score. */
  known: number;
}

/** The outcomes of one segment while its rows are being read. */
export interface SegmentOutcomes {
  readonly id: string;
  readonly line: TableSegment["line"];
  /** Id → index, in the order of first appearance. */
  readonly items: Map<string, number>;
  readonly models: Map<string, Measured>;
  /** Name → value by item. */
  readonly attributes: Map<string, (string | number)[]>;
  /** Each epoch's name once, so that a million rows do not keep a million copies. */
  readonly epochNames: Map<string, string>;
  /** Rows that gave a known answer another score. */
  repeats: number;
}

export const emptySegment = (id: string, line: TableSegment["line"]): SegmentOutcomes => ({
  id,
  line,
  items: new Map(),
  models: new Map(),
  attributes: new Map(),
  epochNames: new Map(),
  repeats: 0,
});

/** The item's index; a new item gets the next one. */
export function itemIndex({ items }: SegmentOutcomes, id: string): number {
  const known = items.get(id);
  if (known !== undefined) return known;
  items.set(id, items.size);
  return items.size - 1;
}

/** Keeps the first value that is known of an item's attribute; "" says that it is unknown. */
export function describeItem(
  { attributes }: SegmentOutcomes,
  item: number,
  { name, value }: { readonly name: string; readonly value: string | number },
): void {
  let values = attributes.get(name);
  if (values === undefined) attributes.set(name, (values = []));
  while (values.length <= item) values.push("");
  if (values[item] === "") values[item] = value;
}

/** Adds what an item scored under a model. Of several epochs the oldest counts, and within an epoch the first row. */
export function addOutcome(segment: SegmentOutcomes, item: number, model: string, outcome: AnswerOutcome): void {
  let measured = segment.models.get(model);
  if (measured === undefined) segment.models.set(model, (measured = unmeasured()));
  const epoch = interned(segment.epochNames, outcome.epoch);
  const score = measured.scores[item] ?? Number.NaN;
  if (Number.isNaN(score)) {
    measured.known += 1;
    place(measured, item, { ...outcome, epoch });
    return;
  }
  const oldest = measured.epochs[item] ?? "";
  if (epoch === oldest) segment.repeats += Number(outcome.score !== score);
  else if (epoch < oldest) {
    scoresIn(measured, oldest).set(item, score);
    place(measured, item, { ...outcome, epoch });
  } else {
    const scores = scoresIn(measured, epoch);
    const known = scores.get(item);
    if (known === undefined) scores.set(item, outcome.score);
    else segment.repeats += Number(outcome.score !== known);
  }
}

/** The segment in its final form, and what was left out of it. */
export function closeSegment(segment: SegmentOutcomes): { readonly segment: TableSegment; readonly notes: string[] } {
  const kept = [...segment.models].filter(([, { known }]) => 2 * known >= mostKnown(segment));
  const measured = kept.map(([, value]) => value);
  const ids = [...segment.items.keys()];
  const items = ids.flatMap((_, item) =>
    measured.length > 0 && measured.every(({ scores }) => !Number.isNaN(scores[item] ?? Number.NaN)) ? [item] : [],
  );
  const costs = complete(measured, items, "costsUsd");
  const latencies = complete(measured, items, "latenciesMs");
  return {
    segment: {
      id: segment.id,
      line: segment.line,
      models: kept.map(([name]) => name),
      items: items.length,
      itemIds: items.map((item) => ids[item] ?? ""),
      scores: measured.map(({ scores }) => at(scores, items)),
      costUsd: costs.values,
      latencyMs: latencies.values,
      epochs: laterEpochs(measured, items),
      attributes: new Map(
        [...segment.attributes].map(([name, values]) => [name, items.map((item) => values[item] ?? "")]),
      ),
    },
    notes: [
      ...leftOut(segment),
      ...(items.length > 0 || kept.length < 2
        ? []
        : [`no item has an outcome of every model (${kept.map(([name]) => named(name)).join(", ")})`]),
      ...unknownMeasure("cost_usd", costs.unknown, items.length * kept.length),
      ...unknownMeasure("latency_ms", latencies.unknown, items.length * kept.length),
      ...(segment.repeats === 0
        ? []
        : [`repeated rows with another score: ${segment.repeats}; of each answer the first row counts`]),
    ].map((note) => `segment ${named(segment.id)}: ${note}`),
  };
}

const unmeasured = (): Measured => ({
  scores: [],
  costsUsd: [],
  latenciesMs: [],
  epochs: [],
  later: new Map(),
  known: 0,
});

function place(measured: Measured, item: number, { score, costUsd, latencyMs, epoch }: AnswerOutcome): void {
  put(measured.scores, item, score, Number.NaN);
  put(measured.costsUsd, item, costUsd, Number.NaN);
  put(measured.latenciesMs, item, latencyMs, Number.NaN);
  put(measured.epochs, item, epoch, "");
}

/** An unknown value at the end is not written: columns that a table lacks take no memory. */
function put<T>(values: T[], index: number, value: T, unknown: T): void {
  if (index >= values.length && Object.is(value, unknown)) return;
  while (values.length < index) values.push(unknown);
  values[index] = value;
}

function interned(names: Map<string, string>, name: string): string {
  const known = names.get(name);
  if (known === undefined) names.set(name, name);
  return known ?? name;
}

function scoresIn({ later }: Measured, epoch: string): Map<number, number> {
  let scores = later.get(epoch);
  if (scores === undefined) later.set(epoch, (scores = new Map()));
  return scores;
}

const mostKnown = ({ models }: SegmentOutcomes): number =>
  Math.max(0, ...Array.from(models.values(), ({ known }) => known));

const at = (values: readonly number[], items: readonly number[]): Float64Array =>
  Float64Array.from(items, (item) => values[item] ?? Number.NaN);

/** A measurement for every kept answer, or null and for how many it is unknown. */
function complete(measured: readonly Measured[], items: readonly number[], of: "costsUsd" | "latenciesMs") {
  const values = measured.map((model) => at(model[of], items));
  const unknown = values.reduce((total, column) => total + column.filter(Number.isNaN).length, 0);
  return { values: unknown === 0 && items.length > 0 ? values : null, unknown };
}

/** Kept items first, in their order: where all of them were measured again, places in both arrays mean the same item. */
function laterEpochs(measured: readonly Measured[], items: readonly number[]): TableSegment["epochs"] {
  const names = [...new Set(measured.flatMap(({ later }) => [...later.keys()]))].sort();
  const kept = new Set(items);
  const scoresOf = ({ later }: Measured, name: string) => {
    const scores = later.get(name);
    if (scores === undefined) return null;
    const others = [...scores.keys()].filter((item) => !kept.has(item)).sort((a, b) => a - b);
    return Float64Array.from([...items, ...others].flatMap((item) => scores.get(item) ?? []));
  };
  return new Map(names.map((name) => [name, measured.map((model) => scoresOf(model, name))]));
}

function leftOut(segment: SegmentOutcomes): string[] {
  const most = mostKnown(segment);
  const few = [...segment.models].filter(([, { known }]) => 2 * known < most);
  if (few.length === 0) return [];
  const models = few.map(([name, { known }]) => `${named(name)} (${known})`).join(", ");
  return [`left out for having less than half of the best covered model's ${most} items: ${models}`];
}

const unknownMeasure = (column: string, unknown: number, answers: number): string[] =>
  unknown === 0 || unknown === answers
    ? []
    : [`${column} is unknown for ${unknown} of ${answers} answers, so it is not used here`];
