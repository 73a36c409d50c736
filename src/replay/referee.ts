import type { Event } from "../core/event.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Change } from "../core/switchover.ts";
import type { CastSegment } from "./cast.ts";
import { oracleDelay } from "./cusum-oracle.ts";
import type { SegmentFault } from "./faults.ts";
import { COST, LATENCY, SCORE, type ReplayedPolicy } from "./replayed-policy.ts";
import type { World } from "./world.ts";

/** What a replay came to, before it is summed up. Counts unless said otherwise. */
export interface Tally {
  labels: number;
  falseAlarms: number;
  /** Alarms about variants that were truly worse on that very metric. */
  readonly alarmsByMetric: Record<string, number>;
  falseSwitchovers: number;
  wrongTarget: number;
  switchovers: number;
  rollbacks: number;
  reverts: number;
  escalations: number;
  approvalsAsked: number;
  /** Summed shortfall of true mean score against the best variant of the ladder: of what was served, and of never moving. */
  regretServed: number;
  regretDoNothing: number;
  /** Requests that a degraded variant answered while a better one stood in the ladder. */
  servedDegraded: number;
}

/** How one harmful fault was dealt with. Labels and requests are the segment's own, counted from the fault's start. */
export interface FaultRecord {
  readonly place: number;
  /** What got worse: quality, whichever metric shows it, or latency or cost, of which a fault has a record of its own. */
  readonly metric: FaultMetric;
  readonly start: number;
  readonly end: number;
  /** Mean score of the primary before, and in the full fault, whichever metric it is about. */
  readonly healthy: number;
  readonly degraded: number;
  /** Mean score of the best other rung meanwhile. */
  readonly alternative: number;
  readonly isSudden: boolean;
  labels: number;
  requests: number;
  alarm: { readonly labels: number; readonly requests: number } | null;
  begun: boolean;
  recoveryRequests: number | null;
  /** Labels to the alarm over the exact oracle's; null without an alarm, or for a fault that grows. */
  ratioToOracle: number | null;
}

type FaultMetric = typeof SCORE | typeof LATENCY | typeof COST;

/** Judges what the loop did by what is true. It never looks into the loop. */
export interface Referee {
  readonly tally: Tally;
  readonly faults: readonly FaultRecord[];
  /** Changes of what each segment is served by default. */
  readonly changes: readonly number[];
  readonly served: (request: number, place: number, model: number) => void;
  readonly labelled: (request: number, place: number, model: number) => void;
  readonly entry: (entry: LedgerEntry, request: number) => void;
}

/** A drop of true mean score that counts as harm, and a gain that makes moving right. */
const HARM = 0.01;
const GAIN = 0.05;

export interface RefereeInput {
  readonly segments: readonly CastSegment[];
  readonly faults: readonly (readonly SegmentFault[])[];
  readonly world: World;
  readonly replayed: ReplayedPolicy;
  /** Requests after which a label comes back: what happened within it may still be news. */
  readonly delay: number;
  readonly requests: number;
}

interface Claim {
  readonly request: number;
  readonly place: number;
  readonly model: number;
  readonly metric: string;
}

/** Whether a variant is, or was when the last labels were served, worse than it used to be: truly, or as the metric shows it. */
function truthOf({ segments, faults, world, delay }: RefereeInput) {
  return ({ request, place, model, metric }: Claim, level: "true" | "shown"): boolean => {
    const recent = (faults[place] ?? []).filter(
      (fault) => request >= fault.start && request - delay < fault.end + MEMORY,
    );
    if (metric === LATENCY) return recent.some((fault) => fault.model === model && fault.latency > 1);
    if (metric === COST) return recent.some((fault) => fault.model === model && fault.cost > 1);
    const healthy = segments[place]?.means[model] ?? 0;
    return recent.some((fault) => {
      const at = Math.max(fault.start, Math.min(request, fault.end - 1));
      const fallen = healthy - (level === "true" ? world.mean : world.shownMean)(at, place, model);
      return fallen > (level === "true" ? HARM : 0);
    });
  };
}

/** What is counted of every request and label. */
function counting(
  { segments, world }: RefereeInput,
  tally: Tally,
  records: readonly (readonly FaultRecord[])[],
): Pick<Referee, "served" | "labelled"> {
  return {
    served: (request, place, model) => {
      const segment = segments[place];
      if (segment === undefined) return;
      for (const record of records[place] ?? []) if (request >= record.start) record.requests += 1;
      const best = world.bestMean(request, place);
      const own = world.mean(request, place, model);
      tally.regretServed += best - own;
      tally.regretDoNothing += best - world.mean(request, place, segment.primary);
      if (best - own > GAIN && own < (segment.means[model] ?? 0) - HARM) tally.servedDegraded += 1;
    },
    labelled: (request, place, model) => {
      tally.labels += 1;
      if (model !== segments[place]?.primary) return;
      for (const record of records[place] ?? []) if (request >= record.start) record.labels += 1;
    },
  };
}

const noTally = (): Tally => ({
  labels: 0,
  falseAlarms: 0,
  alarmsByMetric: {},
  falseSwitchovers: 0,
  wrongTarget: 0,
  switchovers: 0,
  rollbacks: 0,
  reverts: 0,
  escalations: 0,
  approvalsAsked: 0,
  regretServed: 0,
  regretDoNothing: 0,
  servedDegraded: 0,
});

