import { z } from "zod";
import type { Actor } from "../core/actor.ts";
import { assert, RouterError } from "../core/errors.ts";
import type { Event } from "../core/event.ts";
import { fold } from "../core/fold.ts";
import { chain, parseEntry, type Draft, type LedgerEntry } from "../core/ledger.ts";
import { emptyState, type ControlState } from "../core/state.ts";
import type { Clock, ControlPlane } from "../ports.ts";
import { createQueue } from "./queue.ts";
import { createReplica, type ReplicaDeps } from "./replica.ts";

const ATTEMPTS = 8;

export interface ControlPlaneOptions {
  /** Entries between two snapshots. */
  readonly snapshotEvery?: number;
  /** Commits that may wait for their turn. */
  readonly waitingMax?: number;
}

/**
 * The control state of this process: recovered from the ledger, kept up with it, and written through it.
 * Whatever goes wrong with the ledger, the last state stays and is served; only changes are refused.
 * @throws RouterError when the ledger cannot be read at the start
 */
export async function createControlPlane(
  deps: ReplicaDeps & { readonly clock: Clock },
  options: ControlPlaneOptions = {},
): Promise<ControlPlane & { readonly close: () => Promise<void> }> {
  const { snapshotEvery = 1000, waitingMax = 1000 } = options;
  const replica = createReplica(deps, await deps.ledger.loadSnapshot(), { empty: emptyState, snapshotEvery });
  const queue = createQueue();
  let queuedRefresh: Promise<ControlState> | null = null;

  const refresh = () =>
    (queuedRefresh ??= queue.run(() => {
      queuedRefresh = null;
      return replica.catchUp();
    }));
  // Followed before the first read, so that nothing is written unheard in between.
  const unfollow = deps.ledger.follow(() => {
    // The replica logs a failure and shows it in `isCurrent`; nobody else waits for this call.
    refresh().catch(() => undefined);
  });
  try {
    await refresh();
  } catch (error) {
    unfollow();
    throw error;
  }
  return {
    state: replica.state,
    refresh,
    commit: async (actor, build, { fence } = {}) => {
      if (queue.waiting() >= waitingMax)
        throw new RouterError(
          "unavailable",
          `${waitingMax} changes wait for the ledger already; this one was not made. Try again later.`,
          { reason: "too_many_commits" },
        );
      return queue.run(() => commit({ ...deps, replica }, { actor, build, fence }));
    },
    isCurrent: replica.isCurrent,
    onChange: replica.onChange,
    close: async () => {
      unfollow();
      await queue.idle();
      await replica.settled();
    },
  };
}

interface Change {
  readonly actor: Actor;
  readonly build: (state: ControlState, now: number) => readonly Event[];
  readonly fence: number | undefined;
}

type CommitDeps = Parameters<typeof createControlPlane>[0] & { readonly replica: ReturnType<typeof createReplica> };

async function commit({ ledger, clock, counters, replica }: CommitDeps, { actor, build, fence }: Change) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const state = await replica.catchUp();
    const now = clock.now();
    const drafts = build(state, now).map((event) => ({ at: now, actor, event }));
    if (drafts.length === 0) return [];
    const next = fold(state, rehearse(state, drafts));
    try {
      const entries = await ledger.append(state.head.seq, drafts, fence === undefined ? {} : { fence });
      assert(entries.at(-1)?.hash === next.head.hash, `the ledger wrote other entries than were rehearsed`);
      replica.advance(next);
      return entries;
    } catch (error) {
      const mayRetry = error instanceof RouterError && error.code === "conflict" && error.reason !== "fenced";
      if (!mayRetry) throw error;
      counters.add("segue_ledger_conflicts_total");
    }
  }
  throw new RouterError(
    "conflict",
    `The change was not made: others wrote to the ledger during each of ${ATTEMPTS} attempts. Try again.`,
    { reason: "contention" },
  );
}

/**
 * The entries as they would be read back. What cannot be read or folded must not be written, because
 * no process could start on that ledger again.
 */
function rehearse(state: ControlState, drafts: readonly Draft[]): readonly LedgerEntry[] {
  return chain(state.head, drafts).map((stored, index) => {
    try {
      return parseEntry(stored);
    } catch (error) {
      if (!(error instanceof z.ZodError)) throw error;
      throw new RouterError(
        "invalid_request",
        `The event '${drafts[index]?.event.type}' cannot be recorded: ${z.prettifyError(error)}`,
        { reason: "malformed_event", cause: error },
      );
    }
  });
}
