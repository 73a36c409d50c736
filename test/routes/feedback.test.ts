import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  arizeDestination,
  createAnnotationQueue,
  phoenixDestination,
  type AnnotationDestination,
} from "../../src/annotators/annotation-queue.ts";
import { RouterError } from "../../src/core/errors.ts";
import { predictionIds } from "../../src/core/prediction-id.ts";
import { createMemoryOutbox } from "../../src/stores/memory-outbox.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { Policy } from "../../src/core/policy.ts";
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

const shownIdentifiers = { session: "keep", user: "keep", key: "tokenise" } as const;

/** Has feedback sent on, and gives a way to see what waits for each destination. */
function sendingOn({
  waitingMax = 100,
  destinations = [arizeDestination],
}: { waitingMax?: number; destinations?: readonly AnnotationDestination[] } = {}) {
  const outbox = createMemoryOutbox({ counters: memoryCounters() }, { waitingMax, struckMax: 10, buriedMax: 1 });
  const queue = createAnnotationQueue({ outbox, clock: world.clock }, destinations);
  const redaction = () => ({
    text: (value: string) => value.replaceAll("ada@example.com", "[EMAIL]"),
    identifier: (kind: string, value: string) => `tok_${kind}_${value.length}`,
    hidden: () => [],
  });
  Object.assign(world.deps, { sending: { queue, redaction } });
  const waiting = async (topic = "arize") => {
    const now = world.clock.at + 30_000;
    const { entries } = await outbox.claim(topic, { limit: 2000, leaseMs: 0, now });
    return entries.map(({ body }) => body);
  };
  return { outbox, queue, waiting };
}

