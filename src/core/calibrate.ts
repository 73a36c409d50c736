import { baselineMean, toleratedAround } from "./baseline.ts";
import type { Objective, Policy, Segment } from "./policy.ts";
import { meaningOf } from "./meaning.ts";
import { signalKey } from "./signal.ts";
import { rowKey, segmentKey, segmentsOf, type ControlState } from "./state.ts";
import { adoptAlarm, beginIncumbency, newStream, recent, toleratedByBaseline, watch, type Stream } from "./stream.ts";
import type { Switchover } from "./switchover.ts";
import { newTrial, type TrialState } from "./trial.ts";

/** One metric of one row of the policy table. */
export interface Row {
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly metric: string;
}

export const streamKey = ({ policy, segment, variant, metric }: Row): string =>
  `${rowKey(policy, segment, variant)}/${metric}`;

const REST_LABELS_MIN = 200;

/** Tells every watch what is tolerated now, and starts the detectors of new incumbents afresh. */
export function calibrateStreams(streams: Record<string, Stream>, state: ControlState, now: number): void {
  for (const { policy } of Object.values(state.policies)) {
    const served = servedBy(streams, state, policy, now);
    for (const segment of policy.segments) calibrateSegment(streams, state, { policy, segment }, served);
  }
}

/** Gives a stream that was just begun its watches, so that its first labels count; what it takes of others waits for the next calibration. */
export function calibrateNew(streams: Record<string, Stream>, state: ControlState, row: Row): void {
  const policy = Object.hasOwn(state.policies, row.policy) ? state.policies[row.policy]?.policy : undefined;
  const segment = policy?.segments.find(({ id }) => id === row.segment);
  if (policy !== undefined && segment !== undefined) calibrateSegment(streams, state, { policy, segment }, new Map());
}

function calibrateSegment(
  streams: Record<string, Stream>,
  state: ControlState,
  { policy, segment }: { readonly policy: Policy; readonly segment: Segment },
  served: Served,
): void {
  const current = state.segments[segmentKey(policy.policy, segment.id)];
  if (current === undefined) return;
  const canary = current.open === null ? undefined : state.switchovers[current.open];
  for (const objective of segment.objectives) {
    const meaning = meaningOf(policy, segment, objective.metric);
    for (const { variant } of segment.ladder) {
      const row = { policy: policy.policy, segment: segment.id, variant, metric: objective.metric };
      const stream = meaningfulStream(streams, row, meaning);
      if (stream === undefined) continue;
      if (variant === current.incumbent) beginIncumbency(stream, current.since);
      else if (canary?.phase.kind === "canary" && variant === canary.change.to)
        beginIncumbency(stream, canary.phase.startedAt);
      restoreBaseline(stream, state, row);
      forgetOthers(stream, segment, objective.metric);
      const rest = objective.against === "rest" ? restOf(served, row) : null;
      watch(stream, objective.against, tolerated(stream, objective, rest));
      const alarm = state.signals[signalKey({ ...row, source: `detector:${objective.against}` })];
      // A process that heard little or has just started must not call off what another one found.
      if (alarm?.status === "degraded" && alarm.observedAt >= stream.since)
        adoptAlarm(stream, objective.against, alarm.id);
    }
  }
}

/** The row's stream, begun afresh when its losses mean something else by now: its baseline would be another thing's. */
function meaningfulStream(streams: Record<string, Stream>, row: Row, meaning: string): Stream | undefined {
  const stream = streams[streamKey(row)];
  if (stream === undefined) return undefined;
  if (stream.meaning === null) stream.meaning = meaning;
  if (stream.meaning === meaning) return stream;
  return (streams[streamKey(row)] = { ...newStream(), meaning });
}

interface Sum {
  labels: number;
  lossSum: number;
}

function tolerated(stream: Stream, objective: Objective, rest: Sum | null): number | null {
  switch (objective.against) {
    case "bound":
      return objective.lossMax;
    case "baseline":
      return toleratedByBaseline(stream, objective.tolerance);
    case "rest":
      if (rest === null || rest.labels < REST_LABELS_MIN) return null;
      return toleratedAround(baselineMean(rest), rest.labels, objective.tolerance);
  }
}

/** Drops the watches of objectives that were published away. */
function forgetOthers({ watches }: Stream, { objectives }: Segment, metric: string): void {
  for (const against of Object.keys(watches) as Objective["against"][])
    if (!objectives.some((objective) => objective.metric === metric && objective.against === against))
      delete watches[against];
}

/** What incumbents served in the last hour: by metric the whole policy's, and by `segment/metric` each one's own. */
type Served = ReadonlyMap<string, Sum>;

/** Summed once for all segments, or a policy of many segments would be summed once for each of them. */
function servedBy(streams: Record<string, Stream>, state: ControlState, policy: Policy, now: number): Served {
  const served = new Map<string, Sum>();
  const metrics = new Set(
    policy.segments.flatMap(({ objectives }) =>
      objectives.flatMap(({ against, metric }) => (against === "rest" ? [metric] : [])),
    ),
  );
  for (const metric of metrics) {
    const whole: Sum = { labels: 0, lossSum: 0 };
    served.set(metric, whole);
    for (const { id } of segmentsOf(policy)) {
      const variant = state.segments[segmentKey(policy.policy, id)]?.incumbent;
      const row = variant === undefined ? null : { policy: policy.policy, segment: id, variant, metric };
      const stream = row === null ? undefined : streams[streamKey(row)];
      if (stream === undefined) continue;
      const own = recent(stream, now, 60);
      served.set(`${id}/${metric}`, own);
      whole.labels += own.labels;
      whole.lossSum += own.lossSum;
    }
  }
  return served;
}

/** The policy's other segments. */
function restOf(served: Served, { segment, metric }: Row): Sum {
  const whole = served.get(metric) ?? { labels: 0, lossSum: 0 };
  const own = served.get(`${segment}/${metric}`) ?? { labels: 0, lossSum: 0 };
  return { labels: whole.labels - own.labels, lossSum: Math.max(0, whole.lossSum - own.lossSum) };
}

/** A baseline that was frozen into the ledger survives the loss of every checkpoint. */
function restoreBaseline(stream: Stream, state: ControlState, row: Row): void {
  const known = state.baselines[streamKey(row)];
  if (known === undefined || stream.baseline.frozen) return;
  stream.baseline.labels = known.labels;
  // Undoes the shrinking of `baselineMean`.
  stream.baseline.lossSum = known.lossMean * (known.labels + 1) - 0.5;
  stream.baseline.frozen = true;
  stream.baseline.waiting.length = 0;
}

/** Opens a trial for each canary, moves it to the canary's step, and forgets the trials of what ended. */
export function calibrateTrials(
  trials: Record<string, TrialState>,
  state: ControlState,
  canaries: ReadonlyMap<string, Switchover>,
): void {
  for (const id of Object.keys(trials)) if (state.switchovers[id]?.phase.kind !== "canary") delete trials[id];
  for (const { id, phase } of canaries.values()) {
    if (phase.kind !== "canary") continue;
    const trial = (trials[id] ??= newTrial(phase.startedAt));
    if (trial.step === phase.step) continue;
    trial.step = phase.step;
    trial.stepLabels = 0;
  }
}
