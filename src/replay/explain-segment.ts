import type { Event } from "../core/event.ts";
import { isInScope, type IncidentScope } from "../core/incident.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Switchover } from "../core/switchover.ts";
import type { CastSegment } from "./cast.ts";
import { eventWords, type Narrator, type Words } from "./event-words.ts";
import { castFaults, type SegmentFault } from "./faults.ts";
import type { Replay } from "./replay.ts";
import { POLICY_ID } from "./replayed-policy.ts";
import type { Scenario } from "./scenario.ts";
import { createWorld, type World } from "./world.ts";

/** An entry of the ledger, and how many requests had been served when it was written. */
export interface TimedEntry {
  readonly entry: LedgerEntry;
  readonly request: number;
}

export interface ExplainedEvent extends Words {
  readonly seq: number;
  readonly request: number;
  /** Simulated seconds since the start. */
  readonly seconds: number;
  readonly event: Event;
}

/** What was true: a fault of the segment, with mean scores over its items. */
export interface ExplainedFault {
  readonly kind: SegmentFault["kind"];
  /** The faulty model; null for a fault of the traffic, the labels or the measure. The means are then the first model's. */
  readonly model: string | null;
  /** The requests at which it begins and is over; null: it lasts. */
  readonly start: number;
  readonly end: number | null;
  /** Requests over which it grows. */
  readonly ramp: number;
  /** Before it; in it, once it has grown; and then as the metric shows it. */
  readonly healthy: number;
  readonly degraded: number;
  readonly shown: number;
  /** Of the best other model then. */
  readonly alternative: number;
  /** Factors of the model's latency and cost, and of the segment's traffic. */
  readonly latencyFactor: number;
  readonly costFactor: number;
  readonly trafficFactor: number;
  /** The share of answers that are labelled, where that is the fault. */
  readonly labelRate: number | null;
  /** What came of it, in requests and labels of this segment since its start; null for a fault that harms no answer of the first model. */
  readonly harm: {
    readonly noticed: { readonly labels: number; readonly requests: number } | null;
    /** Requests until a move was confirmed. */
    readonly requestsUntilMoved: number | null;
    /** Until the end of the run. */
    readonly requests: number;
  } | null;
}

export interface Explanation {
  readonly segment: string;
  readonly seed: number;
  /** The first serves at first. Scores are means. */
  readonly ladder: readonly { readonly model: string; readonly score: number; readonly validated: number }[];
  readonly events: readonly ExplainedEvent[];
  readonly faults: readonly ExplainedFault[];
}

export interface ExplainInput {
  readonly replay: Pick<Replay, "segments" | "replayed"> & { readonly referee: Pick<Replay["referee"], "faults"> };
  readonly scenario: Scenario;
  readonly seed: number;
  /** Of the replay, in order. */
  readonly entries: readonly TimedEntry[];
}

/** What happened to one segment in a replay and why, and what was true of it. @param place the segment's, in `replay.segments` */
export function explainSegment(input: ExplainInput, place: number): Explanation {
  const { replay, seed } = input;
  const segment = replay.segments[place];
  return {
    segment: segment?.table.id ?? "",
    seed,
    ladder: (segment?.ladder ?? []).map((model) => ({
      model: segment?.table.models[model] ?? "",
      score: segment?.means[model] ?? 0,
      validated: segment?.validated[model] ?? 0,
    })),
    events: explainEvents(input, place),
    faults: explainFaults(input, place),
  };
}

function explainEvents({ replay, scenario, entries }: ExplainInput, place: number): ExplainedEvent[] {
  const { segments, replayed } = replay;
  const { policy, segmentIds } = replayed;
  const segment = segments[place];
  if (segment === undefined) return [];
  const variantIds = replayed.variantIds[place] ?? [];
  const story: Story = {
    segment: segmentIds[place] ?? "",
    incumbent: variantIds[segment.primary] ?? "",
    switchovers: new Map(),
    rolledBack: new Set(),
    incidents: incidentsOf(entries, segmentIds[place] ?? ""),
  };
  const narrator: Narrator = {
    segment,
    variantIds,
    switchover: (id) => story.switchovers.get(id),
    rolledBack: story.rolledBack,
  };
  const seconds = (request: number): number => Math.floor((request + 1) / scenario.traffic.perSecond);
  return entries.flatMap(({ entry: { seq, event }, request }) => {
    if (!concerns(event, story, (scope) => isInScope(policy, story.incumbent, scope))) return [];
    const words = eventWords(event, narrator);
    follow(event, story);
    return [{ seq, request, seconds: seconds(request), ...words, event }];
  });
}

