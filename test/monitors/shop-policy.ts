import { Policy, type Objective } from "../../src/core/policy.ts";
import { desiredMonitors } from "../../src/monitors/desired-monitors.ts";
import { MonitorSettings } from "../../src/monitors/monitor-settings.ts";
import type { DesiredMonitor } from "../../src/monitors/desired-monitors.ts";
import type { ExistingMonitor } from "../../src/monitors/existing-monitor.ts";

/** A policy with a metric of every kind; each segment has the objectives that are given for it. */
export const shop = (segments: Readonly<Record<string, readonly Objective[]>>): Policy =>
  Policy.parse({
    policy: "shop",
    attributes: { topic: { type: "string" } },
    metrics: {
      solved: { from: "feedback" },
      toxic: { from: "feedback", better: "lower" },
      judged: {
        from: "judge",
        model: { provider: "main", model: "m3" },
        rubric: "1 where the answer is right, 0 where it is not.",
      },
      failure: { from: "error" },
      slow: { from: "latency", slowerThanMs: 8000 },
      slower: { from: "latency" },
      dear: { from: "cost" },
      cut: { from: "check", check: "truncated" },
    },
    variants: { large: { provider: "main", model: "m1" }, small: { provider: "main", model: "m2" } },
    default: "large",
    segments: Object.entries(segments).map(([id, objectives]) => ({
      id,
      when: `topic == '${id}'`,
      owner: "team",
      objectives,
      ladder: [{ variant: "large" }, { variant: "small" }],
      why: "One behaviour is watched on it.",
    })),
  });

export const bound = (metric: string, lossMax = 0.2): Objective => ({ metric, against: "bound", lossMax });

export const settings = (over: object = {}): MonitorSettings => MonitorSettings.parse(over);

export const desired = (objectives: readonly Objective[], over: object = {}): readonly DesiredMonitor[] =>
  desiredMonitors(shop({ gold: objectives }), settings(over)).monitors;

/** How Arize tells a monitor that was created as wanted. */
export const asCreated = (monitor: DesiredMonitor, id: string): ExistingMonitor => ({
  id,
  name: monitor.name,
  notes: monitor.notes,
  aggregate: monitor.aggregate,
  column: monitor.column,
  category: monitor.category,
  operator: monitor.operator,
  threshold: monitor.threshold,
  filters: monitor.filters.map(({ column, values }) => ({ column, operator: "equals", values })),
  windowSeconds: monitor.windowSeconds,
  cadenceSeconds: monitor.cadenceSeconds,
  isScheduled: true,
});