describe("feedback that is sent on", () => {
  test("waits as an annotation of the answer's span, its comment redacted", async () => {
    const { waiting } = sendingOn();
    const ref = world.deps.predictionIds.open(id, (row) => world.deps.controlPlane.state().rows[row])!;
    const { status, body } = await send({ label: "down", comment: "ada@example.com was told nonsense" });
    expect([status, body]).toEqual([
      200,
      {
        recorded: true,
        policy: "support-chat",
        segment: "default",
        variant: "plain",
        annotation: "queued",
        comment: "sent",
      },
    ]);
    expect(await waiting()).toEqual([
      {
        predictionId: id,
        traceId: ref.traceId,
        spanId: ref.spanId,
        at: ref.at,
        policy: "support-chat",
        segment: "default",
        variant: "plain",
        name: "thumbs",
        score: 0,
        label: "down",
        comment: "[EMAIL] was told nonsense",
        annotatorKind: "HUMAN",
        annotatorId: null,
      },
    ]);
    expect(JSON.stringify(world.outcomes)).not.toContain("nonsense");
  });

  test("counts once, while a later word on it replaces the earlier one where it is sent to", async () => {
    const { waiting } = sendingOn();
    await send({ score: 1, comment: "fine" });
    expect((await send({ score: 1 })).body).toMatchObject({ recorded: false, annotation: "unchanged" });
    expect((await send({ score: 0 })).body).toMatchObject({ recorded: false, annotation: "replaces" });
    expect(world.outcomes.map(({ loss }) => loss)).toEqual([0]);
    expect(await waiting()).toMatchObject([{ score: 0, comment: "fine" }]);
  });

  test("replaces what was delivered already, and says so", async () => {
    const { outbox, waiting } = sendingOn();
    await send({ score: 1 });
    const now = world.clock.at + 30_000;
    const { token, entries } = await outbox.claim("arize", { limit: 1, leaseMs: 1000, now });
    await outbox.settle("arize", { token, settlements: entries.map((one) => ({ id: one.id, kind: "done" })), now });
    expect((await send({ score: 0 })).body).toMatchObject({ recorded: false, annotation: "replaces" });
    expect(await waiting()).toMatchObject([{ score: 0 }]);
  });

  test.each([
    { annotator: { kind: "HUMAN", id: "ada@example.com" }, kept: "tok_user_15", because: "people become tokens" },
    { annotator: { kind: "LLM", id: "judge-v3" }, kept: "judge-v3", because: "models are named" },
    {
      annotator: { kind: "CODE", id: "by ada@example.com" },
      kept: "by [EMAIL]",
      because: "names may have people in them",
    },
    { annotator: { kind: "LLM" }, kept: null, because: "it has no id" },
  ])("names its annotator $annotator as $kept, because $because", async ({ annotator, kept }) => {
    const { waiting } = sendingOn({ destinations: [phoenixDestination] });
    expect((await send({ score: 1, annotator })).status).toBe(200);
    expect(await waiting("phoenix")).toMatchObject([{ annotatorKind: annotator.kind, annotatorId: kept }]);
  });

  test("keeps no comment where the segment's content may not leave, and says so", async () => {
    const { waiting } = sendingOn();
    const privacy = { content: { low: "off", medium: "off", high: "off" } };
    world.commit(published(Policy.parse({ ...policy, privacy })));
    expect((await send({ score: 1, comment: "fine" })).body).toMatchObject({
      annotation: "queued",
      comment: "not_kept",
    });
    expect(Object.keys((await waiting())[0]!)).not.toContain("comment");
  });

  test.each([
    { privacy: undefined, kept: "not_kept", because: "sessions and users are tokenised unless told" },
    { privacy: { identifiers: shownIdentifiers }, kept: "sent", because: "nothing of a request is hidden" },
    {
      privacy: { identifiers: { ...shownIdentifiers, user: "drop" } },
      kept: "not_kept",
      because: "users are left out",
    },
    {
      privacy: { identifiers: shownIdentifiers, attributes: { region: "tokenise" } },
      kept: "not_kept",
      because: "an attribute is tokenised",
    },
    {
      privacy: { identifiers: shownIdentifiers, otherAttributes: "drop" },
      kept: "not_kept",
      because: "other attributes are left out",
    },
  ])("on an answer that is forgotten has its comment $kept, because $because", async ({ privacy, kept }) => {
    const { waiting } = sendingOn();
    world.commit(published(Policy.parse({ ...policy, privacy })));
    Object.assign(world.deps, { recentExposures: { recall: () => null } });
    const { body } = await send({ score: 1, comment: "novak of session s-1 was not amused" });
    expect(body).toMatchObject({ recorded: true, annotation: "queued", comment: kept });
    expect("comment" in (await waiting())[0]!).toBe(kept === "sent");
  });

  test("is counted though there is no room for it, and its receipt says that it is not sent", async () => {
    sendingOn({ waitingMax: 0 });
    expect((await send({ score: 0, comment: "no" })).body).toMatchObject({
      recorded: true,
      annotation: "not_kept",
      comment: "not_kept",
    });
    expect(world.outcomes.map(({ loss }) => loss)).toEqual([1]);
  });

  test("that only joins another log is not called sent", async () => {
    const toItem = () => ({ id: "one", body: {} });
    const { waiting } = sendingOn({ destinations: [{ topic: "log", isWhole: false, toItem }] });
    const { body } = await send({ score: 1, comment: "fine" });
    expect([body.annotation, body.comment]).toEqual([undefined, "not_kept"]);
    expect(await waiting("log")).toHaveLength(1);
  });

  test("is not acknowledged where it could not be kept, and may be sent again, which counts once", async () => {
    const { queue, waiting } = sendingOn();
    const failing = { add: () => Promise.reject(new RouterError("unavailable", "The disk is full.")) };
    const sending = (world.deps as unknown as { sending: { queue: object } }).sending;
    Object.assign(sending, { queue: failing });
    expect((await send({ score: 0 })).status).toBe(503);
    expect(await waiting()).toEqual([]);
    Object.assign(sending, { queue });
    expect((await send({ score: 0 })).body).toMatchObject({ recorded: false, annotation: "replaces" });
    expect(await waiting()).toHaveLength(1);
    expect(world.outcomes.map(({ loss }) => loss)).toEqual([1]);
  });
});

