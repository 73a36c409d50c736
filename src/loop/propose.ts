import type { Event } from "../core/event.ts";
import { mayBegin } from "../core/guard.ts";
import { nextRung } from "../core/ladder.ts";
import type { Segment, Step } from "../core/policy.ts";
import { signalKey, type Signal, type SignalEvidence } from "../core/signal.ts";
import { segmentKey } from "../core/state.ts";
import { changeDigest, type Change, type Switchover } from "../core/switchover.ts";
import type { LoopContext, Subject } from "./subject.ts";

/** A drop that leaves little doubt, in mean loss above what is tolerated. */
const SEVERE = 0.2;
const CAREFUL: readonly Step[] = [
  { share: 0.1, labelsMin: 10, secondsMin: 0 },
  { share: 0.5, labelsMin: 20, secondsMin: 0 },
  { share: 0.9, labelsMin: 20, secondsMin: 0 },
];
/** Nine in ten at once; the last tenth stays as the comparison. */
const URGENT: readonly Step[] = [{ share: 0.9, labelsMin: 10, secondsMin: 0 }];
/** Half each, which tells two close levels apart with the fewest labels. */
const BALANCED: readonly Step[] = [{ share: 0.5, labelsMin: 20, secondsMin: 0 }];
/** A probe of the former variant: half the traffic until the odds are clear. */
const PROBE: readonly Step[] = [{ share: 0.5, labelsMin: 10, secondsMin: 0 }];
/** Live labels of a rung count when they are this recent, in minutes. */
const LIVE_MINUTES = 60;

/** What follows from a degraded incumbent: a proposal, an escalation to people, or holding. */
export function proposeMove(subject: Subject, alarm: Signal, context: LoopContext, seq: number): Event[] {
  const { policy, segment, current, mode, held } = subject;
  if (mode === "observe") return [];
  if (mode === "alert")
    return escalate(subject, alarm, "alert-mode", `${alarm.metric} of ${segment.id} degraded; its mode is alert`);
  if (held) return [];
  const refusal = mayBegin(subject.state, { policy, segment: segment.id }, shareOf(subject, context), context.now);
  if (refusal?.code === "moves-exhausted") return escalate(subject, alarm, "moves-exhausted", refusal.because);
  if (refusal !== null) return [];
  const evidence = latestEvidence(subject, alarm, context);
  const level = (variant: string) =>
    context.scoreboard.level(
      { policy: policy.policy, segment: segment.id, variant, metric: alarm.metric },
      { now: context.now, minutes: LIVE_MINUTES },
    );
  // Rungs are validated for quality: their figures say nothing of errors or latency, where only the trial can tell.
  const isQuality = (policy.metrics[alarm.metric]?.from ?? "feedback") === "feedback";
  const rung = nextRung(
    segment.ladder,
    isQuality ? (evidence.lossMean ?? null) : null,
    isQuality ? level : () => null,
    excluded(subject, context.now),
  );
  if (rung === null) {
    const loss = evidence.lossMean === undefined ? "" : ` (mean loss ${evidence.lossMean.toFixed(3)})`;
    const detail = `${current.incumbent} degraded on ${alarm.metric}${loss} and no validated rung is clearly better: holding`;
    return escalate(subject, alarm, "no-better-rung", detail);
  }
  const steps = policy.canary.steps ?? stepsFor(segment, evidence, rung.lossMax);
  return propose(
    subject,
    {
      from: current.incumbent,
      to: rung.variant,
      cause: "degraded",
      metric: alarm.metric,
      steps,
      evidence,
      ...raisedBy(subject, alarm),
    },
    context,
    seq,
  );
}

