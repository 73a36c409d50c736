import { actorName, isSameActor, type Actor } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import { segmentKey, servableVariants, type ControlState } from "../core/state.ts";
import type { Phase, Switchover } from "../core/switchover.ts";
import type { ControlPlane } from "../ports.ts";

type Deps = { readonly controlPlane: Pick<ControlPlane, "commit"> };

/** The switchover, or `not_found` with what to do. */
export function findSwitchover(state: ControlState, id: string): Switchover {
  // A name such as 'constructor' must not find what every object inherits.
  const switchover = Object.hasOwn(state.switchovers, id) ? state.switchovers[id] : undefined;
  if (switchover === undefined)
    throw new RouterError("not_found", `There is no switchover '${id}'. List them with 'segue switchovers'.`, {
      param: "id",
      reason: "switchover_not_found",
    });
  return switchover;
}

/**
 * Records the approval only; the reconcile loop applies it.
 * @param input.digest the digest of the exact change that was looked at
 * @throws RouterError `forbidden` when the actor is no person or is the proposer; `conflict` when the switchover is
 *   not waiting, has expired, or is another change than the digest's
 */
export async function approveSwitchover(
  deps: Deps,
  input: { readonly id: string; readonly digest: string; readonly actor: Actor; readonly reason?: string },
): Promise<Switchover> {
  const { id, digest, actor, reason } = input;
  return movePhase(deps, id, actor, (switchover, state, now) => {
    waiting(switchover, now);
    if (actor.kind !== "user")
      throw new RouterError("forbidden", `Only a named person may approve; ${actorName(actor)} is not one.`, {
        reason: "approver_not_a_person",
      });
    if (isSameActor(actor, switchover.proposedBy))
      throw new RouterError("forbidden", `${actorName(actor)} proposed '${id}', so somebody else has to approve it.`, {
        reason: "self_approval",
      });
    if (switchover.change.raisedBy === actorName(actor))
      throw new RouterError(
        "forbidden",
        `${actorName(actor)} recorded the signal that '${id}' rests on, so somebody else has to approve it.`,
        { reason: "self_approval" },
      );
    if (digest !== switchover.digest)
      throw new RouterError(
        "conflict",
        `The approval is for another change: '${id}' has digest ${switchover.digest.slice(0, 12)}…, the approval names ${digest.slice(0, 12)}…. Look at it again, then approve what it is now.`,
        { param: "digest", reason: "digest_mismatch" },
      );
    const current = state.segments[segmentKey(switchover.change.policy, switchover.change.segment)];
    if (current?.incumbent !== switchover.change.from || current.open !== id)
      throw new RouterError("conflict", `'${id}' is out of date: the segment is served something else by now.`, {
        reason: "out_of_date",
      });
    return { kind: "approved", since: now, by: actor, ...(reason === undefined ? {} : { reason }) };
  });
}

/** Ends a switchover that waits. The segment stays on its incumbent, and its cooldown begins. */
export async function rejectSwitchover(
  deps: Deps,
  input: { readonly id: string; readonly actor: Actor; readonly reason: string },
): Promise<Switchover> {
  return movePhase(deps, input.id, input.actor, (switchover, _state, now) => {
    waiting(switchover, now);
    return { kind: "rejected", since: now, by: input.actor, because: input.reason };
  });
}

/**
 * Moves a segment back: from a canary, or from a confirmed switchover while it is the segment's latest. Never gated:
 * where it leads back to is what served before.
 */
export async function rollBackSwitchover(
  deps: Deps,
  input: { readonly id: string; readonly actor: Actor; readonly reason: string },
): Promise<Switchover> {
  return movePhase(deps, input.id, input.actor, (switchover, state, now) => {
    const { phase, change, id } = switchover;
    const current = state.segments[segmentKey(change.policy, change.segment)];
    const isLatest = phase.kind === "confirmed" && current?.movedBy === id;
    if (phase.kind !== "canary" && phase.kind !== "approved" && !isLatest)
      throw new RouterError(
        "conflict",
        phase.kind === "confirmed"
          ? `'${id}' is not the latest move of ${change.segment}; roll back the latest one.`
          : `'${id}' is ${phase.kind}: there is nothing to roll back.`,
        { reason: "nothing_to_roll_back" },
      );
    if (phase.kind === "confirmed" && current?.open != null)
      throw new RouterError(
        "conflict",
        `'${current.open}' is open on ${change.segment}; reject or roll back that one first.`,
        {
          reason: "switchover_open",
        },
      );
    if (phase.kind === "confirmed" && !isValidated(state, change.policy, change.segment, change.from))
      throw new RouterError(
        "conflict",
        `'${id}' cannot be rolled back: '${change.from}' is no longer on the ladder of ${change.segment}. Publish a policy that has it, or serve another rung with the flag segue-fallback.`,
        { reason: "variant_removed" },
      );
    return { kind: "rolledBack", since: now, because: input.reason, by: input.actor };
  });
}

function isValidated(state: ControlState, policy: string, segmentId: string, variant: string): boolean {
  const segment = state.policies[policy]?.policy.segments.find(({ id }) => id === segmentId);
  return segment !== undefined && servableVariants(segment).has(variant);
}

function waiting({ id, phase }: Switchover, now: number): void {
  if (phase.kind !== "proposed")
    throw new RouterError("conflict", `'${id}' is ${phase.kind}: it no longer waits for a decision.`, {
      reason: "not_waiting",
    });
  if (now >= phase.expiresAt)
    throw new RouterError(
      "conflict",
      `'${id}' expired at ${new Date(phase.expiresAt).toISOString()}: wait for a new proposal.`,
      {
        reason: "expired",
      },
    );
}

async function movePhase(
  { controlPlane }: Deps,
  id: string,
  actor: Actor,
  next: (switchover: Switchover, state: ControlState, now: number) => Phase,
): Promise<Switchover> {
  let moved: Switchover | undefined;
  await controlPlane.commit(actor, (state, now) => {
    const switchover = findSwitchover(state, id);
    const phase = next(switchover, state, now);
    moved = { ...switchover, phase };
    return [{ type: "switchover.moved", id, phase }];
  });
  if (moved === undefined) throw new Error(`bug: switchover ${id} was not decided on`);
  return moved;
}
