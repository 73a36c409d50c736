import type { ApiKey } from "../core/api-key.ts";
import type { Attributes } from "../core/attributes.ts";
import type { Decision } from "../core/decision.ts";
import type { Policy } from "../core/policy.ts";
import type { Answered, Clock, Exposure, Log } from "../ports.ts";
import type { ClientHold } from "./client-hold.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Blame } from "./upstream-answer.ts";

/** What was served, to whom. */
export interface Served {
  readonly predictionId: string;
  /** Epoch milliseconds at which it was decided. */
  readonly at: number;
  readonly receivedAt: number;
  readonly policy: Policy;
  readonly decision: Decision;
  readonly attributes: Attributes;
  readonly unit: string | null;
  /** The conversation that it was part of, which OpenAI's `user` does not name; null where the request named none. */
  readonly session: string | null;
  /** OpenAI's `user`. */
  readonly user?: string | null;
  readonly key: ApiKey;
  readonly hold: ClientHold;
}

/** Takes what was served, the conversation that it was part of and who asked, without waiting. */
export interface AnswerExposures {
  readonly record: (exposure: Exposure, session: string | null, user: string | null) => void;
}

/** How it ended. */
export interface Ending {
  readonly status: number;
  readonly error: string | null;
  readonly blame: Blame;
  /** What is known of the answer itself; null when there is none. */
  readonly answered?: Answered | null;
}

/** nginx's status for a client that closed the connection. */
export const CLIENT_LEFT: Ending = { status: 499, error: "client_closed", blame: "left" };

/**
 * Records the exposure and the outcomes of the built-in metrics when the answer has ended. Only the
 * first ending counts. Latency is from the request's arrival to the upstream's end without the time for which
 * the client did not take what was ready. A client that left waited too long or it did not: what it waited is a
 * lower bound of the latency, so it counts only when it already is too slow, or unusual. Never throws: an answer must not fail because it could not be counted.
 */
export function answerRecorder(
  deps: {
    readonly exposures: AnswerExposures;
    readonly outcomes: Outcomes;
    readonly clock: Clock;
    readonly log: Log;
  },
  served: Served,
): (ending: Ending) => void {
  let recorded = false;
  return (ending) => {
    if (recorded) return;
    recorded = true;
    try {
      record(deps, served, ending);
    } catch (error) {
      deps.log.error("an answer was served but not recorded", { predictionId: served.predictionId, error });
    }
  };
}

function record(
  { exposures, outcomes, clock }: { exposures: AnswerExposures; outcomes: Outcomes; clock: Clock },
  { predictionId, at, receivedAt, policy, decision, attributes, unit, session, user = null, key, hold }: Served,
  { status, error, blame, answered = null }: Ending,
): void {
  const latencyMs = clock.now() - receivedAt - hold.totalMs();
  const row = { policy: decision.policy, segment: decision.segment, variant: decision.variant.id };
  const { revision, reason } = decision;
  exposures.record(
    { predictionId, at, ...row, revision, reason, unit, keyId: key.id, attributes, status, latencyMs, error, answered },
    session,
    user,
  );
  if (blame === "client") return;
  const about = { ...row, at, predictionId, attributes };
  for (const [metric, spec] of Object.entries(policy.metrics)) {
    if (spec.from === "error" && blame !== "left")
      outcomes.observe({ ...about, metric, loss: blame === "service" ? 1 : 0 });
    if (spec.from === "cost" && typeof answered?.costUsd === "number")
      outcomes.observe({ ...about, metric, amount: answered.costUsd });
    if (spec.from !== "latency" || blame === "service") continue;
    if (spec.slowerThanMs === undefined) {
      // A clock that went back must not make an amount that nobody can count.
      const amount = Math.max(0, latencyMs);
      outcomes.observe({ ...about, metric, amount, ...(blame === "left" ? { isAtLeast: true } : {}) });
      continue;
    }
    const isSlow = latencyMs > spec.slowerThanMs;
    if (isSlow || blame === "nobody") outcomes.observe({ ...about, metric, loss: isSlow ? 1 : 0 });
  }
}
