import { streamKey } from "../core/calibrate.ts";
import { digestOf } from "../core/digest.ts";
import type { Event } from "../core/event.ts";
import type { Reading } from "../core/scoreboard.ts";
import { signalKey, type Signal } from "../core/signal.ts";
import { segmentKey, type ControlState } from "../core/state.ts";
import { effectiveMode } from "./effective-mode.ts";
import { freezeOf } from "../core/guard.ts";
import { nextPhase, type Switchover, type Trial } from "../core/switchover.ts";
import { proposeMove, proposeReturn } from "./propose.ts";
import { incidentAlarmOf, isSparedNow, mayBeShared, reconcileIncidents } from "./reconcile-incidents.ts";
import type { LoopContext, Subject } from "./subject.ts";

/**
 * The next events, decided from state and measurements alone, never from which event came: running it twice on
 * the same state gives the same events, and running it after them gives the ones that follow. Each segment takes at
 * most one step. Segments are visited in policy order, final phases included; with `only`, those named there.
 */
export function reconcile(state: ControlState, context: LoopContext): Event[] {
  const wanted = context.only === undefined ? null : byPolicy(context.only);
  const signals = signalsBySegment(state, wanted);
  const events: Event[] = [];
  // Proposals of this pass count for the guards of those behind them, or a burst of alarms would pass the limits together.
  let planned = state;
  for (const { policy } of Object.values(state.policies)) {
    const ids = wanted?.get(policy.policy);
    if (wanted !== null && ids === undefined) continue;
    // What fails for many is decided first, and the segments follow in the next pass.
    const shared = reconcileIncidents(state, policy, context);
    if (shared.length > 0) return [...events, ...shared];
    for (const segment of policy.segments) {
      if (ids?.has(segment.id) === false) continue;
      const about = signals.get(policy.policy)?.get(segment.id) ?? [];
      const subject = subjectOf(planned, { policy, segment, signals: about }, context);
      if (subject === null) continue;
      const heard = observed(subject, context);
      events.push(...heard);
      // What was just heard may take back what the state still says, so the step is left to the next pass.
      if (heard.some(({ type }) => type === "signal.recorded")) continue;
      const following = step(subject, context, state.head.seq + events.length);
      events.push(...following);
      planned = following.reduce(withProposal, planned);
    }
  }
  return events;
}

/** The segment with all that decides its next step; null for one about which there is nothing to decide, as most are most of the time. */
function subjectOf(
  state: ControlState,
  about: Pick<Subject, "policy" | "segment" | "signals">,
  context: LoopContext,
): Subject | null {
  const { policy, segment, signals } = about;
  const key = segmentKey(policy.policy, segment.id);
  const current = state.segments[key];
  if (current === undefined) return null;
  const isQuiet = current.open === null && current.former === null && signals.length === 0;
  if (
    isQuiet &&
    !hasIncident(state, policy.policy) &&
    state.escalations[key] === undefined &&
    !hasFindings(about, current.incumbent, state, context)
  )
    return null;
  const mode = effectiveMode(segment, context.modeOverride(policy.policy, segment.id));
  const held =
    mode === "observe" ||
    mode === "alert" ||
    isMeasureInDoubt(state, policy.policy) ||
    !context.automation(policy.policy, segment.id) ||
    freezeOf(state, policy.policy, segment.id, context.now) !== null;
  return { state, policy, segment, current, mode, held, signals };
}

/** Whatever became of its freeze, nothing moves forward by scores that mean something else. */
const isMeasureInDoubt = ({ incidents }: ControlState, policy: string): boolean =>
  Object.values(incidents).some((incident) => incident.policy === policy && incident.scope.kind === "evaluator");

function hasIncident({ incidents }: ControlState, policy: string): boolean {
  for (const id in incidents) if (incidents[id]?.policy === policy) return true;
  return false;
}

/** Whether the measurements of what serves say anything that the ledger may not know. */
function hasFindings(
  { policy, segment }: Pick<Subject, "policy" | "segment">,
  variant: string,
  state: ControlState,
  { scoreboard }: LoopContext,
): boolean {
  if (scoreboard.isAlarmed(policy.policy, segment, variant)) return true;
  const row = { policy: policy.policy, segment: segment.id, variant };
  return scoreboard
    .frozenMetrics(policy.policy, segment, variant)
    .some((metric) => state.baselines[streamKey({ ...row, metric })] === undefined);
}

/** Segments' ids by policy, of `policy/segment`. */
function byPolicy(keys: ReadonlySet<string>): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const key of keys) {
    const [policy = "", segment = ""] = key.split("/");
    const ids = found.get(policy);
    if (ids === undefined) found.set(policy, new Set([segment]));
    else ids.add(segment);
  }
  return found;
}

