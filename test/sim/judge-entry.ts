import { createHash } from "node:crypto";
import type { Outcome } from "../../src/core/outcome.ts";
import type { Switchover } from "../../src/core/switchover.ts";
import { judgeConfirmation, judgeDetector, judgeProposal, judgeResolution, judgeRollBack } from "./judge-evidence.ts";
import { judgeBeginning, judgeLimits } from "./judge-guard.ts";
import { doubted, judgeIncident, judgeShared } from "./judge-incident.ts";
import type { Accuse } from "./ledger-judge.ts";
import {
  freezesOver,
  nameOf,
  placeOf,
  type Model,
  type SegmentRecord,
  type SwitchoverRecord,
  type Written,
} from "./model.ts";

/** What was so around an append, as far as the ledger does not say. */
export interface Circumstances {
  /** The fence that came with the append, and the newest that was given out at the moment of effect. */
  readonly fence: number | undefined;
  readonly newestFence: number;
  /** What flags said when the append was called, by `policy/segment`. */
  readonly automation: (place: string) => boolean;
  readonly mode: (place: string) => string;
  /** The labels that the acting process has heard of. */
  readonly heard: readonly Outcome[];
  /** Approvals as they were asked for: who, of what, with which digest. */
  readonly asked: readonly { readonly id: string; readonly actor: string; readonly digest: string }[];
}

/** The loop's words for a proposal that it withdraws. */
const NOTHING_DEGRADED = "no source says degraded any more";

type MayFollow = Readonly<Record<string, readonly string[]>>;
const order: MayFollow = {
  proposed: ["approved", "canary", "rejected", "expired", "superseded"],
  approved: ["canary", "rejected", "rolledBack", "superseded"],
  canary: ["canary", "confirmed", "rolledBack", "superseded"],
  confirmed: ["rolledBack"],
};

export function judgeEntry(model: Model, entry: Written, around: Circumstances, accuse: Accuse): void {
  const { actor, event } = entry;
  if (actor.kind === "loop" && around.fence !== around.newestFence)
    accuse(
      10,
      `entry ${entry.seq} of ${actor.instance} has fence ${around.fence}, the newest is ${around.newestFence}`,
    );
  if (event.type === "signal.recorded") {
    const { source, id } = event.signal;
    if (model.signalIds.has(`${source}:${id}`)) accuse(4, `signal ${source}:${id} is recorded twice`);
    if (source.startsWith("detector:")) judgeDetector(model, entry, event.signal, { heard: around.heard, accuse });
  }
  judgeIncident(model, entry, around.heard, accuse);
  if (event.type === "escalation.resolved") judgeResolution(model, placeOf(event), { heard: around.heard, accuse });
  if (event.type === "switchover.proposed") judgeOpening(model, entry, event.switchover, { around, accuse });
  if (event.type === "switchover.moved") {
    const switchover = model.switchovers.get(event.id);
    if (switchover === undefined) return accuse(6, `${event.id} moved before it was proposed`);
    judgeMove(model, entry, switchover, { around, accuse });
  }
}

interface Court {
  readonly around: Circumstances;
  readonly accuse: Accuse;
}

function judgeOpening(model: Model, entry: Written, switchover: Switchover, { around, accuse }: Court): void {
  const { id, change } = switchover;
  const record = model.segments.get(placeOf(change));
  if (model.switchovers.has(id)) return accuse(4, `${id} is proposed twice`);
  if (record === undefined) return accuse(6, `${id} is about a segment that is not published`);
  if (record.open !== null) return accuse(6, `${id} is proposed while ${record.open} is open`);
  if (entry.actor.kind !== "loop") return;
  const because = heldBecause(model, record, entry.at, around);
  if (because !== null) accuse(5, `${id} is proposed although ${because}`);
  judgeTrust(model, switchover, accuse);
  judgeLimits(model, entry.at, { switchover, record }, accuse);
  judgeShared(model, switchover, record, accuse);
  judgeProposal(model, { switchover, record }, accuse);
}

