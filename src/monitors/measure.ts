import type { MetricSpec, Objective } from "../core/policy.ts";
import type { MonitorSettings } from "./monitor-settings.ts";

/** What a monitor computes of a segment's answers; Arize's own words. */
export type Aggregate = "avg" | "p50" | "p95" | "p99" | "p99_9";
export type DimensionCategory = "spanProperty" | "llmEval" | "annotation" | "userAnnotation";

export interface Measure {
  readonly aggregate: Aggregate;
  readonly column: string;
  readonly category: DimensionCategory;
  /** The side on which it alarms. */
  readonly operator: "lessThan" | "greaterThan";
  /** Fixed, or so many standard deviations from the monitor's own history. */
  readonly threshold: { readonly value: number } | { readonly stdDevMultiplier: number };
  /** What people should know of it, or null. */
  readonly caveat: string | null;
}

/** Arize's percentiles, by the share of answers above each. */
const percentiles: readonly { readonly above: number; readonly aggregate: Aggregate }[] = [
  { above: 0.5, aggregate: "p50" },
  { above: 0.05, aggregate: "p95" },
  { above: 0.01, aggregate: "p99" },
  { above: 0.001, aggregate: "p99_9" },
];

const DYNAMIC = "no fixed bound: it alarms on a change against its own history, which Arize has to gather first";
const DETECTOR = "the built-in detector does it";

/** How a monitor measures an objective, or why none can. */
export function measureOf(objective: Objective, spec: MetricSpec, settings: MonitorSettings): Measure | string {
  const { metric } = objective;
  const configured = Object.hasOwn(settings.dimensions, metric) ? settings.dimensions[metric] : undefined;
  switch (spec.from) {
    case "feedback":
      return score(objective, configured ?? `annotation.${metric}.score`, spec.better === "higher", settings);
    case "judge": {
      const column = configured ?? `eval.${metric}.score`;
      const measure = score(objective, column, true, settings);
      const task = `it needs an evaluation task in Arize that writes ${column}; Segue's own judge does not`;
      return { ...measure, caveat: [measure.caveat, task].filter(Boolean).join("; ") };
    }
    case "error":
      return score(objective, configured ?? `${settings.metadataPrefix}error`, false, settings);
    case "check":
      return configured === undefined
        ? `what the check '${spec.check}' finds is not sent to Arize: ${DETECTOR}; --dimension ${metric}=COLUMN names a column that has it`
        : score(objective, configured, false, settings);
    case "cost":
      return relative("avg", configured ?? "attributes.llm.cost.total", settings);
    case "latency":
      return configured === undefined
        ? `how long an answer took is no column that a monitor can name for certain: ${DETECTOR}; --dimension ${metric}=COLUMN names one in milliseconds`
        : slowness(objective, configured, spec.slowerThanMs, settings);
  }
}

/** A mean of scores or of losses. */
function score(objective: Objective, column: string, isHigherBetter: boolean, settings: MonitorSettings): Measure {
  const operator = isHigherBetter ? "lessThan" : "greaterThan";
  const base = { aggregate: "avg", column, category: categoryOf(column, settings), operator } as const;
  if (objective.against !== "bound") return { ...base, threshold: dynamic(settings), caveat: DYNAMIC };
  // The subtraction's last digits would otherwise be a difference to what Arize gives back.
  const value = isHigherBetter ? Number((1 - objective.lossMax).toFixed(9)) : objective.lossMax;
  return { ...base, threshold: { value }, caveat: null };
}

/** At most a share `lossMax` of answers slower than a limit is the same as: that percentile is not above the limit. */
function slowness(
  objective: Objective,
  column: string,
  slowerThanMs: number | undefined,
  settings: MonitorSettings,
): Measure | string {
  if (objective.against !== "bound" || slowerThanMs === undefined) return relative("p95", column, settings);
  const percentile = percentiles.find(({ above }) => Math.abs(above - objective.lossMax) < 1e-9);
  if (percentile === undefined)
    return `no percentile of Arize's says that at most ${objective.lossMax} of the answers are slow (0.5, 0.05, 0.01 and 0.001 have one): ${DETECTOR}`;
  const category = categoryOf(column, settings);
  const { aggregate } = percentile;
  return { aggregate, column, category, operator: "greaterThan", threshold: { value: slowerThanMs }, caveat: null };
}

const relative = (aggregate: Aggregate, column: string, settings: MonitorSettings): Measure => ({
  aggregate,
  column,
  category: categoryOf(column, settings),
  operator: "greaterThan",
  threshold: dynamic(settings),
  caveat: DYNAMIC,
});

const dynamic = ({ stdDevMultiplier }: MonitorSettings) => ({ stdDevMultiplier });

function categoryOf(column: string, { annotationCategory }: MonitorSettings): DimensionCategory {
  if (column.startsWith("annotation.")) return annotationCategory;
  return column.startsWith("eval.") ? "llmEval" : "spanProperty";
}
