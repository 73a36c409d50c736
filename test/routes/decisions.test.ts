import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { apiKey, canaryEvents, startGatewayWorld, type GatewayWorld } from "../fakes/gateway-world.ts";

let world: GatewayWorld;
beforeEach(async () => {
  world = await startGatewayWorld();
});
afterEach(() => world.close());

const explain = async (body: object) => {
  const response = await world.post("/v1/decisions", { model: "support-chat", ...body });
  return { status: response.status, body: await response.json() };
};

describe("POST /v1/decisions", () => {
  test("says what would be served and why, and calls no model", async () => {
    expect(await explain({ attributes: { region: "eu" }, user: "u" })).toEqual({
      status: 200,
      body: {
        policy: "support-chat",
        segment: "eu",
        variant: { id: "warm", provider: "main", model: "model-warm", prompt: "greet@1" },
        reason: "TARGETING_MATCH",
        because: `matched segment 'eu': region == "eu"`,
        revision: 1,
        attributes: { region: "eu" },
        unit: "u",
        switchover: null,
        feedback_wanted: false,
        tried: [{ segment: "eu", when: 'region == "eu"', matched: true }],
      },
    });
    expect(world.main.requests).toEqual([]);
    expect(world.exposures).toEqual([]);
  });

  test("lists every segment that did not match", async () => {
    const { body } = await explain({});
    expect(body).toMatchObject({ segment: "default", reason: "DEFAULT", variant: { id: "plain", prompt: null } });
    expect(body.tried.map(({ segment, matched }: { segment: string; matched: boolean }) => [segment, matched])).toEqual(
      [
        ["eu", false],
        ["gold", false],
        ["default", true],
      ],
    );
  });

  test("agrees with what a completion is then served, in the middle of a canary too", async () => {
    world.commit(...canaryEvents(0.5));
    for (const session of ["a", "b", "c", "d", "e", "f"]) {
      const { body } = await explain({ attributes: { region: "eu" }, session });
      expect(body).toMatchObject({
        reason: "SPLIT",
        switchover: { id: "move-1", from: "warm", to: "plain", share: 0.5 },
      });
      const served = await world.post(
        "/v1/chat/completions",
        { model: "support-chat", messages: [] },
        { "x-segue-attributes": '{"region":"eu"}', "x-segue-session": session },
      );
      expect(served.headers.get("x-segue-variant")).toBe(body.variant.id);
    }
  });

  test("lets a key that may read ask for any segment, and an application only for its own", async () => {
    const operator = apiKey("readerkey1", { scopes: ["read"] });
    world.commit({ type: "key.created", key: operator.key });
    const body = { attributes: { user_tier: "gold" } };
    expect(await explain(body)).toMatchObject({ status: 403, body: { error: { code: "untrusted_attribute" } } });
    const asked = await world.post(
      "/v1/decisions",
      { model: "support-chat", ...body },
      { authorization: `Bearer ${operator.text}` },
    );
    expect(await asked.json()).toMatchObject({ segment: "gold", attributes: { user_tier: "gold" } });
    const served = await world.post(
      "/v1/chat/completions",
      { model: "support-chat", messages: [], metadata: { user_tier: "gold" } },
      { authorization: `Bearer ${operator.text}` },
    );
    expect(served.status).toBe(403);
  });

  test("agrees with a completion of the same key that may read, until it states otherwise", async () => {
    const gold = apiKey("goldreader", { scopes: ["read", "serve"], attributes: { user_tier: "gold", elsewhere: 1 } });
    world.commit({ type: "key.created", key: gold.key });
    const headers = { authorization: `Bearer ${gold.text}` };
    const asked = async (attributes: object) =>
      (await world.post("/v1/decisions", { model: "support-chat", attributes }, headers)).json();
    const served = await world.post("/v1/chat/completions", { model: "support-chat", messages: [] }, headers);
    expect(served.headers.get("x-segue-segment")).toBe("gold");
    expect(await asked({})).toMatchObject({ segment: "gold", attributes: { user_tier: "gold" } });
    expect(await asked({ user_tier: "none" })).toMatchObject({ segment: "default", attributes: { user_tier: "none" } });
  });

  test.each([
    { body: { attributes: JSON.parse('{"__proto__":"x"}') }, status: 400, code: "unknown_attribute" },
    { body: { attributes: { colour: 1 } }, status: 400, code: "unknown_attribute" },
    { body: { attributes: [] }, status: 400, code: "invalid_field" },
    { body: { model: "nope" }, status: 404, code: "model_not_found" },
    { body: { model: 7 }, status: 400, code: "invalid_field" },
    { body: { messages: [] }, status: 400, code: "invalid_field" },
  ])("refuses $body with $status $code", async ({ body, status, code }) => {
    expect(await explain(body)).toMatchObject({ status, body: { error: { code } } });
  });
});
