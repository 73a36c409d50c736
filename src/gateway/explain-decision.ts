import { z } from "zod";
import type { ApiKey } from "../core/api-key.ts";
import type { Attributes } from "../core/attributes.ts";
import type { Random } from "../ports.ts";
import { decideRequest, unitOf, type DecideDeps } from "./decide-request.ts";
import { traceContext } from "./trace-context.ts";

export const DecisionQuery = z.strictObject({
  /** The policy. */
  model: z.string().min(1),
  // A record of zod's drops `__proto__` in silence; here it is an unknown attribute like any other.
  attributes: z
    .custom<Readonly<Record<string, unknown>>>(
      (value) => typeof value === "object" && value !== null && !Array.isArray(value),
      "Invalid input: expected an object",
    )
    .optional(),
  session: z.string().optional(),
  user: z.string().optional(),
});
export type DecisionQuery = z.infer<typeof DecisionQuery>;

export interface ExplainedDecision {
  readonly policy: string;
  readonly segment: string;
  readonly variant: {
    readonly id: string;
    readonly provider: string;
    readonly model: string;
    readonly prompt: string | null;
  };
  readonly reason: string;
  readonly because: string;
  readonly revision: number;
  readonly attributes: Attributes;
  /** Null when the query names nobody: each such request of a canary is placed by itself. */
  readonly unit: string | null;
  readonly switchover: {
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly share: number;
  } | null;
  /** The segments in the order they were tried, up to the one that matched. */
  readonly tried: readonly { readonly segment: string; readonly when: string; readonly matched: boolean }[];
}

/** What a request would be served and why, decided by the same code. No model is called and nothing is recorded. */
export function explainDecision(
  deps: DecideDeps & { readonly random: Random },
  { key, query }: { readonly key: ApiKey; readonly query: DecisionQuery },
): ExplainedDecision {
  const unit = unitOf(query.session, query.user);
  const { policy, decision, attributes } = decideRequest(deps, {
    key,
    model: query.model,
    stated: query.attributes ?? {},
    metadata: null,
    unit,
    traceId: traceContext(null, deps.random).traceId,
    // Who may read the control plane may ask for any segment; an application learns only of its own.
    isHypothetical: key.scopes.includes("read"),
  });
  const { id, variant } = decision.variant;
  const at = policy.rows.findIndex((row) => row.segment.id === decision.segment);
  const canary = decision.switchover === null ? null : (policy.rows[at]?.canary ?? null);
  return {
    policy: decision.policy,
    segment: decision.segment,
    variant: { id, provider: variant.provider, model: variant.model, prompt: variant.prompt ?? null },
    reason: decision.reason,
    because: decision.because,
    revision: decision.revision,
    attributes,
    unit,
    switchover:
      canary === null
        ? null
        : {
            id: canary.id,
            from: canary.change.from,
            to: canary.change.to,
            share: canary.phase.kind === "canary" ? canary.phase.share : 1,
          },
    tried: policy.rows
      .slice(0, at + 1)
      .map(({ segment }, i) => ({ segment: segment.id, when: segment.when, matched: i === at })),
  };
}
