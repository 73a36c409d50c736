import type { Event } from "../../src/core/event.ts";
import { changeDigest, type Change } from "../../src/core/switchover.ts";

/** The proposal of `switchover-<segment>`, from variant `one` to variant `two`. */
export function openSwitchover(policy: string, segment: string): Event {
  const change: Change = {
    policy,
    segment,
    from: "one",
    to: "two",
    cause: "degraded",
    metric: "failure",
    steps: [{ share: 0.1, labelsMin: 10, secondsMin: 0 }],
    basedOn: 1,
    evidence: {},
  };
  return {
    type: "switchover.proposed",
    switchover: {
      id: `switchover-${segment}`,
      change,
      digest: changeDigest(change),
      gate: "approval",
      proposedBy: { kind: "loop", instance: "test" },
      phase: { kind: "proposed", since: 1000, expiresAt: 9_000_000 },
    },
  };
}
