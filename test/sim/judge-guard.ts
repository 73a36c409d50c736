import type { Switchover } from "../../src/core/switchover.ts";
import type { Accuse } from "./ledger-judge.ts";
import { placeOf, type Model, type SegmentRecord, type SwitchoverRecord } from "./model.ts";

/** Of the traffic, by a probe of what was left because it degraded. */
const PROBE_SHARE_MAX = 0.5;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Whether the hour's limit is about it: a move of one segment alone, away from what degraded. */
export const isCounted = ({ change }: Pick<Switchover, "change">): boolean =>
  change.cause === "degraded" && change.incident === undefined;

/** What any move of the loop must have waited for, and what a move away from a degraded variant may use. */
export function judgeLimits(
  model: Model,
  at: number,
  { switchover, record }: { readonly switchover: Switchover; readonly record: SegmentRecord },
  accuse: Accuse,
): void {
  const { id, change } = switchover;
  const guard = model.policies.get(change.policy)?.guard;
  if (guard === undefined) return;
  const waited = at - (record.endedAt ?? Number.NEGATIVE_INFINITY);
  if (waited < guard.cooldownSeconds * 1000) accuse(7, `${id} is proposed ${waited} ms after the last one ended`);
  if (change.cause === "recovered") return judgeWait(model, { id, change, record, waited }, accuse);
  const quarantinedAt = record.quarantinedAt.get(change.to);
  if (quarantinedAt !== undefined && at - quarantinedAt < guard.quarantineSeconds * 1000)
    accuse(7, `${id} tries ${change.to}, which was rolled back or refused ${at - quarantinedAt} ms ago`);
  const changes = record.changes.filter((changedAt) => at - changedAt < DAY_MS).length;
  if (changes >= guard.changesPerDay)
    accuse(7, `${id} would be change ${changes + 1} of the day, ${guard.changesPerDay} allowed`);
  if (!isCounted(switchover)) return;
  const waiting = [...model.segments.values()].filter(
    ({ policy, open }) => policy === change.policy && willBegin(model.switchovers.get(open ?? "")),
  );
  const used = begunWithin(model, change.policy, at).length + waiting.length;
  const allowed = guard.movesPerHour ?? 0;
  if (used >= allowed) accuse(7, `${id} would be move ${used + 1} of the hour in ${change.policy}, ${allowed} allowed`);
}

/** It begins without anybody being asked, and has not yet. */
const willBegin = (open: SwitchoverRecord | undefined): boolean =>
  open !== undefined &&
  isCounted(open) &&
  (open.phase === "approved" || (open.phase === "proposed" && open.gate === "none"));

const begunWithin = ({ begun }: Model, policy: string, at: number) =>
  begun.filter((move) => move.policy === policy && at - move.at < HOUR_MS);

/** A return waits for its time, for somebody who says that the former variant recovered, or for another of its incident. */
function judgeWait(
  model: Model,
  {
    id,
    change,
    record,
    waited,
  }: Pick<Switchover, "id" | "change"> & { readonly record: SegmentRecord; readonly waited: number },
  accuse: Accuse,
): void {
  if (change.steps.some(({ share }) => share > PROBE_SHARE_MAX))
    accuse(7, `${id} probes ${change.to} with more than half of the traffic`);
  const guard = model.policies.get(change.policy)?.guard;
  const since = record.endedAt ?? 0;
  const isAsked = [...model.signals.values()].some(
    ({ signal, at }) =>
      placeOf(signal) === placeOf(change) &&
      signal.variant === change.to &&
      signal.status === "recovered" &&
      at >= since,
  );
  const first = model.incidents.get(change.incident ?? "")?.recoveredAt ?? null;
  if (isAsked || (first !== null && first >= since) || guard === undefined) return;
  if (waited < guard.revertSeconds * 1000) accuse(7, `${id} probes ${change.to} ${waited} ms after the last one ended`);
}

/** However long proposals wait, those that nobody was asked about never begin more often than an hour allows. */
export function judgeBeginning(model: Model, at: number, switchover: SwitchoverRecord, accuse: Accuse): void {
  const { id, change, gate } = switchover;
  if (!isCounted(switchover) || gate !== "none") return;
  const allowed = model.policies.get(change.policy)?.guard.movesPerHour ?? 0;
  const recent = begunWithin(model, change.policy, at).filter(
    (move) => model.switchovers.get(move.id)?.gate === "none",
  ).length;
  if (recent >= allowed) accuse(7, `${id} is move ${recent + 1} of the hour in ${change.policy}, ${allowed} allowed`);
}
