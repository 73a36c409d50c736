import { freeze, isFrozen } from "./baseline.ts";
import {
  addStream,
  findStream,
  policyBoard,
  segmentBoard,
  type Boards,
  type Canary,
  type PolicyBoard,
  type SegmentBoard,
} from "./boards.ts";
import { keepPools, poolsOf } from "./calibrate-pools.ts";
import { resetPool } from "./pool.ts";
import { rowOf } from "./spread.ts";
import { refreshServed, tellRest } from "./calibrate-rest.ts";
import type { Cases } from "./cases.ts";
import { keepReference } from "./measure-amount.ts";
import { meaningOf, measuredMeaning } from "./meaning.ts";
import { isRelative, type Objective } from "./policy.ts";
import { signalKey } from "./signal.ts";
import { rowKey, segmentsOf, type ControlState } from "./state.ts";
import {
  adoptAlarm,
  beginAfresh,
  beginIncumbency,
  followBaseline,
  newWatch,
  sinceOf,
  tolerate,
  type Stream,
} from "./stream.ts";
import { newTrial } from "./trial.ts";

/** One metric of one row of the policy table. */
export interface Row {
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly metric: string;
}

export const streamKey = ({ policy, segment, variant, metric }: Row): string =>
  `${rowKey(policy, segment, variant)}/${metric}`;

const MINUTE_MS = 60_000;

/** All that is measured: the figures, and a sample of the labelled answers behind them by `streamKey`. */
export interface Measured extends Boards {
  readonly cases: Cases;
}

/** What the boards were calibrated with. */
export interface Calibrated {
  readonly state: ControlState;
  /** The minute in which what the other segments are served was summed last. */
  readonly minute: number;
}

/**
 * Brings the boards in line with the state: canaries, incumbencies, what is tolerated, alarms that are recorded. States are
 * folds, which keep what did not change as it is, so only segments of which a part is another object are looked at.
 * @param before null at the first time, which looks at everything
 */
export function calibrateBoards(
  boards: Measured,
  before: Calibrated | null,
  state: ControlState,
  now: number,
): Calibrated {
  const minute = Math.floor(now / MINUTE_MS);
  const changed = before?.state === state ? [] : takeOver(boards, before, state);
  const asking: SegmentBoard[] = [];
  for (const policy of boards.policies.values())
    if (policy.served === null || minute !== before?.minute) asking.push(...refreshServed(policy, now));
  for (const board of changed) calibrateSegment(boards, board, state);
  for (const board of asking) tellRest(board);
  return { state, minute };
}

/** Takes over what the state says of each segment. @returns the boards of which something changed */
function takeOver(boards: Boards, before: Calibrated | null, state: ControlState): Set<SegmentBoard> {
  const changed = new Set<SegmentBoard>();
  for (const [id, published] of Object.entries(state.policies)) {
    const policy = policyBoard(boards, id);
    if (policy.published !== published)
      for (const board of publish(boards, policy, published, state.measuredSince)) changed.add(board);
    for (const board of policy.order) {
      const current = state.segments[board.key] ?? null;
      const open = current === null || current.open === null ? null : (state.switchovers[current.open] ?? null);
      if (current === board.current && open === board.open) continue;
      if (board.current !== null && board.current.incumbent !== current?.incumbent)
        forgetRow(policy, rowOf(board.id, board.current.incumbent));
      board.current = current;
      board.open = open;
      changed.add(board);
    }
  }
  for (const board of measuredAnew(boards, before, state)) changed.add(board);
  forgetIncidents(boards, before, state);
  // Both records may be large, so neither is copied to be searched.
  for (const key in state.signals) {
    const signal = state.signals[key];
    if (signal === undefined || signal === before?.state.signals[key] || !signal.source.startsWith("detector:"))
      continue;
    changed.add(segmentBoard(boards, signal.policy, signal.segment));
  }
  // What the ledger learnt since is at the end, because no baseline is frozen twice.
  const keys = Object.keys(state.baselines);
  for (let last = keys.length - 1; last >= 0; last--) {
    const key = keys[last] ?? "";
    if (state.baselines[key] === before?.state.baselines[key]) break;
    const [policy = "", segment = ""] = key.split("/");
    changed.add(segmentBoard(boards, policy, segment));
  }
  return changed;
}

/** @returns the boards of policies of which a person said that a metric is measured in another way by now */
function measuredAnew(boards: Boards, before: Calibrated | null, state: ControlState): SegmentBoard[] {
  return Object.entries(state.measuredSince).flatMap(([key, seq]) => {
    if (before !== null && before.state.measuredSince[key] === seq) return [];
    const policy = boards.policies.get(key.slice(0, key.indexOf("/")));
    if (policy === undefined) return [];
    keepPools(boards, policy, state.measuredSince);
    return [...policy.order];
  });
}

/** What a row lost before it was left says nothing of what goes on. */
function forgetRow({ pools }: PolicyBoard, row: string): void {
  for (const { spread } of pools.values()) spread.rows.delete(row);
}

/** What pools found is over with the incident that it led to, or once its first segment came back: they look for the next one. */
function forgetIncidents({ policies }: Boards, before: Calibrated | null, state: ControlState): void {
  for (const [id, { policy, metric, recoveredAt }] of Object.entries(before?.state.incidents ?? {})) {
    const now = state.incidents[id];
    if (now !== undefined && now.recoveredAt === recoveredAt) continue;
    for (const pool of policies.get(policy)?.pools.values() ?? []) if (pool.metric === metric) resetPool(pool);
  }
}

