import type { CastSegment } from "../src/replay/cast.ts";
import type { TimedEntry } from "../src/replay/explain-segment.ts";
import type { SegmentFault } from "../src/replay/faults.ts";
import { isMissed, type FaultRecord, type Tally } from "../src/replay/referee.ts";
import { COST, LATENCY, type ReplayedPolicy } from "../src/replay/replayed-policy.ts";
import type { Scenario } from "../src/replay/scenario.ts";
import type { World } from "../src/replay/world.ts";
import type { Move } from "./loop-moves.ts";

/** One replay, with all that is known of what was true in it. */
export interface JudgedRun {
  readonly scenario: Pick<Scenario, "id" | "requests" | "labels" | "traffic">;
  readonly segments: readonly Pick<CastSegment, "primary" | "means">[];
  readonly faults: readonly (readonly SegmentFault[])[];
  readonly mean: World["mean"];
  readonly tally: Pick<Tally, "falseSwitchovers" | "wrongTarget">;
  readonly records: readonly FaultRecord[];
  readonly moves: readonly Move[];
  readonly entries: readonly TimedEntry[];
  readonly replayed: Pick<ReplayedPolicy, "policy" | "segmentIds" | "variantIds">;
}

export interface Rightness {
  readonly isRight: boolean;
  /** What was found, and in `wrong` which of it is not as it should be. */
  readonly found: readonly string[];
  readonly wrong: readonly string[];
}

interface Check {
  readonly found: string;
  readonly holds: boolean;
}

/** `s4` of `s4-outage`: what kind of scenario it is. */
export const kindOf = (scenario: string): string => scenario.split("-")[0] ?? scenario;

/** Whether the loop behaved as it should in a scenario of this kind; null for one that nothing is laid down for. */
export function judge(run: JudgedRun): Rightness | null {
  const checks = JUDGES[kindOf(run.scenario.id)]?.(run);
  if (checks === undefined) return null;
  const wrong = checks.filter(({ holds }) => !holds).map(({ found }) => found);
  return { isRight: wrong.length === 0, found: checks.map(({ found }) => found), wrong };
}

/** One wrong move a run is what the targets allow where nothing is wrong. */
const WRONG_MAX = 1;
/** As the targets allow while the measure is changing. */
const WRONG_MAX_EVALUATOR = 5;
/** What "most of them" means: the rest are segments with too little traffic to tell. */
const MOST = 0.8;
const LOST = 0.01;
const HOUR_SECONDS = 3600;

const JUDGES: Readonly<Record<string, (run: JudgedRun) => readonly Check[]>> = {
  s0: (run) => [wrongMoves(run)],
  s1: (run) => [mostMoved(run), wrongMoves(run), wrongTargets(run)],
  s2: (run) => [mostMoved(run), wrongMoves(run), wrongTargets(run)],
  s3: (run) => [mostMoved(run), cameBack(run, MOST), wrongMoves(run)],
  s4: outage,
  s5: (run) => [wrongMoves(run)],
  s6: reverseSimpson,
  s7: evaluator,
  s8: naiveUpgrade,
  s9: badCandidate,
  s10: judgeHack,
  s11: lowTraffic,
  s12: feedbackDies,
  s13: latencyAndCost,
  s14: (run) => [wrongMoves(run)],
};

const wrongMoves = ({ tally: { falseSwitchovers } }: JudgedRun, most = WRONG_MAX): Check => ({
  found: `${falseSwitchovers} moved for no reason`,
  holds: falseSwitchovers <= most,
});

const wrongTargets = ({ tally: { wrongTarget } }: JudgedRun): Check => ({
  found: `${wrongTarget} to no better variant`,
  holds: wrongTarget === 0,
});

const shareIs = (part: number, whole: number, least: number): boolean => whole === 0 || part / whole >= least;

/** Moves away from what degraded that began: returns are not meant. */
const forward = ({ moves }: JudgedRun): readonly Move[] =>
  moves.filter(({ cause, began }) => cause !== "recovered" && began !== null);

/** Faults that moving mends. */
const mendable = ({ records }: JudgedRun): readonly FaultRecord[] =>
  records.filter((record) => isMissed({ ...record, begun: false }));

