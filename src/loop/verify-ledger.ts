import { canonicalJson, sha256, type Sha256 } from "../core/digest.ts";
import { fold } from "../core/fold.ts";
import { EMPTY, parseEntry, verifyChain, type ChainFault, type Head, type StoredEntry } from "../core/ledger.ts";
import { emptyState, type ControlState } from "../core/state.ts";
import type { Ledger, Snapshot } from "../ports.ts";

const PAGE = 1000;

export interface Verification {
  /** Entries found in order before the fault, or all. */
  readonly entries: number;
  /** The last entry that is in order. */
  readonly head: Head;
  readonly fault: ChainFault | null;
}

export interface VerifyOptions {
  /** A head that was noted down elsewhere: the chain must reach and contain it. */
  readonly expectedHead?: Head;
  /** A faster SHA-256 than the core's, where the host has one. */
  readonly hash?: Sha256;
}

/**
 * Re-checks a whole ledger: the chain of hashes, that every entry reads back and can follow the ones
 * before it, and that the stored snapshot is the fold of them. A failure to read is thrown, a fault is returned.
 */
export async function verifyLedger(ledger: Ledger, options: VerifyOptions = {}): Promise<Verification> {
  const { expectedHead, hash = sha256 } = options;
  const snapshot = await ledger.loadSnapshot();
  const heads = [await ledger.head(), ...(expectedHead === undefined ? [] : [expectedHead])];
  let state = emptyState;
  let fault: ChainFault | null = null;
  while (fault === null) {
    const page = await ledger.readStored(state.head.seq, pageSize(state.head.seq, [...heads, snapshot?.head]));
    if (page.length === 0) break;
    ({ state, fault } = checkPage(state, page, hash));
    fault ??= snapshotFault(snapshot, state) ?? expectationFault(heads, state.head);
  }
  fault ??= endFault(state.head, heads);
  return { entries: state.head.seq, head: state.head, fault };
}

/** Pages end at the heads that the state is compared at. */
const pageSize = (seq: number, stops: readonly (Head | undefined)[]): number =>
  Math.min(PAGE, ...stops.flatMap((stop) => (stop !== undefined && stop.seq > seq ? [stop.seq - seq] : [])));

interface Checked {
  readonly state: ControlState;
  readonly fault: ChainFault | null;
}

function checkPage(state: ControlState, page: readonly StoredEntry[], hash: Sha256): Checked {
  const verified = verifyChain(state.head, page, hash);
  if (!("fault" in verified)) {
    try {
      return { state: fold(state, page.map(parseEntry)), fault: null };
    } catch {
      // Which entry it was shows in the walk below.
      return checkSingly(state, page, hash);
    }
  }
  return checkSingly(state, page, hash);
}

/** Slower, since every fold copies the state, but it names the entry. */
function checkSingly(state: ControlState, page: readonly StoredEntry[], hash: Sha256): Checked {
  let reached = state;
  for (const entry of page) {
    const verified = verifyChain(reached.head, [entry], hash);
    if ("fault" in verified) return { state: reached, fault: verified.fault };
    try {
      reached = fold(reached, [parseEntry(entry)]);
    } catch (error) {
      const problem = `entry ${entry.seq} cannot be understood: ${error instanceof Error ? error.message : String(error)}`;
      return { state: reached, fault: { seq: entry.seq, problem } };
    }
  }
  return { state: reached, fault: null };
}

function snapshotFault(snapshot: Snapshot | null, state: ControlState): ChainFault | null {
  if (snapshot === null || snapshot.head.seq !== state.head.seq) return null;
  if (canonicalJson(snapshot.state) === canonicalJson(state)) return null;
  return { seq: state.head.seq, problem: `the snapshot at entry ${state.head.seq} is not what the entries lead to` };
}

function expectationFault(heads: readonly Head[], head: Head): ChainFault | null {
  if (heads.every(({ seq, hash }) => seq !== head.seq || hash === head.hash)) return null;
  return { seq: head.seq, problem: `entry ${head.seq} has another hash than was recorded: the history was rewritten` };
}

function endFault(reached: Head, heads: readonly Head[]): ChainFault | null {
  const furthest = heads.reduce((a, b) => (b.seq > a.seq ? b : a), EMPTY);
  if (furthest.seq <= reached.seq) return null;
  const [from, to] = [reached.seq + 1, furthest.seq];
  return {
    seq: from,
    problem: from === to ? `entry ${to} is missing` : `entries ${from} to ${to} are missing at the end`,
  };
}
