import type { Decision } from "../../src/core/decision.ts";
import type { LedgerJudge } from "./ledger-judge.ts";
import { nameOf, placeOf, type SegmentRecord, type Served, type SwitchoverRecord } from "./model.ts";

/** One answer, as it was decided. */
export interface Answer {
  readonly decision: Pick<Decision, "policy" | "segment" | "reason" | "switchover"> & { readonly variant: string };
  /** The last entry that the serving process can know of. */
  readonly seen: number;
  /** What `segue-fallback` says of the segment at this moment. */
  readonly forced: string;
  /** Whether the process has asked for the ledger in vain. */
  readonly isCutOff: boolean;
}

/** Judges one answer at the moment at which it is served. */
export function judgeAnswer({ model, accuse }: LedgerJudge, { decision, seen, forced, isCutOff }: Answer): void {
  const { variant, reason } = decision;
  const place = placeOf(decision);
  const record = model.segments.get(place);
  if (isCutOff && reason !== "STALE" && reason !== "DISABLED")
    accuse(11, `${place} is answered with reason ${reason} while the ledger cannot be reached`);
  // A segment that was removed is still served by a process that has not heard of it.
  if (record === undefined || (record.served[0]?.seq ?? 0) > seen) return;
  const now = servedAsOf(record, seen);
  const trial = now?.canary === null ? undefined : model.switchovers.get(now?.canary ?? "");
  const allowed = [now?.incumbent, trial?.change.to];
  const known = switchoverOf(model.switchovers.values(), place, variant);
  if (reason === "DISABLED" || isForced(record, forced)) {
    const { ladder, fallback } = record.definition;
    const baseline = fallback ?? ladder.at(-1)?.variant;
    if (variant !== (forced === "baseline" ? baseline : forced) && !isCutOff)
      accuse(3, `${place} is served ${variant}, but the flag says '${forced}'`);
    return;
  }
  const rolledBack = decision.switchover === null ? undefined : model.switchovers.get(decision.switchover);
  const back = rolledBack?.rolledBackSeq ?? null;
  if (rolledBack?.change.to === variant && back !== null && back <= seen)
    accuse(12, `${place} is served ${variant} by ${decision.switchover}, which was rolled back`);
  if (allowed.includes(variant)) return;
  if (known !== undefined && !known.isApproved && needsApproval(record, known))
    accuse(
      2,
      `${place} is served ${variant} of ${known.id}, proposed by ${nameOf(known.proposedBy)}, without approval`,
    );
  accuse(3, `${place} is served ${variant}; entry ${now?.seq} explains ${allowed.join(" and ")} only`);
}

const servedAsOf = (record: SegmentRecord, seen: number): Served | undefined =>
  record.served.findLast(({ seq }) => seq <= seen);

const isForced = ({ definition }: SegmentRecord, forced: string): boolean =>
  forced === "baseline" || [...definition.ladder.map(({ variant }) => variant), definition.fallback].includes(forced);

const switchoverOf = (all: Iterable<SwitchoverRecord>, place: string, variant: string): SwitchoverRecord | undefined =>
  [...all].findLast(({ change }) => placeOf(change) === place && change.to === variant);

const needsApproval = ({ definition }: SegmentRecord, { gate }: SwitchoverRecord): boolean =>
  gate === "approval" || definition.risk === "high";

/** What a process would serve to each of some units, by segment, flags aside. */
export type Probe = ReadonlyMap<string, string>;

/** Compares what a process serves before and after it read some entries: only what they name may differ. */
export function judgeDifference(
  { model, written, accuse }: LedgerJudge,
  before: { readonly probe: Probe; readonly seen: number },
  after: { readonly probe: Probe; readonly seen: number },
): void {
  const entries = written.slice(before.seen, after.seen);
  const published = new Set<string>();
  const named = new Set<string>();
  for (const { event } of entries) {
    if (event.type === "policy.published") published.add(event.policy.policy);
    if (event.type !== "switchover.moved") continue;
    const change = model.switchovers.get(event.id)?.change;
    if (change !== undefined) named.add(placeOf(change));
  }
  if (named.size === 0) return;
  for (const [place, served] of after.probe) {
    const was = before.probe.get(place);
    if (was === undefined || was === served || named.has(place)) continue;
    if (![...published].some((policy) => place.startsWith(`${policy}/`)))
      accuse(1, `${place} changed from ${was} to ${served} with a switchover of ${[...named].join(", ")}`);
  }
}
