import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ARIZE_LOG_TOPIC } from "../src/annotators/arize-log.ts";
import type { Config } from "../src/config.ts";
import { nodeExports } from "../src/node-exports.ts";
import { nodeRandom } from "../src/node-random.ts";
import type { Deadlines, Exposure } from "../src/ports.ts";
import { createMemoryOutbox } from "../src/stores/memory-outbox.ts";
import { memoryCounters } from "../src/telemetry/counters.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { numberedFeedback } from "./annotators/numbered-feedback.ts";

/** Everything is due at once: how long something may take is not what is tested here. */
const hasty: Deadlines = {
  watch: (onDue) => {
    let dueAt = Infinity;
    return {
      get dueAt() {
        return dueAt;
      },
      set dueAt(at) {
        dueAt = at;
        setImmediate(onDue);
      },
      end: () => undefined,
    };
  },
};

const exposure: Exposure = {
  predictionId: "prediction-1",
  at: 0,
  policy: "support-chat",
  segment: "eu",
  variant: "warm",
  revision: 3,
  reason: "TARGETING_MATCH",
  unit: "ada",
  keyId: "key-1",
  status: 200,
  latencyMs: 5,
  attributes: {},
  error: null,
  answered: null,
};

/** A legacy log that takes requests and never answers, and a Phoenix that does at once. */
async function destinations() {
  const [logged, annotated] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === "/v1/log") return logged.resolve();
    response.setHeader("content-type", "application/json");
    response.end('{"data":[]}');
    if (request.url?.startsWith("/v1/span_annotations") === true) annotated.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, logged: logged.promise, annotated: annotated.promise, close };
}

let there: Awaited<ReturnType<typeof destinations>>;
beforeEach(async () => {
  there = await destinations();
});
afterEach(() => there.close());

function exportsTo(url: string, share = 1) {
  const counters = memoryCounters();
  const outbox = createMemoryOutbox({ counters });
  const config = {
    SEGUE_ARIZE_API_KEY: "k",
    SEGUE_ARIZE_SPACE_ID: "s",
    SEGUE_ARIZE_PROJECT: "p",
    SEGUE_ARIZE_OTLP_URL: url,
    SEGUE_ARIZE_URL: url,
    SEGUE_ARIZE_LOG_URL: `${url}/v1/log`,
    SEGUE_ARIZE_LOG_METRIC: "toxicity",
    SEGUE_PHOENIX_URL: url,
    SEGUE_PHOENIX_PROJECT: "p",
    SEGUE_SPOOL: "off",
    SEGUE_FEEDBACK_LAG_MS: 0,
  } as Config;
  const deps = {
    clock: { now: () => Date.now() },
    deadlines: hasty,
    random: nodeRandom,
    log: silentLog,
    counters,
    flags: { telemetry: () => ({ value: share, reason: "FALLTHROUGH" }), onChange: () => () => undefined },
    openOutbox: () => outbox,
    instance: "i",
    secret: "a secret of the test",
  };
  return { outbox, counters, exports: nodeExports(config, deps)({ of: () => undefined, all: () => [] }) };
}

test("a destination that never answers holds up neither feedback to another, nor the log's answers, nor the end", async () => {
  const began = Date.now();
  const { outbox, counters, exports } = exportsTo(there.url);
  exports.exposureLog!.record(exposure);
  await exports.deliver();
  while ((await outbox.counts(ARIZE_LOG_TOPIC)).waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  await exports.deliver();
  await there.logged;
  // From here on one request hangs.
  await exports.sending!.queue.add([numberedFeedback(1)]);
  exports.exposureLog!.record({ ...exposure, predictionId: "prediction-2" });
  await exports.deliver();
  await there.annotated;
  while ((await outbox.counts(ARIZE_LOG_TOPIC)).waiting < 2) await new Promise((resolve) => setImmediate(resolve));
  await exports.close();
  // A request waits ten seconds for its answer, and nothing here waited for it.
  expect(Date.now() - began).toBeLessThan(5000);
  expect(await outbox.counts(ARIZE_LOG_TOPIC)).toEqual({ waiting: 2, buried: 0 });
  expect(counters.print()).not.toContain('segue_annotations_total{destination="arize-log"');
});

test.each([
  { share: 1, kept: ["added", "added"], fresh: 2, doubtful: 0, because: "all answers are exported" },
  { share: 0.5, kept: ["added", "added"], fresh: 1, doubtful: 1, because: "one is hardly known there" },
  { share: 0, kept: ["nowhere", "nowhere"], fresh: 0, doubtful: 0, because: "none is known there" },
])("with a share of $share of spans, feedback is kept as $kept, because $because", async (given) => {
  const { outbox, exports } = exportsTo(there.url, given.share);
  const [low, high] = ["1".repeat(16), "f".repeat(16)];
  const both = [low, high].map((spanId, index) => ({ ...numberedFeedback(index), spanId }));
  expect(await exports.sending!.queue.add(both)).toEqual(given.kept);
  const count = async (struck: boolean) => {
    const { entries } = await outbox.claim("phoenix", { limit: 9, leaseMs: 1, now: Date.now(), struck });
    return entries.length;
  };
  expect([await count(false), await count(true)]).toEqual([given.fresh, given.doubtful]);
  await exports.close();
});
