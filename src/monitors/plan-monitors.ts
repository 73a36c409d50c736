import { RouterError } from "../core/errors.ts";
import { subjectKey, subjectOf, type MonitorMarks } from "../core/monitor-subject.ts";
import { quote } from "../core/quote.ts";
import type { DesiredMonitor } from "./desired-monitors.ts";
import { differencesOf, isMarked, needsReplacement, patchedOver, untoldOf, type Difference } from "./differences.ts";
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
  /** What could not be compared of those that stay, because Arize did not tell it; of none is `NEVER_TOLD` known. */
  readonly untold: readonly { readonly name: string; readonly fields: readonly string[] }[];
}

export interface PlanMonitorsInput {
  readonly desired: readonly DesiredMonitor[];
  readonly existing: readonly ExistingMonitor[];
  /** The policies that the code holds, and those that are said to be gone; monitors of others belong to somebody else. */
  readonly policies: ReadonlySet<string>;
  readonly marks: MonitorMarks;
  readonly mayDelete: boolean;
  readonly mayReplace: boolean;
  /** Whether a monitor that has our name but not our mark is taken over, where a patch is enough. */
  readonly mayAdopt: boolean;
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
  const untold: MonitorPlan["untold"][number][] = [];
  for (const monitor of desired) {
    const key = subjectKey(monitor.subject);
    const { candidates, byHand } = candidatesOf(monitor, bySubject.get(key) ?? [], input);
    bySubject.delete(key);
    leftAlone.push(...byHand);
    const [best, ...others] = candidates;
    if (best === undefined) steps.push({ kind: "create", monitor });
    else {
      const fields = untoldOf(best.existing);
      if (fields.length > 0) untold.push({ name: monitor.name, fields });
      if (best.differences.length === 0) unchanged.push(monitor.name);
      else steps.push(change(monitor, best, input));
    }
    for (const { existing } of others) steps.push(removal(existing, "another one is about the same", input));
  }
  for (const existing of [...bySubject.values()].flat())
    if (isMarked(existing, marks.managedBy)) steps.push(removal(existing, "no objective asks for it", input));
    else leftAlone.push(alone(existing, "no objective asks for it, but it was made by hand"));
  return { steps, unchanged, leftAlone, untold };
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
    if (subject === "contradictory")
      leftAlone.push(alone(monitor, "its name and its notes name different things, so Segue ignores its alarms"));
    else if (!policies.has(subject.policy))
      leftAlone.push(alone(monitor, `the policy ${quote(subject.policy)} is not here; if it is gone, say --forget`));
    else bySubject.set(subjectKey(subject), [...(bySubject.get(subjectKey(subject)) ?? []), monitor]);
  }
  return { bySubject, leftAlone };
}

interface Candidate {
  readonly existing: ExistingMonitor;
  readonly differences: readonly Difference[];
}

/**
 * The monitors that may be what the code asks for, the closest first. Only what carries our mark is ours to change: a name
 * may have been given by hand. What was made by hand stays as it is, unless a person says that it is to be adopted.
 */
function candidatesOf(
  monitor: DesiredMonitor,
  about: readonly ExistingMonitor[],
  { marks: { managedBy }, mayAdopt }: PlanMonitorsInput,
): { readonly candidates: readonly Candidate[]; readonly byHand: readonly LeftAlone[] } {
  const compared = about
    .map((existing) => ({ existing, differences: differencesOf(monitor, existing, managedBy) }))
    .sort((a, b) => a.differences.length - b.differences.length || (a.existing.id < b.existing.id ? -1 : 1));
  const marked = compared.filter(({ existing }) => isMarked(existing, managedBy));
  const byHand = compared.filter(({ existing }) => !isMarked(existing, managedBy));
  const isAdoptable = ({ existing, differences }: Candidate): boolean =>
    !needsReplacement(differences) && isMarked(patchedOver(monitor, existing), managedBy);
  const adopted = mayAdopt && marked.length === 0 ? byHand.find(isAdoptable) : undefined;
  const others = byHand.filter((candidate) => candidate !== adopted);
  const why = (candidate: Candidate): string =>
    marked.length > 0 || adopted !== undefined
      ? "one of ours is about the same"
      : isAdoptable(candidate)
        ? "one of ours is made beside it; --adopt takes it over instead"
        : "one of ours is made beside it; it measures something else, or its notes are too long, so it cannot be adopted";
  return {
    candidates: adopted === undefined ? marked : [adopted],
    byHand: others.map((candidate) =>
      alone(candidate.existing, `it has our name but not our mark, so it was made by hand: ${why(candidate)}`),
    ),
  };
}

const alone = ({ id, name }: ExistingMonitor, because: string): LeftAlone => ({ id, name, because });

function change(
  monitor: DesiredMonitor,
  { existing, differences }: Candidate,
  { mayReplace }: PlanMonitorsInput,
): MonitorStep {
  const { id } = existing;
  return needsReplacement(differences)
    ? { kind: "replace", id, monitor, differences, isWithheld: !mayReplace }
    : { kind: "patch", id, monitor: patchedOver(monitor, existing), differences };
}

const removal = ({ id, name }: ExistingMonitor, because: string, { mayDelete }: PlanMonitorsInput): MonitorStep => ({
  kind: "delete",
  id,
  name,
  because,
  isWithheld: !mayDelete,
});