export function createReferee(input: RefereeInput): Referee {
  const { segments, world, replayed } = input;
  const tally = noTally();
  const records = segments.map((_, place) =>
    ([SCORE, LATENCY, COST] as const).flatMap((metric) => faultRecord(input, place, metric) ?? []),
  );
  const recordOf = (place: number, metric: string): FaultRecord | undefined =>
    records[place]?.find((record) => record.metric === (metric === LATENCY || metric === COST ? metric : SCORE));
  const changes = segments.map(() => 0);
  const open = new Map<string, Change>();
  const places = new Map(replayed.segmentIds.map((id, place) => [id, place]));
  const modelOf = (place: number, variant: string): number => replayed.variantIds[place]?.indexOf(variant) ?? -1;
  const isTrulyWorse = truthOf(input);
  const alarm = ({ signal }: Extract<Event, { type: "signal.recorded" }>, request: number): void => {
    const place = places.get(signal.segment);
    if (place === undefined || signal.status !== "degraded") return;
    const model = modelOf(place, signal.variant);
    const { metric } = signal;
    if (!isTrulyWorse({ request, place, model, metric }, "shown")) tally.falseAlarms += 1;
    else {
      tally.alarmsByMetric[metric] = (tally.alarmsByMetric[metric] ?? 0) + 1;
      notice(recordOf(place, metric), request, segments[place]?.primary === model);
    }
  };
  const begun = (change: Change, place: number, request: number): void => {
    if (change.cause !== "degraded") return;
    tally.switchovers += 1;
    const from = modelOf(place, change.from);
    if (!isTrulyWorse({ request, place, model: from, metric: change.metric }, "true")) {
      tally.falseSwitchovers += 1;
      return;
    }
    const record = recordOf(place, change.metric);
    notice(record, request, from === segments[place]?.primary);
    if (record !== undefined && request < record.end) record.begun = true;
  };
  const confirmed = (change: Change, place: number, request: number): void => {
    changes[place] = (changes[place] ?? 0) + 1;
    const mean = (variant: string): number => world.mean(request, place, modelOf(place, variant));
    const isQuality = change.metric !== LATENCY && change.metric !== COST;
    if (change.cause === "recovered") {
      tally.reverts += 1;
      if (isQuality && mean(change.to) < mean(change.from) - HARM) tally.wrongTarget += 1;
      return;
    }
    if (isQuality && mean(change.to) <= mean(change.from)) tally.wrongTarget += 1;
    const record = recordOf(place, change.metric);
    if (record !== undefined) record.recoveryRequests ??= record.requests;
  };
  const moved = ({ id, phase }: Extract<Event, { type: "switchover.moved" }>, request: number): void => {
    const change = open.get(id);
    const place = change === undefined ? undefined : places.get(change.segment);
    if (change === undefined || place === undefined) return;
    if (phase.kind === "canary" && phase.step === 0) begun(change, place, request);
    if (phase.kind === "confirmed") confirmed(change, place, request);
    if (phase.kind === "rolledBack") tally.rollbacks += 1;
  };
  const heard = (event: Event, request: number): void => {
    if (event.type === "signal.recorded") alarm(event, request);
    if (event.type === "switchover.moved") moved(event, request);
    if (event.type === "switchover.proposed") {
      open.set(event.switchover.id, event.switchover.change);
      if (event.switchover.gate === "approval") tally.approvalsAsked += 1;
    }
    // People are told of a measure that changed too, and nothing moves until they say so.
    const isMeasure = event.type === "incident.opened" && event.scope.kind === "evaluator";
    if (event.type === "escalation.raised" || isMeasure) tally.escalations += 1;
  };
  return {
    tally,
    faults: records.flat(),
    changes,
    ...counting(input, tally, records),
    entry: ({ event }, request) => heard(event, request),
  };
}

/** Requests after a fault's end in which an alarm about it is late rather than false. */
const MEMORY = 5000;

function notice(record: FaultRecord | undefined, request: number, isPrimary: boolean): void {
  if (record === undefined || record.alarm !== null || !isPrimary || request < record.start) return;
  record.alarm = { labels: record.labels, requests: record.requests };
  if (record.isSudden && record.metric === SCORE)
    record.ratioToOracle = record.labels / oracleDelay(1 - record.healthy, 1 - record.degraded);
}

/** The fault of the primary that a loop should act on, or null. */
function faultRecord(
  { segments, faults, world, requests }: RefereeInput,
  place: number,
  metric: FaultMetric,
): FaultRecord | null {
  const segment = segments[place];
  if (segment === undefined) return null;
  const healthy = segment.means[segment.primary] ?? 0;
  const isHarm = (fault: SegmentFault): boolean => {
    if (metric !== SCORE) return fault[metric] > 1;
    return healthy - world.mean(Math.min(fault.start + fault.ramp, fault.end - 1), place, segment.primary) > HARM;
  };
  const found = (faults[place] ?? []).find(
    (fault) => fault.model === segment.primary && fault.start < requests && isHarm(fault),
  );
  if (found === undefined) return null;
  const full = Math.min(found.start + found.ramp, found.end - 1);
  const others = segment.ladder.filter((model) => model !== segment.primary);
  return {
    place,
    metric,
    start: found.start,
    end: Math.min(found.end, requests),
    healthy,
    degraded: world.mean(full, place, segment.primary),
    alternative: Math.max(0, ...others.map((model) => world.mean(full, place, model))),
    isSudden: found.ramp === 0,
    labels: 0,
    requests: 0,
    alarm: null,
    begun: false,
    recoveryRequests: null,
    ratioToOracle: null,
  };
}

/** A fault of quality that moving would have mended, and that the loop never moved for. */
export const isMissed = ({ metric, alternative, degraded, begun }: FaultRecord): boolean =>
  metric === SCORE && alternative - degraded > GAIN && !begun;
