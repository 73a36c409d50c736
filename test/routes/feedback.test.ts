import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { predictionIds } from "../../src/core/prediction-id.ts";
import { apiKey, hello, policy, published, startGatewayWorld, type GatewayWorld } from "../fakes/gateway-world.ts";

let world: GatewayWorld;
let id: string;
beforeEach(async () => {
  world = await startGatewayWorld();
  const { response } = await world.client.chat.completions.create(hello).withResponse();
  id = response.headers.get("x-segue-prediction-id")!;
  world.outcomes.length = 0;
});
afterEach(() => world.close());

const send = async (body: object, headers: Record<string, string> = {}) => {
  const response = await world.post("/v1/feedback", { prediction_id: id, name: "thumbs", ...body }, headers);
  return { status: response.status, body: await response.json() };
};

describe("feedback", () => {
  test("becomes an outcome of the row that was served, at the time it was served", async () => {
    const servedAt = world.clock.at;
    world.clock.at += 3_600_000;
    const row = { policy: "support-chat", segment: "default", variant: "plain" };
    expect(await send({ score: 0.75 })).toEqual({ status: 200, body: { recorded: true, ...row } });
    expect(world.outcomes).toEqual([
      { ...row, metric: "thumbs", loss: 0.25, at: servedAt, predictionId: id, attributes: {} },
    ]);
  });

  test("carries the attributes and the session of its answer, of which a user is none", async () => {
    const recordedFor = async (body: object, headers: Record<string, string>) => {
      const given = { "x-segue-attributes": '{"region":"eu"}', ...headers };
      const response = await world.post("/v1/chat/completions", { ...hello, ...body }, given);
      await response.text();
      world.outcomes.length = 0;
      await send({ prediction_id: response.headers.get("x-segue-prediction-id"), score: 1 });
      return world.outcomes.map(({ attributes, session }) => ({ attributes, session }));
    };
    const attributes = { region: "eu" };
    expect(await recordedFor({}, { "x-segue-session": "s1" })).toEqual([{ attributes, session: "s1" }]);
    expect(await recordedFor({ metadata: { session_id: "s2" } }, {})).toEqual([{ attributes, session: "s2" }]);
    expect(await recordedFor({ user: "ada" }, {})).toEqual([{ attributes, session: undefined }]);
  });

  test("says that a comment is not kept", async () => {
    expect((await send({ score: 1, comment: "fine" })).body).toMatchObject({ recorded: true, comment: "not_kept" });
  });

  test("counts once", async () => {
    await send({ score: 1 });
    expect((await send({ score: 0 })).body).toMatchObject({ recorded: false, variant: "plain" });
    expect(world.outcomes.map(({ loss }) => loss)).toEqual([0]);
  });

  test.each([
    { body: { label: "up" }, loss: 0, because: "a label stands for its score" },
    { body: { label: "down" }, loss: 1, because: "a label stands for its score" },
    { body: { label: "up", score: 1 }, loss: 0, because: "label and score agree" },
    { body: { name: "toxicity", score: 0.2 }, loss: 0.2, because: "lower is better for this metric" },
    { body: { score: 0, comment: "no" }, loss: 1, because: "a comment changes nothing" },
  ])("has the loss $loss for $body, because $because", async ({ body, loss }) => {
    expect((await send(body)).status).toBe(200);
    expect(world.outcomes.map((outcome) => outcome.loss)).toEqual([loss]);
  });

  test.each([
    { body: { prediction_id: "x".repeat(69), score: 1 }, code: "invalid_prediction_id", param: "prediction_id" },
    { body: { name: "stars", score: 1 }, code: "unknown_metric", param: "name", says: "thumbs, toxicity" },
    { body: { name: "failed", score: 1 }, code: "unknown_metric", param: "name", says: "measured by Segue itself" },
    { body: { name: "constructor", score: 1 }, code: "unknown_metric", param: "name", says: "thumbs" },
    { body: {}, code: "missing_score", param: "score", says: "label" },
    { body: { label: "meh" }, code: "unknown_label", param: "label", says: "down, up" },
    { body: { label: "toString" }, code: "unknown_label", param: "label", says: "down, up" },
    { body: { label: "up", score: 0 }, code: "contradictory_score", param: "score", says: "stands for the score 1" },
    { body: { score: 1.01 }, code: "invalid_field", param: "score" },
    { body: { score: "1" }, code: "invalid_field", param: "score" },
    { body: { score: 1, rating: 5 }, code: "invalid_field", param: "rating", says: "unknown field" },
  ])("$body is refused as $code", async ({ body, code, param, says = "" }) => {
    const answer = await send(body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code, param } } });
    expect(answer.body.error.message).toContain(says);
    expect(world.outcomes).toEqual([]);
  });

  test("with a forged or foreign prediction id is refused", async () => {
    const ref = world.deps.predictionIds.open(id, (row) => world.deps.controlPlane.state().rows[row])!;
    const key = "support-chat/default/plain";
    const forged = predictionIds(["another secret"]).sign(ref, key);
    const foreign = world.deps.predictionIds.sign({ ...ref, row: 9999 }, key);
    const otherLedger = world.deps.predictionIds.sign(ref, "support-chat/eu/warm");
    for (const prediction of [forged, foreign, otherLedger, `${id}A`, id.slice(1)])
      expect(await send({ prediction_id: prediction, score: 1 })).toMatchObject({
        status: 400,
        body: { error: { code: "invalid_prediction_id" } },
      });
  });

  test("needs a key that may use the policy, and the scope to serve", async () => {
    const other = apiKey("otherkey01", { policies: ["other"] });
    const reader = apiKey("readerkey1", { scopes: ["read"] });
    world.commit({ type: "key.created", key: other.key }, { type: "key.created", key: reader.key });
    expect(await send({ score: 1 }, { authorization: `Bearer ${other.text}` })).toMatchObject({
      status: 403,
      body: { error: { code: "policy_not_allowed" } },
    });
    const refused = await send({ score: 1 }, { authorization: `Bearer ${reader.text}` });
    expect(refused).toMatchObject({ status: 403, body: { error: { code: "missing_scope" } } });
    expect(refused.body.error.message).toContain("'serve'");
  });

  test("still finds its row after the policy was published anew", async () => {
    world.commit(published({ ...policy, segments: [], default: "warm" }));
    expect((await send({ score: 1 })).body).toMatchObject({ recorded: true, segment: "default", variant: "plain" });
  });
});