/** Whether a segment left its first variant for good, or until that recovered. */
const isMoved = (run: JudgedRun, { place, start }: Pick<FaultRecord, "place" | "start">): boolean =>
  forward(run).some(
    (move) => move.place === place && move.from === run.segments[place]?.primary && (move.confirmed ?? -1) >= start,
  );

function mostMoved(run: JudgedRun): Check {
  const all = mendable(run);
  const moved = all.filter((record) => isMoved(run, record));
  return { found: `${moved.length} of ${all.length} moved`, holds: shareIs(moved.length, all.length, MOST) };
}

/** Of the segments that left their first variant, those that are back. */
function cameBack(run: JudgedRun, least: number): Check {
  const left = run.records.filter((record) => isMoved(run, record));
  const back = left.filter(({ place, end }) =>
    run.moves.some(
      ({ place: own, cause, to, confirmed }) =>
        own === place && cause === "recovered" && to === run.segments[place]?.primary && (confirmed ?? -1) >= end,
    ),
  );
  return { found: `${back.length} of ${left.length} came back`, holds: shareIs(back.length, left.length, least) };
}

function incidentsOf({ entries }: JudgedRun): readonly { readonly id: string; readonly kind: string }[] {
  return entries.flatMap(({ entry: { event } }) =>
    event.type === "incident.opened" ? [{ id: event.id, kind: event.scope.kind }] : [],
  );
}

/** One incident; every segment that moving helps moves with it, and comes back with it. */
function outage(run: JudgedRun): readonly Check[] {
  const incidents = incidentsOf(run);
  const all = mendable(run);
  const begun = forward(run);
  const together = all.filter(({ place }) =>
    begun.some((move) => move.place === place && move.incident !== null && move.incident === incidents[0]?.id),
  );
  const returns = run.moves.filter(({ cause, confirmed }) => cause === "recovered" && confirmed !== null);
  const alone = returns.filter(({ incident }) => incident === null).length;
  return [
    {
      found: `${incidents.length} incidents opened`,
      holds: incidents.length === 1 && incidents[0]?.kind !== "evaluator",
    },
    { found: `${together.length} of ${all.length} moved with it`, holds: together.length === all.length },
    cameBack(run, 1),
    { found: `${alone} of ${returns.length} returns outside the incident`, holds: alone === 0 && begun.length > 0 },
  ];
}

function reverseSimpson(run: JudgedRun): readonly Check[] {
  const collapsed = run.records.filter((record) => isMoved(run, record));
  const others = forward(run).filter(({ place }) => !run.records.some((record) => record.place === place));
  return [
    {
      found: `${collapsed.length} of ${run.records.length} collapsed moved`,
      holds: run.records.length > 0 && collapsed.length === run.records.length,
    },
    { found: `${others.length} others moved`, holds: others.length === 0 },
  ];
}

function evaluator(run: JudgedRun): readonly Check[] {
  const isFrozen = run.entries.some(({ entry: { event } }) => event.type === "freeze.set");
  const isTold = incidentsOf(run).some(({ kind }) => kind === "evaluator");
  return [
    { found: isFrozen ? "frozen" : "not frozen", holds: isFrozen },
    { found: isTold ? "people told" : "people not told", holds: isTold },
    wrongMoves(run, WRONG_MAX_EVALUATOR),
  ];
}

/** A canary that is undone is allowed where the upgrade is a gain. */
function naiveUpgrade(run: JudgedRun): readonly Check[] {
  const improved = run.faults.flatMap((faults, place) => {
    const segment = run.segments[place];
    if (segment === undefined || faults.every(({ model }) => model !== segment.primary)) return [];
    const after = run.mean(run.scenario.requests - 1, place, segment.primary);
    return after >= (segment.means[segment.primary] ?? 0) - LOST ? [{ place, start: 0 }] : [];
  });
  const left = improved.filter((one) => isMoved(run, one)).length;
  return [{ found: `${left} of ${improved.length} improved moved away`, holds: left === 0 }, mostMoved(run)];
}

/** Moves to a variant that a fault of this kind spoilt. */
const movesToSpoilt = ({ moves, faults }: JudgedRun, kind: SegmentFault["kind"]): readonly Move[] =>
  moves.filter(({ place, to }) => faults[place]?.some((fault) => fault.kind === kind && fault.model === to) ?? false);

