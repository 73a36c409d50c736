import { z } from "zod";
import { Actor } from "./actor.ts";
import { canonicalJson, sha256, type Sha256 } from "./digest.ts";
import { Event } from "./event.ts";

/** An event as a verb hands it in; the ledger gives it its place in the chain. */
export interface Draft {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly actor: Actor;
  readonly event: Event;
}

/** An entry as stored: `body` is the canonical JSON of the draft, kept as text so that it can be re-hashed as it is. */
export interface StoredEntry {
  readonly seq: number;
  readonly body: string;
  /** The hash of the entry before, `GENESIS` for the first. */
  readonly prev: string;
  readonly hash: string;
}

export interface LedgerEntry extends Draft {
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
}

/** The last entry's place and hash; `{ seq: 0, hash: GENESIS }` when empty. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

export const GENESIS = "0".repeat(64);
export const EMPTY: Head = { seq: 0, hash: GENESIS };

/** SHA-256 over the previous hash, the sequence number and the body, one a line. */
export const entryHash = (prev: string, seq: number, body: string, hash: Sha256 = sha256): string =>
  hash(`${prev}\n${seq}\n${body}`);

/** Places drafts behind `head`, in order. */
export function chain(head: Head, drafts: readonly Draft[], hash: Sha256 = sha256): StoredEntry[] {
  let { seq, hash: prev } = head;
  return drafts.map((draft) => {
    const body = canonicalJson({ at: draft.at, actor: draft.actor, event: draft.event });
    const entry = { seq: ++seq, body, prev, hash: entryHash(prev, seq, body, hash) };
    prev = entry.hash;
    return entry;
  });
}

const Body = z.strictObject({ at: z.number().int().nonnegative(), actor: Actor, event: Event });

/** Reads a stored entry back. Throws `ZodError` or `SyntaxError` on a body that no version of this code wrote. */
export function parseEntry({ seq, body, prev, hash }: StoredEntry): LedgerEntry {
  return { seq, prev, hash, ...Body.parse(JSON.parse(body)) };
}

/** The first fault of a chain, by the number of the entry that is wrong. */
export interface ChainFault {
  readonly seq: number;
  readonly problem: string;
}

/**
 * Re-checks entries that follow `head`, which may be a part of the chain.
 * @returns the new head, or the first fault
 */
export function verifyChain(
  head: Head,
  entries: Iterable<StoredEntry>,
  hash: Sha256 = sha256,
): { readonly head: Head } | { readonly fault: ChainFault } {
  let { seq, hash: prev } = head;
  for (const entry of entries) {
    if (entry.seq !== seq + 1)
      return { fault: { seq: seq + 1, problem: `entry ${seq + 1} is missing; the next one stored is ${entry.seq}` } };
    if (entry.prev !== prev)
      return {
        fault: {
          seq: entry.seq,
          problem: `entry ${entry.seq} does not follow entry ${seq}: its previous hash differs`,
        },
      };
    if (entry.hash !== entryHash(prev, entry.seq, entry.body, hash))
      return { fault: { seq: entry.seq, problem: `entry ${entry.seq} was changed: its text does not match its hash` } };
    seq = entry.seq;
    prev = entry.hash;
  }
  return { head: { seq, hash: prev } };
}
