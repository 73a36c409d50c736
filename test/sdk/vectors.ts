import { readFileSync } from "node:fs";
import { compose } from "../../src/compose.ts";
import { noExports } from "../../src/exports.ts";
import { keyText } from "../../src/core/api-key.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { Event } from "../../src/core/event.ts";
import type { PolicyBundle } from "../../src/sdk/published-policies.ts";
import { PolicyBundle as Bundle } from "../../src/sdk/published-policies.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { silentLog } from "../../src/telemetry/log.ts";

interface Move {
  readonly policy: string;
  readonly segment: string;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly phase: "proposed" | "canary" | "confirmed" | "rolledBack";
  readonly share: number;
}

export interface VectorRequest {
  readonly policy: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly unit: string;
  readonly expect: Expected;
}

export type Expected =
  | {
      readonly segment: string;
      readonly variant: string;
      readonly reason: string;
      /** As `provider/model`. */
      readonly target: string;
      readonly prompt: string | null;
    }
  | { readonly refused: string };

export interface Moment {
  readonly name: string;
  /** Of the table, where the ledger holds the publications and these moves alone. */
  readonly revision: number;
  readonly moves: readonly Move[];
  /** Values of the fallback flag by `policy/segment`. */
  readonly fallback: Readonly<Record<string, string>>;
  readonly requests: readonly VectorRequest[];
}

/** Policies, moments of what has happened to them, and what requests must be decided then, worked out apart from this code. */
export const vectors = JSON.parse(
  readFileSync(new URL("../fixtures/decisions/vectors.json", import.meta.url), "utf8"),
) as { readonly policies: PolicyBundle; readonly moments: readonly Moment[] };

const START = 1_750_000_000_000;
const by = { kind: "operator", id: "test" } as const;

function eventsOf({ id, policy, segment, from, to, phase, share }: Move): Event[] {
  const step = { share, labelsMin: 10, secondsMin: 0 };
  const change = { policy, segment, from, to, cause: "manual" as const, metric: "m", steps: [step], basedOn: 2 };
  const proposed = { kind: "proposed", since: START, expiresAt: START + 1 } as const;
  const events: Event[] = [
    {
      type: "switchover.proposed",
      switchover: {
        id,
        change: { ...change, evidence: {} },
        digest: "d",
        gate: "none",
        proposedBy: by,
        phase: proposed,
      },
    },
  ];
  if (phase === "proposed") return events;
  const canary = { kind: "canary", step: 0, share, since: START, startedAt: START } as const;
  events.push({ type: "switchover.moved", id, phase: canary });
  const ended = { since: START, because: "of the test" };
  if (phase === "confirmed") events.push({ type: "switchover.moved", id, phase: { kind: "confirmed", ...ended } });
  if (phase === "rolledBack")
    events.push({ type: "switchover.moved", id, phase: { kind: "rolledBack", by, ...ended } });
  return events;
}

/** A flag's values, as a gateway and a library evaluate them. */
export const flagsOf = ({ fallback }: Moment) =>
  staticFlags({ fallback: ({ policy, segment }) => fallback[`${policy}/${segment}`] ?? "" });

/** The requests that a follower can decide by a server's table alone, which does not hold a flag on the implicit default segment. */
export const decidedByTable = ({ requests }: Moment): readonly VectorRequest[] =>
  requests.filter(
    ({ expect }) => !("reason" in expect && expect.segment === "default" && expect.reason === "DISABLED"),
  );

/** A server at a moment, with a key that may read. */
export async function serverAt(moment: Moment) {
  const segue = await compose(
    {
      ledger: createMemoryLedger(),
      lease: createMemoryLease(),
      checkpoints: createMemoryCheckpoints(),
      exposures: { record: () => undefined, flush: () => Promise.resolve() },
      flags: flagsOf(moment),
      providers: new Map(),
      prices: { costUsd: () => null },
      judges: () => null,
      languageOf: () => null,
      deadlines: { watch: () => ({ dueAt: Infinity, end: () => undefined }) },
      later: (work) => void setImmediate(work),
      timeout: () => new AbortController().signal,
      clock: { now: () => START },
      random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
      log: silentLog,
      counters: memoryCounters(),
      secrets: ["a secret of the test"],
      knownSources: {},
      sources: [],
      promptHubs: {},
      exports: noExports,
      fetch: () => Promise.reject(new Error("no network in this test")),
      sleep: () => Promise.resolve(),
    },
    { instance: "test", bodyBytesMax: 1024 * 1024 },
  );
  const id = "readingkey";
  const key = keyText(id, "secretsecretsecretsecret");
  const holder = { kind: "machine", name: "library" } as const;
  const stored = {
    id,
    hash: sha256(key),
    holder,
    scopes: ["read"],
    attributes: {},
    policies: [],
    createdAt: START,
    expiresAt: null,
  };
  const commit = (events: readonly Event[]) => segue.controlPlane.commit(by, () => events);
  await commit(Bundle.parse(vectors.policies).map((publication) => ({ type: "policy.published", ...publication })));
  await commit(moment.moves.flatMap(eventsOf));
  await commit([{ type: "key.created", key: stored } as Event]);
  await segue.recordFlagEffects();
  const fetch = ((url: string, init: RequestInit) => {
    const { pathname, search } = new URL(url);
    return Promise.resolve(segue.app.request(`${pathname}${search}`, init));
  }) as typeof globalThis.fetch;
  return { ...segue, key, fetch };
}
