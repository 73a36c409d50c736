/** What the loop promises, whatever happens; ARCHITECTURE.md says the same. */
export const promises = {
  1: "Only the segment that a switchover names changes what it is served.",
  2: "A gated or high-risk segment reaches a candidate only after a named person who is not the proposer approved exactly that change in time.",
  3: "Record before effect: whatever is served is explained by an entry that the ledger holds, or by a flag that is on.",
  4: "The chain verifies, an acknowledged append is never lost, and one whose answer was lost is not done twice.",
  5: "While frozen, switched off, observing or alerting, nothing moves forward; rolling back still works.",
  6: "A segment has at most one open switchover, and phases follow in the documented order only.",
  7: "The guard's limits hold: moves an hour, changes a day, the cooldown, the quarantine, the wait before a return.",
  8: "No data is never healthy: nothing is confirmed or called recovered without labels or an outside source that say so.",
  9: "Evidence about another variant, or from before the incumbency or the canary began, moves nothing.",
  10: "Two instances never both act: every entry of the loop carries the newest fence.",
  11: "The data plane never stops: it answers through every outage and says that it may be stale.",
  12: "Rolling back is never refused by a gate, and once acknowledged nobody is served the candidate.",
  13: "No switchover stays open for ever, and a collapsed low-risk segment ends on a rung that works.",
  14: "While an incident of the measure is open its policy is frozen and nothing of it moves forward; an incident moves only what its scope covers.",
} as const;

export type PromiseNumber = keyof typeof promises;

export class PromiseBroken extends Error {
  readonly promise: PromiseNumber;

  constructor(promise: PromiseNumber, detail: string) {
    super(`promise ${promise} is broken: ${detail}\n${promises[promise]}`);
    this.name = "PromiseBroken";
    this.promise = promise;
  }
}
