import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PermissionDeniedError } from "openai";
import { apiKey, policy, published, START, startGatewayWorld, type GatewayWorld } from "../fakes/gateway-world.ts";

let world: GatewayWorld;
beforeEach(async () => {
  world = await startGatewayWorld();
  world.commit(published({ ...policy, policy: "sales-chat" }));
});
afterEach(() => world.close());

describe("GET /v1/models", () => {
  test("lists policies as models to the openai client", async () => {
    const model = { object: "model", created: START / 1000, owned_by: "segue" };
    expect((await world.client.models.list()).data).toEqual([
      { id: "support-chat", ...model },
      { id: "sales-chat", ...model },
    ]);
    expect(await world.client.models.retrieve("sales-chat")).toEqual({ id: "sales-chat", ...model });
  });

  test("shows a key only what it may use", async () => {
    const { key, text } = apiKey("limitedkey", { policies: ["sales-chat"] });
    world.commit({ type: "key.created", key });
    const client = world.clientWith(text);
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["sales-chat"]);
    await expect(client.models.retrieve("support-chat")).rejects.toBeInstanceOf(PermissionDeniedError);
    await expect(client.models.retrieve("nope")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  });
});
