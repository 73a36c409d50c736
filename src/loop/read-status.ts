import type { Objective, Policy, Segment } from "../core/policy.ts";
import { freezeOf } from "../core/guard.ts";
import type { PromptProposal } from "../core/prompt-proposal.ts";
import type { Level, Scoreboard } from "../core/scoreboard.ts";
import { shadowStatus, type ShadowMeasurements, type ShadowStatus } from "./shadow-status.ts";
import { rowKey, segmentKey, type ControlState, type Escalation, type FlagEffect } from "../core/state.ts";
import type { Switchover } from "../core/switchover.ts";
import type { Verdict } from "../core/verdict.ts";
import { Mode } from "../core/policy.ts";
import type { Clock, ControlPlane, Flags } from "../ports.ts";
import { effectiveMode } from "./effective-mode.ts";

export interface ObjectiveStatus {
  readonly metric: string;
  readonly against: Objective["against"];
  readonly verdict: Verdict;
  /** Mean loss of the last hour, and of how many labels; null when there were none. */
  readonly lossMean: number | null;
  readonly labels: number;
  readonly lossTolerated: number | null;
}

export interface SegmentStatus {
  readonly policy: string;
  readonly segment: string;
  readonly risk: Segment["risk"];
  readonly owner: string;
  readonly mode: Mode;
  readonly incumbent: string;
  readonly since: number;
  readonly ladder: readonly string[];
  /** The worst of the objectives' verdicts; `inconclusive` where nothing is known. */
  readonly health: Verdict;
  readonly trafficShare: number;
  readonly objectives: readonly ObjectiveStatus[];
  readonly open: Switchover | null;
  readonly escalation: Escalation | null;
  readonly flag: FlagEffect | null;
  readonly frozen: string | null;
  readonly shadow: ShadowStatus | null;
}

export interface Status {
  readonly revision: number;
  readonly head: { readonly seq: number; readonly hash: string };
  readonly isCurrent: boolean;
  readonly segments: readonly SegmentStatus[];
  /** Labels of prompts that moved since they were published. */
  readonly promptProposals: readonly PromptProposal[];
}

interface Deps {
  readonly controlPlane: Pick<ControlPlane, "state" | "isCurrent">;
  readonly scoreboard: Pick<Scoreboard, "readings" | "level" | "share">;
  readonly flags: Pick<Flags, "mode">;
  readonly clock: Clock;
  /** Absent where nothing is called in the shadow. */
  readonly shadowMemory?: ShadowMeasurements;
}

/** What is served to each segment now, and how it does: the table that people look at. */
export function readStatus(deps: Deps): Status {
  const state = deps.controlPlane.state();
  const degradedAt = lastDegraded(state);
  const segments = Object.values(state.policies).flatMap(({ policy }) =>
    policy.segments.map((segment) => segmentStatus(deps, { state, degradedAt }, policy, segment)),
  );
  return {
    revision: state.revision,
    head: state.head,
    isCurrent: deps.controlPlane.isCurrent(),
    segments,
    promptProposals: Object.values(state.promptProposals),
  };
}

/** When somebody last said so of a row, epoch milliseconds. */
function lastDegraded({ signals }: ControlState): ReadonlyMap<string, number> {
  const latest = new Map<string, number>();
  for (const { policy, segment, variant, status, observedAt } of Object.values(signals)) {
    if (status !== "degraded") continue;
    const key = rowKey(policy, segment, variant);
    latest.set(key, Math.max(latest.get(key) ?? 0, observedAt));
  }
  return latest;
}

function segmentStatus(
  deps: Deps,
  { state, degradedAt }: { readonly state: ControlState; readonly degradedAt: ReadonlyMap<string, number> },
  published: Policy,
  segment: Segment,
): SegmentStatus {
  const { policy } = published;
  const now = deps.clock.now();
  const key = segmentKey(policy, segment.id);
  const current = state.segments[key];
  const incumbent = current?.incumbent ?? "";
  const objectives = segment.objectives.map((objective) =>
    objectiveStatus(deps, { policy, segment, incumbent }, objective),
  );
  const outside = (degradedAt.get(rowKey(policy, segment.id, incumbent)) ?? -1) >= (current?.since ?? 0);
  return {
    policy,
    segment: segment.id,
    risk: segment.risk,
    owner: segment.owner,
    mode: effectiveMode(segment, Mode.safeParse(deps.flags.mode(policy, segment.id).value).data ?? null),
    incumbent,
    since: current?.since ?? 0,
    ladder: segment.ladder.map(({ variant }) => variant),
    health: outside ? "degraded" : worst(objectives.map(({ verdict }) => verdict)),
    trafficShare: deps.scoreboard.share(policy, segment.id, now),
    objectives,
    open: current?.open == null ? null : (state.switchovers[current.open] ?? null),
    escalation: state.escalations[key] ?? null,
    flag: state.flagEffects[key] ?? null,
    frozen: freezeOf(state, policy, segment.id, now),
    shadow:
      deps.shadowMemory === undefined
        ? null
        : shadowStatus(deps.shadowMemory, { state, policy: published, segment, now }),
  };
}

function objectiveStatus(
  { scoreboard, clock }: Deps,
  { policy, segment, incumbent }: { readonly policy: string; readonly segment: Segment; readonly incumbent: string },
  { metric, against }: Objective,
): ObjectiveStatus {
  const row = { policy, segment: segment.id, variant: incumbent, metric };
  const level = scoreboard.level(row, { now: clock.now(), minutes: 60 });
  const reading = scoreboard
    .readings(policy, segment, incumbent)
    .find((candidate) => candidate.metric === metric && candidate.against === against);
  const lossTolerated = reading?.evidence.lossTolerated ?? null;
  return {
    metric,
    against,
    verdict: reading?.alarmed === true ? "degraded" : isTolerable(level, lossTolerated) ? "healthy" : "inconclusive",
    lossMean: level?.lossMean ?? null,
    labels: level?.labels ?? 0,
    lossTolerated,
  };
}

/** Fewer labels than this in an hour say nothing of a segment's health. */
const LABELS_MIN = 20;

/** More than what is tolerated, without an alarm, may be chance or the beginning of a decline: it is not known to be healthy. */
const isTolerable = (level: Level | null, lossTolerated: number | null): boolean =>
  level !== null && lossTolerated !== null && level.labels >= LABELS_MIN && level.lossMean <= lossTolerated;

function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("degraded")) return "degraded";
  return verdicts.length === 0 || verdicts.includes("inconclusive") ? "inconclusive" : "healthy";
}
