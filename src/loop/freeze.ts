import type { Actor } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import type { FreezeScope } from "../core/event.ts";
import { freezeKey, segmentKey, type ControlState, type Freeze } from "../core/state.ts";
import type { Clock, ControlPlane } from "../ports.ts";

/** A year; longer is until it is lifted. */
const SECONDS_MAX = 31_536_000;

type Deps = { readonly controlPlane: Pick<ControlPlane, "commit"> };

/** What is frozen now: a freeze stays in the state after its end, until another replaces it. */
export const listFreezes = ({
  controlPlane,
  clock,
}: {
  readonly controlPlane: Pick<ControlPlane, "state">;
  readonly clock: Clock;
}): readonly Freeze[] => inForce(controlPlane.state(), clock.now());

/**
 * Stops the loop from moving anything forward within the scope; moving back still happens.
 * @param input.forSeconds how long, or null until it is lifted
 */
export async function freeze(
  { controlPlane }: Deps,
  input: {
    readonly scope: FreezeScope;
    readonly reason: string;
    readonly forSeconds: number | null;
    readonly actor: Actor;
  },
): Promise<{ readonly scope: FreezeScope; readonly until: number | null }> {
  const { scope, reason, forSeconds, actor } = input;
  if (forSeconds !== null && !(forSeconds > 0 && forSeconds <= SECONDS_MAX))
    throw new RouterError(
      "invalid_request",
      `A freeze lasts between 0 and ${SECONDS_MAX} seconds, or until it is lifted; got ${forSeconds}.`,
      {
        param: "for_seconds",
        reason: "invalid_duration",
      },
    );
  let until: number | null = null;
  await controlPlane.commit(actor, (state, now) => {
    checkScope(state, scope);
    until = forSeconds === null ? null : now + Math.round(forSeconds * 1000);
    return [{ type: "freeze.set", scope, reason, until }];
  });
  return { scope, until };
}

/** Lifts the freeze of exactly this scope. Throws `not_found` when there is none, naming those there are. */
export async function unfreeze(
  { controlPlane }: Deps,
  input: { readonly scope: FreezeScope; readonly reason: string; readonly actor: Actor },
): Promise<{ readonly lifted: Freeze }> {
  const { scope, reason, actor } = input;
  let lifted: Freeze | undefined;
  await controlPlane.commit(actor, (state, now) => {
    const current = inForce(state, now);
    lifted = current.find((one) => freezeKey(one.scope) === freezeKey(scope));
    if (lifted === undefined) {
      const known = current.map((one) => freezeKey(one.scope)).join(", ") || "none";
      throw new RouterError("not_found", `Nothing is frozen at ${freezeKey(scope)}; frozen: ${known}.`, {
        reason: "not_frozen",
      });
    }
    return [{ type: "freeze.lifted", scope, reason }];
  });
  if (lifted === undefined) throw new Error("bug: nothing was lifted");
  return { lifted };
}

const inForce = ({ freezes }: ControlState, now: number): readonly Freeze[] =>
  Object.values(freezes).filter(({ until }) => until === null || now < until);

function checkScope(state: ControlState, { policy, segment }: FreezeScope): void {
  if (segment !== undefined && policy === undefined)
    throw new RouterError("invalid_request", "A segment is frozen within a policy: name the policy too.", {
      param: "policy",
    });
  if (policy !== undefined && !Object.hasOwn(state.policies, policy))
    throw new RouterError(
      "not_found",
      `There is no policy '${policy}'; published: ${Object.keys(state.policies).join(", ") || "none"}.`,
      {
        param: "policy",
        reason: "policy_not_found",
      },
    );
  if (policy !== undefined && segment !== undefined && !Object.hasOwn(state.segments, segmentKey(policy, segment)))
    throw new RouterError("not_found", `Policy '${policy}' has no segment '${segment}'.`, {
      param: "segment",
      reason: "segment_not_found",
    });
}
