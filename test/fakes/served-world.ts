import { randomBytes } from "node:crypto";
import { compose } from "../../src/compose.ts";
import { noExports } from "../../src/exports.ts";
import { keyText, type ApiKey } from "../../src/core/api-key.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { Signal } from "../../src/core/signal.ts";
import { Policy } from "../../src/core/policy.ts";
import { staticFlags } from "../../src/flags/static.ts";
import type { Provider } from "../../src/ports.ts";
import { sources } from "../../src/sources/index.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { START } from "../contracts/history.ts";

/** One segment that nobody moves, with a baseline of its own. */
const policy = Policy.parse({
  policy: "chat",
  attributes: { region: { type: "string", default: "de" }, product: { type: "string" } },
  metrics: { quality: { from: "feedback" }, failed: { from: "error" } },
  variants: { large: { provider: "upstream", model: "m1" } },
  default: "large",
  segments: [
    {
      id: "europe",
      when: "region != 'us'",
      owner: "support",
      objectives: [{ metric: "quality", against: "baseline" }],
      ladder: [{ variant: "large" }],
      why: "A segment of the tests.",
    },
  ],
});

const ignore = () => undefined;
const KEY = keyText("servingkey", "secretsecretsecretsecret");
const key: ApiKey = {
  id: "servingkey",
  hash: sha256(KEY),
  holder: { kind: "machine", name: "shop" },
  scopes: ["serve"],
  attributes: {},
  policies: [],
  createdAt: START,
  expiresAt: null,
};

/** Answers everything, as an event stream where that is asked for. */
const upstream: Provider = {
  id: "upstream",
  wires: new Set(["chat"]),
  send: ({ isStream }, listener) => {
    const text = isStream ? 'data: {"choices":[]}\n\ndata: [DONE]\n\n' : '{"choices":[]}';
    let isWanted = true;
    listener.onSent();
    queueMicrotask(() => {
      if (!isWanted) return;
      listener.onHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
      listener.onBytes(new TextEncoder().encode(text));
      listener.onEnd();
    });
    const abort = (): void => {
      isWanted = false;
    };
    return { pause: ignore, resume: ignore, abort };
  },
};

export interface Asked {
  readonly attributes?: Readonly<Record<string, string>>;
  readonly session?: string;
  readonly user?: string;
  readonly stream?: boolean;
}

/** The whole program in memory, with an upstream that answers; a second passes with each answer. */
export async function servedWorld() {
  const clock = { at: START };
  const checkpoints = createMemoryCheckpoints();
  const ledger = createMemoryLedger();
  const lease = createMemoryLease();
  const warnings: string[] = [];
  const start = () =>
    compose(
      {
        ledger,
        lease,
        checkpoints,
        exposures: { record: ignore, flush: async () => undefined },
        flags: staticFlags(),
        providers: new Map([["upstream", upstream]]),
        prices: { costUsd: () => null },
        judges: () => null,
        languageOf: () => null,
        clock: { now: () => clock.at },
        deadlines: { watch: () => ({ dueAt: Infinity, end: ignore }) },
        later: (work) => void setImmediate(work),
        timeout: () => new AbortController().signal,
        random: { bytes: (count) => new Uint8Array(randomBytes(count)) },
        log: { info: ignore, warn: (message) => void warnings.push(message), error: ignore },
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
  const send = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    segue.app.request(path, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, ...headers },
      body: JSON.stringify(body),
    });
  const ask = async ({ attributes = {}, session, user, stream }: Asked = {}) => {
    clock.at += 1000;
    const headers = {
      "x-segue-attributes": JSON.stringify(attributes),
      ...(session === undefined ? {} : { "x-segue-session": session }),
    };
    const response = await send("/v1/chat/completions", { model: "chat", messages: [], user, stream }, headers);
    await response.text();
    return {
      id: response.headers.get("x-segue-prediction-id") ?? "",
      wanted: response.headers.get("x-segue-feedback"),
    };
  };
  return {
    checkpoints,
    warnings,
    /** @returns the header that says whether a label is wanted */
    ask,
    /** Asks, says what the answer was worth, and lets the loop look. @returns the prediction id */
    rate: async (score: number, asked: Asked = {}): Promise<string> => {
      const { id } = await ask(asked);
      const response = await send("/v1/feedback", { prediction_id: id, name: "quality", score });
      if (response.status !== 200) throw new Error(await response.text());
      await segue.tick();
      return id;
    },
    explain: async (): Promise<unknown> => (await send("/v1/decisions", { model: "chat" })).json(),
    metrics: async (): Promise<string> => (await segue.app.request("/metrics")).text(),
    /** A minute without anything. */
    wait: async () => {
      await segue.tick();
      clock.at += 61_000;
      await segue.tick();
      await segue.tick();
    },
    /** @param before what happens to what was saved */
    restart: async (before: () => Promise<void> = async () => undefined) => {
      await segue.close();
      await before();
      segue = await start();
      await segue.tick();
    },
    /** The detectors' last word on the segment. */
    signal: (): Signal | undefined => Object.values(segue.controlPlane.state().signals)[0],
  };
}
export type ServedWorld = Awaited<ReturnType<typeof servedWorld>>;
