import { Hono } from "hono";
import { z } from "zod";
import type { Actor } from "../src/core/actor.ts";
import type { ApiKey } from "../src/core/api-key.ts";
import { FreezeScope } from "../src/core/event.ts";
import type { Freeze } from "../src/core/state.ts";
import { mayUsePolicy, requireEveryPolicy, requirePolicy } from "../src/gateway/authenticate.ts";
import { requires, type Authenticated } from "./auth.ts";
import { jsonBody } from "./json-body.ts";

export interface FreezeVerbs {
  readonly list: () => readonly Freeze[];
  readonly freeze: (input: {
    scope: FreezeScope;
    reason: string;
    forSeconds: number | null;
    actor: Actor;
  }) => Promise<{ readonly scope: FreezeScope; readonly until: number | null }>;
  readonly unfreeze: (input: {
    scope: FreezeScope;
    reason: string;
    actor: Actor;
  }) => Promise<{ readonly lifted: Freeze }>;
}

const Reason = z.string().trim().min(1, "say why, for the audit log").max(2000);
const FreezeBody = z.strictObject({
  scope: FreezeScope.default({}),
  reason: Reason,
  /** How long, in seconds; null until it is lifted. */
  for_seconds: z.number().positive().max(31_536_000).nullable().default(null),
});
const UnfreezeBody = z.strictObject({ scope: FreezeScope.default({}), reason: Reason });

/** `/api/freeze`: what is frozen, freezing, and lifting (`POST /lift`). */
export const freezeRoutes = (verbs: FreezeVerbs) =>
  new Hono<Authenticated>()
    .get("/", requires("read"), (c) => {
      // A freeze of everything holds for the key's policies too.
      const freezes = verbs
        .list()
        .filter(({ scope: { policy } }) => policy === undefined || mayUsePolicy(c.var.key, policy));
      return c.json({ freezes });
    })
    .post("/", requires("operate"), async (c) => {
      const { scope, reason, for_seconds: forSeconds } = await jsonBody(c, FreezeBody);
      requireScopePolicy(c.var.key, scope);
      return c.json(await verbs.freeze({ scope, reason, forSeconds, actor: c.var.actor }));
    })
    .post("/lift", requires("operate"), async (c) => {
      const { scope, reason } = await jsonBody(c, UnfreezeBody);
      requireScopePolicy(c.var.key, scope);
      return c.json(await verbs.unfreeze({ scope, reason, actor: c.var.actor }));
    });

function requireScopePolicy(key: ApiKey, { policy }: FreezeScope): void {
  if (policy === undefined) requireEveryPolicy(key, "a freeze without a policy", "scope.policy");
  else requirePolicy(key, policy, "scope.policy");
}
