import type { Policy } from "./policy.ts";
import { freezeKey, segmentKey, segmentsOf, type ControlState } from "./state.ts";
import type { Switchover } from "./switchover.ts";

/** Why the loop may not begin a move now, or null when it may. */
export type Refusal = {
  readonly code: "frozen" | "cooldown" | "moves-exhausted" | "in-flight";
  readonly because: string;
};

/** The freeze that covers a segment at `now`, if any. */
export function freezeOf(state: ControlState, policy: string, segment: string, now: number): string | null {
  for (const scope of [{}, { policy }, { policy, segment }]) {
    const freeze = state.freezes[freezeKey(scope)];
    if (freeze !== undefined && (freeze.until === null || now < freeze.until)) return freeze.reason;
  }
  return null;
}

const HOUR_MS = 3_600_000;

/**
 * Whether the loop may begin a move of a segment.
 * @param share of the policy's traffic per segment, in [0,1]
 */
export function mayBegin(
  state: ControlState,
  { policy, segment }: { readonly policy: Policy; readonly segment: string },
  share: (segment: string) => number,
  now: number,
): Refusal | null {
  const { guard } = policy;
  const frozen = freezeOf(state, policy.policy, segment, now);
  if (frozen !== null) return { code: "frozen", because: `frozen: ${frozen}` };
  const endedAt = state.segments[segmentKey(policy.policy, segment)]?.endedAt ?? null;
  if (endedAt !== null && now - endedAt < guard.cooldownSeconds * 1000)
    return { code: "cooldown", because: `its last switchover ended less than ${guard.cooldownSeconds} s ago` };
  const ids = segmentsOf(policy).map(({ id }) => id);
  const moves = ids.flatMap((id) => state.segments[segmentKey(policy.policy, id)]?.moves ?? []);
  const lastHour = moves.filter((at) => now - at < HOUR_MS).length + proposals(state, policy.policy, ids);
  if (lastHour >= guard.movesPerHour)
    return { code: "moves-exhausted", because: `${lastHour} moves in the last hour, ${guard.movesPerHour} allowed` };
  const inFlight = ids.filter((id) => id !== segment && isInFlight(openOf(state, policy.policy, id)));
  const shareInFlight = inFlight.reduce((sum, id) => sum + share(id), 0) + share(segment);
  if (inFlight.length > 0 && shareInFlight > guard.shareInFlightMax)
    return {
      code: "in-flight",
      because: `${(shareInFlight * 100).toFixed(0)} % of the traffic would be in a canary, ${(guard.shareInFlightMax * 100).toFixed(0)} % allowed`,
    };
  return null;
}

function openOf(state: ControlState, policy: string, segment: string): Switchover | undefined {
  const open = state.segments[segmentKey(policy, segment)]?.open ?? null;
  return open === null ? undefined : state.switchovers[open];
}

/** In a canary, or about to be without anybody being asked. */
const isInFlight = (open: Switchover | undefined): boolean =>
  open !== undefined && (open.phase.kind !== "proposed" || open.gate === "none");

/** Proposals that have not begun count too, or a burst of alarms would pass the limit together. */
const proposals = (state: ControlState, policy: string, ids: readonly string[]): number =>
  ids.filter((id) => ["proposed", "approved"].includes(openOf(state, policy, id)?.phase.kind ?? "")).length;
