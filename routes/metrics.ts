import { Hono } from "hono";
import type { AppEnv } from "./auth.ts";

/**
 * `/metrics` in Prometheus' text format. Needs no key: scrapers are set up once for all services of a network and send none,
 * and there are counts here only, under names of policies, never of callers, keys or content. A proxy in front of
 * Segue that faces the internet should not pass it on.
 */
export const metricRoutes = ({ print }: { readonly print: () => string }) =>
  new Hono<AppEnv>().get("/", (c) =>
    c.text(print(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
