import type { MonitorJson } from "./monitors.ts";
import { categoryToGraphql, toGraphql } from "./spellings.ts";

interface MonitorShape extends MonitorJson {
  readonly type?: string;
  readonly metric?: string;
  readonly dimension?: Dimension;
  readonly filters?: readonly {
    readonly dimension: Dimension;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
  readonly threshold?: Threshold;
  readonly scheduled_runtime?: { readonly enabled?: boolean; readonly cadence_seconds?: number };
  readonly evaluation_window_length_seconds?: number;
  readonly custom_metric_id?: string;
}
interface Dimension {
  readonly category: string;
  readonly name?: string;
}
interface Bound {
  readonly operator?: string;
  readonly value?: number;
  readonly multiplier?: number;
}
interface Threshold extends Bound {
  readonly type: string;
  readonly lower?: Bound;
  readonly upper?: Bound;
}

/** A monitor as GraphQL shows it: the same object as REST's, in other words. */
export function monitorNode(monitor: MonitorJson, model: () => unknown) {
  const shape = monitor as MonitorShape;
  const isPerformance = shape.type === "PERFORMANCE" || shape.type === "CUSTOM_METRIC";
  const isTracing = shape.type === "TRACING";
  const metric = shape.metric === undefined ? null : toGraphql(shape.metric);
  return {
    __typename: "Monitor",
    id: shape.id,
    name: shape.name,
    notes: shape.notes ?? null,
    uri: shape.uri ?? null,
    monitorCategory: isPerformance ? "performance" : shape.type === "DRIFT" ? "drift" : "dataQuality",
    status: toGraphql(shape.status),
    isTriggered: shape.status === "TRIGGERED",
    notificationsEnabled: shape.notifications_enabled ?? true,
    createdDate: shape.created_at,
    updatedAt: shape.updated_at,
    evaluatedAt: shape.evaluated_at ?? null,
    evaluationIntervalSeconds: shape.scheduled_runtime?.cadence_seconds ?? 3600,
    latestComputedValue: shape.latest_computed_value ?? null,
    ...thresholdFields(shape.threshold),
    performanceMetric: isPerformance ? metric : null,
    dataQualityMetric: isPerformance ? null : metric,
    driftMetric: null,
    customMetric: shape.custom_metric_id === undefined ? null : { id: shape.custom_metric_id, name: "custom" },
    dimensionCategory: shape.dimension === undefined ? null : categoryToGraphql(shape.dimension.category, "dimension"),
    primaryMetricWindow: {
      type: "moving",
      windowLengthMs: (shape.evaluation_window_length_seconds ?? 0) * 1000,
      dimension: dimensionNode(shape.dimension),
      filters: (shape.filters ?? []).map(({ dimension, operator, values }) => ({
        filterType: categoryToGraphql(dimension.category, "filter"),
        operator: toGraphql(operator),
        dimension: dimensionNode(dimension),
        dimensionValues: values.map((value) => ({ value })),
        binaryValues: [],
        numericValues: [],
        categoricalValues: isTracing ? [] : values,
      })),
    },
    scheduledRuntimeEnabled: shape.scheduled_runtime?.enabled ?? null,
    scheduledRuntimeCadenceSeconds: shape.scheduled_runtime?.cadence_seconds ?? null,
    model,
  };
}

const dimensionNode = (dimension: Dimension | undefined) =>
  dimension?.name === undefined
    ? null
    : {
        id: null,
        name: dimension.name,
        dataType: "STRING",
        category: categoryToGraphql(dimension.category, "dimension"),
      };

function thresholdFields(threshold: Threshold | undefined) {
  const isRange = threshold?.type.endsWith("_RANGE") === true;
  const first = isRange ? threshold.lower : threshold;
  const second = isRange ? threshold.upper : undefined;
  return {
    thresholdMode: isRange ? "range" : "single",
    operator: first?.operator === undefined ? null : toGraphql(first.operator),
    threshold: first?.value ?? null,
    operator2: second?.operator === undefined ? null : toGraphql(second.operator),
    threshold2: second?.value ?? null,
    dynamicAutoThresholdEnabled: threshold?.type.startsWith("DYNAMIC") === true,
    stdDevMultiplier: first?.multiplier ?? null,
  };
}