function judgeMove(model: Model, entry: Written, switchover: SwitchoverRecord, court: Court): void {
  const { event, actor, at } = entry;
  if (event.type !== "switchover.moved") return;
  const { accuse, around } = court;
  const { phase: to, id } = event;
  const { phase: to_, change } = { phase: event.phase, change: switchover.change };
  const was = switchover.phase;
  if (was === "canary" && to_.kind === "canary" && to_.step <= switchover.step)
    return accuse(4, `${id} begins step ${to_.step} twice`);
  if (was !== "proposed" && was === to_.kind && was !== "canary") return accuse(4, `${id} is ${was} twice`);
  if (!(order[was] ?? []).includes(to.kind)) return accuse(6, `${id} went from ${was} to ${to.kind}`);
  const record = model.segments.get(placeOf(change));
  if (record === undefined) return;
  if (was !== "confirmed" && record.open !== id)
    return accuse(6, `${id} moved but ${record.open ?? "nothing"} is open`);
  const isForward = to.kind === "canary" || to.kind === "confirmed";
  const because = heldBecause(model, record, at, around);
  if (isForward && because !== null) accuse(5, `${id} went on to ${to.kind} although ${because}`);
  if (isForward) judgeTrust(model, switchover, accuse);
  if (to.kind === "canary") judgeCanary(model, entry, switchover, { record, ...court });
  if (to.kind === "superseded" && to.because === NOTHING_DEGRADED)
    judgeResolution(model, placeOf(change), { heard: around.heard, accuse });
  if (to.kind === "approved") judgeApproval(entry, switchover, court);
  if (to.kind === "confirmed") judgeConfirmation(model, switchover, { heard: around.heard, accuse });
  if (to.kind === "rolledBack" && actor.kind === "loop")
    judgeRollBack(model, entry, switchover, { heard: around.heard, accuse });
}

function judgeTrust(model: Model, { id, change }: Pick<Switchover, "id" | "change">, accuse: Accuse): void {
  const metric = doubted(model, change.policy);
  if (metric !== null) accuse(14, `${id} moves forward although ${metric} of ${change.policy} is in doubt`);
}

/** Why nothing may move forward on a segment, or null. */
function heldBecause(model: Model, record: SegmentRecord, at: number, around: Circumstances): string | null {
  const { policy, definition } = record;
  const place = placeOf({ policy, segment: definition.id });
  if (freezesOver(model, policy, definition.id).some(({ until }) => until === null || at < until))
    return "it is frozen";
  if (!around.automation(place)) return "automation is off";
  const mode = modeOf(record, around);
  return mode === "observe" || mode === "alert" ? `its mode is ${mode}` : null;
}

const modeOf = ({ policy, definition }: SegmentRecord, around: Circumstances): string =>
  around.mode(placeOf({ policy, segment: definition.id })) || definition.mode;

function judgeCanary(
  model: Model,
  { at, event }: Written,
  switchover: SwitchoverRecord,
  { record, around, accuse }: Court & { readonly record: SegmentRecord },
): void {
  if (event.type !== "switchover.moved" || event.phase.kind !== "canary") return;
  const { id, change, gate, isApproved } = switchover;
  const { step, share } = event.phase;
  if (step !== switchover.step + 1 || change.steps[step]?.share !== share)
    accuse(6, `${id} went from step ${switchover.step} to step ${step} at share ${share}`);
  const needsApproval = gate === "approval" || record.definition.risk === "high" || modeOf(record, around) !== "auto";
  if (needsApproval && !isApproved) accuse(2, `${id} begins to serve ${change.to} and nobody approved it`);
  if (step === 0) judgeBeginning(model, at, switchover, accuse);
}

function judgeApproval({ actor, at, event }: Written, switchover: SwitchoverRecord, { around, accuse }: Court): void {
  if (event.type !== "switchover.moved" || event.phase.kind !== "approved") return;
  const { id, change, proposedBy, expiresAt } = switchover;
  const by = nameOf(actor);
  const digest = digestOf(change);
  if (actor.kind !== "user" || nameOf(event.phase.by) !== by) accuse(2, `${by} approved ${id} and is no person`);
  if (by === nameOf(proposedBy)) accuse(2, `${by} approved the own proposal ${id}`);
  if (at >= expiresAt) accuse(2, `${id} was approved after it expired`);
  if (!around.asked.some((ask) => ask.id === id && ask.actor === by && ask.digest === digest))
    accuse(2, `${by} never agreed to the change of ${id}, whose digest is ${digest.slice(0, 8)}`);
}

/** SHA-256 of the change's JSON with sorted keys, as ADRs and the CLI describe it. */
export const digestOf = (value: unknown): string => createHash("sha256").update(sorted(value), "utf8").digest("hex");

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
