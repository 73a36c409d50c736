import { Hono } from "hono";
import { z } from "zod";
import type { Actor } from "../src/core/actor.ts";
import { FreezeScope } from "../src/core/event.ts";
import type { Freeze } from "../src/core/state.ts";
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
    .get("/", requires("read"), (c) => c.json({ freezes: verbs.list() }))
    .post("/", requires("operate"), async (c) => {
      const { scope, reason, for_seconds: forSeconds } = await jsonBody(c, FreezeBody);
      return c.json(await verbs.freeze({ scope, reason, forSeconds, actor: c.var.actor }));
    })
    .post("/lift", requires("operate"), async (c) =>
      c.json(await verbs.unfreeze({ ...(await jsonBody(c, UnfreezeBody)), actor: c.var.actor })),
    );
