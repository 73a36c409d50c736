import { RouterError } from "../core/errors.ts";
import type { DesiredMonitor } from "./desired-monitors.ts";
import type { Difference } from "./differences.ts";
import type { ExistingMonitor } from "./existing-monitor.ts";
import { legible } from "./legible.ts";
import { allowedSteps, type MonitorPlan, type MonitorStep } from "./plan-monitors.ts";

/** A column that Arize knows of a project's spans. */
export interface SpanColumn {
  readonly name: string;
  readonly category: string | null;
}

/** Where monitors are kept. */
export interface MonitorStore {
  readonly list: () => Promise<readonly ExistingMonitor[]>;
  /** The columns of the spans that arrived lately. */
  readonly columns: () => Promise<readonly SpanColumn[]>;
  readonly create: (monitor: DesiredMonitor) => Promise<void>;
  /** Sets only the fields that differ. */
  readonly patch: (id: string, monitor: DesiredMonitor, differences: readonly Difference[]) => Promise<void>;
  /** Of one that is gone: nothing. */
  readonly remove: (id: string) => Promise<void>;
}

export type AppliedMonitors = Readonly<Record<MonitorStep["kind"], number>>;

/**
 * Does the steps that may be done, one after another. Stopped anywhere, the next plan goes on from what is there.
 * @throws RouterError of the step that failed, which says how many were done
 */
export async function applyMonitors(
  { store, progress }: { readonly store: MonitorStore; readonly progress: (line: string) => void },
  plan: MonitorPlan,
): Promise<AppliedMonitors> {
  const applied = { create: 0, patch: 0, replace: 0, delete: 0 };
  const steps = allowedSteps(plan);
  for (const [index, step] of steps.entries()) {
    try {
      await apply(store, step);
    } catch (error) {
      if (!(error instanceof RouterError)) throw error;
      throw new RouterError(
        error.code,
        `${error.message} (${step.kind} of ${nameOf(step)}; ${index} of ${steps.length} changes were made before it)`,
        { reason: error.reason, cause: error },
      );
    }
    applied[step.kind] += 1;
    progress(`${step.kind} ${nameOf(step)}`);
  }
  return applied;
}

const nameOf = (step: MonitorStep): string => (step.kind === "delete" ? legible(step.name) : step.monitor.name);

async function apply(store: MonitorStore, step: MonitorStep): Promise<void> {
  switch (step.kind) {
    case "create":
      return store.create(step.monitor);
    case "patch":
      return store.patch(step.id, step.monitor, step.differences);
    case "replace":
      // In this order no crash leaves the segment without a monitor; the next plan finds two and deletes the old one.
      await store.create(step.monitor);
      return store.remove(step.id);
    case "delete":
      return store.remove(step.id);
  }
}
