import { monitorName, monitorNotes, type MonitorSubject } from "../core/monitor-subject.ts";
import type { MetricSpec, Objective, Policy, Segment } from "../core/policy.ts";
import { segmentsOf, servableVariants } from "../core/state.ts";
import { measureOf, type Measure } from "./measure.ts";
import type { MonitorSettings } from "./monitor-settings.ts";

export interface MonitorFilter {
  readonly column: string;
  readonly values: readonly string[];
}

/** A monitor as the policies want it. */
export interface DesiredMonitor extends Measure {
  readonly subject: MonitorSubject;
  readonly name: string;
  readonly notes: string;
  readonly filters: readonly MonitorFilter[];
  readonly windowSeconds: number;
  readonly delaySeconds: number;
  readonly cadenceSeconds: number;
}

/** An objective that no monitor of Arize's can watch; Segue's own detector does. */
export interface Unmonitorable {
  readonly segment: string;
  readonly metric: string;
  readonly against: Objective["against"];
  readonly because: string;
}

export interface DesiredMonitors {
  readonly monitors: readonly DesiredMonitor[];
  readonly unmonitorable: readonly Unmonitorable[];
}

/**
 * One monitor for each segment and metric that has an objective. Arize's signals on one metric replace each other, so of
 * several objectives the first with a fixed bound is watched, else the first.
 */
export function desiredMonitors(policy: Policy, settings: MonitorSettings): DesiredMonitors {
  const monitors: DesiredMonitor[] = [];
  const unmonitorable: Unmonitorable[] = [];
  for (const segment of segmentsOf(policy)) {
    const first = watched(segment.objectives);
    for (const objective of segment.objectives) {
      const { metric, against } = objective;
      const measure =
        first.get(metric) === objective
          ? measureFor(policy, objective, settings)
          : `one monitor a metric: the objective against ${first.get(metric)?.against} has it`;
      if (typeof measure === "string") unmonitorable.push({ segment: segment.id, metric, against, because: measure });
      else monitors.push(...monitorsOf({ policy, segment, metric, measure }, settings));
    }
  }
  return { monitors, unmonitorable };
}

function watched(objectives: readonly Objective[]): ReadonlyMap<string, Objective> {
  const first = new Map<string, Objective>();
  for (const objective of objectives) {
    const known = first.get(objective.metric);
    if (known === undefined || (known.against !== "bound" && objective.against === "bound"))
      first.set(objective.metric, objective);
  }
  return first;
}

function measureFor(policy: Policy, objective: Objective, settings: MonitorSettings): Measure | string {
  const spec: MetricSpec | undefined = Object.hasOwn(policy.metrics, objective.metric)
    ? policy.metrics[objective.metric]
    : undefined;
  return spec === undefined ? "the policy declares no such metric" : measureOf(objective, spec, settings);
}

interface Watched {
  readonly policy: Policy;
  readonly segment: Segment;
  readonly metric: string;
  readonly measure: Measure;
}

function monitorsOf({ policy, segment, metric, measure }: Watched, settings: MonitorSettings): DesiredMonitor[] {
  const { windowSeconds, delaySeconds, cadenceSeconds, metadataPrefix } = settings;
  const variants = settings.perVariant ? [...servableVariants(segment)] : [undefined];
  return variants.map((variant) => {
    const subject = {
      policy: policy.policy,
      segment: segment.id,
      metric,
      ...(variant === undefined ? {} : { variant }),
    };
    return {
      ...measure,
      subject,
      name: monitorName(subject, settings.namePrefix),
      notes: monitorNotes(subject, settings.managedBy),
      filters: [
        { column: `${metadataPrefix}segment_id`, values: [`${policy.policy}|${segment.id}`] },
        ...(variant === undefined ? [] : [{ column: `${metadataPrefix}variant`, values: [variant] }]),
      ],
      windowSeconds,
      delaySeconds,
      cadenceSeconds,
    };
  });
}
