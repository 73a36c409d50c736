import { z } from "zod";
import { sha256 } from "../core/digest.ts";
import { subjectOf } from "../core/monitor-subject.ts";
import type { MetricSpec } from "../core/policy.ts";
import { SignalEvidence, signalKey, type Signal, type SignalStatus } from "../core/signal.ts";
import { segmentKey, segmentsOf } from "../core/state.ts";
import type { ArizeSettings } from "./arize.ts";
import { looksAt, MonitorFilters } from "./arize-filters.ts";
import { mixtureOf } from "./arize-mixture.ts";
import { isNews, sourceOf } from "./arize-news.ts";
import type { SignalTargets, SourceReading } from "../core/signal-source.ts";

/** Both spellings there are: `NO_DATA` (REST since July 2026) and `noData` (GraphQL). */
const statuses = new Map<string, SignalStatus>([
  ["TRIGGERED", "degraded"],
  ["CLEARED", "recovered"],
  ["NODATA", "inconclusive"],
]);

const plain = (status: string): string => status.toUpperCase().replaceAll("_", "");
const statusOf = (status: string): SignalStatus | undefined => statuses.get(plain(status));

const When = z.iso.datetime({ offset: true });
const Monitor = z.object({
  id: z.string().min(1),
  name: z.string(),
  status: z.string().refine((status) => statusOf(status) !== undefined, "is no monitor status"),
  notes: z.string().nullish(),
  /** GraphQL does not tell it. */
  project_id: z.string().nullish(),
  filters: MonitorFilters.nullish(),
  uri: z.string().nullish(),
  evaluated_at: When.nullish(),
  updated_at: When,
  latest_computed_value: z.number().nullish(),
  evaluation_window_length_seconds: z.number().nullish(),
  delay_seconds: z.number().nullish(),
  threshold: z.object({ type: z.string(), value: z.number().optional() }).nullish().catch(null),
});
type Monitor = z.infer<typeof Monitor>;

/** Reads monitors as REST v2 spells them. What is not ours or not understood is counted, never an error. */
export function readMonitors(
  monitors: readonly unknown[],
  targets: SignalTargets,
  settings: ArizeSettings,
): SourceReading {
  const signals = new Map<string, Signal>();
  const ignored: Record<string, number> = {};
  /** What is told in one answer is recorded together, so the state does not have it yet. */
  const latest = (key: string): Signal | undefined => signals.get(key) ?? targets.signals[key];
  for (const json of monitors) {
    const monitor = Monitor.safeParse(json);
    const read = monitor.success ? signalOf(monitor.data, targets, settings) : "unreadable";
    const signal =
      typeof read === "string" || !monitor.success
        ? null
        : { ...read, source: sourceOf(monitor.data.id, read, { targets, latest }) };
    const reason = signal === null ? read : isNews(signal, targets, latest) ? null : "unchanged";
    if (typeof reason === "string") ignored[reason] = (ignored[reason] ?? 0) + 1;
    else if (signal !== null) signals.set(signalKey(signal), signal);
  }
  return { signals: [...signals.values()], ignored };
}

type Ignored =
  | Extract<ReturnType<typeof subjectOf>, string>
  | "unknown-policy"
  | "unknown-segment"
  | "unknown-metric"
  | "unknown-variant"
  | "other-project"
  | "before-incumbent";

type Unsourced = Omit<Signal, "source">;

function signalOf(monitor: Monitor, targets: SignalTargets, settings: ArizeSettings): Unsourced | Ignored {
  const { policies, segments } = targets;
  if (isOfAnother(monitor.project_id, settings.projectId)) return "other-project";
  const subject = subjectOf(monitor, settings);
  if (typeof subject === "string") return subject;
  const { policy: policyId, segment, metric } = subject;
  const policy = Object.hasOwn(policies, policyId) ? policies[policyId]?.policy : undefined;
  if (policy === undefined) return "unknown-policy";
  const current = segments[segmentKey(policyId, segment)];
  if (current === undefined || segmentsOf(policy).every(({ id }) => id !== segment)) return "unknown-segment";
  const spec = Object.hasOwn(policy.metrics, metric) ? policy.metrics[metric] : undefined;
  if (spec === undefined) return "unknown-metric";
  const variant = subject.variant ?? current.incumbent;
  if (!Object.hasOwn(policy.variants, variant)) return "unknown-variant";
  if (!looksAt(monitor.filters, subject)) return "contradictory";

  const observedAt = Date.parse(monitor.evaluated_at ?? monitor.updated_at);
  const isVariantNamed = subject.variant !== undefined;
  if (!isVariantNamed && observedAt < current.since) return "before-incumbent";
  // Written in one way, so that REST and GraphQL tell of one evaluation, not of two.
  const id = `${monitor.id}@${new Date(observedAt).toISOString()}@${plain(monitor.status)}`;
  const base = { id: bounded(id), policy: policyId, segment, variant, metric, observedAt };
  const evidence = evidenceOf(monitor, spec);
  const from =
    observedAt - 1000 * ((monitor.evaluation_window_length_seconds ?? 86_400) + (monitor.delay_seconds ?? 0));
  const note = mixtureOf({ about: base, current, isVariantNamed, from }, targets);
  if (note !== null) return { ...base, status: "inconclusive", evidence: { ...evidence, note } };
  return { ...base, status: statusOf(monitor.status) ?? "inconclusive", evidence };
}

/** A read by id is limited to no project. What is not told, and what nothing is configured to compare with, is believed. */
function isOfAnother(told: string | null | undefined, ours: string | undefined): boolean {
  // Base64, which people copy without its padding.
  const bare = (id: string): string => id.replace(/=+$/, "");
  return told !== null && told !== undefined && ours !== undefined && bare(told) !== bare(ours);
}

const bounded = (id: string): string => (id.length <= 200 ? id : sha256(id));

function evidenceOf({ latest_computed_value: value, threshold, uri }: Monitor, spec: MetricSpec): SignalEvidence {
  const lossMean = lossOf(value, spec);
  const lossTolerated = lossOf(threshold?.value, spec);
  return {
    ...(lossMean === null ? {} : { lossMean }),
    ...(lossTolerated === null ? {} : { lossTolerated }),
    ...(SignalEvidence.shape.url.safeParse(uri ?? undefined).success && uri ? { url: uri } : {}),
  };
}

/** A monitor's value as a loss, when it is a share; a latency percentile or a price is not. */
function lossOf(value: number | null | undefined, spec: MetricSpec): number | null {
  if (value === null || value === undefined || value < 0 || value > 1) return null;
  if (spec.from === "latency" || spec.from === "cost") return null;
  const isScore = spec.from === "judge" || (spec.from === "feedback" && spec.better === "higher");
  return isScore ? Number((1 - value).toFixed(9)) : value;
}
