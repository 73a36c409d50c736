import { Hono } from "hono";
import type { AppEnv } from "./auth.ts";

/** `/metrics` in Prometheus' text format. Holds counts only, so it needs no key. */
export const metricRoutes = ({ print }: { readonly print: () => string }) =>
  new Hono<AppEnv>().get("/", (c) =>
    c.text(print(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
