import { afterEach, beforeEach, expect, test } from "vitest";
import { ARIZE_LOG_TOPIC, createArizeLog, type ArizeLog } from "../../src/annotators/arize-log.ts";
import { arizeLogSender } from "../../src/annotators/arize-log-sender.ts";
import type { Exposure } from "../../src/ports.ts";
import { createMemoryOutbox } from "../../src/stores/memory-outbox.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { fakeArize } from "../fakes/arize/arize.ts";
import { annotation, DAY, deliveryWorld, handClock, HOUR, SECOND, SERVED } from "./delivery-world.ts";

const exposure = (number: number, rest: Partial<Exposure> = {}): Exposure => ({
  predictionId: `prediction-${number}`,
  at: SERVED,
  policy: "support-chat",
  segment: "eu",
  variant: "warm",
  revision: 3,
  reason: "TARGETING_MATCH",
  unit: "ada",
  keyId: "key-1",
  status: 200,
  latencyMs: 5,
  attributes: {
    region: "eu",
    seats: 3,
    trial: true,
    email: "ada@example.com",
  },
  error: null,
  answered: null,
  ...rest,
});

let clock: ReturnType<typeof handClock>;
let arize: Awaited<ReturnType<typeof fakeArize>>;
let world: ReturnType<typeof deliveryWorld>;
let log: ArizeLog;
beforeEach(async () => {
  clock = handClock(SERVED + HOUR);
  arize = await fakeArize({ now: clock.now });
  const counters = memoryCounters();
  const outbox = createMemoryOutbox({ counters });
  const nothing = () => undefined;
  log = createArizeLog(
    { outbox, clock, counters, log: { info: nothing, warn: nothing, error: nothing } },
    {
      metric: "thumbs",
      redaction: () => ({ attribute: (name, value) => (name === "email" ? null : value) }),
      bufferMax: 600,
    },
  );
  const settings = { url: arize.logUrl, apiKey: "arize-key", spaceId: arize.space.id };
  const senders = { [ARIZE_LOG_TOPIC]: arizeLogSender({ fetch, clock }, settings) };
  world = deliveryWorld(senders, { clock, counters, outbox, destinations: [log.destination] });
});
afterEach(() => arize.close());

test("an answer becomes a record that predicts its variant from its attributes, after redaction", async () => {
  log.record(exposure(1));
  await log.flush();
  await world.deliver();
  expect(arize.log).toEqual([
    {
      model_id: "support-chat",
      prediction_id: "prediction-1",
      prediction: {
        timestamp: "2026-09-01T10:00:00.000Z",
        model_version: "warm",
        prediction_label: { score_categorical: { category: { category: "warm" } } },
        features: { region: { string: "eu" }, seats: { double: 3 }, trial: { string: "true" } },
        tags: { segment: { string: "eu" }, reason: { string: "TARGETING_MATCH" }, revision: { int: "3" } },
      },
      environment_params: { production: {} },
    },
  ]);
});

test("feedback of the chosen metric joins it as the actual, however late, and other feedback does not", async () => {
  log.record(exposure(1));
  await log.flush();
  await world.deliver();
  clock.at += 20 * DAY;
  await world.queue.add([annotation(1, { label: "up" }), annotation(1, { name: "toxicity" })]);
  await world.crank(30 * SECOND, 30 * SECOND);
  expect(arize.log).toHaveLength(2);
  expect(arize.joinedLog()).toMatchObject([
    {
      predictionId: "prediction-1",
      actual: {
        timestamp: new Date(SERVED + HOUR + 20 * DAY).toISOString(),
        actual_label: { score_categorical: { score_category: { category: "up", score: 1 } } },
      },
    },
  ]);
});

test("an outage costs nothing but time, and asks seldom", async () => {
  for (let number = 0; number < 100; number++) log.record(exposure(number));
  await log.flush();
  const lift = arize.fail("log", 503);
  await world.crank(5 * HOUR, 300 * SECOND);
  expect(arize.requests.length).toBeLessThanOrEqual(60 * 8);
  lift();
  await world.crank(HOUR, 60 * SECOND);
  expect(new Set(arize.log.map((record) => record.prediction_id)).size).toBe(100);
});

test("a record that is refused before any was taken waits, and asks for no more than a few of the rest", async () => {
  for (let number = 0; number < 100; number++) log.record(exposure(number));
  await log.flush();
  arize.fail("log", 404);
  await world.deliver();
  expect(arize.requests).toHaveLength(8);
  expect(await world.outbox.counts(ARIZE_LOG_TOPIC)).toEqual({ waiting: 100, buried: 0 });
});

test("what is left at the end because it cannot be kept is counted, and what comes after the end", async () => {
  const counters = memoryCounters();
  const nothing = () => undefined;
  const quiet = { info: nothing, warn: nothing, error: nothing };
  const outbox = { add: () => Promise.reject(new Error("the disk is full")) };
  const failing = createArizeLog({ outbox, clock, counters, log: quiet }, { metric: "thumbs", redaction: () => null });
  for (let number = 0; number < 7; number++) failing.record(exposure(number));
  await failing.flush();
  expect(counters.read("segue_exposure_log_dropped_total")).toBe(0);
  await failing.close();
  failing.record(exposure(8));
  await failing.close();
  expect(counters.read("segue_exposure_log_dropped_total")).toBe(8);
});

test("what was recorded before the end is kept at the end", async () => {
  log.record(exposure(1));
  await log.close();
  expect(await world.outbox.counts(ARIZE_LOG_TOPIC)).toMatchObject({ waiting: 1 });
  expect(world.counters.read("segue_exposure_log_dropped_total")).toBe(0);
});

test("what no longer fits while it cannot be kept is counted", () => {
  for (let number = 0; number < 610; number++) log.record(exposure(number));
  expect(world.counters.print()).toContain("segue_exposure_log_dropped_total 10");
});
