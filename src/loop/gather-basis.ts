import {
  ENGINE_VERSION,
  RUNGS_LISTED,
  type BasisRung,
  type Exclusion,
  type Figures,
  type MoveBasis,
  type ReturnBasis,
} from "../core/basis.ts";
import { rounded } from "../core/rounded.ts";
import { SCOUTS_SURE } from "../core/decide-move.ts";
import { guardFigures } from "../core/guard.ts";
import { isInScope } from "../core/incident.ts";
import { rungLossMax } from "../core/ladder.ts";
import type { Segment } from "../core/policy.ts";
import type { Level } from "../core/scoreboard.ts";
import { shadowRow, shadowValidation } from "../core/shadow-evidence.ts";
import type { Signal, SignalEvidence } from "../core/signal.ts";
import { segmentKey, type Former } from "../core/state.ts";
import { effectiveMode } from "./effective-mode.ts";
import type { LoopContext, Subject } from "./subject.ts";

/** What degraded: by its own signal, or as part of an incident. */
export type Alarm = Pick<Signal, "variant" | "metric" | "evidence"> & {
  readonly incident?: string;
  /** Absent in an incident. */
  readonly signal?: Signal;
};

/** Live labels of a rung count when they are this recent, in minutes. */
const LIVE_MINUTES = 60;
/** The last minutes, which show how far a fault has grown. */
const RECENT_MINUTES = 15;

/** All that a move away from a degraded incumbent is decided on, from the state and the measurements, rounded. */
export function moveBasis(subject: Subject, alarm: Alarm, context: LoopContext): MoveBasis {
  const { policy, segment, current } = subject;
  const { incident } = alarm;
  const row = { policy: policy.policy, segment: segment.id, metric: alarm.metric };
  // Rungs are validated for quality: their figures say nothing of errors or latency, where only the trial can tell.
  const isComparable = (policy.metrics[alarm.metric]?.from ?? "feedback") === "feedback";
  const level = (variant: string, minutes: number) =>
    levelOf(context.scoreboard.level({ ...row, variant }, { now: context.now, minutes }));
  const exclusions = exclusionsOf(subject, context.now);
  const rungs = segment.ladder.map(({ variant, validated }) => ({
    variant,
    validated:
      validated === undefined
        ? validatedInShadow(subject, { variant, metric: alarm.metric }, context)
        : { score: validated.score, items: validated.items },
    live: isComparable ? level(variant, LIVE_MINUTES) : null,
    excluded: exclusions.get(variant) ?? null,
  }));
  const listed = listedRungs(rungs);
  return {
    ...decided(subject, context, { isReturn: false, isShared: incident !== undefined }),
    cause: "degraded",
    alarm: {
      variant: alarm.variant,
      metric: alarm.metric,
      ...(incident === undefined
        ? latestFigures(subject, alarm, context)
        : { source: "incident", figures: figuresOf(alarm.evidence) }),
      recent: incident === undefined ? level(current.incumbent, RECENT_MINUTES) : null,
    },
    windows: { liveMinutes: LIVE_MINUTES, recentMinutes: RECENT_MINUTES },
    incident: incident === undefined ? null : { id: incident, scouting: scoutingOf(subject, incident, context) },
    isComparable,
    rungs: listed,
    rungsLeftOut: rungs.length - listed.length,
    canarySteps: policy.canary.steps === undefined ? null : [...policy.canary.steps],
  };
}

/** Of a rung that the policy names as the segment's shadow, and gives no figures. */
function validatedInShadow(
  { state, policy, segment }: Subject,
  { variant, metric }: { readonly variant: string; readonly metric: string },
  { shadowEvidence }: LoopContext,
): BasisRung["validated"] {
  if (shadowEvidence === undefined || segment.shadow?.variant !== variant) return null;
  const level = shadowEvidence.level(shadowRow(state, { policy, segment }, variant, metric));
  const validated = shadowValidation(level, policy.metrics[metric]);
  return validated === null ? null : { ...validated, source: "shadow" };
}

/** All that a probe of the former variant is decided on, rounded. */
export function returnBasis(subject: Subject, former: Former, context: LoopContext): ReturnBasis {
  const { policy, segment, current, state } = subject;
  const since = current.endedAt ?? current.since;
  const word = wordFor(subject, former);
  const incident = former.incident === null ? undefined : state.incidents[former.incident];
  return {
    ...decided(subject, context, { isReturn: true, isShared: former.incident !== null }),
    cause: "recovered",
    former: {
      variant: former.variant,
      metric: former.metric,
      lossDegraded: roundedOrNull(former.lossDegraded),
      lossTolerated: roundedOrNull(former.lossTolerated),
      incident: former.incident,
    },
    since,
    word: word === undefined ? null : { source: word.source, at: word.observedAt },
    recoveredAt: incident?.recoveredAt ?? null,
    wait: waitOf(subject, former, context),
    busier: former.incident === null || incident === undefined ? null : busierOut(subject, former.incident, context),
    requestsPerHour: rounded(context.scoreboard.requests(policy.policy, segment.id, context.now)),
  };
}

