import { RouterError } from "../core/errors.ts";
import { fold } from "../core/fold.ts";
import type { ControlState } from "../core/state.ts";
import type { Counters, Ledger, Log, Snapshot } from "../ports.ts";

const PAGE = 500;

export interface ReplicaDeps {
  readonly ledger: Ledger;
  readonly log: Log;
  readonly counters: Counters;
}

/** The fold of a ledger as far as it was read. Not made for calls in parallel. */
export interface Replica {
  readonly state: () => ControlState;
  /** Reads and folds what is new. On a failure the state stays and `isCurrent` turns false. */
  readonly catchUp: () => Promise<ControlState>;
  /** Takes over a state that this process wrote itself. */
  readonly advance: (next: ControlState) => void;
  readonly isCurrent: () => boolean;
  readonly onChange: (listener: (state: ControlState) => void) => () => void;
  /** Settles when the snapshots under way are saved or given up. */
  readonly settled: () => Promise<void>;
}

export function createReplica(deps: ReplicaDeps, snapshot: Snapshot | null, start: ReplicaStart): Replica {
  const { ledger, log } = deps;
  let state = snapshot?.state ?? start.empty;
  let isCurrent = true;
  const listeners = new Set<(state: ControlState) => void>();
  const snapshots = createSnapshotSaver(deps, state.head.seq, start.snapshotEvery);

  const advance = (next: ControlState) => {
    if (next === state) return;
    state = next;
    snapshots.offer(state);
    for (const listener of listeners) {
      try {
        listener(state);
      } catch (error) {
        // The change is in the ledger already, so its writer must not be told that it failed.
        log.error("A follower of the control state failed.", { error: String(error), seq: state.head.seq });
      }
    }
  };
  const catchUp = async () => {
    let next = state;
    try {
      for (;;) {
        const page = await readPage(ledger, next);
        if (page.length === 0) break;
        next = fold(next, page);
      }
      if (!isCurrent) log.info("The ledger can be read again.", { seq: next.head.seq });
      isCurrent = true;
    } catch (error) {
      if (isCurrent) log.error("The ledger cannot be read; the last state stays.", { error: String(error) });
      isCurrent = false;
      throw error;
    } finally {
      advance(next);
    }
    return next;
  };
  return {
    state: () => state,
    catchUp,
    advance,
    isCurrent: () => isCurrent,
    onChange: (onChange) => {
      const listener = (next: ControlState) => onChange(next);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    settled: snapshots.settled,
  };
}

interface ReplicaStart {
  readonly empty: ControlState;
  /** Entries between two snapshots. */
  readonly snapshotEvery: number;
}

/** The entries behind the state's head. Throws `RouterError` `ledger_broken` when the chain does not lead on from there. */
async function readPage(ledger: Ledger, { head }: ControlState) {
  const now = await ledger.head();
  if (now.seq === head.seq && now.hash === head.hash) return [];
  const page = now.seq > head.seq ? await ledger.read(head.seq, PAGE) : [];
  if (page[0]?.seq === head.seq + 1 && page[0].prev === head.hash) return page;
  throw new RouterError(
    "ledger_broken",
    `The ledger does not continue behind entry ${head.seq}, which this process read before: it is at entry ${now.seq}. Was it replaced by an older copy? Restart after checking it with 'segue audit verify'.`,
    { reason: "history_changed" },
  );
}

/** Saves the state now and then; a snapshot that fails costs only time at the next start. */
function createSnapshotSaver({ ledger, log, counters }: ReplicaDeps, savedSeq: number, every: number) {
  let lastSeq = savedSeq;
  let pending: Promise<void> = Promise.resolve();
  const save = async (state: ControlState) => {
    try {
      await ledger.saveSnapshot({ head: state.head, state });
    } catch (error) {
      counters.add("segue_snapshot_failures_total");
      log.warn("The state's snapshot could not be saved.", { error: String(error), seq: state.head.seq });
    }
  };
  return {
    offer: (state: ControlState) => {
      if (state.head.seq - lastSeq < every) return;
      lastSeq = state.head.seq;
      pending = pending.then(() => save(state));
    },
    settled: () => pending,
  };
}