/** What is known of a segment so far. */
interface Story {
  /** The policy's id of it. */
  readonly segment: string;
  incumbent: string;
  readonly switchovers: Map<string, Switchover>;
  readonly rolledBack: Set<string>;
  /** That it is part of. */
  readonly incidents: Set<string>;
}

/** The incidents that a segment is moved in, whatever serves it when they begin. */
const incidentsOf = (entries: readonly TimedEntry[], segment: string): Set<string> =>
  new Set(
    entries.flatMap(({ entry: { event } }) =>
      event.type === "switchover.proposed" && event.switchover.change.segment === segment
        ? (event.switchover.change.incident ?? [])
        : [],
    ),
  );

/** @param isServed whether what serves the segment is in the scope of an incident */
function concerns(event: Event, story: Story, isServed: (scope: IncidentScope) => boolean): boolean {
  const { segment, switchovers, incidents } = story;
  switch (event.type) {
    case "signal.recorded":
      return event.signal.segment === segment;
    case "switchover.proposed":
      return event.switchover.change.segment === segment;
    case "switchover.moved":
      return switchovers.has(event.id);
    case "incident.opened":
      return incidents.has(event.id) || event.scope.kind === "evaluator" || isServed(event.scope);
    case "incident.resolved":
      return incidents.has(event.id);
    case "freeze.set":
    case "freeze.lifted": {
      const { scope } = event;
      return (scope.policy ?? POLICY_ID) === POLICY_ID && (scope.segment ?? segment) === segment;
    }
    case "baseline.frozen":
    case "escalation.raised":
    case "escalation.resolved":
    case "flag.effect-started":
    case "flag.effect-ended":
      return event.segment === segment;
    case "policy.published":
      return true;
    case "prompt.proposed":
    case "prompt.withdrawn":
    case "key.created":
    case "key.revoked":
      return false;
  }
}

function follow(event: Event, story: Story): void {
  if (event.type === "incident.opened") story.incidents.add(event.id);
  if (event.type === "switchover.proposed") story.switchovers.set(event.switchover.id, event.switchover);
  if (event.type !== "switchover.moved") return;
  const change = story.switchovers.get(event.id)?.change;
  if (change === undefined) return;
  if (event.phase.kind === "confirmed") story.incumbent = change.to;
  if (event.phase.kind !== "rolledBack") return;
  story.incumbent = change.from;
  story.rolledBack.add(change.to);
}

function explainFaults({ replay, scenario, seed }: ExplainInput, place: number): ExplainedFault[] {
  const { segments, referee } = replay;
  const segment = segments[place];
  const { faults } = castFaults(segments, scenario, seed);
  if (segment === undefined) return [];
  const world = createWorld(segments, faults, scenario, seed);
  return (faults[place] ?? []).map((fault) => {
    const { kind, start, end, ramp, model } = fault;
    const record = referee.faults.find((record) => record.place === place && record.start === start);
    return {
      kind,
      model: model === null ? null : (segment.table.models[model] ?? ""),
      start,
      end: end >= scenario.requests ? null : end,
      ramp,
      ...levelsIn(fault, place, { segment, world }),
      latencyFactor: fault.latency,
      costFactor: fault.cost,
      trafficFactor: fault.weight,
      labelRate: kind === "labels" ? fault.rate : null,
      harm:
        record === undefined || model !== segment.primary
          ? null
          : { noticed: record.alarm, requestsUntilMoved: record.recoveryRequests, requests: record.requests },
    };
  });
}

function levelsIn(
  { model, start, end, ramp }: SegmentFault,
  place: number,
  { segment, world }: { readonly segment: CastSegment; readonly world: World },
): Pick<ExplainedFault, "healthy" | "degraded" | "shown" | "alternative"> {
  const faulty = model ?? segment.primary;
  const grown = Math.min(start + ramp, end - 1);
  const others = segment.ladder.filter((other) => other !== faulty);
  return {
    healthy: segment.means[faulty] ?? 0,
    degraded: world.mean(grown, place, faulty),
    shown: world.shownMean(grown, place, faulty),
    alternative: Math.max(0, ...others.map((other) => world.mean(grown, place, other))),
  };
}