/** @returns the boards of the segments before and after */
function publish(
  boards: Boards,
  policy: PolicyBoard,
  published: NonNullable<PolicyBoard["published"]>,
  measuredSince: ControlState["measuredSince"],
): ReadonlySet<SegmentBoard> {
  const gone = policy.order;
  for (const board of gone) Object.assign(board, { segment: null, current: null, open: null });
  policy.published = published;
  policy.order = segmentsOf(published.policy).map((segment) =>
    Object.assign(segmentBoard(boards, policy.id, segment.id), { segment }),
  );
  policy.served = null;
  keepPools(boards, policy, measuredSince);
  return new Set([...gone, ...policy.order]);
}

/** Brings one segment's streams and its canary in line; for those just begun too, so that their first labels count. */
export function calibrateSegment(boards: Measured, board: SegmentBoard, state: ControlState): void {
  const { segment, current, policy } = board;
  board.canary = canaryOf(board);
  for (const stream of board.streams) stream.pools = null;
  if (segment === null || current === null || policy.published === null) return;
  for (const metric of new Set(segment.objectives.map((objective) => objective.metric))) {
    const meaning = board.streams.some((stream) => stream.metric === metric)
      ? measuredMeaning(meaningOf(policy.published.policy, segment, metric), state.measuredSince, policy.id, metric)
      : "";
    keepReference(board, metric, meaning);
    const objectives = segment.objectives.filter((objective) => objective.metric === metric);
    for (const { variant } of segment.ladder) {
      const stream = findStream(board, variant, metric);
      if (stream !== undefined) calibrateStream(boards, board, { stream, meaning, objectives }, state);
    }
  }
}

function calibrateStream(
  boards: Measured,
  board: SegmentBoard,
  {
    stream,
    meaning,
    objectives,
  }: { readonly stream: Stream; readonly meaning: string; readonly objectives: readonly Objective[] },
  state: ControlState,
): void {
  const row = { policy: board.policy.id, segment: board.id, variant: stream.variant, metric: stream.metric };
  const key = streamKey(row);
  stream.meaning ??= meaning;
  if (stream.meaning !== meaning) {
    beginAfresh(stream, meaning);
    forgetAlarms(boards, stream);
    boards.cases.begin(key);
  }
  const since = incumbencyOf(board, stream.variant);
  if (since !== null && beginIncumbency(stream, since)) {
    forgetAlarms(boards, stream);
    boards.cases.begin(key);
  }
  const known = state.baselines[key];
  const spec = board.policy.published?.policy.metrics[stream.metric];
  // A baseline that was frozen into the ledger survives the loss of every checkpoint, unless the scale it is on was lost with that.
  if (known !== undefined && !isFrozen(stream) && (spec === undefined || !isRelative(spec)))
    freeze(stream, known.labels, known.lossMean);
  watchAll(boards, stream, objectives);
  followBaseline(stream);
  for (const watch of stream.watches) {
    const { objective } = watch;
    if (objective.against === "bound") tolerate(watch, objective.lossMax);
    const alarm = state.signals[signalKey({ ...row, source: `detector:${objective.against}` })];
    // A process that heard little or has just started must not call off what another one found.
    if (alarm?.status !== "degraded" || alarm.observedAt < sinceOf(stream)) boards.alarms.delete(watch);
    else if (boards.alarms.get(watch) !== alarm.id) {
      boards.alarms.set(watch, alarm.id);
      adoptAlarm(watch);
    }
  }
  tellRest(board);
  // What is only tried has a trial of its own: a probe of what failed before must not look like one more failure.
  if (board.current?.incumbent === stream.variant) stream.pools = poolsOf(boards, board.policy, stream);
}

/** Since when a variant serves the segment, or is tried there; null while it does neither. */
function incumbencyOf({ current, open }: SegmentBoard, variant: string): number | null {
  if (variant === current?.incumbent) return current.since;
  return open?.phase.kind === "canary" && variant === open.change.to ? open.phase.startedAt : null;
}

/** One watch for each kind of objective, in their order; those of objectives that were published away are dropped. */
function watchAll(boards: Boards, stream: Stream, objectives: readonly Objective[]): void {
  const wanted = new Map(objectives.map((objective) => [objective.against, objective]));
  for (const watch of stream.watches) {
    if (wanted.has(watch.objective.against)) continue;
    boards.alarms.delete(watch);
    boards.slabs.watches.giveBack(watch);
  }
  stream.watches = [...wanted.values()].map((objective) => {
    const known = stream.watches.find((watch) => watch.objective.against === objective.against);
    return known === undefined ? newWatch(objective, boards.slabs.watches.take()) : Object.assign(known, { objective });
  });
}

const forgetAlarms = ({ alarms }: Boards, { watches }: Stream): void => {
  for (const watch of watches) alarms.delete(watch);
};

/** The segment's canary with its trial, opened when it began and moved to its step; null when there is none. */
function canaryOf({ open, canary }: SegmentBoard): Canary | null {
  if (open?.phase.kind !== "canary") return null;
  const { id, change, phase } = open;
  const trial = canary?.id === id ? canary.trial : newTrial(phase.startedAt);
  if (trial.step !== phase.step) {
    trial.step = phase.step;
    trial.stepLabels = 0;
  }
  return { id, change, trial };
}

/** The row's stream, begun and calibrated when there is none. */
export function streamOf(
  boards: Measured,
  board: SegmentBoard,
  { variant, metric }: Pick<Row, "variant" | "metric">,
  calibrated: Calibrated | null,
): Stream {
  const known = findStream(board, variant, metric);
  if (known !== undefined) return known;
  const stream = addStream(boards, board, variant, metric);
  if (calibrated !== null) calibrateSegment(boards, board, calibrated.state);
  return stream;
}
