import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hello, startGatewayWorld, type GatewayWorld } from "../fakes/gateway-world.ts";

let world: GatewayWorld;
beforeEach(async () => {
  world = await startGatewayWorld();
});
afterEach(() => world.close());

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const ask = (body: object = {}, headers: Record<string, string> = {}) =>
  world.post("/v1/chat/completions", { ...hello, ...body }, headers);
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

describe("the span of an answer", () => {
  test("has the ids that the prediction id names, so that feedback finds it", async () => {
    const response = await ask();
    const ref = world.predictionOf(response);
    expect(world.spans).toHaveLength(1);
    expect(world.spans[0]).toMatchObject({ traceId: ref?.traceId, spanId: ref?.spanId, parentSpanId: null });
  });

  test("continues the client's own trace under the client's span", async () => {
    await ask({}, { traceparent: `00-${TRACE}-${PARENT}-01` });
    expect(world.spans[0]).toMatchObject({ traceId: TRACE, parentSpanId: PARENT });
    expect(world.spans[0]?.spanId).not.toBe(PARENT);
  });

  test("says what was decided, for whom, and what came of it", async () => {
    await ask({ user: "u-1", metadata: { region: "eu" } }, { "x-segue-session": "s-1" });
    expect(world.spans[0]).toMatchObject({
      wire: "chat",
      decision: { segment: "eu", variant: { id: "warm" }, reason: "TARGETING_MATCH", revision: 1 },
      attributes: { region: "eu" },
      session: "s-1",
      user: "u-1",
      keyId: "servingkey",
      startedAt: world.clock.at,
      status: 200,
      error: null,
      answered: { target: { provider: "main", model: "model-warm" }, usage: { inputTokens: 1, outputTokens: 1 } },
      failedAttempts: [],
    });
  });

  test("carries what was asked and answered where content is exported, and nothing of it where not", async () => {
    const response = await ask();
    const answered = await response.text();
    expect(text(world.spans[0]?.content?.request)).toBe(JSON.stringify(hello));
    expect(world.spans[0]?.content).toMatchObject({ isComplete: true, isEventStream: false });
    expect(text(world.spans[0]?.content?.answer[0])).toBe(answered);
    world.deps.spans.wantsContent = () => false;
    await ask();
    expect(world.spans[1]?.content).toBeNull();
  });

  test("is recorded for an answer that could not be served, with every target that failed", async () => {
    world.main.reply({ status: 500, chunks: ['{"error":{"message":"broken"}}'] });
    world.spare.reply({ status: 503, chunks: ['{"error":{"message":"busy"}}'] });
    const response = await ask();
    expect(response.status).toBeGreaterThanOrEqual(500);
    const [span] = world.spans;
    expect(span?.failedAttempts.map(({ target, status, error }) => [target.provider, status, error])).toEqual([
      ["main", 500, "upstream_status_500"],
      ["spare", 503, "upstream_status_503"],
    ]);
    expect(span?.error).not.toBeNull();
  });

  test("that cannot be recorded fails no answer", async () => {
    world.deps.spans.record = () => {
      throw new Error("no room");
    };
    expect((await ask()).status).toBe(200);
    expect(world.logged).toHaveLength(1);
  });
});
