import { Hono } from "hono";
import type { ApiKey } from "../src/core/api-key.ts";
import { DecisionQuery, type ExplainedDecision } from "../src/gateway/explain-decision.ts";
import { requires, type Authenticated } from "./auth.ts";
import { jsonBody } from "./json-body.ts";

export interface DecisionVerbs {
  readonly explainDecision: (input: { readonly key: ApiKey; readonly query: DecisionQuery }) => ExplainedDecision;
}

export const decisionRoutes = ({ explainDecision }: DecisionVerbs) =>
  new Hono<Authenticated>().post("/", requires("serve", "read"), async (c) =>
    c.json(explainDecision({ key: c.var.key, query: await jsonBody(c, DecisionQuery) })),
  );