/** A source's word that the former variant recovered since the segment last changed, unless another says by now that it is degraded. */
export function wordFor({ current, signals }: Subject, former: Pick<Former, "variant">): Signal | undefined {
  const since = current.endedAt ?? current.since;
  const said = signals.filter(({ variant, observedAt }) => variant === former.variant && observedAt >= since);
  if (said.some(({ status, source }) => status === "degraded" && !source.startsWith("detector:"))) return undefined;
  return said.find(({ status }) => status === "recovered");
}

const decided = (
  { state, policy, segment, mode }: Subject,
  { scoreboard, now, modeOverride }: LoopContext,
  kind: { readonly isReturn: boolean; readonly isShared: boolean },
) => ({
  engine: ENGINE_VERSION,
  head: state.head.seq,
  mode,
  modeOverride: modeOverride(policy.policy, segment.id),
  risk: segment.risk,
  guard: guardFigures(
    state,
    { policy, segment: segment.id, ...kind },
    (id) => scoreboard.share(policy.policy, id, now),
    now,
  ),
});

/** The rungs that a basis lists, in the ladder's order: of a ladder that is longer, those that are nearest to be chosen. */
function listedRungs(rungs: readonly BasisRung[]): BasisRung[] {
  if (rungs.length <= RUNGS_LISTED) return [...rungs];
  const rank = ({ validated, live, excluded }: BasisRung): number =>
    excluded !== null || validated === null ? Infinity : rungLossMax(validated, live);
  const chosen = new Set([...rungs].sort((a, b) => compare(rank(a), rank(b))).slice(0, RUNGS_LISTED));
  return rungs.filter((rung) => chosen.has(rung));
}

/** Infinity minus itself is no number. */
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

/**
 * The detector's evidence grows after the alarm; the level is taken as it is now, unless this process knows less than was
 * recorded.
 */
function latestFigures(
  { policy, segment, current }: Subject,
  { metric, evidence, signal }: Alarm,
  { scoreboard }: LoopContext,
): { readonly source: string; readonly figures: Figures } {
  const reading = scoreboard
    .readings(policy.policy, segment, current.incumbent)
    .find((one) => one.alarmed && one.metric === metric);
  const labels = reading?.evidence.labels ?? 0;
  return reading !== undefined && labels > 0 && labels >= (evidence.labels ?? 0)
    ? { source: `detector:${reading.against}`, figures: figuresOf(reading.evidence) }
    : { source: signal?.source ?? "unknown", figures: figuresOf(evidence) };
}

function figuresOf({ lossMean, lossTolerated, labels, statistic, threshold, against }: SignalEvidence): Figures {
  return {
    ...(lossMean === undefined ? {} : { lossMean: rounded(lossMean) }),
    ...(lossTolerated === undefined ? {} : { lossTolerated: rounded(lossTolerated) }),
    ...(labels === undefined ? {} : { labels }),
    ...(statistic === undefined ? {} : { statistic: rounded(statistic) }),
    ...(threshold === undefined ? {} : { threshold: rounded(threshold) }),
    ...(against === undefined ? {} : { against }),
  };
}

/** A sum of many losses can be a hair beyond what they allow. */
const levelOf = (level: Level | null): Level | null =>
  level === null ? null : { labels: level.labels, lossMean: Math.min(1, Math.max(0, rounded(level.lossMean))) };

const roundedOrNull = (value: number | null): number | null => (value === null ? null : rounded(value));

/** Where no other upstream shows to be well, so that it may be the measure: how sure the first canaries are, and who comes before this segment. */
function scoutingOf(
  subject: Subject,
  id: string,
  context: LoopContext,
): { readonly odds: number; readonly busier: number | null } | null {
  const { state, policy, segment } = subject;
  const { scoreboard, now } = context;
  const scope = state.incidents[id]?.scope;
  if (scope?.kind !== "upstream" || !scope.isAlone) return null;
  const hasConfirmed = Object.values(state.switchovers).some(
    ({ change, phase }) => change.incident === id && change.cause === "degraded" && phase.kind === "confirmed",
  );
  // A restart forgets the odds, not what came of them.
  const odds = hasConfirmed ? SCOUTS_SURE : rounded(scoreboard.togetherOdds(id));
  if (odds >= SCOUTS_SURE) return { odds, busier: null };
  const requests = (of: string): number => scoreboard.requests(policy.policy, of, now);
  const own = requests(segment.id);
  let busier = 0;
  let isBefore = true;
  for (const other of policy.segments) {
    if (other.id === segment.id) isBefore = false;
    else if (mayScout(subject, other, id, context))
      busier += requests(other.id) > own || (isBefore && requests(other.id) === own) ? 1 : 0;
  }
  return { odds, busier };
}

