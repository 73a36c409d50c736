import { z } from "zod";
import type { ExistingMonitor } from "../monitors/existing-monitor.ts";

/** What is read of a monitor over GraphQL; the delay and the environment are not among what it tells. */
export const MONITOR_FIELDS = `
  id name notes monitorCategory operator threshold thresholdMode dynamicAutoThresholdEnabled stdDevMultiplier
  dataQualityMetric dimensionCategory scheduledRuntimeEnabled scheduledRuntimeCadenceSeconds
  primaryMetricWindow {
    windowLengthMs
    dimension { name category }
    filters { operator dimension { name } dimensionValues { value } categoricalValues }
  }`;

const Filter = z.object({
  operator: z.string().nullish(),
  dimension: z.object({ name: z.string() }).nullish(),
  dimensionValues: z.array(z.object({ value: z.string() })).nullish(),
  categoricalValues: z.array(z.string()).nullish(),
});

export const ListedMonitor = z.object({
  id: z.string().min(1),
  name: z.string(),
  notes: z.string().nullish(),
  monitorCategory: z.string().nullish(),
  operator: z.string().nullish(),
  threshold: z.number().nullish(),
  thresholdMode: z.string().nullish(),
  dynamicAutoThresholdEnabled: z.boolean().nullish(),
  stdDevMultiplier: z.number().nullish(),
  dataQualityMetric: z.string().nullish(),
  dimensionCategory: z.string().nullish(),
  scheduledRuntimeEnabled: z.boolean().nullish(),
  scheduledRuntimeCadenceSeconds: z.number().nullish(),
  primaryMetricWindow: z
    .object({
      windowLengthMs: z.number().nullish(),
      dimension: z.object({ name: z.string(), category: z.string().nullish() }).nullish(),
      filters: z.array(Filter).nullish(),
    })
    .nullish(),
});
export type ListedMonitor = z.infer<typeof ListedMonitor>;

export function toExisting(monitor: ListedMonitor): ExistingMonitor {
  const { primaryMetricWindow: window, dataQualityMetric, monitorCategory } = monitor;
  // A drift or performance monitor has no data-quality metric: that is a difference, not something untold.
  const aggregate = dataQualityMetric ?? (isOther(monitorCategory) ? `a ${monitorCategory} metric` : null);
  return {
    id: monitor.id,
    name: monitor.name,
    notes: monitor.notes ?? null,
    aggregate,
    column: window?.dimension?.name ?? null,
    category: monitor.dimensionCategory ?? window?.dimension?.category ?? null,
    operator: monitor.operator ?? null,
    threshold: thresholdOf(monitor),
    filters: window?.filters?.map(filterOf) ?? null,
    windowSeconds: typeof window?.windowLengthMs === "number" ? window.windowLengthMs / 1000 : null,
    cadenceSeconds: monitor.scheduledRuntimeCadenceSeconds ?? null,
    isScheduled: monitor.scheduledRuntimeEnabled ?? null,
  };
}

const isOther = (category: string | null | undefined): category is string =>
  category !== null && category !== undefined && category !== "dataQuality";

function thresholdOf(monitor: ListedMonitor): ExistingMonitor["threshold"] {
  if (monitor.thresholdMode === "range") return "range";
  if (monitor.dynamicAutoThresholdEnabled === true) return { stdDevMultiplier: monitor.stdDevMultiplier ?? null };
  return typeof monitor.threshold === "number" ? { value: monitor.threshold } : null;
}

const filterOf = ({ operator, dimension, dimensionValues, categoricalValues }: z.infer<typeof Filter>) => ({
  column: dimension?.name ?? null,
  operator: operator ?? null,
  values:
    dimensionValues !== null && dimensionValues !== undefined && dimensionValues.length > 0
      ? dimensionValues.map(({ value }) => value)
      : (categoricalValues ?? []),
});
