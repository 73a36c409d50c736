import type { Actor } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import type { Event, FreezeScope } from "../core/event.ts";
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
 * @param input.forSeconds how long, or null until it is lifted; while the policy's measure is in doubt always the latter
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
    // One that ends by itself must not take the place of the one that waits for somebody to look at the measure.
    until = forSeconds === null || isMeasureInDoubt(state, scope) ? null : now + Math.round(forSeconds * 1000);
    return [{ type: "freeze.set", scope, reason, until }];
  });
  return { scope, until };
}

/**
 * Lifts the freeze of exactly this scope, and with a policy's the finding that its measure changed: whoever lifts it says
 * that scores mean what they mean now, and baselines are learnt anew.
 * @throws RouterError `not_found` when there is none, naming those there are
 */
export async function unfreeze(
  { controlPlane }: Deps,
  input: { readonly scope: FreezeScope; readonly reason: string; readonly actor: Actor },
): Promise<{ readonly lifted: Freeze }> {
  const { scope, reason, actor } = input;
  let lifted: Freeze | undefined;
  await controlPlane.commit(actor, (state, now) => {
    const current = inForce(state, now);
    const anew = measuredAnew(state, scope, reason);
    lifted = current.find((one) => freezeKey(one.scope) === freezeKey(scope)) ?? endedFreeze(state, scope, anew);
    if (lifted === undefined) {
      const known = current.map((one) => freezeKey(one.scope)).join(", ") || "none";
      throw new RouterError("not_found", `Nothing is frozen at ${freezeKey(scope)}; frozen: ${known}.`, {
        reason: "not_frozen",
      });
    }
    return [{ type: "freeze.lifted", scope, reason }, ...anew];
  });
  if (lifted === undefined) throw new Error("bug: nothing was lifted");
  return { lifted };
}

const isMeasureInDoubt = ({ incidents }: ControlState, { policy, segment }: FreezeScope): boolean =>
  segment === undefined &&
  Object.values(incidents).some((incident) => incident.scope.kind === "evaluator" && incident.policy === policy);

/** A freeze that ran out while the measure was in doubt: lifting it still says that scores mean something again. */
const endedFreeze = ({ freezes }: ControlState, scope: FreezeScope, anew: readonly Event[]): Freeze | undefined =>
  anew.length === 0 ? undefined : freezes[freezeKey(scope)];

/** With everything, the freezes are lifted that came with the finding. */
function measuredAnew({ incidents, freezes }: ControlState, { policy, segment }: FreezeScope, reason: string): Event[] {
  if (segment !== undefined) return [];
  const inDoubt = Object.entries(incidents).filter(
    ([, incident]) => incident.scope.kind === "evaluator" && (policy === undefined || policy === incident.policy),
  );
  const frozen = policy === undefined ? new Set(inDoubt.map(([, incident]) => incident.policy)) : new Set<string>();
  return [
    ...inDoubt.map(([id]): Event => ({ type: "incident.resolved", id, because: reason })),
    ...[...frozen].flatMap((id): Event[] =>
      freezes[freezeKey({ policy: id })] === undefined
        ? []
        : [{ type: "freeze.lifted", scope: { policy: id }, reason }],
    ),
  ];
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
