import type { Actor } from "../../src/core/actor.ts";
import type { Event } from "../../src/core/event.ts";
import type { IncidentScope } from "../../src/core/incident.ts";
import type { Policy, Segment } from "../../src/core/policy.ts";
import type { Signal } from "../../src/core/signal.ts";
import type { Change, PhaseKind } from "../../src/core/switchover.ts";

/** An entry of the ledger as its text says. */
export interface Written {
  readonly seq: number;
  readonly at: number;
  readonly actor: Actor;
  readonly event: Event;
}

/** What a segment may be served from one entry on. */
export interface Served {
  readonly seq: number;
  readonly incumbent: string;
  readonly since: number;
  /** The switchover in a canary. */
  readonly canary: string | null;
}

export interface SegmentRecord {
  readonly policy: string;
  definition: Segment;
  /** Oldest first; never empty. */
  readonly served: Served[];
  open: string | null;
  /** The last switchover that was confirmed and not rolled back. */
  latest: string | null;
  endedAt: number | null;
  /** When a variant was rolled back here, or a person said no to it. */
  readonly quarantinedAt: Map<string, number>;
  /** When what it is served changed. */
  readonly changes: number[];
  /** The variant that was left because it degraded, and the incident that it was left in. */
  former: { readonly variant: string; readonly incident: string | null } | null;
}

export interface SwitchoverRecord {
  readonly id: string;
  readonly change: Change;
  readonly gate: "none" | "approval";
  readonly proposedBy: Actor;
  readonly expiresAt: number;
  phase: PhaseKind;
  step: number;
  stepSince: number;
  startedAt: number;
  isApproved: boolean;
  rolledBackSeq: number | null;
}

export interface Heard {
  readonly signal: Signal;
  /** Whatever the sender's clock says, nothing can be about a time after it was recorded. */
  readonly at: number;
}

export interface Frozen {
  readonly until: number | null;
}

export interface IncidentRecord {
  readonly policy: string;
  readonly metric: string;
  readonly scope: IncidentScope;
  isOpen: boolean;
  /** When the first of its segments came back. */
  recoveredAt: number | null;
}

/** The judge's own account of what the ledger says, kept by hand. */
export interface Model {
  readonly policies: Map<string, Policy>;
  readonly segments: Map<string, SegmentRecord>;
  readonly switchovers: Map<string, SwitchoverRecord>;
  /** The latest by what it is about and its source. */
  readonly signals: Map<string, Heard>;
  readonly signalIds: Set<string>;
  readonly freezes: Map<string, Frozen>;
  /** When moves of single segments away from a degraded variant began, without those that were confirmed. */
  begun: { readonly policy: string; readonly at: number; readonly id: string }[];
  readonly incidents: Map<string, IncidentRecord>;
}

export const newModel = (): Model => ({
  policies: new Map(),
  segments: new Map(),
  switchovers: new Map(),
  signals: new Map(),
  signalIds: new Set(),
  freezes: new Map(),
  begun: [],
  incidents: new Map(),
});

export const nameOf = (actor: Actor): string => ("id" in actor ? `${actor.kind}:${actor.id}` : actor.kind);

export const placeOf = ({ policy, segment }: { readonly policy: string; readonly segment: string }): string =>
  `${policy}/${segment}`;

export function servedNow(record: SegmentRecord): Served {
  const last = record.served.at(-1);
  if (last === undefined) throw new Error("a segment without anything to serve");
  return last;
}

/** The names under which one segment's freezes can be found. */
export const freezesOver = (model: Model, policy: string, segment: string): Frozen[] =>
  ["everything", policy, `${policy}/${segment}`].flatMap((name) => model.freezes.get(name) ?? []);

/** Takes in a publication: what is still validated stays, what is not falls back to the top of the ladder. */
export function publish(model: Model, policy: Policy, { seq, at }: Written): void {
  const id = policy.policy;
  model.policies.set(id, policy);
  const kept = new Set(policy.segments.map((segment) => placeOf({ policy: id, segment: segment.id })));
  for (const key of model.segments.keys()) if (key.startsWith(`${id}/`) && !kept.has(key)) model.segments.delete(key);
  for (const definition of policy.segments) {
    const key = placeOf({ policy: id, segment: definition.id });
    const rungs = [...definition.ladder.map(({ variant }) => variant), definition.fallback];
    const known = model.segments.get(key);
    if (known !== undefined) {
      known.definition = definition;
      if (rungs.includes(servedNow(known).incumbent)) continue;
    }
    const incumbent = definition.ladder[0]?.variant ?? "";
    model.segments.set(key, {
      policy: id,
      definition,
      served: [...(known?.served ?? []), { seq, incumbent, since: at, canary: null }],
      open: null,
      latest: null,
      endedAt: null,
      quarantinedAt: new Map(),
      changes: known?.changes ?? [],
      former: null,
    });
  }
}

/** Takes in the end of a switchover, or its next canary step. */
export function moveOn(model: Model, switchover: SwitchoverRecord, { seq, at, event }: Written): void {
  if (event.type !== "switchover.moved") return;
  const was = switchover.phase;
  const { change, id } = switchover;
  const { phase } = event;
  switchover.phase = phase.kind;
  const record = model.segments.get(placeOf(change));
  if (phase.kind === "canary") {
    switchover.step = phase.step;
    switchover.stepSince = at;
    if (was !== "canary") switchover.startedAt = at;
    if (record !== undefined && was !== "canary") record.served.push({ ...servedNow(record), seq, canary: id });
    return;
  }
  if (record === undefined || phase.kind === "approved" || phase.kind === "proposed") return;
  record.open = null;
  record.endedAt = at;
  if (phase.kind === "confirmed") {
    record.served.push({ seq, incumbent: change.to, since: at, canary: null });
    record.latest = id;
    record.former = change.cause === "degraded" ? { variant: change.from, incident: change.incident ?? null } : null;
    record.changes.push(at);
    model.begun = model.begun.filter((move) => move.id !== id);
    const incident = model.incidents.get(change.incident ?? "");
    if (incident?.isOpen === true && change.cause === "recovered") incident.recoveredAt ??= at;
    return;
  }
  if (was === "canary") record.served.push({ ...servedNow(record), seq, canary: null });
  if (phase.kind === "rolledBack" || phase.kind === "rejected") record.quarantinedAt.set(change.to, at);
  if (phase.kind !== "rolledBack") return;
  switchover.rolledBackSeq = seq;
  if (was === "confirmed") {
    record.served.push({ seq, incumbent: change.from, since: at, canary: null });
    record.former = null;
    record.latest = null;
    record.changes.push(at);
  }
}
