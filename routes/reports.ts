import { Hono } from "hono";
import { z } from "zod";
import { mayUsePolicy } from "../src/gateway/authenticate.ts";
import { parsed } from "../src/gateway/parsed.ts";
import { requires, type Authenticated } from "./auth.ts";

const Query = z.object({
  since: z.string().max(64).default("24h"),
  until: z.string().max(64).optional(),
  format: z.enum(["html", "md", "json"]).default("json"),
  /** Segments that are told in full, the worst ones. */
  top: z.coerce.number().int().min(1).max(100_000).default(20),
  all: z.enum(["true", "false"]).default("false"),
});

export interface ReportVerbs {
  readonly segments: (query: {
    readonly since: string;
    readonly until?: string | undefined;
    readonly format: "html" | "md" | "json";
    readonly top: number;
    readonly maySee: (policy: string) => boolean;
    readonly seesAll: boolean;
  }) => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** `/api/reports/segments?since=24h&until=…&format=html|md|json&top=20&all=true`: how each segment did, the worst first. */
export const reportRoutes = (verbs: ReportVerbs) =>
  new Hono<Authenticated>().get("/segments", requires("read"), async (c) => {
    const { all, top, ...query } = parsed(Query, c.req.query());
    const { key } = c.var;
    const { contentType, text } = await verbs.segments({
      ...query,
      top: all === "true" ? Infinity : top,
      maySee: (policy) => mayUsePolicy(key, policy),
      seesAll: key.policies.length === 0,
    });
    return c.body(text, 200, {
      "content-type": contentType,
      // Whatever a client put into an attribute stays text, and the page asks nothing of anybody.
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
  });