function badCandidate(run: JudgedRun): readonly Check[] {
  const tried = movesToSpoilt(run, "candidate");
  const worse = tried.filter(
    ({ place, from, to, confirmed }) =>
      confirmed !== null && run.mean(confirmed, place, to) <= run.mean(confirmed, place, from),
  );
  return [
    {
      found: `${worse.length} of ${tried.length} bad candidates that were tried confirmed`,
      holds: worse.length === 0 && tried.length > 0,
    },
  ];
}

function judgeHack(run: JudgedRun): readonly Check[] {
  const tried = movesToSpoilt(run, "hack");
  const confirmed = tried.filter((move) => move.confirmed !== null).length;
  return [
    {
      found: `${confirmed} of ${tried.length} hacked candidates that were tried confirmed`,
      holds: confirmed === 0 && tried.length > 0,
    },
  ];
}

function lowTraffic(run: JudgedRun): readonly Check[] {
  const begun = forward(run);
  const alone = begun.filter(({ incident }) => incident === null).length;
  return [
    { found: `${alone} of ${begun.length} moves on a row's own few labels`, holds: alone === 0 },
    wrongMoves(run, 0),
  ];
}

/**
 * Segments without feedback stay where they are, and are not called healthy. After an hour without a label `read-status.ts`
 * calls no objective healthy, so what remains to be seen in the ledger is that no alarm stands.
 */
function feedbackDies(run: JudgedRun): readonly Check[] {
  const { requests, labels, traffic } = run.scenario;
  const dead = run.faults.flatMap((faults, place) => {
    const death = faults.find(({ kind, rate }) => kind === "labels" && rate === 0);
    return death === undefined ? [] : [{ place, last: death.start + labels.delay }];
  });
  const moved = dead.filter(({ place, last }) =>
    forward(run).some((move) => move.place === place && (move.began ?? -1) > last),
  ).length;
  const unknown = dead.filter(
    ({ place, last }) => requests - last >= HOUR_SECONDS * traffic.perSecond && !hasStandingAlarm(run, place),
  ).length;
  return [
    { found: `${moved} of ${dead.length} without feedback moved`, holds: moved === 0 },
    { found: `${unknown} of ${dead.length} inconclusive at the end`, holds: unknown === dead.length },
  ];
}

/** Whether the last signal about what a segment is served says that it is degraded. */
function hasStandingAlarm({ entries, moves, segments, replayed }: JudgedRun, place: number): boolean {
  const last = moves.findLast((move) => move.place === place && move.confirmed !== null);
  const incumbent = replayed.variantIds[place]?.[last?.to ?? segments[place]?.primary ?? -1];
  const signals = entries.flatMap(({ entry: { event } }) =>
    event.type === "signal.recorded" &&
    event.signal.segment === replayed.segmentIds[place] &&
    event.signal.variant === incumbent
      ? [event.signal]
      : [],
  );
  return signals.at(-1)?.status === "degraded";
}

function latencyAndCost(run: JudgedRun): readonly Check[] {
  const expected = run.faults.flatMap((faults, place) =>
    faults.flatMap(({ start, latency, cost }) => [
      ...(latency > 1 ? [{ place, start, metric: LATENCY }] : []),
      ...(cost > 1 ? [{ place, start, metric: COST }] : []),
    ]),
  );
  const alarms = run.entries.flatMap(({ entry: { event }, request }) =>
    event.type === "signal.recorded" && event.signal.status === "degraded"
      ? [{ place: run.replayed.segmentIds.indexOf(event.signal.segment), metric: event.signal.metric, request }]
      : [],
  );
  const isOf = (one: (typeof expected)[number], alarm: (typeof alarms)[number]): boolean =>
    one.place === alarm.place && one.metric === alarm.metric && alarm.request >= one.start;
  const noticed = expected.filter((one) => alarms.some((alarm) => isOf(one, alarm))).length;
  const wrong = alarms.filter((alarm) => !expected.some((one) => isOf(one, alarm))).length;
  const measured = [LATENCY, COST].filter((metric) => Object.hasOwn(run.replayed.policy.metrics, metric));
  return [
    {
      found:
        measured.length === 2
          ? `${noticed} of ${expected.length} noticed`
          : "latency and cost are not metrics of the replayed policy",
      holds: measured.length === 2 && expected.length > 0 && noticed === expected.length,
    },
    { found: `${wrong} alarms on the wrong metric`, holds: wrong === 0 },
  ];
}
