import type { DesiredMonitor, Unmonitorable } from "./desired-monitors.ts";
import { NEVER_TOLD, type Difference } from "./differences.ts";
import { legible } from "./legible.ts";
import type { MonitorPlan, MonitorStep } from "./plan-monitors.ts";

/** A plan with what it cannot do, for a terminal. */
export function monitorPlanText(
  plan: MonitorPlan,
  {
    unmonitorable,
    warnings,
  }: {
    readonly unmonitorable: readonly (Unmonitorable & { readonly policy: string })[];
    readonly warnings: readonly string[];
  },
): string {
  const { steps, unchanged, leftAlone } = plan;
  const lines = [
    ...steps.flatMap(stepLines),
    ...section(
      "No monitor watches these objectives:",
      unmonitorable.map((one) => `${one.policy}/${one.segment} ${one.metric} against ${one.against}: ${one.because}`),
    ),
    ...section(
      "Left alone:",
      leftAlone.map(({ name, because }) => `${legible(name)}: ${because}`),
    ),
    ...section("Not compared, because Arize does not tell it:", untoldLines(plan)),
    ...section("Warnings:", warnings),
  ];
  return [...lines, ...(lines.length === 0 ? [] : [""]), summary(steps, unchanged.length)].join("\n");
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];

function untoldLines({ unchanged, steps, untold }: MonitorPlan): string[] {
  const isCompared = unchanged.length > 0 || steps.some(({ kind }) => kind === "patch" || kind === "replace");
  const always = `${NEVER_TOLD.join(", ")} of every monitor: what is changed of them in the policies or options reaches new monitors only`;
  return isCompared ? [always, ...untold.map(({ name, fields }) => `${fields.join(", ")} of ${name}`)] : [];
}

function stepLines(step: MonitorStep): string[] {
  switch (step.kind) {
    case "create":
      return [`+ ${step.monitor.name}: ${meaning(step.monitor)}`];
    case "patch":
      return [`~ ${step.monitor.name} drifted`, ...step.differences.map(differenceLine)];
    case "replace":
      return [
        `± ${step.monitor.name} measures something else and is made anew${step.isWithheld ? ", with --replace only: its history goes" : ""}`,
        ...step.differences.map(differenceLine),
      ];
    case "delete":
      return [`- ${legible(step.name)}: ${step.because}${step.isWithheld ? "; deleted with --prune only" : ""}`];
  }
}

const differenceLine = ({ field, arize, code }: Difference): string =>
  `    ${field}: Arize ${legible(arize)} → code ${legible(code)}`;

function meaning({ aggregate, column, operator, threshold, windowSeconds, caveat }: DesiredMonitor): string {
  const side = operator === "lessThan" ? "below" : "above";
  const limit = "value" in threshold ? String(threshold.value) : `${threshold.stdDevMultiplier} standard deviations`;
  return `alarms when ${aggregate} of ${column} over ${windowSeconds} s is ${side} ${limit}${caveat === null ? "" : ` (${caveat})`}`;
}

function summary(steps: readonly MonitorStep[], unchanged: number): string {
  if (steps.length === 0)
    return `Nothing to do: ${unchanged} monitor(s) are as the policies say, as far as Arize tells.`;
  const kinds = [
    ["create", "to create"],
    ["patch", "to patch"],
    ["replace", "to make anew"],
    ["delete", "to delete"],
  ] as const;
  const counted = kinds
    .map(([kind, what]) => ({ what, count: steps.filter((step) => step.kind === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ what, count }) => `${count} ${what}`);
  return `${counted.join(", ")}, ${unchanged} unchanged.`;
}
