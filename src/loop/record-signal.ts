import type { Actor } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import type { Event } from "../core/event.ts";
import { segmentsOf, type ControlState } from "../core/state.ts";
import type { Signal } from "../core/signal.ts";
import type { ControlPlane } from "../ports.ts";

/** How far a sender's clock may run ahead of ours. */
const AHEAD_MS = 5 * 60_000;

export interface RecordedSignal {
  readonly id: string;
  readonly recorded: boolean;
  /** Why it was not recorded. */
  readonly reason?: "duplicate";
}

/**
 * Records signals, all or none, and does nothing else: the loop reads them from the state. A signal whose
 * source has sent the same id before is left out.
 * @throws RouterError `invalid_request` naming the first signal that is about something unknown or lies in the future
 */
export async function recordSignal(
  { controlPlane }: { readonly controlPlane: Pick<ControlPlane, "commit"> },
  { signals, actor }: { readonly signals: readonly Signal[]; readonly actor: Actor },
): Promise<readonly RecordedSignal[]> {
  let results: RecordedSignal[] = [];
  await controlPlane.commit(actor, (state, now) => {
    results = [];
    const seen = new Set<string>();
    return signals.flatMap((signal): Event[] => {
      const refusal = refusalOf(signal, state, now);
      if (refusal !== null) throw refusal;
      const key = `${signal.source}:${signal.id}`;
      const isDuplicate = state.signalIds[key] !== undefined || seen.has(key);
      seen.add(key);
      results.push({ id: signal.id, recorded: !isDuplicate, ...(isDuplicate ? { reason: "duplicate" as const } : {}) });
      return isDuplicate ? [] : [{ type: "signal.recorded", signal }];
    });
  });
  return results;
}

/** Why a signal may not be recorded, or null. */
export function refusalOf(signal: Signal, state: ControlState, now: number): RouterError | null {
  const about = `Signal '${signal.id}'`;
  const policy = Object.hasOwn(state.policies, signal.policy) ? state.policies[signal.policy]?.policy : undefined;
  if (policy === undefined)
    return unknown("policy", `${about}: there is no policy '${signal.policy}'`, Object.keys(state.policies));
  const segments = segmentsOf(policy);
  const segment = segments.find(({ id }) => id === signal.segment);
  if (segment === undefined)
    return unknown(
      "segment",
      `${about}: policy '${signal.policy}' has no segment '${signal.segment}'`,
      segments.map(({ id }) => id),
    );
  if (!Object.hasOwn(policy.variants, signal.variant))
    return unknown(
      "variant",
      `${about}: policy '${signal.policy}' has no variant '${signal.variant}'`,
      Object.keys(policy.variants),
    );
  if (!Object.hasOwn(policy.metrics, signal.metric))
    return unknown(
      "metric",
      `${about}: policy '${signal.policy}' declares no metric '${signal.metric}'`,
      Object.keys(policy.metrics),
    );
  if (signal.source.startsWith("detector:"))
    return new RouterError("invalid_request", `${about}: the source '${signal.source}' is the loop's own.`, {
      param: "source",
      reason: "reserved_source",
    });
  if (signal.observedAt > now + AHEAD_MS)
    return new RouterError(
      "invalid_request",
      `${about} was observed at ${new Date(signal.observedAt).toISOString()}, more than five minutes ahead of this server's clock.`,
      { param: "observedAt", reason: "observed_in_the_future" },
    );
  return null;
}

const unknown = (param: string, problem: string, known: readonly string[]): RouterError =>
  new RouterError("invalid_request", `${problem}; known: ${known.join(", ") || "none"}.`, {
    param,
    reason: `unknown_${param}`,
  });
