import { actorName } from "./actor.ts";
import { assert } from "./errors.ts";
import type { Event } from "./event.ts";
import type { LedgerEntry } from "./ledger.ts";
import { signalKey } from "./signal.ts";
import { freezeKey, rowKey, segmentKey, segmentsOf, type ControlState, type Former } from "./state.ts";
import { isOpen, mayFollow } from "./switchover.ts";

/** What the state keeps of things that end; the ledger keeps all of them. */
const KEPT = { signalIds: 10_000, switchovers: 2_000, moves: 64 } as const;

/** The state after `entries`, which must follow `state.head`. Throws on a history that no verb of ours could have written. */
export function fold(state: ControlState, entries: readonly LedgerEntry[]): ControlState {
  if (entries.length === 0) return state;
  const draft: Draft = {
    ...state,
    policies: { ...state.policies },
    prompts: { ...state.prompts },
    rows: [...state.rows],
    segments: { ...state.segments },
    switchovers: { ...state.switchovers },
    signals: { ...state.signals },
    signalIds: { ...state.signalIds },
    escalations: { ...state.escalations },
    freezes: { ...state.freezes },
    flagEffects: { ...state.flagEffects },
    baselines: { ...state.baselines },
    keys: { ...state.keys },
  };
  const knownRows = new Set(draft.rows);
  for (const entry of entries) {
    assert(entry.seq === draft.head.seq + 1, `entry ${entry.seq} folded after ${draft.head.seq}`);
    apply(draft, entry, knownRows);
    draft.head = { seq: entry.seq, hash: entry.hash };
  }
  return draft;
}

type Draft = {
  -readonly [K in keyof ControlState]: ControlState[K] extends readonly string[] ? string[] : Mutable<ControlState[K]>;
};
type Mutable<T> = T extends Readonly<Record<string, infer V>> ? Record<string, V> : T;

function apply(draft: Draft, entry: LedgerEntry, knownRows: Set<string>): void {
  const { event, at, actor, seq } = entry;
  switch (event.type) {
    case "policy.published":
      return publish(draft, entry, event, knownRows);
    case "signal.recorded": {
      const { signal } = event;
      const key = signalKey(signal);
      const known = draft.signals[key];
      if (known === undefined || signal.observedAt >= known.observedAt) draft.signals[key] = signal;
      draft.signalIds[`${signal.source}:${signal.id}`] = seq;
      dropOldest(draft.signalIds, KEPT.signalIds);
      return;
    }
    case "switchover.proposed": {
      const { switchover } = event;
      const key = segmentKey(switchover.change.policy, switchover.change.segment);
      const segment = draft.segments[key];
      assert(segment !== undefined && segment.open === null, `proposal ${switchover.id} on ${key}, which has one open`);
      draft.switchovers[switchover.id] = switchover;
      draft.segments[key] = { ...segment, open: switchover.id };
      return dropFinal(draft);
    }
    case "switchover.moved":
      return move(draft, entry, event);
    case "baseline.frozen": {
      const key = `${rowKey(event.policy, event.segment, event.variant)}/${event.metric}`;
      draft.baselines[key] = { lossMean: event.lossMean, labels: event.labels };
      return;
    }
    case "escalation.raised": {
      const { variant, metric, reason, detail } = event;
      draft.escalations[segmentKey(event.policy, event.segment)] = { variant, metric, reason, detail, at };
      return;
    }
    case "escalation.resolved":
      delete draft.escalations[segmentKey(event.policy, event.segment)];
      return;
    case "freeze.set": {
      const by = actorName(actor);
      draft.freezes[freezeKey(event.scope)] = { scope: event.scope, reason: event.reason, by, at, until: event.until };
      return;
    }
    case "freeze.lifted":
      delete draft.freezes[freezeKey(event.scope)];
      return;
    case "flag.effect-started": {
      const { flag, value, variant } = event;
      draft.flagEffects[segmentKey(event.policy, event.segment)] = { flag, value, variant, since: at };
      return;
    }
    case "flag.effect-ended":
      delete draft.flagEffects[segmentKey(event.policy, event.segment)];
      return;
    case "key.created":
      draft.keys[event.key.id] = event.key;
      return;
    case "key.revoked":
      delete draft.keys[event.id];
      return;
  }
}

