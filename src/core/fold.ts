import { actorName } from "./actor.ts";
import { dropOldest } from "./drop-oldest.ts";
import { assert } from "./errors.ts";
import type { Event } from "./event.ts";
import { forgetBaselines, measureAnew, noteRecovery } from "./fold-measures.ts";
import type { LedgerEntry } from "./ledger.ts";
import { signalKey, supersedes } from "./signal.ts";
import { DEFAULT_SEGMENT } from "./policy.ts";
import { afterProposal, openProposals } from "./prompt-proposal.ts";
import {
  flagEffectKey,
  freezeKey,
  rowKey,
  segmentKey,
  segmentsOf,
  servableVariants,
  type ControlState,
  type Former,
} from "./state.ts";
import { isOpen, mayFollow } from "./switchover.ts";
import { variantDigest } from "./variant-digest.ts";

/** Raised whenever this fold, or the shape of the state, changes: a snapshot of another version is folded anew. */
export const FOLD_VERSION = 3;

/** What the state keeps of things that end; the ledger keeps all of them. */
const KEPT = { signalIds: 10_000, switchovers: 2_000, moves: 64, changes: 16 } as const;

/** The state after `entries`, which must follow `state.head`. Throws on a history that no verb of ours could have written. */
export function fold(state: ControlState, entries: readonly LedgerEntry[]): ControlState {
  if (entries.length === 0) return state;
  const draft: Draft = {
    ...state,
    policies: { ...state.policies },
    prompts: { ...state.prompts },
    variants: { ...state.variants },
    rows: [...state.rows],
    segments: { ...state.segments },
    switchovers: { ...state.switchovers },
    signals: { ...state.signals },
    signalActors: { ...state.signalActors },
    signalIds: { ...state.signalIds },
    escalations: { ...state.escalations },
    incidents: { ...state.incidents },
    measuredSince: { ...state.measuredSince },
    freezes: { ...state.freezes },
    flagEffects: { ...state.flagEffects },
    baselines: { ...state.baselines },
    keys: { ...state.keys },
  };
  const known: Known = {
    rows: new Set(draft.rows),
    signalIds: Object.keys(draft.signalIds).length,
    switchovers: Object.keys(draft.switchovers).length,
  };
  for (const entry of entries) {
    assert(entry.seq === draft.head.seq + 1, `entry ${entry.seq} folded after ${draft.head.seq}`);
    apply(draft, entry, known);
    draft.head = { seq: entry.seq, hash: entry.hash };
  }
  return draft;
}

type Draft = {
  -readonly [K in keyof ControlState]: ControlState[K] extends readonly string[] ? string[] : Mutable<ControlState[K]>;
};
type Mutable<T> = T extends Readonly<Record<string, infer V>> ? Record<string, V> : T;

/** What is known of the draft besides itself: to count the members of a large record takes longer than to fold an entry. */
interface Known {
  readonly rows: Set<string>;
  signalIds: number;
  switchovers: number;
}

function apply(draft: Draft, entry: LedgerEntry, known: Known): void {
  const { event, at, actor, seq } = entry;
  switch (event.type) {
    case "policy.published":
      return publish(draft, entry, event, known.rows);
    case "signal.recorded":
      return record(draft, entry, event, known);
    case "switchover.proposed": {
      const { switchover } = event;
      const key = segmentKey(switchover.change.policy, switchover.change.segment);
      const segment = draft.segments[key];
      assert(segment !== undefined && segment.open === null, `proposal ${switchover.id} on ${key}, which has one open`);
      if (draft.switchovers[switchover.id] === undefined) known.switchovers += 1;
      draft.switchovers[switchover.id] = switchover;
      draft.segments[key] = { ...segment, open: switchover.id };
      if (known.switchovers > KEPT.switchovers * 1.1) known.switchovers = dropFinal(draft);
      return;
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
    case "incident.opened": {
      const { id, policy, metric, scope, evidence } = event;
      draft.incidents[id] = { policy, metric, scope, evidence, at, recoveredAt: null };
      return;
    }
    case "incident.resolved": {
      const incident = draft.incidents[event.id];
      if (incident?.scope.kind === "evaluator") measureAnew(draft, incident, seq);
      delete draft.incidents[event.id];
      return;
    }
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
      draft.flagEffects[flagEffectKey(event.policy, event.segment, flag)] = { flag, value, variant, since: at };
      return;
    }
    case "flag.effect-ended":
      delete draft.flagEffects[flagEffectKey(event.policy, event.segment, event.flag)];
      return;
    case "prompt.proposed":
    case "prompt.withdrawn":
      draft.promptProposals = afterProposal(draft.promptProposals, event, at);
      return;
    case "key.created":
      draft.keys[event.key.id] = event.key;
      return;
    case "key.revoked":
      delete draft.keys[event.id];
      return;
  }
}

