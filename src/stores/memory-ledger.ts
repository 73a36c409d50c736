import { chain, EMPTY, parseEntry, verifyChain, type Head, type StoredEntry } from "../core/ledger.ts";
import { RouterError } from "../core/errors.ts";
import type { Ledger } from "../ports.ts";
import { checkFence, checkSeq } from "./append-conflict.ts";

export interface MemoryLedgerOptions {
  /** The chain to begin with. */
  readonly entries?: readonly StoredEntry[];
  /** The newest fence of the lease that `append` compares with, such as a memory lease's. */
  readonly fence?: () => number;
}

/** A ledger within one process that behaves like the lasting ones. Throws `RouterError` `ledger_broken` when `entries` are no chain. */
export function createMemoryLedger(options: MemoryLedgerOptions = {}): Ledger {
  const stored: StoredEntry[] = [...(options.entries ?? [])];
  const listeners = new Set<() => void>();
  let snapshot: { readonly head: Head; readonly text: string } | null = null;

  const verified = verifyChain(EMPTY, stored);
  if ("fault" in verified)
    throw new RouterError("ledger_broken", `The ledger is broken: ${verified.fault.problem}.`, {
      reason: "broken_chain",
      param: `entry ${verified.fault.seq}`,
    });
  let head = verified.head;
  let isClosed = false;
  const checkOpen = () => {
    if (isClosed)
      throw new RouterError("unavailable", "The ledger is closed: Segue is stopping.", { reason: "closed" });
  };
  // An entry's number is one more than its place.
  const slice = (afterSeq: number, limit: number) => {
    checkOpen();
    return stored.slice(afterSeq, afterSeq + limit);
  };

  return {
    head: async () => {
      checkOpen();
      return head;
    },
    append: async (expectedSeq, drafts, { fence } = {}) => {
      checkOpen();
      if (fence !== undefined) checkFence(fence, options.fence?.() ?? 0);
      checkSeq(expectedSeq, head.seq);
      const next = chain(head, drafts);
      const entries = next.map(parseEntry);
      const last = next.at(-1);
      if (last === undefined) return [];
      stored.push(...next);
      head = { seq: last.seq, hash: last.hash };
      for (const listener of listeners) listener();
      return entries;
    },
    read: async (afterSeq, limit) => slice(afterSeq, limit).map(parseEntry),
    readStored: async (afterSeq, limit) => slice(afterSeq, limit),
    follow: (onGrown) => {
      const listener = () => onGrown();
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    loadSnapshot: async () => (snapshot === null ? null : { head: snapshot.head, state: JSON.parse(snapshot.text) }),
    saveSnapshot: async (saved) => {
      if (stored[saved.head.seq - 1]?.hash !== saved.head.hash) return;
      if (snapshot === null || saved.head.seq >= snapshot.head.seq)
        snapshot = { head: saved.head, text: JSON.stringify(saved.state) };
    },
    close: async () => {
      isClosed = true;
      listeners.clear();
    },
  };
}
