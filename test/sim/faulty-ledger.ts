import type { Draft, Head, StoredEntry } from "../../src/core/ledger.ts";
import { RouterError } from "../../src/core/errors.ts";
import type { Ledger } from "../../src/ports.ts";

export type Fault = "down" | "refuses" | "loses the answer";

/** Stops whoever waits at it until it is released. */
export interface Gate {
  readonly wait: () => Promise<void>;
  /** Settles when somebody waits. */
  readonly reached: Promise<void>;
  readonly release: () => void;
}

export function createGate(): Gate {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    wait: () => {
      reached.resolve();
      return released.promise;
    },
    reached: reached.promise,
    release: released.resolve,
  };
}

/** One process's connection to the ledger. */
export interface Line {
  fault: Fault | null;
  /** Where the process is to be paused next. */
  pause: { readonly where: PausePoint; readonly gate: Gate } | null;
  /** The process has died: nothing of it reaches the ledger any more. */
  isDead: boolean;
  /** The last entry that the process can know of. */
  seen: number;
}

export type PausePoint = "with the lease" | "before the append" | "after the append";

export const newLine = (): Line => ({ fault: null, pause: null, isDead: false, seen: 0 });

const unreachable = () => new RouterError("unavailable", "The ledger cannot be reached.", { reason: "simulated" });

export async function pauseAt(line: Line, where: PausePoint): Promise<void> {
  const { pause } = line;
  if (pause?.where !== where) return;
  line.pause = null;
  await pause.gate.wait();
}

/** What the judge hears of each append that took effect, at that moment. */
export interface Watch {
  /** @returns called after the entries were written, before the caller knows */
  readonly onCalled: (drafts: readonly Draft[], fence: number | undefined) => (written: readonly StoredEntry[]) => void;
  readonly onAcknowledged: (entries: readonly Head[]) => void;
}

/** The ledger as one process meets it. Hints of growth are never delivered: they are only hints. */
export function faultyLedger(inner: Ledger, line: Line, watch: Watch): Ledger {
  const reach = () => {
    if (line.isDead || line.fault === "down") throw unreachable();
  };
  return {
    ...inner,
    head: async () => {
      reach();
      return inner.head();
    },
    append: async (expectedSeq, drafts, options) => {
      reach();
      const onWritten = watch.onCalled(drafts, options?.fence);
      await pauseAt(line, "before the append");
      reach();
      if (line.fault === "refuses") throw unreachable();
      const entries = await inner.append(expectedSeq, drafts, options);
      const written = await inner.readStored(expectedSeq, Number.MAX_SAFE_INTEGER);
      onWritten(written);
      await pauseAt(line, "after the append");
      if (line.isDead) throw unreachable();
      if (line.fault === "loses the answer") {
        line.fault = null;
        throw unreachable();
      }
      watch.onAcknowledged(entries);
      line.seen = Math.max(line.seen, entries.at(-1)?.seq ?? 0);
      return entries;
    },
    read: async (afterSeq, limit) => {
      reach();
      const entries = await inner.read(afterSeq, limit);
      line.seen = Math.max(line.seen, entries.at(-1)?.seq ?? 0);
      return entries;
    },
    follow: () => () => undefined,
    loadSnapshot: async () => {
      reach();
      const snapshot = await inner.loadSnapshot();
      line.seen = Math.max(line.seen, snapshot?.head.seq ?? 0);
      return snapshot;
    },
    saveSnapshot: async (snapshot) => {
      reach();
      return inner.saveSnapshot(snapshot);
    },
    close: async () => undefined,
  };
}
