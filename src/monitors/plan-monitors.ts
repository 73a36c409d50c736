import { RouterError } from "../core/errors.ts";
import { subjectKey, subjectOf, subjectOfNotes, type MonitorMarks } from "../core/monitor-subject.ts";
import type { DesiredMonitor } from "./desired-monitors.ts";
import { differencesOf, needsReplacement, type Difference } from "./differences.ts";
import type { ExistingMonitor } from "./existing-monitor.ts";

/** One change of what is in Arize. `isWithheld`: it destroys something, and nobody has allowed that. */
export type MonitorStep =
  | { readonly kind: "create"; readonly monitor: DesiredMonitor }
  | {
      readonly kind: "patch";
      readonly id: string;
      readonly monitor: DesiredMonitor;
      readonly differences: readonly Difference[];
    }
  /** Created anew, then deleted: what it knew of its own past is gone. */
  | {
      readonly kind: "replace";
      readonly id: string;
      readonly monitor: DesiredMonitor;
      readonly differences: readonly Difference[];
      readonly isWithheld: boolean;
    }
  | {
      readonly kind: "delete";
      readonly id: string;
      readonly name: string;
      readonly because: string;
      readonly isWithheld: boolean;
    };

/** A monitor that looks like ours and is not touched. */
export interface LeftAlone {
  readonly id: string;
  readonly name: string;
  readonly because: string;
}

export interface MonitorPlan {
  readonly steps: readonly MonitorStep[];
  /** The names of those that are as the code says. */
  readonly unchanged: readonly string[];
  readonly leftAlone: readonly LeftAlone[];
}

export interface PlanMonitorsInput {
  readonly desired: readonly DesiredMonitor[];
  readonly existing: readonly ExistingMonitor[];
  /** The policies that the code holds, and those that are said to be gone; monitors of others belong to somebody else. */
  readonly policies: ReadonlySet<string>;
  readonly marks: MonitorMarks;
  readonly mayDelete: boolean;
  readonly mayReplace: boolean;
  /** The most monitors that the code may ask for. */
  readonly monitorsMax: number;
}

/**
 * What makes Arize's monitors those of the code. The plan for what the plan left is empty, but for what is withheld.
 * @throws RouterError `invalid_request` when the code asks for more monitors than `monitorsMax`
 */
export function planMonitors(input: PlanMonitorsInput): MonitorPlan {
  const { desired, monitorsMax, marks } = input;
  if (desired.length > monitorsMax)
    throw new RouterError(
      "invalid_request",
      `The policies ask for ${desired.length} monitors, and at most ${monitorsMax} are made: each costs evaluations and API calls. Raise --max, or give fewer segments objectives.`,
      { reason: "too_many_monitors" },
    );
  const { bySubject, leftAlone } = ours(input);
  const steps: MonitorStep[] = [];
  const unchanged: string[] = [];
  for (const monitor of desired) {
    const key = subjectKey(monitor.subject);
    const candidates = (bySubject.get(key) ?? [])
      .map((existing) => ({ existing, differences: differencesOf(monitor, existing, marks.managedBy) }))
      .sort((a, b) => a.differences.length - b.differences.length || (a.existing.id < b.existing.id ? -1 : 1));
    bySubject.delete(key);
    const [best, ...others] = candidates;
    if (best === undefined) steps.push({ kind: "create", monitor });
    else if (best.differences.length === 0) unchanged.push(monitor.name);
    else steps.push(change(monitor, best, input));
    for (const { existing } of others) remove(existing, `another one is about the same`, { input, steps, leftAlone });
  }
  for (const existing of [...bySubject.values()].flat())
    remove(existing, "no objective asks for it", { input, steps, leftAlone });
  return { steps, unchanged, leftAlone };
}

/** Whether Arize is not what the code says, whether or not it may be changed. */
export const hasDrift = ({ steps }: MonitorPlan): boolean => steps.length > 0;

/** The steps that may be done. */
export const allowedSteps = ({ steps }: MonitorPlan): MonitorStep[] =>
  steps.filter((step) => !("isWithheld" in step && step.isWithheld));

function ours({ existing, policies, marks }: PlanMonitorsInput) {
  const bySubject = new Map<string, ExistingMonitor[]>();
  const leftAlone: LeftAlone[] = [];
  for (const monitor of existing) {
    const subject = subjectOf(monitor, marks);
    if (subject === "not-ours") continue;
    const { id, name } = monitor;
    if (subject === "contradictory")
      leftAlone.push({
        id,
        name,
        because: "its name and its notes name different things, so Segue ignores its alarms",
      });
    else if (!policies.has(subject.policy))
      leftAlone.push({ id, name, because: `the policy '${subject.policy}' is not here; if it is gone, say --forget` });
    else bySubject.set(subjectKey(subject), [...(bySubject.get(subjectKey(subject)) ?? []), monitor]);
  }
  return { bySubject, leftAlone };
}

function change(
  monitor: DesiredMonitor,
  {
    existing: { id },
    differences,
  }: { readonly existing: ExistingMonitor; readonly differences: readonly Difference[] },
  { mayReplace }: PlanMonitorsInput,
): MonitorStep {
  return needsReplacement(differences)
    ? { kind: "replace", id, monitor, differences, isWithheld: !mayReplace }
    : { kind: "patch", id, monitor, differences };
}

/** Only what carries our mark in its notes is deleted: a name alone may have been given by hand. */
function remove(
  { id, name, notes }: ExistingMonitor,
  because: string,
  to: { readonly input: PlanMonitorsInput; readonly steps: MonitorStep[]; readonly leftAlone: LeftAlone[] },
): void {
  if (subjectOfNotes(notes ?? "", to.input.marks.managedBy) === null)
    to.leftAlone.push({ id, name, because: `${because}, but it was made by hand` });
  else to.steps.push({ kind: "delete", id, name, because, isWithheld: !to.input.mayDelete });
}
