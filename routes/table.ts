import { Hono } from "hono";
import { RouterError } from "../src/core/errors.ts";
import { mayUsePolicy, requirePolicy } from "../src/gateway/authenticate.ts";
import type { Status } from "../src/loop/read-status.ts";
import { requires, type Authenticated } from "./auth.ts";

export interface TableVerbs {
  readonly status: () => Status;
}

/** `/api/table`: what each segment is served, and how it does. */
export const tableRoutes = (verbs: TableVerbs) =>
  new Hono<Authenticated>().get("/", requires("read"), (c) => {
    const status = verbs.status();
    const isSeen = ({ policy }: { readonly policy: string }): boolean => mayUsePolicy(c.var.key, policy);
    return c.json({
      ...status,
      segments: status.segments.filter(isSeen),
      promptProposals: status.promptProposals.filter(isSeen),
    });
  });

/** `/api/segments/:policy/:segment`: one of them. */
export const segmentRoutes = (verbs: TableVerbs) =>
  new Hono<Authenticated>().get("/:policy/:segment", requires("read"), (c) => {
    const { policy, segment } = c.req.param();
    requirePolicy(c.var.key, policy, "policy");
    const found = verbs.status().segments.find((row) => row.policy === policy && row.segment === segment);
    if (found === undefined)
      throw new RouterError("not_found", `There is no segment '${segment}' in a policy '${policy}'.`, {
        param: "segment",
        reason: "segment_not_found",
      });
    return c.json(found);
  });
