import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { chain, EMPTY, parseEntry, type Draft, type StoredEntry } from "../../src/core/ledger.ts";
import { emptyState } from "../../src/core/state.ts";
import { newTrial, observeTrial, readTrial } from "../../src/core/trial.ts";
import { reconcile } from "../../src/loop/reconcile.ts";
import { contextOf, HOUR, loop, measured, NOW, policyOf, publish, segmentOf, signalOf, START } from "./loop-fixture.ts";

/** When the former variant is probed, and when that ends. */
export const PROBED = NOW + 25 * HOUR;

/** What stored entries read back as, for `verifyEvidence`. */
export const ledgerOf = (drafts: readonly Draft[]) => {
  const stored: StoredEntry[] = chain(EMPTY, drafts);
  return {
    readStored: async (afterSeq: number, limit: number) => stored.filter(({ seq }) => seq > afterSeq).slice(0, limit),
  };
};

/** Measurements in which every candidate is perfect over thirty labels, beside what is worst. */
const scoreboard = measured({
  share: () => 0.1234567,
  level: ({ variant }) => (variant === "second" ? { labels: 12, lossMean: 0.1234567 } : null),
  trial: ({ change }) => {
    const trial = newTrial(NOW);
    for (let label = 0; label < 30; label++) {
      observeTrial({ trial, change, together: undefined }, "incumbent", 1);
      observeTrial({ trial, change, together: undefined }, "candidate", 0);
    }
    return readTrial(trial, change, { labelsMax: 200, alsoLabelled: [] });
  },
});

/** A move that a detector asked for, `alpha-3`, its canary, and the probe that brings the former variant back. */
export function storyOfMove(): Draft[] {
  const blame = {
    slice: [{ attribute: "region", value: "pl" }],
    how: "worse" as const,
    labels: 20,
    lossMean: 0.9,
    lossMeanBefore: 0.1,
    lossMeanElsewhere: 0.2,
    explained: 1,
    share: 0.3,
    shareBefore: 0.3,
    examples: ["p1"],
  };
  const evidence = { lossMean: 0.7123456789, lossTolerated: 0.2, labels: 50, statistic: 2e5, threshold: 1e5, blame };
  const drafts: Draft[] = [
    { at: START, actor: loop, event: publish(policyOf([segmentOf("alpha"), segmentOf("beta")])) },
    {
      at: NOW - 1000,
      actor: loop,
      event: signalOf({ source: "detector:bound", observedAt: NOW - 1000, evidence }),
    },
  ];
  for (const now of [NOW, PROBED])
    for (let pass = 0; pass < 8; pass++) {
      const state = fold(emptyState, chain(EMPTY, drafts).map(parseEntry));
      const events: Event[] = reconcile(state, contextOf({ now, scoreboard }));
      drafts.push(...events.map((event) => ({ at: now, actor: loop, event })));
    }
  return drafts;
}
