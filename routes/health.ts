import { Hono } from "hono";
import type { AppEnv } from "./auth.ts";

export interface Readiness {
  readonly ready: boolean;
  /** For people and probes: what is, or is not, ready. */
  readonly [detail: string]: unknown;
}

export interface HealthVerbs {
  readonly readiness: () => Readiness;
}

/**
 * `/healthz`: the process answers. `/readyz`: it can serve. Neither needs a key: load balancers and orchestrators
 * hold none, and a probe that failed for want of one would take a healthy instance out of service. So the answer
 * may hold nothing that only operators should know: no paths, names or content.
 */
export const healthRoutes = ({ readiness }: HealthVerbs) =>
  new Hono<AppEnv>()
    .get("/healthz", (c) => c.json({ status: "ok" }))
    .get("/readyz", (c) => {
      const state = readiness();
      return c.json(state, state.ready ? 200 : 503);
    });
