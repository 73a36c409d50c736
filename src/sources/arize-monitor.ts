import { z } from "zod";
import { sha256 } from "../core/digest.ts";
import { subjectOf } from "../core/monitor-subject.ts";
import type { MetricSpec } from "../core/policy.ts";
import { SignalEvidence, type Signal, type SignalStatus } from "../core/signal.ts";
import { segmentKey, segmentsOf, type SegmentState } from "../core/state.ts";
import type { Switchover } from "../core/switchover.ts";
import type { ArizeSettings } from "./arize.ts";
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
  const signals: Signal[] = [];
  const ignored: Record<string, number> = {};
  for (const json of monitors) {
    const monitor = Monitor.safeParse(json);
    const result = monitor.success ? signalOf(monitor.data, targets, settings) : "unreadable";
    if (typeof result === "string") ignored[result] = (ignored[result] ?? 0) + 1;
    else signals.push(result);
  }
  return { signals, ignored };
}

type Ignored =
  | Extract<ReturnType<typeof subjectOf>, string>
  | "unknown-policy"
  | "unknown-segment"
  | "unknown-metric"
  | "unknown-variant"
  | "before-incumbent";

function signalOf(monitor: Monitor, targets: SignalTargets, settings: ArizeSettings): Signal | Ignored {
  const { policies, segments, switchovers } = targets;
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

  const observedAt = Date.parse(monitor.evaluated_at ?? monitor.updated_at);
  if (subject.variant === undefined && observedAt < current.since) return "before-incumbent";
  // Written in one way, so that REST and GraphQL tell of one evaluation, not of two.
  const id = `${monitor.id}@${new Date(observedAt).toISOString()}@${plain(monitor.status)}`;
  const base = { id: bounded(id), source: "arize", policy: policyId, segment, variant, metric, observedAt };
  const evidence = evidenceOf(monitor, spec);
  const from =
    observedAt - 1000 * ((monitor.evaluation_window_length_seconds ?? 86_400) + (monitor.delay_seconds ?? 0));
  const open = current.open === null ? undefined : switchovers[current.open];
  const note =
    subject.variant === undefined
      ? mixtureOf({ current, open, switchovers: Object.values(switchovers), about: base, from })
      : open?.phase.kind === "canary" && open.change.to === variant && from < open.phase.startedAt
        ? `The monitor's window began before the canary of '${variant}' did.`
        : null;
  if (note !== null) return { ...base, status: "inconclusive", evidence: { ...evidence, note } };
  return { ...base, status: statusOf(monitor.status) ?? "inconclusive", evidence };
}

interface Window {
  readonly current: SegmentState;
  readonly open: Switchover | undefined;
  readonly switchovers: readonly Switchover[];
  readonly about: Pick<Signal, "policy" | "segment" | "variant" | "observedAt">;
  /** Epoch milliseconds, when the window began. */
  readonly from: number;
}

/**
 * What else than the incumbent a monitor that names no variant has looked at, or null. Such an evaluation would hold the
 * answers of one variant against another.
 */
function mixtureOf({ current, open, switchovers, about, from }: Window): string | null {
  const { policy, segment, variant, observedAt } = about;
  if ((current.moves.length > 0 || current.changes.length > 0) && from < current.since)
    return `The monitor names no variant and its window began before '${variant}' served.`;
  if (open?.phase.kind === "canary" && observedAt > open.phase.startedAt)
    return `The monitor names no variant and its window has answers of the canary of '${open.change.to}'.`;
  if (current.endedAt === null || from >= current.endedAt) return null;
  const tried = switchovers.find(
    ({ change, phase }) =>
      change.policy === policy && change.segment === segment && phase.kind === "rolledBack" && phase.since > from,
  );
  return tried === undefined
    ? null
    : `The monitor names no variant and its window may have answers of '${tried.change.to}', which was tried until then.`;
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
