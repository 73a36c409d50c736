import { describe, expect, test } from "vitest";
import { composedWorld, policyNamed } from "../fakes/composed-world.ts";

const scopes = ["read", "signal", "operate", "approve", "publish"] as const;
const reason = "a test";

describe("a key that is limited to a policy", () => {
  test.each(["/api/freeze", "/api/freeze/lift"])("cannot touch a freeze of everything at %s", async (path) => {
    const world = await composedWorld();
    const key = await world.key({ scopes: [...scopes], policies: ["support-chat"] });
    const before = world.controlPlane.state();
    for (const body of [{ reason }, { scope: {}, reason }, { scope: { segment: "waiting" }, reason }]) {
      const { status, text } = await world.ask("POST", path, { key, body });
      expect([status, text]).toEqual([403, expect.stringContaining("concerns every policy")]);
    }
    expect(world.controlPlane.state()).toBe(before);
  });

  test("sees the freeze of everything, which holds for its policy too", async () => {
    const world = await composedWorld();
    const key = await world.key({ policies: ["support-chat"] });
    const { freezes } = JSON.parse((await world.ask("GET", "/api/freeze", { key })).text);
    expect(freezes).toMatchObject([{ scope: { policy: "support-chat" } }, { scope: {} }]);
  });

  test("publishes nothing when one of several policies is another's", async () => {
    const world = await composedWorld();
    const key = await world.key({ scopes: [...scopes], policies: ["support-chat"] });
    const before = world.controlPlane.state();
    const changed = { ...policyNamed("support-chat"), description: "Changed." };
    const body = { policies: [{ policy: changed }, { policy: policyNamed("search") }] };
    expect((await world.ask("POST", "/api/policies", { key, body })).status).toBe(403);
    expect(world.controlPlane.state()).toBe(before);
  });
});

describe("a name that every object has is nothing of ours", () => {
  const names = ["constructor", "toString", "__proto__", "hasOwnProperty"];

  test.each(names)("%s is no policy that could be frozen", async (policy) => {
    const world = await composedWorld();
    const key = await world.key({ scopes: [...scopes] });
    const before = world.controlPlane.state();
    const body = { scope: { policy }, reason };
    expect((await world.ask("POST", "/api/freeze", { key, body })).status).toBe(404);
    expect((await world.ask("POST", "/api/freeze/lift", { key, body })).status).toBe(404);
    expect(world.controlPlane.state()).toBe(before);
  });

  test.each(names)("%s is no switchover and no segment", async (name) => {
    const world = await composedWorld();
    const key = await world.key({ scopes: [...scopes] });
    for (const path of [`/api/switchovers/${name}`, `/api/segments/${name}/waiting`, `/api/segments/search/${name}`])
      expect([path, (await world.ask("GET", path, { key })).status]).toEqual([path, 404]);
    for (const [decision, body] of [
      ["approve", { digest: "0".repeat(64) }],
      ["reject", { reason }],
      ["roll-back", { reason }],
    ] as const)
      expect((await world.ask("POST", `/api/switchovers/${name}/${decision}`, { key, body })).status).toBe(404);
  });
});

describe("a policy whose parameter is nested", () => {
  const publish = async (depth: number) => {
    const world = await composedWorld();
    const key = await world.key({ scopes: [...scopes] });
    const { variants, ...rest } = policyNamed("deep");
    const policy = { ...rest, variants: { ...variants, large: { ...variants.large, parameters: { x: 1 } } } };
    const text = JSON.stringify({ policies: [{ policy }] });
    const response = await world.app.request("/api/policies", {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: text.replace('"x":1', `"x":${"[".repeat(depth)}${"]".repeat(depth)}`),
    });
    return { status: response.status, answer: await response.text() };
  };

  test("ten deep is published", async () => {
    expect(await publish(10)).toMatchObject({ status: 200 });
  });

  test.each([2000, 100_000])("%i deep is refused as the request's fault", async (depth) => {
    expect(await publish(depth)).toMatchObject({
      status: 400,
      answer: expect.stringContaining("invalid_request_error"),
    });
  });
});