/** The state as a proposal of the same pass leaves it to those behind it. */
export function withProposal(state: ControlState, event: Event): ControlState {
  if (event.type !== "switchover.proposed") return state;
  const { switchover } = event;
  const key = segmentKey(switchover.change.policy, switchover.change.segment);
  const segment = state.segments[key];
  if (segment === undefined) return state;
  return {
    ...state,
    switchovers: { ...state.switchovers, [switchover.id]: switchover },
    segments: { ...state.segments, [key]: { ...segment, open: switchover.id } },
  };
}

/** By policy and segment; of the `wanted` segments, or of all. */
function signalsBySegment(
  { signals }: ControlState,
  wanted: ReadonlyMap<string, ReadonlySet<string>> | null,
): Map<string, Map<string, Signal[]>> {
  const found = new Map<string, Map<string, Signal[]>>();
  for (const signal of Object.values(signals)) {
    const { policy, segment } = signal;
    if (wanted !== null && wanted.get(policy)?.has(segment) !== true) continue;
    const ofPolicy = found.get(policy) ?? new Map<string, Signal[]>();
    if (ofPolicy.size === 0) found.set(policy, ofPolicy);
    const list = ofPolicy.get(segment);
    if (list === undefined) ofPolicy.set(segment, [signal]);
    else list.push(signal);
  }
  return found;
}

/** What the detectors found, as signals to record first: traffic never moves for a reason that is not in the ledger. */
function observed({ policy, segment, current, signals, state }: Subject, context: LoopContext): Event[] {
  const open = current.open === null ? undefined : state.switchovers[current.open];
  const serving = [{ variant: current.incumbent, since: current.since }];
  if (open?.phase.kind === "canary") serving.push({ variant: open.change.to, since: open.phase.startedAt });
  return serving.flatMap(({ variant, since }) => {
    const readings = context.scoreboard.readings(policy.policy, segment, variant);
    return [
      ...detectorSignals(readings, signals, { since, seq: state.head.seq }, context),
      ...frozenBaselines(readings, state, context),
    ];
  });
}

function detectorSignals(
  readings: readonly Reading[],
  signals: readonly Signal[],
  { since, seq }: { readonly since: number; readonly seq: number },
  { now, scoreboard }: LoopContext,
): Event[] {
  return readings.flatMap(({ policy, segment, variant, metric, against, alarmed, evidence }) => {
    const about = { source: `detector:${against}`, policy, segment, variant, metric };
    const key = signalKey(about);
    const latest = signals.find((signal) => signalKey(signal) === key);
    const fresh = latest !== undefined && latest.observedAt >= since;
    const status = alarmed ? "degraded" : "recovered";
    if (fresh ? latest.status === status : !alarmed) return [];
    // After a clock went back the state would keep the later one, and this would be recorded again and again.
    if (latest !== undefined && latest.observedAt > now) return [];
    // A digest, because the names together may be longer than an id; the ledger's head, because a detector can change its
    // mind twice within a millisecond.
    const id = `${digestOf(key).slice(0, 16)}@${seq}`;
    const found = alarmed ? scoreboard.blame({ policy, segment, variant, metric }, against) : null;
    const blamed = found === null ? {} : { blame: found };
    const signal: Signal = { ...about, id, status, observedAt: now, evidence: { ...evidence, ...blamed } };
    return [{ type: "signal.recorded", signal }];
  });
}

function frozenBaselines(readings: readonly Reading[], state: ControlState, { scoreboard }: LoopContext): Event[] {
  const rows = new Map(readings.map((reading) => [`${reading.variant}/${reading.metric}`, reading]));
  return [...rows.values()].flatMap(({ policy, segment, variant, metric }) => {
    const known = state.baselines[streamKey({ policy, segment, variant, metric })];
    const baseline = scoreboard.baseline({ policy, segment, variant, metric });
    if (known !== undefined || baseline === null || !baseline.frozen) return [];
    const { lossMean, labels } = baseline;
    return [{ type: "baseline.frozen", policy, segment, variant, metric, lossMean, labels }];
  });
}

/** The segment's next step. A signal that was recorded in this pass is acted on in the next. */
function step(subject: Subject, context: LoopContext, seq: number): Event[] {
  const { state, current } = subject;
  const open = current.open === null ? undefined : state.switchovers[current.open];
  if (open !== undefined) return advance(subject, open, context);
  const shared = incidentAlarmOf(subject, context);
  if (shared !== null) return proposeMove(subject, shared, context, seq);
  const alarm = alarmOf(subject);
  if (alarm !== null) {
    if (!hasLasted(subject, alarm, context) || mayBeShared(subject, alarm, context)) return [];
    const moves = proposeMove(subject, { ...alarm, signal: alarm }, context, seq);
    // Where no rung is left, what was left before may have recovered meanwhile.
    const isProposed = moves.some(({ type }) => type === "switchover.proposed");
    return isProposed ? moves : [...moves, ...proposeReturn(subject, context, seq + moves.length)];
  }
  const resolved = resolve(subject);
  return [...resolved, ...proposeReturn(subject, context, seq + resolved.length)];
}

