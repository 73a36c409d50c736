import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { compose } from "../../src/compose.ts";
import { noExports } from "../../src/exports.ts";
import { keyText, type ApiKey } from "../../src/core/api-key.ts";
import { sha256 } from "../../src/core/digest.ts";
import { Policy } from "../../src/core/policy.ts";
import { staticFlags } from "../../src/flags/static.ts";
import type { Status } from "../../src/loop/read-status.ts";
import type { Provider } from "../../src/ports.ts";
import { sources } from "../../src/sources/index.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { START } from "../contracts/history.ts";

const policy = Policy.parse({
  policy: "chat",
  metrics: { refused: { from: "check", check: "refusal" } },
  variants: { live: { provider: "up", model: "live" }, next: { provider: "up", model: "next" } },
  default: "live",
  segments: [
    {
      id: "all",
      when: "true",
      owner: "support",
      risk: "low",
      mode: "auto",
      objectives: [{ metric: "refused", against: "bound", lossMax: 0.2 }],
      ladder: [{ variant: "live" }, { variant: "next" }],
      shadow: { variant: "next", share: 1, usdPerDayMax: 10 },
      why: "A segment of the tests.",
    },
  ],
});
const KEY = keyText("servingkey", "secretsecretsecretsecret");
const key: ApiKey = {
  id: "servingkey",
  hash: sha256(KEY),
  holder: { kind: "machine", name: "shop" },
  scopes: ["serve", "read"],
  attributes: {},
  policies: [],
  createdAt: START,
  expiresAt: null,
};
const ignore = () => undefined;

/** Model `live` refuses everything, `next` nothing. */
const up: Provider = {
  id: "up",
  wires: new Set(["chat"]),
  send: ({ target }, listener) => {
    const content = target.model === "live" ? "I'm sorry, but I can't help with that." : "Of course: 4.";
    listener.onSent();
    queueMicrotask(() => {
      listener.onHead(200, { "content-type": "application/json" });
      listener.onBytes(
        new TextEncoder().encode(JSON.stringify({ choices: [{ message: { content }, finish_reason: "stop" }] })),
      );
      listener.onEnd();
    });
    return { pause: ignore, resume: ignore, abort: ignore };
  },
};

test("a rung that was only ever asked in the shadow is what the loop moves to, after a restart too", async () => {
  const clock = { at: START };
  const [ledger, lease, checkpoints] = [createMemoryLedger(), createMemoryLease(), createMemoryCheckpoints()];
  const start = () =>
    compose(
      {
        ledger,
        lease,
        checkpoints,
        exposures: { record: ignore, flush: async () => undefined },
        flags: staticFlags(),
        providers: new Map([["up", up]]),
        prices: { costUsd: () => 0.001 },
        judges: () => null,
        languageOf: () => null,
        clock: { now: () => clock.at },
        deadlines: { watch: () => ({ dueAt: Infinity, end: ignore }) },
        later: (work) => void setImmediate(work),
        timeout: () => new AbortController().signal,
        random: { bytes: (count) => new Uint8Array(randomBytes(count)) },
        log: { info: ignore, warn: ignore, error: ignore },
        counters: memoryCounters(),
        secrets: ["a secret of the test"],
        knownSources: sources,
        sources: [],
        promptHubs: {},
        exports: noExports,
        fetch: () => Promise.reject(new Error("no network in this test")),
        sleep: () => Promise.resolve(),
      },
      { instance: "test", bodyBytesMax: 1024 * 1024 },
    );
  let segue = await start();
  await segue.controlPlane.commit({ kind: "operator", id: "test" }, () => [
    { type: "policy.published", policy, prompts: {} },
    { type: "key.created", key },
  ]);
  await segue.tick();
  const headers = { authorization: `Bearer ${KEY}` };
  const shadow = async () => {
    const status = (await (await segue.app.request("/api/table", { headers })).json()) as Status;
    return status.segments[0]?.shadow;
  };
  const body = JSON.stringify({ model: "chat", messages: [{ role: "user", content: "2 + 2?" }] });
  for (let asked = 0; asked < 40; asked++) {
    clock.at += 1000;
    await (await segue.app.request("/v1/chat/completions", { method: "POST", headers, body })).text();
    while (((await shadow())?.comparisons[0]?.pairs ?? 0) <= asked) await nextTurn();
  }
  const found = await shadow();
  expect(found).toMatchObject({
    comparisons: [{ metric: "refused", pairs: 40, shadowMean: 0, liveMean: 1 }],
    validated: [{ metric: "refused", score: 1, items: 40 }],
  });
  await segue.close();
  segue = await start();
  expect(await shadow()).toEqual(found);
  clock.at += 61_000;
  await segue.tick();
  expect(Object.values(segue.controlPlane.state().switchovers)).toMatchObject([
    { change: { from: "live", to: "next", basis: { rungs: [{}, { validated: { items: 40, source: "shadow" } }] } } },
  ]);
  await segue.close();
});