function publish(
  draft: Draft,
  { seq, at }: LedgerEntry,
  { policy, prompts }: Extract<Event, { type: "policy.published" }>,
  knownRows: Set<string>,
): void {
  const before = draft.policies[policy.policy];
  draft.policies[policy.policy] = { policy, prompts, seq, at };
  draft.revision = seq;
  for (const [ref, prompt] of Object.entries(prompts)) draft.prompts[ref] = prompt.digest;
  const kept = new Set<string>();
  for (const segment of segmentsOf(policy)) {
    const key = segmentKey(policy.policy, segment.id);
    kept.add(key);
    const variants = new Set([
      ...segment.ladder.map((rung) => rung.variant),
      ...(segment.fallback ? [segment.fallback] : []),
    ]);
    for (const variant of variants) addRow(draft, rowKey(policy.policy, segment.id, variant), knownRows);
    const known = draft.segments[key];
    if (known !== undefined && variants.has(known.incumbent)) continue;
    const top = segment.ladder[0];
    assert(top !== undefined, `segment ${key} has an empty ladder`);
    draft.segments[key] = {
      incumbent: top.variant,
      since: at,
      open: null,
      endedAt: null,
      moves: known?.moves ?? [],
      quarantine: {},
      former: null,
      revertFails: 0,
    };
  }
  if (before === undefined) return;
  for (const segment of segmentsOf(before.policy)) {
    const key = segmentKey(policy.policy, segment.id);
    if (!kept.has(key)) {
      delete draft.segments[key];
      delete draft.escalations[key];
    }
  }
}

function addRow(draft: Draft, row: string, knownRows: Set<string>): void {
  if (knownRows.has(row)) return;
  knownRows.add(row);
  draft.rows.push(row);
}

function move(
  draft: Draft,
  { seq, at }: LedgerEntry,
  { id, phase }: Extract<Event, { type: "switchover.moved" }>,
): void {
  const switchover = draft.switchovers[id];
  assert(switchover !== undefined, `switchover ${id} moved before it was proposed`);
  const was = switchover.phase.kind;
  assert(mayFollow(was, phase.kind, switchover.gate), `switchover ${id} went from ${was} to ${phase.kind}`);
  draft.switchovers[id] = { ...switchover, phase };
  const { policy, segment: segmentId, from, to, cause, metric, evidence } = switchover.change;
  const key = segmentKey(policy, segmentId);
  const segment = draft.segments[key];
  if (segment === undefined) return;
  const ended = { ...segment, open: null, endedAt: at };
  switch (phase.kind) {
    case "proposed":
    case "approved":
      return;
    case "canary":
      draft.revision = seq;
      if (was !== "canary") draft.segments[key] = { ...segment, moves: [...segment.moves, at].slice(-KEPT.moves) };
      return;
    case "confirmed": {
      draft.revision = seq;
      const former: Former = {
        variant: from,
        metric,
        lossDegraded: evidence.lossMean ?? null,
        lossTolerated: evidence.lossTolerated ?? null,
      };
      draft.segments[key] = {
        ...ended,
        incumbent: to,
        since: at,
        former: cause === "degraded" ? former : null,
        revertFails: 0,
      };
      delete draft.escalations[key];
      return;
    }
    case "rolledBack": {
      if (was !== "approved") draft.revision = seq;
      const back = { ...ended, quarantine: { ...segment.quarantine, [to]: at } };
      if (was === "confirmed") draft.segments[key] = { ...back, incumbent: from, since: at, former: null };
      else draft.segments[key] = { ...back, revertFails: segment.revertFails + (cause === "recovered" ? 1 : 0) };
      return;
    }
    case "rejected":
    case "expired":
    case "superseded":
      if (was === "canary") draft.revision = seq;
      draft.segments[key] = ended;
      return;
  }
}

function dropOldest(record: Record<string, unknown>, limit: number): void {
  const keys = Object.keys(record);
  if (keys.length <= limit * 1.1) return;
  for (const key of keys.slice(0, keys.length - limit)) delete record[key];
}

function dropFinal(draft: Draft): void {
  const ids = Object.keys(draft.switchovers);
  if (ids.length <= KEPT.switchovers * 1.1) return;
  const final = ids.filter((id) => {
    const switchover = draft.switchovers[id];
    return switchover !== undefined && !isOpen(switchover);
  });
  for (const id of final.slice(0, ids.length - KEPT.switchovers)) delete draft.switchovers[id];
}
