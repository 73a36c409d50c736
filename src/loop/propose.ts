import type { Basis, MoveBasis } from "../core/basis.ts";
import { decideMove, decideReturn, evidenceNow, type Decision, type ReturnDecision } from "../core/decide-move.ts";
import type { Event } from "../core/event.ts";
import { mayBegin, type Refusal } from "../core/guard.ts";
import { signalKey, type Signal, type SignalEvidence } from "../core/signal.ts";
import { segmentKey } from "../core/state.ts";
import { changeDigest, type Change, type Switchover } from "../core/switchover.ts";
import { moveBasis, returnBasis, wordFor, type Alarm } from "./gather-basis.ts";
import type { LoopContext, Subject } from "./subject.ts";

/** What follows from a degraded incumbent: a proposal, an escalation to people, or holding. */
export function proposeMove(subject: Subject, alarm: Alarm, context: LoopContext, seq: number): Event[] {
  const { segment, current, mode, held } = subject;
  const { incident } = alarm;
  if (mode === "observe") return [];
  if (mode === "alert")
    return escalate(subject, alarm, "alert-mode", `${alarm.metric} of ${segment.id} degraded; its mode is alert`);
  if (held) return [];
  // Asked first because it is cheap; the decision asks it again, of the figures that it is stored with.
  const refusal = mayMove(subject, context, { isReturn: false, isShared: incident !== undefined });
  if (refusal?.code === "moves-exhausted" || refusal?.code === "changes-exhausted")
    return escalate(subject, alarm, refusal.code, refusal.because);
  if (refusal !== null) return [];
  const basis = moveBasis(subject, alarm, context);
  const decision = decideMove(basis);
  const evidence = { ...wordsOf(alarm, basis), ...evidenceNow(basis.alarm) };
  if ("hold" in decision) {
    if (decision.hold !== "no-better-rung") return [];
    const loss = evidence.lossMean === undefined ? "" : ` (mean loss ${evidence.lossMean.toFixed(3)})`;
    const detail = `${current.incumbent} degraded on ${alarm.metric}${loss} and no validated rung is clearly better: holding`;
    return escalate(subject, alarm, "no-better-rung", detail);
  }
  const planned: Planned = {
    from: current.incumbent,
    cause: "degraded",
    metric: alarm.metric,
    evidence,
    basis,
    ...(incident === undefined ? raisedBy(subject, alarm.signal) : { incident }),
  };
  return propose(subject, { planned, decision }, context, seq);
}

/** What people read beside an alarm's figures, where the figures are its own. */
const wordsOf = (
  { evidence: { url, note } }: Alarm,
  { alarm: { source } }: MoveBasis,
): Pick<SignalEvidence, "url" | "note"> =>
  source.startsWith("detector:")
    ? {}
    : { ...(url === undefined ? {} : { url }), ...(note === undefined ? {} : { note }) };

const NOTES: Readonly<Record<ReturnDecision["by"], string>> = {
  word: "a source says that it recovered",
  incident: "the incident is over elsewhere",
  wait: "the wait is over: probing",
};

/**
 * Half-open: the variant that was left is probed for recovery, as often as the stakes say (`probeWaitMs`). Of an incident
 * only the busiest segments are probed, and the others follow the first that came back.
 */
export function proposeReturn(subject: Subject, context: LoopContext, seq: number): Event[] {
  const { segment, current, held } = subject;
  const { former, endedAt } = current;
  if (former === null || endedAt === null || held) return [];
  if (!segment.ladder.some(({ variant }) => variant === former.variant)) return [];
  const basis = returnBasis(subject, former, context);
  const decision = decideReturn(basis);
  if ("hold" in decision) return [];
  const evidence: SignalEvidence = {
    ...(basis.former.lossDegraded === null ? {} : { lossMean: basis.former.lossDegraded }),
    ...(basis.former.lossTolerated === null ? {} : { lossTolerated: basis.former.lossTolerated }),
    note: NOTES[decision.by],
  };
  const planned: Planned = {
    from: current.incumbent,
    cause: "recovered",
    metric: former.metric,
    evidence,
    basis,
    ...(former.incident === null ? {} : { incident: former.incident }),
    ...(decision.by === "word" ? raisedBy(subject, wordFor(subject, former)) : {}),
  };
  return propose(subject, { planned, decision }, context, seq);
}

const mayMove = (
  { state, policy, segment }: Subject,
  { scoreboard, now }: LoopContext,
  kind: { readonly isReturn: boolean; readonly isShared: boolean },
): Refusal | null =>
  mayBegin(state, { policy, segment: segment.id, ...kind }, (id) => scoreboard.share(policy.policy, id, now), now);

const raisedBy = ({ state }: Subject, signal: Signal | undefined): Pick<Change, "raisedBy"> => {
  const name = signal === undefined ? undefined : state.signalActors[signalKey(signal)];
  return name === undefined ? {} : { raisedBy: name };
};

type Planned = Omit<Change, "policy" | "segment" | "basedOn" | "to" | "steps" | "basis"> & { readonly basis: Basis };

function propose(
  { state, policy, segment }: Subject,
  { planned, decision: { to, steps, gate } }: { readonly planned: Planned; readonly decision: Decision },
  { now, actor }: LoopContext,
  seq: number,
): Event[] {
  const change: Change = {
    ...planned,
    to,
    steps: [...steps],
    policy: policy.policy,
    segment: segment.id,
    basedOn: state.revision,
  };
  const switchover: Switchover = {
    // Named after the ledger entry that proposes it, which makes it unique.
    id: `${segment.id}-${seq + 1}`,
    change,
    digest: changeDigest(change),
    gate,
    proposedBy: actor,
    phase: { kind: "proposed", since: now, expiresAt: now + policy.guard.proposalSeconds * 1000 },
  };
  return [{ type: "switchover.proposed", switchover }];
}

/** Once per reason and variant: an escalation that is open is not raised again. */
function escalate(
  { state, policy, segment }: Subject,
  { variant, metric }: Alarm,
  reason: Extract<Event, { type: "escalation.raised" }>["reason"],
  detail: string,
): Event[] {
  const known = state.escalations[segmentKey(policy.policy, segment.id)];
  if (known?.reason === reason && known.variant === variant) return [];
  return [
    {
      type: "escalation.raised",
      policy: policy.policy,
      segment: segment.id,
      variant,
      metric,
      reason,
      detail,
    },
  ];
}
