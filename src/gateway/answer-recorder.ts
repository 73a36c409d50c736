import type { ApiKey } from "../core/api-key.ts";
import type { Attributes } from "../core/attributes.ts";
import type { Decision } from "../core/decision.ts";
import type { Policy } from "../core/policy.ts";
import type { Clock, Exposures, Log } from "../ports.ts";
import type { Outcomes } from "./outcomes.ts";

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
  readonly key: ApiKey;
}

/** How it ended. `blame` is whose doing it was that there is no good answer; the service is Segue and its upstream. */
export interface Ending {
  readonly status: number;
  readonly error: string | null;
  readonly blame: "nobody" | "service" | "client";
}

/** nginx's status for a client that closed the connection. */
export const CLIENT_LEFT: Ending = { status: 499, error: "client_closed", blame: "client" };

/** Whose doing a status is: an upstream that is slow, busy or broken, or the request itself. */
export function blameOf(status: number): Ending["blame"] {
  if (status < 400) return "nobody";
  return status >= 500 || status === 429 || status === 408 ? "service" : "client";
}

/**
 * Records the exposure and the outcomes of the built-in metrics when the answer has ended. Only the
 * first ending counts. Never throws: an answer must not fail because it could not be counted.
 */
export function answerRecorder(
  deps: {
    readonly exposures: Pick<Exposures, "record">;
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
  { exposures, outcomes, clock }: { exposures: Pick<Exposures, "record">; outcomes: Outcomes; clock: Clock },
  { predictionId, at, receivedAt, policy, decision, attributes, unit, key }: Served,
  { status, error, blame }: Ending,
): void {
  const latencyMs = clock.now() - receivedAt;
  const row = { policy: decision.policy, segment: decision.segment, variant: decision.variant.id };
  const { revision, reason } = decision;
  exposures.record({
    predictionId,
    at,
    ...row,
    revision,
    reason,
    unit,
    keyId: key.id,
    attributes,
    status,
    latencyMs,
    error,
  });
  if (blame === "client") return;
  for (const [metric, spec] of Object.entries(policy.metrics)) {
    if (spec.from === "error")
      outcomes.observe({ ...row, metric, loss: blame === "service" ? 1 : 0, at, predictionId });
    else if (spec.from === "latency" && blame === "nobody")
      outcomes.observe({ ...row, metric, loss: latencyMs > spec.slowerThanMs ? 1 : 0, at, predictionId });
  }
}