/** A detector's alarm is acted on when labels that came after it bear it out; other sources answer for theirs. */
function hasLasted({ policy, segment }: Subject, alarm: Signal, { scoreboard }: LoopContext): boolean {
  const reading = scoreboard
    .readings(policy.policy, segment, alarm.variant)
    .find(({ metric, against }) => metric === alarm.metric && alarm.source === `detector:${against}`);
  return reading === undefined || !reading.alarmed || reading.lasted;
}

function advance(subject: Subject, switchover: Switchover, context: LoopContext): Event[] {
  const { policy, held, signals } = subject;
  const because = outlivedBecause(subject, switchover, context);
  if (because !== null)
    return [
      { type: "switchover.moved", id: switchover.id, phase: { kind: "superseded", since: context.now, because } },
    ];
  const trial = judged(context.scoreboard.trial(switchover, policy.canary.labelsMax), switchover, signals);
  const timeoutMs = policy.canary.timeoutSeconds * 1000;
  const { now, actor } = context;
  const phase = nextPhase(switchover, { trial, now, timeoutMs, held, actor });
  return phase === switchover.phase ? [] : [{ type: "switchover.moved", id: switchover.id, phase }];
}

/**
 * Why a switchover has no reason to go on, or null: what nobody was asked about ends where the mode says to ask by now,
 * a canary where it says to look on only (it could never end otherwise), and a proposal when what it was to mend is well.
 */
function outlivedBecause(subject: Subject, { gate, phase, change }: Switchover, context: LoopContext): string | null {
  const { mode } = subject;
  if (mode === "approve" ? gate === "none" : mode !== "auto" && phase.kind === "canary")
    return `the segment's mode is ${mode} by now`;
  if (
    phase.kind === "proposed" &&
    change.cause === "degraded" &&
    change.incident === undefined &&
    alarmOf(subject) === null
  )
    return "no source says degraded any more";
  if (change.incident !== undefined && change.cause === "degraded" && isSparedNow(subject, change, context))
    return "its own labels say that it is well";
  return null;
}

/** A trial seen together with what others say of the candidate since the canary began. */
export function judged(trial: Trial, { change, phase }: Switchover, signals: readonly Signal[]): Trial {
  if (phase.kind !== "canary") return trial;
  const about = signals.filter(({ variant, observedAt }) => variant === change.to && observedAt > phase.startedAt);
  // The trial itself judges its metric: a candidate may miss the objective and still be far better than what degraded.
  const isTried = ({ metric, source }: Signal) =>
    change.cause === "degraded" && metric === change.metric && source.startsWith("detector:");
  const bad = about.find((signal) => signal.status === "degraded" && !isTried(signal));
  if (bad !== undefined)
    return {
      ...trial,
      verdict: "degraded",
      because: `${bad.source} says that ${bad.metric} degraded on ${change.to}`,
    };
  // One word carries one step: the next one takes a look at what the next share of the traffic made of it.
  const good = about.find(
    ({ status, metric, source, observedAt }) =>
      status === "recovered" && metric === change.metric && !source.startsWith("detector:") && observedAt > phase.since,
  );
  if (good === undefined || trial.verdict !== "inconclusive") return trial;
  return {
    ...trial,
    verdict: "healthy",
    // Whoever vouches for the candidate has other labels than ours.
    stepLabels: Number.MAX_SAFE_INTEGER,
    because: `${good.source} says that ${good.metric} is healthy on ${change.to}`,
  };
}

/** The signal that says that the incumbent is degraded now; one with a measured level before one without. */
export function alarmOf({ current, signals }: Subject): Signal | null {
  const alarms = signals.filter(
    ({ variant, status, observedAt }) =>
      variant === current.incumbent && status === "degraded" && observedAt >= current.since,
  );
  return alarms.find(({ evidence }) => evidence.lossMean !== undefined) ?? alarms[0] ?? null;
}

function resolve({ state, policy, segment }: Subject): Event[] {
  if (state.escalations[segmentKey(policy.policy, segment.id)] === undefined) return [];
  return [
    {
      type: "escalation.resolved",
      policy: policy.policy,
      segment: segment.id,
      because: "no source says degraded any more",
    },
  ];
}
