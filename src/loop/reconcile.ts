import { digestOf } from "../core/digest.ts";
import type { Event } from "../core/event.ts";
import type { Mode, Segment } from "../core/policy.ts";
import type { Reading } from "../core/scoreboard.ts";
import { signalKey, type Signal } from "../core/signal.ts";
import { segmentKey, type ControlState } from "../core/state.ts";
import { freezeOf } from "../core/guard.ts";
import { nextPhase, type Switchover, type Trial } from "../core/switchover.ts";
import { proposeMove, proposeReturn } from "./propose.ts";
import type { LoopContext, Subject } from "./subject.ts";

/**
 * The next events, decided from state and measurements alone, never from which event came: running it twice on
 * the same state gives the same events, and running it after them gives the ones that follow. Each segment takes at
 * most one step. Segments are visited in policy order, final phases included.
 */
export function reconcile(state: ControlState, context: LoopContext): Event[] {
  const signals = signalsBySegment(state);
  const events: Event[] = [];
  // Proposals of this pass count for the guards of those behind them, or a burst of alarms would pass the limits together.
  let planned = state;
  for (const { policy } of Object.values(state.policies))
    for (const segment of policy.segments) {
      const current = state.segments[segmentKey(policy.policy, segment.id)];
      if (current === undefined) continue;
      const mode = effectiveMode(segment, context.modeOverride(policy.policy, segment.id));
      const held =
        mode === "observe" ||
        mode === "alert" ||
        !context.automation(policy.policy, segment.id) ||
        freezeOf(state, policy.policy, segment.id, context.now) !== null;
      const about = signals.get(segmentKey(policy.policy, segment.id)) ?? [];
      const subject: Subject = {
        state: planned,
        policy,
        segment,
        current,
        mode,
        held,
        signals: about,
      };
      const heard = observed(subject, context);
      events.push(...heard);
      // What was just heard may take back what the state still says, so the step is left to the next pass.
      if (heard.some(({ type }) => type === "signal.recorded")) continue;
      const following = step(subject, context, state.head.seq + events.length);
      events.push(...following);
      planned = following.reduce(withProposal, planned);
    }
  return events;
}

function withProposal(state: ControlState, event: Event): ControlState {
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

/** A flag may lower or raise a mode, but a high-risk segment never moves without a person. */
export function effectiveMode(segment: Segment, override: Mode | null): Mode {
  const mode = override ?? segment.mode;
  return mode === "auto" && segment.risk === "high" ? "approve" : mode;
}

function signalsBySegment(state: ControlState): Map<string, Signal[]> {
  const found = new Map<string, Signal[]>();
  for (const signal of Object.values(state.signals)) {
    const key = segmentKey(signal.policy, signal.segment);
    const list = found.get(key);
    if (list === undefined) found.set(key, [signal]);
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
      ...detectorSignals(readings, signals, { since, now: context.now, seq: state.head.seq }),
      ...frozenBaselines(readings, state, context),
    ];
  });
}

function detectorSignals(
  readings: readonly Reading[],
  signals: readonly Signal[],
  { since, now, seq }: { readonly since: number; readonly now: number; readonly seq: number },
): Event[] {
  return readings.flatMap(({ policy, segment, variant, metric, against, alarmed, evidence }) => {
    const about = { source: `detector:${against}`, policy, segment, variant, metric };
    const latest = signals.find((signal) => signalKey(signal) === signalKey(about));
    const fresh = latest !== undefined && latest.observedAt >= since;
    const status = alarmed ? "degraded" : "recovered";
    if (fresh ? latest.status === status : !alarmed) return [];
    // After a clock went back the state would keep the later one, and this would be recorded again and again.
    if (latest !== undefined && latest.observedAt > now) return [];
    // A digest, because the names together may be longer than an id; the ledger's head, because a detector can change its
    // mind twice within a millisecond.
    const id = `${digestOf(signalKey(about)).slice(0, 16)}@${seq}`;
    const signal: Signal = { ...about, id, status, observedAt: now, evidence };
    return [{ type: "signal.recorded", signal }];
  });
}

function frozenBaselines(readings: readonly Reading[], state: ControlState, { scoreboard }: LoopContext): Event[] {
  const rows = new Map(readings.map((reading) => [`${reading.variant}/${reading.metric}`, reading]));
  return [...rows.values()].flatMap(({ policy, segment, variant, metric }) => {
    const known = state.baselines[`${policy}/${segment}/${variant}/${metric}`];
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
  const alarm = alarmOf(subject);
  if (alarm !== null) return proposeMove(subject, alarm, context, seq);
  const resolved = resolve(subject);
  return [...resolved, ...proposeReturn(subject, context, seq + resolved.length)];
}

function advance(subject: Subject, switchover: Switchover, context: LoopContext): Event[] {
  const { policy, held, signals } = subject;
  const because = outlivedBecause(subject, switchover);
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
function outlivedBecause(subject: Subject, { gate, phase, change }: Switchover): string | null {
  const { mode } = subject;
  if (mode === "approve" ? gate === "none" : mode !== "auto" && phase.kind === "canary")
    return `the segment's mode is ${mode} by now`;
  if (phase.kind === "proposed" && change.cause === "degraded" && alarmOf(subject) === null)
    return "no source says degraded any more";
  return null;
}

/** A trial seen together with what others say of the candidate since the canary began. */
function judged(trial: Trial, { change, phase }: Switchover, signals: readonly Signal[]): Trial {
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
