import { GraphQLError } from "graphql";
import { categoryToRest, toRest } from "./spellings.ts";
import type { MonitorJson } from "./monitors.ts";

/** What the inputs of creations and patches have in common; GraphQL checked the types. */
export interface MonitorInput {
  readonly spaceId?: string | null;
  readonly modelName?: string | null;
  readonly modelId?: string | null;
  readonly name?: string | null;
  readonly notes?: string | null;
  readonly contacts?: readonly ContactInput[] | null;
  readonly scheduledRuntimeEnabled?: boolean | null;
  readonly scheduledRuntimeCadenceSeconds?: number | null;
  readonly scheduledRuntimeDaysOfWeek?: readonly number[] | null;
  readonly evaluationWindowLengthSeconds?: number | null;
  readonly delaySeconds?: number | null;
  readonly threshold?: number | null;
  readonly threshold2?: number | null;
  readonly dynamicAutoThreshold?: { readonly stdDevMultiplier: number } | null;
  readonly dynamicAutoThresholdEnabled?: boolean | null;
  readonly stdDevMultiplier2?: number | null;
  readonly thresholdMode?: "single" | "range" | null;
  readonly operator?: string | null;
  readonly operator2?: string | null;
  readonly filters?: readonly FilterInput[] | null;
  readonly dataQualityMetric?: string | null;
  readonly dimensionCategory?: string | null;
  readonly dimensionName?: string | null;
  readonly performanceMetric?: string | null;
  readonly customMetricId?: string | null;
  readonly modelEnvironmentName?: string | null;
}
interface FilterInput {
  readonly dimensionType: string;
  readonly operator: string;
  readonly name?: string | null;
  readonly values: readonly string[];
}
interface ContactInput {
  readonly notificationChannelType: string;
  readonly emailAddress?: string | null;
  readonly integrationKeyId?: string | null;
}

const WINDOW_DEFAULT_S = 259_200;

/** The fields of REST's monitor that an input sets; what it leaves out is not there. */
export function monitorFields(input: MonitorInput, before: MonitorJson | null): Record<string, unknown> {
  const set: Record<string, unknown> = {
    name: input.name,
    notes: input.notes,
    filters: input.filters?.map(filterJson),
    notification_configs: input.contacts?.map(contactJson),
    evaluation_window_length_seconds:
      input.evaluationWindowLengthSeconds ?? (before === null ? WINDOW_DEFAULT_S : null),
    delay_seconds: input.delaySeconds ?? (before === null ? 0 : null),
    metric: metricOf(input),
    custom_metric_id: input.customMetricId,
    threshold: thresholdOf(input, before),
    scheduled_runtime: runtimeOf(input, before),
    dimension: dimensionOf(input, before),
  };
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined && value !== null));
}

const filterJson = ({ dimensionType, operator, name, values }: FilterInput) => ({
  dimension: { category: categoryToRest(dimensionType), ...(name ? { name } : {}) },
  operator: toRest(operator),
  values,
});
const contactJson = ({ notificationChannelType: type, emailAddress, integrationKeyId }: ContactInput) =>
  type === "email"
    ? { type: "EMAIL", email_address: emailAddress }
    : { type: "INTEGRATION", integration_id: integrationKeyId };

const metricOf = ({ dataQualityMetric, performanceMetric }: MonitorInput) =>
  dataQualityMetric ? toRest(dataQualityMetric) : performanceMetric ? toRest(performanceMetric) : undefined;

function thresholdOf(input: MonitorInput, before: MonitorJson | null) {
  const old = (before?.threshold ?? {}) as { operator?: string; value?: number; multiplier?: number };
  const operator = input.operator ? toRest(input.operator) : old.operator;
  const touches = input.threshold ?? input.dynamicAutoThreshold ?? input.dynamicAutoThresholdEnabled ?? input.operator;
  if (touches === undefined || touches === null) return undefined;
  if (operator === undefined) throw new GraphQLError("operator is required with a threshold");
  if (input.thresholdMode === "range") {
    if (typeof input.threshold !== "number" || typeof input.threshold2 !== "number" || !input.operator2)
      throw new GraphQLError("a range needs threshold, threshold2 and operator2");
    const upper = { operator: toRest(input.operator2), value: input.threshold2 };
    return { type: "MANUAL_RANGE", lower: { operator, value: input.threshold }, upper };
  }
  const dynamic =
    input.dynamicAutoThreshold ??
    (input.dynamicAutoThresholdEnabled === true ? { stdDevMultiplier: old.multiplier ?? 2 } : null);
  if (dynamic !== null)
    return { type: "DYNAMIC_SINGLE", calculation: "STDEV", operator, multiplier: dynamic.stdDevMultiplier };
  const value = input.threshold ?? old.value;
  if (value === undefined) throw new GraphQLError("threshold or dynamicAutoThreshold is required");
  return { type: "MANUAL_SINGLE", operator, value };
}

function runtimeOf(input: MonitorInput, before: MonitorJson | null) {
  const {
    scheduledRuntimeEnabled: enabled,
    scheduledRuntimeCadenceSeconds: cadence,
    scheduledRuntimeDaysOfWeek: days,
  } = input;
  if ((enabled ?? cadence ?? days ?? null) === null) return undefined;
  return {
    ...(before?.scheduled_runtime as object | undefined),
    ...(enabled === undefined || enabled === null ? {} : { enabled }),
    ...(cadence === undefined || cadence === null ? {} : { cadence_seconds: cadence }),
    ...(days === undefined || days === null ? {} : { days_of_week: days }),
  };
}

function dimensionOf({ dimensionCategory: category, dimensionName: name }: MonitorInput, before: MonitorJson | null) {
  if (!category && !name) return undefined;
  const old = before?.dimension as object | undefined;
  return { ...old, ...(category ? { category: categoryToRest(category) } : {}), ...(name ? { name } : {}) };
}