function record(
  draft: Draft,
  { at, actor, seq }: LedgerEntry,
  { signal: heard }: Extract<Event, { type: "signal.recorded" }>,
  known: Known,
): void {
  // A sender's clock may run ahead, but what was heard is never about what begins later.
  const signal = { ...heard, observedAt: Math.min(heard.observedAt, at) };
  const key = signalKey(signal);
  const latest = draft.signals[key];
  if (latest === undefined || supersedes(signal, latest)) {
    draft.signals[key] = signal;
    draft.signalActors[key] = actorName(actor);
  }
  const id = `${signal.source}:${signal.id}`;
  if (draft.signalIds[id] === undefined) known.signalIds += 1;
  draft.signalIds[id] = seq;
  if (known.signalIds > KEPT.signalIds * 1.1) known.signalIds = dropOldest(draft.signalIds, KEPT.signalIds);
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
  for (const [id, variant] of Object.entries(policy.variants))
    draft.variants[`${policy.policy}/${id}`] = variantDigest(variant);
  forgetBaselines(draft, before?.policy, policy);
  draft.promptProposals = openProposals(draft.promptProposals, { policy, prompts });
  const kept = new Set<string>();
  for (const segment of segmentsOf(policy)) {
    const key = segmentKey(policy.policy, segment.id);
    kept.add(key);
    const variants = servableVariants(segment);
    for (const variant of variants) addRow(draft, rowKey(policy.policy, segment.id, variant), knownRows);
    const known = draft.segments[key];
    if (known !== undefined && variants.has(known.incumbent)) continue;
    const top = segment.ladder[0];
    assert(top !== undefined, `segment ${key} has an empty ladder`);
    draft.segments[key] = {
      incumbent: top.variant,
      since: at,
      movedBy: null,
      open: null,
      endedAt: null,
      moves: known?.moves ?? [],
      changes: known?.changes ?? [],
      quarantine: {},
      former: null,
      revertFails: 0,
    };
  }
  if (before === undefined) return;
  for (const segment of segmentsOf(before.policy)) {
    const key = segmentKey(policy.policy, segment.id);
    if (!kept.has(key)) {
      inheritMoves(draft, policy.policy, key);
      delete draft.segments[key];
      delete draft.escalations[key];
    }
  }
}

/** What a segment used of the moves an hour stays used when the segment goes. */
function inheritMoves(draft: Draft, policy: string, key: string): void {
  const heirKey = segmentKey(policy, DEFAULT_SEGMENT);
  const heir = draft.segments[heirKey];
  const used = draft.segments[key]?.moves ?? [];
  if (heir === undefined || used.length === 0) return;
  const moves = [...heir.moves, ...used].sort((a, b) => a - b).slice(-KEPT.moves);
  draft.segments[heirKey] = { ...heir, moves };
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
  const { policy, segment: segmentId, from, to, cause, metric, evidence, incident } = switchover.change;
  const key = segmentKey(policy, segmentId);
  const segment = draft.segments[key];
  // A switchover of a segment that is gone, or that another move has overtaken, ends without touching what is served.
  const isItsTurn = was === "confirmed" ? segment?.movedBy === id : segment?.open === id;
  if (segment === undefined || !isItsTurn) return;
  const ended = { ...segment, open: null, endedAt: at };
  // What the guard counts: a move of this segment alone, away from what degraded.
  const isCounted = cause === "degraded" && incident === undefined;
  switch (phase.kind) {
    case "proposed":
    case "approved":
      return;
    case "canary":
      draft.revision = seq;
      if (was !== "canary" && isCounted)
        draft.segments[key] = { ...segment, moves: [...segment.moves, at].slice(-KEPT.moves) };
      return;
    case "confirmed": {
      draft.revision = seq;
      const former: Former = {
        variant: from,
        metric,
        lossDegraded: evidence.lossMean ?? null,
        lossTolerated: evidence.lossTolerated ?? null,
        incident: incident ?? null,
      };
      draft.segments[key] = {
        ...ended,
        incumbent: to,
        since: at,
        movedBy: id,
        former: cause === "degraded" ? former : null,
        revertFails: 0,
        moves: isCounted ? segment.moves.slice(0, -1) : segment.moves,
        changes: [...segment.changes, at].slice(-KEPT.changes),
      };
      delete draft.escalations[key];
      if (cause === "recovered" && incident !== undefined) noteRecovery(draft, incident, at);
      return;
    }
    case "rolledBack": {
      if (was !== "approved") draft.revision = seq;
      const back = { ...ended, quarantine: { ...segment.quarantine, [to]: at } };
      if (was === "confirmed")
        draft.segments[key] = {
          ...back,
          incumbent: from,
          since: at,
          movedBy: null,
          former: null,
          changes: [...segment.changes, at].slice(-KEPT.changes),
        };
      else draft.segments[key] = { ...back, revertFails: segment.revertFails + (cause === "recovered" ? 1 : 0) };
      return;
    }
    case "rejected":
      // A person said no to this variant here: not the same question again after the cooldown.
      draft.segments[key] = { ...ended, quarantine: { ...segment.quarantine, [to]: at } };
      return;
    case "expired":
    case "superseded":
      if (was === "canary") draft.revision = seq;
      draft.segments[key] = ended;
      return;
  }
}

/** Drops the oldest switchovers that ended. @returns how many are left */
function dropFinal(draft: Draft): number {
  const ids = Object.keys(draft.switchovers);
  const final = ids.filter((id) => {
    const switchover = draft.switchovers[id];
    return switchover !== undefined && !isOpen(switchover);
  });
  const dropped = final.slice(0, ids.length - KEPT.switchovers);
  for (const id of dropped) delete draft.switchovers[id];
  return ids.length - dropped.length;
}
