import { Hono } from "hono";
import type { ApiKey } from "../src/core/api-key.ts";
import { DecisionQuery, type ExplainedDecision } from "../src/gateway/explain-decision.ts";
import { requires, type Authenticated } from "./auth.ts";
import { jsonBody } from "./json-body.ts";

export interface DecisionVerbs {
  readonly explainDecision: (input: { readonly key: ApiKey; readonly query: DecisionQuery }) => ExplainedDecision;
  /** Whether a label of such an answer would decide something now; absent where no labels are kept. */
  readonly wantsLabels?: (policy: string, segment: string, variant: string) => boolean;
}

export const decisionRoutes = ({ explainDecision, wantsLabels }: DecisionVerbs) =>
  new Hono<Authenticated>().post("/", requires("serve", "read"), async (c) => {
    const explained = explainDecision({ key: c.var.key, query: await jsonBody(c, DecisionQuery) });
    const { policy, segment, variant } = explained;
    return c.json({ ...explained, feedback_wanted: wantsLabels?.(policy, segment, variant.id) === true });
  });
