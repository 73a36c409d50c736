import { createControlPlane } from "../../src/loop/control-plane.ts";
import type { ReadSourceDeps } from "../../src/loop/read-source.ts";
import { Policy } from "../../src/core/policy.ts";
import type { Event } from "../../src/core/event.ts";
import type { Signal } from "../../src/core/signal.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";

/** 2026-09-01T10:00:00Z, when the worlds below begin. */
export const START = Date.parse("2026-09-01T10:00:00Z");

export const policy = Policy.parse({
  policy: "support",
  attributes: { topic: { type: "string" } },
  metrics: {
    accuracy: { from: "feedback" },
    toxicity: { from: "feedback", better: "lower" },
    slow: { from: "latency", slowerThanMs: 1000 },
  },
  variants: { large: { provider: "main", model: "m1" }, small: { provider: "main", model: "m2" } },
  default: "large",
  segments: [
    {
      id: "prime",
      when: "topic == 'prime'",
      owner: "team",
      ladder: [{ variant: "large" }, { variant: "small" }],
      why: "Questions about prime numbers.",
    },
  ],
});
export const published = (changed: Policy = policy): Event => ({
  type: "policy.published",
  policy: changed,
  prompts: {},
});

/** A real control plane on a memory ledger, with a hand-cranked clock and sleeps that only are written down. */
export async function signalWorld() {
  const clock = { at: START };
  const ledger = createMemoryLedger();
  const counted = new Map<string, number>();
  const lines: string[] = [];
  const slept: number[] = [];
  const add = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const shared = {
    clock: { now: () => clock.at },
    log: { info: add, warn: add, error: add },
    counters: {
      add: (name: string, labels: Readonly<Record<string, string>> = {}, by = 1) => {
        const key = [name, ...Object.values(labels)].join(" ");
        counted.set(key, (counted.get(key) ?? 0) + by);
      },
    },
  };
  const controlPlane = await createControlPlane({ ledger, ...shared });
  const operator = { kind: "operator", id: "test" } as const;
  await controlPlane.commit(operator, () => [published()]);
  const deps: ReadSourceDeps = {
    ...shared,
    controlPlane,
    random: { bytes: (count) => new Uint8Array(count).fill(255) },
    fetch: (url, init) => fetch(url, init),
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
  };
  return {
    deps,
    controlPlane,
    clock,
    counted,
    lines,
    slept,
    commit: (events: readonly Event[]) => controlPlane.commit(operator, () => events),
    entries: () => ledger.read(0, 1000),
    /** The latest signals, by what they are about. */
    signals: (): readonly Signal[] => Object.values(controlPlane.state().signals),
  };
}