describe("a batch of feedback", () => {
  const post = async (feedback: unknown, rest: object = {}) => {
    const response = await world.post("/v1/feedback", { feedback, ...rest });
    return { status: response.status, body: await response.json() };
  };
  const one = (rest: object = {}) => ({ prediction_id: id, name: "thumbs", score: 1, ...rest });

  test("is answered item by item, in its order", async () => {
    const { status, body } = await post([one(), one({ name: "toxicity", score: 0.2 })]);
    expect([status, body.errors]).toEqual([200, 0]);
    expect(body.feedback).toMatchObject([
      { recorded: true, variant: "plain" },
      { recorded: true, variant: "plain" },
    ]);
    expect(world.outcomes.map(({ metric }) => metric)).toEqual(["thumbs", "toxicity"]);
  });

  test("loses nothing of the good ones because of bad ones, each of which has its error", async () => {
    const { waiting } = sendingOn();
    const bad = [one({ prediction_id: "x" }), one({ name: "stars" }), one({ score: 2 }), "text", one({ rating: 5 })];
    const { status, body } = await post([...bad, one(), one({ name: "toxicity" })]);
    expect([status, body.errors]).toEqual([207, 5]);
    expect(body.feedback.slice(0, 5).map((item: { error: { code: string } }) => item.error.code)).toEqual([
      "invalid_prediction_id",
      "unknown_metric",
      "invalid_field",
      "invalid_field",
      "invalid_field",
    ]);
    expect(body.feedback[2].error).toMatchObject({ type: "invalid_request_error", param: "score" });
    expect(body.feedback.slice(5)).toMatchObject([{ annotation: "queued" }, { annotation: "queued" }]);
    expect(await waiting()).toHaveLength(2);
    expect(world.outcomes).toHaveLength(2);
  });

  test("holds a thousand, of which the last word on a metric is sent", async () => {
    const { waiting } = sendingOn();
    const { status, body } = await post(Array.from({ length: 1000 }, (_, index) => one({ score: index / 999 })));
    expect([status, body.feedback.length]).toEqual([200, 1000]);
    expect(body.feedback.filter((item: { recorded: boolean }) => item.recorded)).toHaveLength(1);
    expect(await waiting()).toMatchObject([{ score: 1 }]);
  });

  test("has its comments redacted over many turns, so that others are served meanwhile", async () => {
    const { waiting } = sendingOn();
    const { nextTurn } = world.deps;
    let turns = 0;
    Object.assign(world.deps, { nextTurn: () => (turns++, nextTurn()) });
    const comment = "late ".repeat(1000);
    const { status } = await post(Array.from({ length: 100 }, (_, index) => one({ score: index / 99, comment })));
    expect([status, await waiting()]).toMatchObject([200, [{ score: 1, comment }]]);
    // 500 000 characters, of which 16 000 a turn.
    expect(turns).toBeGreaterThanOrEqual(30);
  });

  test("with more comments than can be redacted in good time is refused before anything of it counts", async () => {
    const comment = "x".repeat(10_000);
    const fits = Array.from({ length: 100 }, () => one({ comment }));
    expect(await post([...fits, one({ comment: "x" })])).toMatchObject({
      status: 413,
      body: { error: { code: "comments_too_long", param: "feedback" } },
    });
    expect(world.outcomes).toEqual([]);
    expect((await post([...fits, one()])).status).toBe(200);
  });

  test.each([
    { feedback: [], rest: {}, because: "it is empty" },
    { feedback: Array.from({ length: 1001 }, () => ({})), rest: {}, because: "it is longer than a thousand" },
    { feedback: { prediction_id: "x" }, rest: {}, because: "it is no list" },
    { feedback: [{}], rest: { name: "thumbs" }, because: "it has a field of a single one" },
  ])("is refused as a whole when $because", async ({ feedback, rest }) => {
    expect(await post(feedback, rest)).toMatchObject({ status: 400, body: { error: { code: "invalid_field" } } });
  });
});
