import { compose } from "../../src/compose.ts";
import { noExports } from "../../src/exports.ts";
import { keyText, type ApiKey } from "../../src/core/api-key.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { Event } from "../../src/core/event.ts";
import { Policy } from "../../src/core/policy.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { sources } from "../../src/sources/index.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { changeOf, proposed, START } from "../contracts/history.ts";

export { START };
export const POLICIES = ["support-chat", "search"] as const;

export const policyNamed = (policy: string): Policy =>
  Policy.parse({
    policy,
    attributes: { region: { type: "string" } },
    metrics: { quality: { from: "feedback" } },
    variants: { large: { provider: "upstream", model: "m1" }, small: { provider: "upstream", model: "m2" } },
    default: "large",
    segments: ["waiting", "moving"].map((id) => ({
      id,
      when: `region == '${id}'`,
      owner: "support",
      ladder: [{ variant: "large" }, { variant: "small" }],
      why: "A segment of the tests.",
    })),
  });

/** What there is of one policy: a switchover that waits, one in a canary, a signal and a freeze. */
function historyOf(state: Parameters<typeof changeOf>[0], policy: string): readonly Event[] {
  const canary = { kind: "canary", step: 0, share: 0.5, since: START, startedAt: START } as const;
  return [
    proposed(`${policy}-waiting`, changeOf(state, policy, "waiting", "small")),
    proposed(`${policy}-moving`, changeOf(state, policy, "moving", "small")),
    { type: "switchover.moved", id: `${policy}-moving`, phase: canary },
    {
      type: "signal.recorded",
      signal: {
        id: policy,
        source: "arize",
        policy,
        segment: "waiting",
        variant: "large",
        metric: "quality",
        status: "inconclusive",
        observedAt: START,
        evidence: {},
      },
    },
    { type: "freeze.set", scope: { policy }, reason: `release of ${policy}`, until: null },
  ];
}

const ignore = () => undefined;

/** The whole program on adapters that keep everything in memory, with two policies that look alike. Nothing runs by itself. */
export async function composedWorld() {
  const clock = { at: START };
  const ledger = createMemoryLedger();
  const lease = createMemoryLease();
  const segue = await compose(
    {
      ledger,
      lease,
      checkpoints: createMemoryCheckpoints(),
      exposures: { record: ignore, flush: async () => undefined },
      flags: staticFlags(),
      providers: new Map(),
      prices: { costUsd: () => null },
      judges: () => null,
      languageOf: () => null,
      clock: { now: () => clock.at },
      deadlines: { watch: () => ({ dueAt: Infinity, end: ignore }) },
      later: (work) => void setImmediate(work),
      timeout: () => new AbortController().signal,
      random: { bytes: (count) => new Uint8Array(count).fill(7) },
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
  const operator = { kind: "operator", id: "test" } as const;
  const commit = (events: readonly Event[]) => segue.controlPlane.commit(operator, () => events);
  await commit(POLICIES.map((policy) => ({ type: "policy.published", policy: policyNamed(policy), prompts: {} })));
  await commit(POLICIES.flatMap((policy) => historyOf(segue.controlPlane.state(), policy)));
  await commit([{ type: "freeze.set", scope: {}, reason: "release week", until: null }]);
  let keys = 0;
  return {
    ...segue,
    clock,
    commit,
    /** @returns the text of a new key of the person Alice */
    key: async (rest: Partial<ApiKey>): Promise<string> => {
      const id = `aliceskey${++keys}`;
      const text = keyText(id, "secretsecretsecretsecret");
      const holder = { kind: "person", name: "alice" } as const;
      const key: ApiKey = {
        id,
        hash: sha256(text),
        holder,
        scopes: ["read"],
        attributes: {},
        policies: [],
        createdAt: START,
        expiresAt: null,
        ...rest,
      };
      await commit([{ type: "key.created", key }]);
      return text;
    },
    ask: async (method: string, path: string, given: { readonly key?: string; readonly body?: unknown } = {}) => {
      const response = await segue.app.request(path, {
        method,
        ...(given.key === undefined ? {} : { headers: { authorization: `Bearer ${given.key}` } }),
        ...(method === "GET" ? {} : { body: JSON.stringify(given.body ?? {}) }),
      });
      const text = await response.text();
      return { status: response.status, text };
    },
  };
}
export type ComposedWorld = Awaited<ReturnType<typeof composedWorld>>;