/** Whether a segment could be among the first to try: it is served what failed, and moves without a person. */
function mayScout(
  { state, policy, segment }: Subject,
  other: Segment,
  id: string,
  { modeOverride }: LoopContext,
): boolean {
  const incident = state.incidents[id];
  const current = state.segments[segmentKey(policy.policy, other.id)];
  if (incident === undefined || current === undefined || other.id === segment.id) return false;
  if (effectiveMode(other, modeOverride(policy.policy, other.id)) !== "auto") return false;
  const hadItsTurn = (current.endedAt ?? 0) > incident.at;
  return !hadItsTurn && isInScope(policy, current.incumbent, incident.scope);
}

/** Segments that are still out of an incident and have more traffic, so that their labels come sooner. */
function busierOut({ state, policy, segment }: Subject, incident: string, { scoreboard, now }: LoopContext): number {
  const own = scoreboard.requests(policy.policy, segment.id, now);
  let busier = 0;
  for (const { id } of policy.segments) {
    if (id === segment.id || state.segments[segmentKey(policy.policy, id)]?.former?.incident !== incident) continue;
    if (scoreboard.requests(policy.policy, id, now) > own) busier += 1;
  }
  return busier;
}

function waitOf(
  { policy, segment, current }: Subject,
  { variant, metric, lossDegraded, lossTolerated }: Former,
  { scoreboard, now }: LoopContext,
): ReturnBasis["wait"] {
  const { endedAt, since } = current;
  if (endedAt === null) return null;
  const row = { policy: policy.policy, segment: segment.id, metric };
  const serving = levelOf(scoreboard.level({ ...row, variant: current.incumbent }, { now, minutes: LIVE_MINUTES }));
  const healthy = levelOf(scoreboard.baseline({ ...row, variant }));
  const waitMinMs = policy.guard.revertSeconds * 1000;
  // Without labels a probe could not be judged.
  if (serving === null && (lossDegraded === null || lossTolerated === null)) return null;
  // Where a source gave no figures, it may be as bad as can be and nothing may be won: then it is probed rarely.
  const lossServing = serving?.lossMean ?? rounded(lossTolerated ?? 0);
  return {
    lossDegraded: rounded(lossDegraded ?? 1),
    lossHealthy: healthy?.lossMean ?? rounded(lossTolerated ?? lossServing),
    lossServing,
    elapsedMs: endedAt - since + waitMinMs,
    waitedMs: now - endedAt,
    waitMinMs,
  };
}

/** Longer than the day after which sources repeat what they stand by. */
const OUTSIDE_WORD_MS = 2 * 86_400_000;

const isOutsideWord = (source: string, ageMs: number): boolean =>
  !source.startsWith("detector:") && ageMs < OUTSIDE_WORD_MS;

/** Rungs not to try, and why: what serves, what was rolled back lately, what some source says is degraded, and what fails with an incident. */
export function exclusionsOf(
  { current, policy, signals, state, segment }: Pick<Subject, "current" | "policy" | "signals" | "state" | "segment">,
  now: number,
): ReadonlyMap<string, Exclusion> {
  const isRecent = (at: number) => now - at < policy.guard.quarantineSeconds * 1000;
  const found = new Map<string, Exclusion>([[current.incumbent, "serving"]]);
  const exclude = (variant: string, why: Exclusion): void => void (found.has(variant) || found.set(variant, why));
  for (const [variant, at] of Object.entries(current.quarantine))
    if (isRecent(at)) exclude(variant, "rolled-back-lately");
  // Hardly a source sees a variant recover that is not served, so their word on one ages. Other sources than the detector repeat theirs while they stand by it.
  for (const { status, variant, source, observedAt } of signals)
    if (status === "degraded" && (isRecent(observedAt) || isOutsideWord(source, now - observedAt)))
      exclude(variant, "called-degraded");
  const failing = Object.values(state.incidents).filter(
    (incident) => incident.policy === policy.policy && incident.recoveredAt === null,
  );
  for (const { variant } of segment.ladder)
    if (failing.some(({ scope }) => isInScope(policy, variant, scope))) exclude(variant, "in-an-incident");
  return found;
}
