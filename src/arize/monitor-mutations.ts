import { z } from "zod";
import type { DesiredMonitor } from "../monitors/desired-monitors.ts";
import type { Difference, MonitorField } from "../monitors/differences.ts";
import type { Contacts } from "../monitors/monitor-settings.ts";
import type { GraphqlOperation } from "./graphql.ts";

export const createMutation: GraphqlOperation<unknown> = {
  name: "segueCreateMonitor",
  kind: "mutation",
  text: `mutation segueCreateMonitor($input: CreateDataQualityMonitorMutationInput!) {
    createDataQualityMonitor(input: $input) { monitor { id } }
  }`,
  answer: z.object({ createDataQualityMonitor: z.object({ monitor: z.object({ id: z.string() }) }) }),
  isRepeatable: false,
};

export const deleteMutation: GraphqlOperation<unknown> = {
  name: "segueDeleteMonitor",
  kind: "mutation",
  text: `mutation segueDeleteMonitor($input: DeleteMonitorMutationInput!) {
    deleteMonitor(input: $input) { monitor { id } }
  }`,
  answer: z.object({ deleteMonitor: z.unknown() }),
  isRepeatable: true,
};

/** @param contacts as Arize takes them */
export function createInput(monitor: DesiredMonitor, contacts: Contacts): Record<string, unknown> {
  const { name, notes, aggregate, column, category, operator, threshold, filters } = monitor;
  return {
    name,
    notes,
    modelEnvironmentName: "tracing",
    dataQualityMetric: aggregate,
    dimensionCategory: category,
    dimensionName: column,
    filters: filters.map((filter) => ({
      dimensionType: "spanProperty",
      operator: "equals",
      name: filter.column,
      values: filter.values,
    })),
    operator,
    thresholdMode: "single",
    ...("value" in threshold
      ? { threshold: threshold.value }
      : { dynamicAutoThreshold: { stdDevMultiplier: threshold.stdDevMultiplier } }),
    evaluationWindowLengthSeconds: monitor.windowSeconds,
    delaySeconds: monitor.delaySeconds,
    scheduledRuntimeEnabled: true,
    scheduledRuntimeCadenceSeconds: monitor.cadenceSeconds,
    scheduledRuntimeDaysOfWeek: EVERY_DAY,
    ...(contacts.length === 0 ? {} : { contacts }),
  };
}

const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

interface PatchMember {
  readonly name: string;
  /** A type of GraphQL itself, or null for what is written into the operation: an enum's value, a number. */
  readonly type: "String!" | "Float!" | "Int!" | "Boolean!" | "[Int!]!" | null;
  readonly value: unknown;
}

/**
 * A patch of the fields that differ. Each is a variable of one of GraphQL's own types, as the name of the type of the
 * whole is not documented; an operator is written out, from our own closed list.
 */
export function patchMutation(id: string, monitor: DesiredMonitor, differences: readonly Difference[]) {
  const members = differences.flatMap(({ field }) => patchMembers[field](monitor));
  const typed = members.filter(({ type }) => type !== null);
  const declared = ["$monitorId: ID!", ...typed.map(({ name, type }) => `$${name}: ${type}`)];
  const set = members.map(({ name, type, value }) => `${name}: ${type === null ? String(value) : `$${name}`}`);
  const operation: GraphqlOperation<unknown> = {
    name: "seguePatchMonitor",
    kind: "mutation",
    text: `mutation seguePatchMonitor(${declared.join(", ")}) {
      patchDataQualityMonitor(input: { monitorId: $monitorId, set: { ${set.join(", ")} } }) { monitor { id } }
    }`,
    answer: z.object({ patchDataQualityMonitor: z.object({ monitor: z.object({ id: z.string() }) }) }),
    isRepeatable: true,
  };
  return {
    operation,
    variables: { monitorId: id, ...Object.fromEntries(typed.map(({ name, value }) => [name, value])) },
  };
}

const patchMembers: Readonly<Record<MonitorField, (monitor: DesiredMonitor) => readonly PatchMember[]>> = {
  name: ({ name }) => [{ name: "name", type: "String!", value: name }],
  notes: ({ notes }) => [{ name: "notes", type: "String!", value: notes }],
  operator: ({ operator }) => [{ name: "operator", type: null, value: operator }],
  threshold: ({ threshold }) =>
    "value" in threshold
      ? [
          { name: "thresholdMode", type: null, value: "single" },
          { name: "dynamicAutoThresholdEnabled", type: "Boolean!", value: false },
          { name: "threshold", type: "Float!", value: threshold.value },
        ]
      : [
          { name: "thresholdMode", type: null, value: "single" },
          { name: "dynamicAutoThresholdEnabled", type: "Boolean!", value: true },
          { name: "dynamicAutoThreshold", type: null, value: `{ stdDevMultiplier: ${threshold.stdDevMultiplier} }` },
        ],
  window: ({ windowSeconds }) => [{ name: "evaluationWindowLengthSeconds", type: "Float!", value: windowSeconds }],
  cadence: ({ cadenceSeconds }) => [
    { name: "scheduledRuntimeEnabled", type: "Boolean!", value: true },
    { name: "scheduledRuntimeCadenceSeconds", type: "Int!", value: cadenceSeconds },
    { name: "scheduledRuntimeDaysOfWeek", type: "[Int!]!", value: EVERY_DAY },
  ],
  // What a monitor measures is never patched: the planner has it made anew.
  aggregate: () => [],
  column: () => [],
  category: () => [],
  filters: () => [],
};
