import { describe, expect, test } from "vitest";
import { openAccount, SPACE, span } from "./arize/account.ts";

describe("faults of a fake vendor", () => {
  test("last as often as they were ordered, on their surface only", async () => {
    const { arize, client, send } = await openAccount();
    arize.fail("rest", 429, 2);
    const statuses = [];
    for (let n = 0; n < 3; n += 1) {
      const { response } = await client.GET("/v2/spaces");
      statuses.push([response.status, response.headers.get("retry-after")]);
    }
    expect(statuses).toEqual([
      [429, "1"],
      [429, "1"],
      [200, null],
    ]);
    expect((await send([span(1)])).status).toBe(200);
  });

  test("strike only the part of a surface that they were ordered for", async () => {
    const { arize, client } = await openAccount();
    arize.fail("rest", 403, Infinity, { method: "POST", path: /annotation-configs$/ });
    const body = { name: "x", space_id: SPACE, annotation_config_type: "FREEFORM" as const };
    expect((await client.POST("/v2/annotation-configs", { body })).response.status).toBe(403);
    expect((await client.GET("/v2/annotation-configs")).response.status).toBe(200);
    expect((await client.GET("/v2/spaces")).response.status).toBe(200);
  });

  test("last until they are lifted", async () => {
    const { arize, send } = await openAccount();
    const lift = arize.fail("otlp", { status: 503, headers: { "retry-after": "30" } });
    expect([(await send([span(1)])).status, (await send([span(1)])).status]).toEqual([503, 503]);
    lift();
    expect((await send([span(1)])).status).toBe(200);
  });

  test("cut a connection before anything was done, or after everything was", async () => {
    const { arize, send } = await openAccount();
    arize.fail("otlp", "cut", 1);
    await expect(send([span(1)])).rejects.toThrow();
    expect(arize.spans()).toHaveLength(0);
    arize.fail("otlp", "lost", 1);
    await expect(send([span(1)])).rejects.toThrow();
    expect(arize.spans()).toHaveLength(1);
  });

  test("hold an answer until it is released", async () => {
    const { arize, send } = await openAccount();
    arize.fail("otlp", "slow", 1);
    const sent = send([span(1)]);
    await expect.poll(() => arize.calls.length).toBe(1);
    expect(arize.spans()).toHaveLength(0);
    expect(arize.release()).toBe(1);
    expect((await sent).status).toBe(200);
  });

  test("say nothing at all, for as long as the client waits", async () => {
    const { arize } = await openAccount();
    arize.fail("graphql", "hang", 1);
    const patience = new AbortController();
    const asked = fetch(arize.graphqlUrl, { method: "POST", body: "{}", signal: patience.signal });
    await expect.poll(() => arize.calls.length).toBe(1);
    patience.abort();
    await expect(asked).rejects.toThrow(/abort/);
  });
});
