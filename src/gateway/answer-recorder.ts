import type { ApiKey } from "../core/api-key.ts";
import type { Attributes } from "../core/attributes.ts";
import type { Decision } from "../core/decision.ts";
import type { Policy } from "../core/policy.ts";
import type { Clock, Exposures, Log } from "../ports.ts";
import type { ClientHold } from "./client-hold.ts";
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
  readonly hold: Pick<ClientHold, "totalMs">;
}

/**
 * How it ended. `blame` is whose doing it was that there is no good answer: the service is Segue and its upstream,
 * `left` is a client that did not wait for the end.
 */
export interface Ending {
  readonly status: number;
  readonly error: string | null;
  readonly blame: "nobody" | "service" | "client" | "left";
}

/** nginx's status for a client that closed the connection. */
export const CLIENT_LEFT: Ending = { status: 499, error: "client_closed", blame: "left" };

/** What says that the upstream has no such model or will not be paid for it: Segue named both, not the client. */
const SETTINGS_AT_FAULT = new Set([402, 404, 410]);

/** Whose doing an upstream's status is: an upstream that is slow, busy, broken or wrongly set up, or the request itself. */
export function blameOf(status: number): Ending["blame"] {
  if (status < 400) return "nobody";
  return status >= 500 || status === 429 || status === 408 || SETTINGS_AT_FAULT.has(status) ? "service" : "client";
}

/**
 * Records the exposure and the outcomes of the built-in metrics when the answer has ended. Only the
 * first ending counts. Latency is from the request's arrival to the upstream's end without the time for which
 * the client did not take what was ready. A client that left waited too long or it did not: what it waited is a
 * lower bound of the latency, so it counts only when it already is too slow. Never throws: an answer must not fail because it could not be counted.
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
  { predictionId, at, receivedAt, policy, decision, attributes, unit, key, hold }: Served,
  { status, error, blame }: Ending,
): void {
  const latencyMs = clock.now() - receivedAt - hold.totalMs();
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
    if (spec.from === "error" && blame !== "left")
      outcomes.observe({ ...row, metric, loss: blame === "service" ? 1 : 0, at, predictionId });
    if (spec.from !== "latency" || blame === "service") continue;
    const isSlow = latencyMs > spec.slowerThanMs;
    if (isSlow || blame === "nobody") outcomes.observe({ ...row, metric, loss: isSlow ? 1 : 0, at, predictionId });
  }
}
