import { type GuardFigures } from "./basis.ts";
import { rounded } from "./rounded.ts";
import type { Policy } from "./policy.ts";
import { freezeKey, segmentKey, segmentsOf, type ControlState } from "./state.ts";
import type { Switchover } from "./switchover.ts";

/** Why the loop may not begin a move now, or null when it may. */
export type Refusal = {
  readonly code: "frozen" | "cooldown" | "moves-exhausted" | "changes-exhausted" | "in-flight";
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
const DAY_MS = 24 * HOUR_MS;
const MOVES_MIN = 6;
const MOVES_SHARE = 0.1;

/** Moves an hour that may be under way or have come to nothing. */
export const movesAllowed = ({ guard, segments }: Policy): number =>
  guard.movesPerHour ?? Math.max(MOVES_MIN, Math.ceil(segments.length * MOVES_SHARE));

/** What is about to begin, as far as the guard asks. */
export interface Beginning {
  readonly policy: Policy;
  readonly segment: string;
  /** Back to a variant that was left: it is asked for often, and its own wait limits it. */
  readonly isReturn: boolean;
  /** One of many that fail together. */
  readonly isShared: boolean;
}

/**
 * Whether the loop may begin a move of a segment.
 * @param share of the policy's traffic per segment, in [0,1]
 */
export function mayBegin(
  state: ControlState,
  { policy, segment, isReturn, isShared }: Beginning,
  share: (segment: string) => number,
  now: number,
): Refusal | null {
  const frozen = freezeOf(state, policy.policy, segment, now);
  if (frozen !== null) return { code: "frozen", because: `frozen: ${frozen}` };
  return refusalOf(guardFigures(state, { policy, segment, isReturn, isShared }, share, now));
}

/** What the guard counts for a move, and what it allows: all that `refusalOf` asks. */
export function guardFigures(
  state: ControlState,
  { policy, segment, isReturn, isShared }: Beginning,
  share: (segment: string) => number,
  now: number,
): GuardFigures {
  const { guard } = policy;
  const current = state.segments[segmentKey(policy.policy, segment)];
  const endedAt = current?.endedAt ?? null;
  const figures = {
    sinceEndedMs: endedAt === null ? null : now - endedAt,
    cooldownSeconds: guard.cooldownSeconds,
    changes: isReturn
      ? null
      : { today: current?.changes.filter((at) => now - at < DAY_MS).length ?? 0, allowed: guard.changesPerDay },
  };
  if (isReturn || isShared) return { ...figures, moves: null, inFlight: null };
  const ids = segmentsOf(policy).map(({ id }) => id);
  const moves = ids.flatMap((id) => state.segments[segmentKey(policy.policy, id)]?.moves ?? []);
  const lastHour = moves.filter((at) => now - at < HOUR_MS).length + proposals(state, policy.policy, ids);
  const inFlight = ids.filter((id) => id !== segment && isInFlight(openOf(state, policy.policy, id)));
  return {
    ...figures,
    moves: { lastHour, allowed: movesAllowed(policy) },
    inFlight: {
      segments: inFlight.length,
      share: rounded(inFlight.reduce((sum, id) => sum + share(id), 0) + share(segment)),
      shareMax: guard.shareInFlightMax,
    },
  };
}

/** The first limit that figures are beyond, or null. */
export function refusalOf({ sinceEndedMs, cooldownSeconds, changes, moves, inFlight }: GuardFigures): Refusal | null {
  if (sinceEndedMs !== null && sinceEndedMs < cooldownSeconds * 1000)
    return { code: "cooldown", because: `its last switchover ended less than ${cooldownSeconds} s ago` };
  if (changes !== null && changes.today >= changes.allowed)
    return {
      code: "changes-exhausted",
      because: `${changes.today} changes in the last day, ${changes.allowed} allowed`,
    };
  if (moves !== null && moves.lastHour >= moves.allowed)
    return { code: "moves-exhausted", because: `${moves.lastHour} moves in the last hour, ${moves.allowed} allowed` };
  if (inFlight !== null && inFlight.segments > 0 && inFlight.share > inFlight.shareMax)
    return {
      code: "in-flight",
      because: `${(inFlight.share * 100).toFixed(0)} % of the traffic would be in a canary, ${(inFlight.shareMax * 100).toFixed(0)} % allowed`,
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

/** Moves that have not begun but will without anybody being asked count too, or a burst of alarms would pass the limit together. */
const proposals = (state: ControlState, policy: string, ids: readonly string[]): number =>
  ids.filter((id) => {
    const open = openOf(state, policy, id);
    if (open === undefined || !isInFlight(open) || open.phase.kind === "canary") return false;
    return open.change.cause === "degraded" && open.change.incident === undefined;
  }).length;
