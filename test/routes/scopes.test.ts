import { describe, expect, test } from "vitest";
import { Scope } from "../../src/core/api-key.ts";
import { composedWorld, policyNamed, type ComposedWorld } from "../fakes/composed-world.ts";

interface Rule {
  readonly scope: Scope;
  /** `one`: a request is about one policy · `list`: the answer leaves policies out · `whole`: not for a limited key. */
  readonly of: "one" | "list" | "whole";
  /** The path, where the route's own has parameters. */
  readonly path?: (policy: string) => string;
  readonly body?: (policy: string, world: ComposedWorld) => unknown;
}

const reason = "a test";
const switchover = (world: ComposedWorld, id: string) => world.controlPlane.state().switchovers[id]!;

/** Every route of the control plane, and whose key passes. */
const rules: Readonly<Record<string, Rule>> = {
  "GET /api/freeze": { scope: "read", of: "list" },
  "POST /api/freeze": { scope: "operate", of: "one", body: (policy) => ({ scope: { policy }, reason }) },
  "POST /api/freeze/lift": { scope: "operate", of: "one", body: (policy) => ({ scope: { policy }, reason }) },
  "GET /api/ledger": { scope: "read", of: "whole" },
  "GET /api/policies": { scope: "read", of: "list" },
  "POST /api/policies": {
    scope: "publish",
    of: "one",
    body: (policy) => ({ policies: [...new Set(["support-chat", policy])].map((id) => ({ policy: policyNamed(id) })) }),
  },
  "GET /api/reports/segments": { scope: "read", of: "list" },
  "GET /api/signals": { scope: "read", of: "list" },
  "POST /api/signals": {
    scope: "signal",
    of: "one",
    body: (policy) => ({ policy, segment: "waiting", metric: "quality", status: "degraded" }),
  },
  "GET /api/switchovers": { scope: "read", of: "list" },
  "GET /api/switchovers/:id": { scope: "read", of: "one", path: (policy) => `/api/switchovers/${policy}-waiting` },
  "POST /api/switchovers/:id/approve": {
    scope: "approve",
    of: "one",
    path: (policy) => `/api/switchovers/${policy}-waiting/approve`,
    body: (policy, world) => ({ digest: switchover(world, `${policy}-waiting`).digest }),
  },
  "POST /api/switchovers/:id/reject": {
    scope: "approve",
    of: "one",
    path: (policy) => `/api/switchovers/${policy}-waiting/reject`,
    body: () => ({ reason }),
  },
  "POST /api/switchovers/:id/roll-back": {
    scope: "operate",
    of: "one",
    path: (policy) => `/api/switchovers/${policy}-moving/roll-back`,
    body: () => ({ reason }),
  },
  "GET /api/table": { scope: "read", of: "list" },
  "GET /api/segments/:policy/:segment": {
    scope: "read",
    of: "one",
    path: (policy) => `/api/segments/${policy}/waiting`,
  },
};
/** Reachable without a key: probes, scrapers, and deliveries that verify themselves. */
const open = ["GET /healthz", "GET /readyz", "GET /metrics", "POST /webhooks/:source"];

const cases = Object.entries(rules).map(([route, rule]) => ({ route, ...rule }));

const call = (world: ComposedWorld, route: string, policy: string, key?: string) => {
  const [method = "", path = ""] = route.split(" ");
  const rule = rules[route]!;
  const body = rule.body?.(policy, world);
  return world.ask(method, rule.path?.(policy) ?? path, { body, ...(key === undefined ? {} : { key }) });
};

test("every route is in the table above, is open on purpose, or is the data plane's", async () => {
  const { app } = await composedWorld();
  const routes = app.routes
    .filter(({ method, path }) => method !== "ALL" && !path.startsWith("/v1/"))
    .map(({ method, path }) => `${method} ${path}`);
  expect([...new Set(routes)].sort()).toEqual([...Object.keys(rules), ...open].sort());
});

describe("a route of the control plane", () => {
  test.each(cases)("$route is for keys with the scope $scope, and for no other", async ({ route, scope }) => {
    for (const given of Scope.options) {
      const world = await composedWorld();
      const key = await world.key({ scopes: [given] });
      const before = world.controlPlane.state();
      const { status, text } = await call(world, route, "support-chat", key);
      expect([given, status, status === 200 || text]).toEqual(
        given === scope ? [given, 200, true] : [given, 403, expect.stringContaining("missing_scope")],
      );
      if (given !== scope) expect(world.controlPlane.state()).toBe(before);
    }
  });

  test.each(cases)("$route answers 401 without a key and to one that is not ours", async ({ route }) => {
    const world = await composedWorld();
    const before = world.controlPlane.state();
    for (const key of [undefined, "segue_unknownkey_secretsecretsecretsecret", "sk-other"]) {
      const { status, text } = await call(world, route, "support-chat", key);
      expect([status, text]).toEqual([401, expect.stringContaining("invalid_api_key")]);
    }
    expect(world.controlPlane.state()).toBe(before);
  });

  test.each(cases)("$route keeps a key to its policies", async ({ route, of, scope }) => {
    const world = await composedWorld();
    const key = await world.key({ scopes: [scope], policies: ["support-chat"] });
    const before = world.controlPlane.state();
    if (of !== "list") {
      const { status, text } = await call(world, route, "search", key);
      expect([status, text]).toEqual([403, expect.stringContaining("policy_not_allowed")]);
      expect(world.controlPlane.state()).toBe(before);
    }
    if (of === "whole") return;
    const { status, text } = await call(world, route, "support-chat", key);
    expect([status, text]).toEqual([200, expect.stringContaining(of === "list" ? "support-chat" : "")]);
    expect(text).not.toContain("search");
  });
});
