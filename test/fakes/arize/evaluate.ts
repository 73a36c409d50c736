import type { StoredSpan } from "../otlp/span-shelf.ts";
import { cellOf, type Cell } from "./columns.ts";
import type { MonitorJson } from "./monitors.ts";
import type { AxWorld } from "./world.ts";

export interface MonitorChange {
  readonly monitor: MonitorJson;
  readonly before: string;
}

interface Evaluated extends MonitorJson {
  readonly metric?: string;
  readonly dimension?: { readonly name?: string };
  readonly filters?: readonly {
    readonly dimension: { readonly name?: string };
    readonly operator: string;
    readonly values: readonly string[];
  }[];
  readonly threshold?: Threshold;
  readonly evaluation_window_length_seconds?: number;
  readonly delay_seconds?: number;
}
interface Bound {
  readonly operator: string;
  readonly value: number;
}
type Threshold =
  | ({ readonly type: "MANUAL_SINGLE" } & Bound)
  | { readonly type: "MANUAL_RANGE"; readonly lower: Bound; readonly upper: Bound }
  | { readonly type: "DYNAMIC_SINGLE"; readonly operator: string; readonly multiplier: number };

/** Evaluations that a dynamic threshold wants before it says anything. */
const HISTORY_MIN = 5;
const histories = new WeakMap<AxWorld, Map<string, number[]>>();

/**
 * Evaluates every monitor that has a metric and a dimension over the spans of its window, and writes its status.
 * @returns the monitors whose status changed
 */
export function evaluateMonitors(world: AxWorld, now: number): readonly MonitorChange[] {
  return [...world.monitors.values()].flatMap((monitor) => {
    const evaluated = monitor as Evaluated;
    if (evaluated.metric === undefined || evaluated.dimension?.name === undefined) return [];
    const value = valueOf(world, evaluated, now);
    const status = value === null ? "NO_DATA" : statusOf(world, evaluated, value);
    const after = { ...monitor, status, evaluated_at: new Date(now).toISOString(), latest_computed_value: value };
    world.monitors.set(monitor.id, after);
    return status === monitor.status ? [] : [{ monitor: after, before: monitor.status }];
  });
}

function valueOf(world: AxWorld, monitor: Evaluated, now: number): number | null {
  const project = world.space.projectById(String(monitor.project_id))?.name;
  const end = now - (monitor.delay_seconds ?? 0) * 1000;
  const start = end - (monitor.evaluation_window_length_seconds ?? 259_200) * 1000;
  const cell = (span: StoredSpan, column: string) => cellOf(column, span, world.scores.scoresOf(span.spanId)) ?? null;
  const spans = world.spans
    .readable()
    .filter((span) => span.project === project && span.startMs >= start && span.startMs < end)
    .filter((span) =>
      (monitor.filters ?? []).every((filter) => passes(filter, cell(span, filter.dimension.name ?? ""))),
    );
  if (spans.length === 0) return null;
  const column = monitor.dimension?.name ?? "";
  // The fake's own way to a share of errors, which no column of the vendor's holds as a number.
  const cells = spans.map((span) =>
    column === "status_code" ? Number(span.status.code === "ERROR") : cell(span, column),
  );
  return metricOf(monitor.metric ?? "", cells);
}

function passes({ operator, values }: { operator: string; values: readonly string[] }, cell: Cell): boolean {
  const text = cell === null ? null : String(cell);
  switch (operator) {
    case "EQUALS":
      return text !== null && values.includes(text);
    case "NOT_EQUALS":
      return text === null || !values.includes(text);
    default:
      return text !== null && values.every((value) => holds(operator, Number(text), Number(value)));
  }
}

/** Null where no cell has what the metric wants. */
function metricOf(metric: string, cells: readonly Cell[]): number | null {
  const numbers = cells.flatMap((cell) => (cell === null || typeof cell === "string" ? [] : [Number(cell)]));
  const share = (at: number) =>
    numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(at * numbers.length))] ?? null;
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  switch (metric) {
    case "COUNT":
      return cells.filter((cell) => cell !== null).length;
    case "PERCENT_EMPTY":
      return (100 * cells.filter((cell) => cell === null).length) / cells.length;
    case "CARDINALITY":
      return new Set(cells).size;
    case "SUM":
      return numbers.length === 0 ? null : mean * numbers.length;
    case "AVG":
      return numbers.length === 0 ? null : mean;
    case "STANDARD_DEVIATION":
      return numbers.length === 0 ? null : deviation(numbers, mean);
    case "P50":
      return share(0.5);
    case "P95":
      return share(0.95);
    case "P99":
      return share(0.99);
    case "P99_9":
      return share(0.999);
    default:
      return null;
  }
}

const deviation = (numbers: readonly number[], mean: number): number =>
  Math.sqrt(numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length);

function statusOf(world: AxWorld, { id, threshold }: Evaluated, value: number): string {
  switch (threshold?.type) {
    case undefined:
      return "NO_DATA";
    case "MANUAL_SINGLE":
      return holds(threshold.operator, value, threshold.value) ? "TRIGGERED" : "CLEARED";
    case "MANUAL_RANGE": {
      // The two bounds describe the healthy band, which is how their operators read.
      const isHealthy = [threshold.lower, threshold.upper].every((bound) => holds(bound.operator, value, bound.value));
      return isHealthy ? "CLEARED" : "TRIGGERED";
    }
    case "DYNAMIC_SINGLE": {
      const known = histories.get(world) ?? new Map<string, number[]>();
      histories.set(world, known);
      const history = known.get(id) ?? [];
      known.set(id, [...history, value]);
      if (history.length < HISTORY_MIN) return "NO_DATA";
      const mean = history.reduce((sum, number) => sum + number, 0) / history.length;
      const margin = threshold.multiplier * deviation(history, mean);
      const bound = threshold.operator.startsWith("LESS") ? mean - margin : mean + margin;
      return holds(threshold.operator, value, bound) ? "TRIGGERED" : "CLEARED";
    }
  }
}

function holds(operator: string, value: number, bound: number): boolean {
  switch (operator) {
    case "GREATER_THAN":
      return value > bound;
    case "GREATER_THAN_OR_EQUAL":
      return value >= bound;
    case "LESS_THAN":
      return value < bound;
    case "LESS_THAN_OR_EQUAL":
      return value <= bound;
    case "EQUALS":
      return value === bound;
    case "NOT_EQUALS":
      return value !== bound;
    default:
      throw new Error(`The fake knows no operator '${operator}'.`);
  }
}
