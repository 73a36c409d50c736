import type { Checkpoints, Counters, Log } from "../ports.ts";
import { createLossHistory, historyNames, type LossHistory } from "./loss-history.ts";

/** The part of an `Outcomes` that the history stands behind. */
interface Listener {
  readonly observe: (outcome: Parameters<LossHistory["count"]>[0]) => boolean;
}

/** A history that outlives restarts. */
export interface KeptLossHistory {
  readonly history: LossHistory;
  /** The same outcomes, of which the history counts those that are new. */
  readonly listening: (outcomes: Listener) => Listener;
  /**
   * Saves the days that changed; one that cannot be saved is tried again with the next call. Labels that were left out since the
   * last call are counted as `segue_loss_history_dropped_total`.
   */
  readonly save: () => Promise<void>;
}

/** As it was before a restart. A day that cannot be read costs the history, never the start. */
export async function restoredLossHistory({
  checkpoints,
  counters,
  log,
}: {
  readonly checkpoints: Checkpoints;
  readonly counters: Counters;
  readonly log: Log;
}): Promise<KeptLossHistory> {
  const history = await restored(checkpoints, log);
  // What a restart has no room for was counted when it was forgotten.
  let counted = history.dropped();
  let unsaved = new Map<string, unknown>();
  return {
    history,
    listening: (outcomes) => ({
      observe: (outcome) => {
        const isNew = outcomes.observe(outcome);
        if (isNew) history.count(outcome);
        return isNew;
      },
    }),
    save: async () => {
      const dropped = history.dropped();
      if (dropped > counted) counters.add("segue_loss_history_dropped_total", {}, dropped - counted);
      counted = dropped;
      const waiting = unsaved;
      unsaved = new Map();
      for (const { name, value } of history.takeChanged()) waiting.set(name, value);
      for (const [name, value] of waiting) {
        try {
          await checkpoints.save(name, value);
        } catch (error) {
          for (const [each, late] of waiting) if (!unsaved.has(each)) unsaved.set(each, late);
          throw error;
        }
        waiting.delete(name);
      }
    },
  };
}

async function restored(checkpoints: Checkpoints, log: Log): Promise<LossHistory> {
  try {
    const saved: unknown[] = [];
    for (const name of historyNames) saved.push(await checkpoints.load(name));
    return createLossHistory(saved);
  } catch (error) {
    log.warn("the history of losses could not be read: reports have none from before this start", { error });
    return createLossHistory();
  }
}
