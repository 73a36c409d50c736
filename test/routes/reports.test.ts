import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { ApiKey } from "../../src/core/api-key.ts";
import { createApp, type DataPlaneVerbs } from "../../routes/app.ts";
import { reportRoutes } from "../../routes/reports.ts";
import { readReport } from "../../src/reports/read-report.ts";
import { SegmentReport } from "../../src/reports/report-shape.ts";
import { madeUpDay, NOW } from "../reports/report-world.ts";

const keyOf = (given: Partial<ApiKey>): ApiKey => ({
  id: "aliceskey1",
  hash: "0".repeat(64),
  holder: { kind: "person", name: "alice" },
  scopes: ["read"],
  attributes: {},
  policies: [],
  createdAt: 0,
  expiresAt: null,
  ...given,
});

function ask(query: string, key: Partial<ApiKey> = {}) {
  const unused = () => {
    throw new Error("not asked in this test");
  };
  const verbs = new Proxy({ authenticate: () => keyOf(key) } as unknown as DataPlaneVerbs, {
    get: (target, name) => (name === "authenticate" ? target.authenticate : unused),
  });
  const log = { info: () => 0, warn: () => 0, error: () => 0 };
  const app = createApp(verbs, { clock: { now: () => NOW }, log, newRequestId: () => "r1" });
  const deps = madeUpDay();
  app.route("/api", new Hono().route("/reports", reportRoutes({ segments: (asked) => readReport(deps, asked) })));
  return app.request(`/api/reports/segments${query}`);
}

describe("GET /api/reports/segments", () => {
  test.each([
    { query: "", type: "application/json", begins: "{" },
    { query: "?format=md&since=7d", type: "text/markdown; charset=utf-8", begins: "# Segments" },
    { query: "?format=html", type: "text/html; charset=utf-8", begins: "<!doctype html>" },
  ])("$query answers as $type that no browser runs anything of", async ({ query, type, begins }) => {
    const response = await ask(query);
    const { headers } = response;
    expect([response.status, headers.get("content-type")]).toEqual([200, type]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect((await response.text()).startsWith(begins)).toBe(true);
  });

  test("tells as many segments as are asked for, or all", async () => {
    const shown = async (query: string) => SegmentReport.parse(await (await ask(query)).json()).segments.length;
    expect([await shown("?top=2"), await shown("?top=2&all=true")]).toEqual([2, 8]);
  });

  test.each(["?since=soon", "?since=24h&until=2030-01-01T00:00:00Z", "?format=pdf", "?top=0", "?all=yes"])(
    "%s is refused as the request's fault, with the field's name",
    async (query) => {
      const response = await ask(query);
      const name = /[?&]([a-z]+)=[^&]*$/.exec(query)?.[1];
      expect([response.status, await response.json()]).toMatchObject([400, { error: { param: name } }]);
    },
  );

  test("is for keys that may read, and shows of policies only theirs", async () => {
    expect((await ask("", { scopes: ["serve"] })).status).toBe(403);
    const limited = await (await ask("?all=true", { policies: ["search"] })).text();
    expect(limited).not.toContain("chat");
    expect(SegmentReport.parse(JSON.parse(limited))).toMatchObject({ exported: null, segments: [] });
  });
});