/** Half-open: after a wait that doubles with each failure, the variant that was left is probed for recovery. */
export function proposeReturn(subject: Subject, context: LoopContext, seq: number): Event[] {
  const { policy, segment, current, mode, held, signals } = subject;
  const { former, endedAt } = current;
  if (former === null || endedAt === null || held) return [];
  if (!segment.ladder.some(({ variant }) => variant === former.variant)) return [];
  const recovered = signals.find(
    ({ variant, status, observedAt }) => variant === former.variant && status === "recovered" && observedAt >= endedAt,
  );
  // Only a probe can tell in auto mode; where a person decides, it takes someone who says that it recovered.
  const waited =
    mode === "auto" &&
    former.lossDegraded !== null &&
    former.lossTolerated !== null &&
    context.now - endedAt >= policy.guard.revertSeconds * 1000 * 2 ** Math.min(current.revertFails, 10);
  if (!waited && !(recovered !== undefined && (mode === "auto" || mode === "approve"))) return [];
  if (mayBegin(subject.state, { policy, segment: segment.id }, shareOf(subject, context), context.now) !== null)
    return [];
  const evidence: SignalEvidence = {
    ...(former.lossDegraded === null ? {} : { lossMean: former.lossDegraded }),
    ...(former.lossTolerated === null ? {} : { lossTolerated: former.lossTolerated }),
    note: recovered !== undefined ? "a source says that it recovered" : "the wait is over: probing",
  };
  const { variant: to, metric } = former;
  const planned = { from: current.incumbent, to, cause: "recovered" as const, metric, steps: [...PROBE], evidence };
  return propose(
    subject,
    recovered === undefined ? planned : { ...planned, ...raisedBy(subject, recovered) },
    context,
    seq,
  );
}

const raisedBy = ({ state }: Subject, signal: Signal): Pick<Change, "raisedBy"> => {
  const name = state.signalActors[signalKey(signal)];
  return name === undefined ? {} : { raisedBy: name };
};

type Planned = Omit<Change, "policy" | "segment" | "basedOn" | "steps"> & {
  readonly steps: readonly Step[];
};

function propose(
  { state, policy, segment, mode }: Subject,
  planned: Planned,
  { now, actor }: LoopContext,
  seq: number,
): Event[] {
  const change: Change = {
    ...planned,
    steps: [...planned.steps],
    policy: policy.policy,
    segment: segment.id,
    basedOn: state.revision,
  };
  const switchover: Switchover = {
    // Named after the ledger entry that proposes it, which makes it unique.
    id: `${segment.id}-${seq + 1}`,
    change,
    digest: changeDigest(change),
    gate: mode === "auto" ? "none" : "approval",
    proposedBy: actor,
    phase: { kind: "proposed", since: now, expiresAt: now + policy.guard.proposalSeconds * 1000 },
  };
  return [{ type: "switchover.proposed", switchover }];
}

/** In haste only where the fault is severe, the risk is not high, and there is as much to be won. */
function stepsFor(
  { risk }: Segment,
  { lossMean, lossTolerated }: SignalEvidence,
  rungLossMax: number,
): readonly Step[] {
  if (risk === "high" || lossMean === undefined || lossTolerated === undefined) return CAREFUL;
  if (lossMean - lossTolerated < SEVERE) return CAREFUL;
  return lossMean - rungLossMax >= SEVERE ? URGENT : BALANCED;
}

const shareOf =
  ({ policy }: Subject, { scoreboard, now }: LoopContext) =>
  (segment: string): number =>
    scoreboard.share(policy.policy, segment, now);

/** The detector's evidence grows after the alarm; the level is taken as it is now, unless this process knows less than was recorded. */
function latestEvidence(
  { policy, segment, current }: Subject,
  alarm: Signal,
  { scoreboard }: LoopContext,
): SignalEvidence {
  const reading = scoreboard
    .readings(policy.policy, segment, current.incumbent)
    .find(({ metric, alarmed }) => alarmed && metric === alarm.metric);
  const labels = reading?.evidence.labels ?? 0;
  return reading !== undefined && labels > 0 && labels >= (alarm.evidence.labels ?? 0)
    ? reading.evidence
    : alarm.evidence;
}

/** Rungs not to try: what serves, what was rolled back lately, and what some source says is degraded. */
function excluded({ current, policy, signals }: Subject, now: number): ReadonlySet<string> {
  const isRecent = (at: number) => now - at < policy.guard.quarantineSeconds * 1000;
  const quarantined = Object.entries(current.quarantine).flatMap(([variant, at]) => (isRecent(at) ? [variant] : []));
  // A detector cannot see a variant recover that is not served, so its word on one ages; another source can take its own back.
  const degraded = signals.flatMap(({ status, variant, source, observedAt }) =>
    status === "degraded" && (isRecent(observedAt) || !source.startsWith("detector:")) ? [variant] : [],
  );
  return new Set([current.incumbent, ...quarantined, ...degraded]);
}

/** Once per reason and variant: an escalation that is open is not raised again. */
function escalate(
  { state, policy, segment }: Subject,
  { variant, metric }: Signal,
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
