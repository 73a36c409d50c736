import type { Actor } from "../../src/core/actor.ts";
import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { chain, parseEntry, type Draft, type LedgerEntry } from "../../src/core/ledger.ts";
import { Policy } from "../../src/core/policy.ts";
import { emptyState, segmentKey, type ControlState } from "../../src/core/state.ts";
import { changeDigest, isOpen, type Change, type Phase } from "../../src/core/switchover.ts";

export const loop: Actor = { kind: "loop", instance: "test" };
export const START = 1_780_000_000_000;
export const VARIANTS = ["gpt-large", "gpt-small", "claude-mid"] as const;
const SEGMENTS = ["emea-free", "apac-pro"] as const;

/** A policy whose two segments have these ladders. */
export const policyOf = (
  name: string,
  ladders: readonly (readonly string[])[] = [VARIANTS, VARIANTS],
  segments: readonly string[] = SEGMENTS,
): Policy =>
  Policy.parse({
    policy: name,
    variants: Object.fromEntries(VARIANTS.map((id) => [id, { provider: "upstream", model: id }])),
    default: VARIANTS[0],
    segments: ladders.map((ladder, index) => ({
      id: segments[index],
      when: "true",
      owner: "support",
      ladder: ladder.map((variant) => ({ variant })),
      why: "A segment of the tests.",
    })),
  });

export const published = (policy: Policy): Event => ({
  type: "policy.published",
  policy,
  prompts: { "welcome@1": { text: "Hello {{region}}", digest: "0".repeat(64) } },
});

export const changeOf = (state: ControlState, policy: string, segment: string, to: string): Change => ({
  policy,
  segment,
  from: state.segments[segmentKey(policy, segment)]!.incumbent,
  to,
  cause: "degraded",
  metric: "quality",
  steps: [{ share: 0.5, labelsMin: 10, secondsMin: 0 }],
  basedOn: state.revision,
  evidence: { lossMean: 0.5, lossTolerated: 0.25, labels: 40 },
});

export const proposed = (id: string, change: Change, at = START): Event => ({
  type: "switchover.proposed",
  switchover: {
    id,
    change,
    digest: changeDigest(change),
    gate: "none",
    proposedBy: loop,
    phase: { kind: "proposed", since: at, expiresAt: at + 86_400_000 },
  },
});

export const phaseOf = (kind: Phase["kind"], since: number): Phase => {
  switch (kind) {
    case "proposed":
      return { kind, since, expiresAt: since + 1 };
    case "approved":
      return { kind, since, by: loop };
    case "canary":
      return { kind, step: 0, share: 0.5, since, startedAt: since };
    case "rejected":
    case "rolledBack":
      return { kind, since, because: "a test", by: loop };
    case "confirmed":
    case "expired":
    case "superseded":
      return { kind, since, because: "a test" };
  }
};

export const draft = (event: Event, at = START): Draft => ({ at, actor: loop, event });

export const signalEvent = (id: string, observedAt = START): Event => ({
  type: "signal.recorded",
  signal: {
    id,
    source: "detector",
    policy: "support-chat",
    segment: "emea-free",
    variant: "gpt-large",
    metric: "quality",
    status: "degraded",
    observedAt,
    evidence: { lossMean: 0.31, lossTolerated: 0.25, labels: 120, statistic: 7.4, threshold: 6.9, against: "bound" },
  },
});

/** Entries behind a state, as the ledger would give them back. */
export const entriesOf = (state: ControlState, events: readonly Event[], at = START): LedgerEntry[] =>
  chain(
    state.head,
    events.map((event, index) => draft(event, at + index)),
  ).map(parseEntry);

export const after = (state: ControlState, ...events: readonly Event[]): ControlState =>
  fold(state, entriesOf(state, events));

const pick = <T>(list: readonly T[], choice: number): T | undefined => list[choice % Math.max(1, list.length)];
const ladders = [[VARIANTS, VARIANTS], [VARIANTS.slice(1), VARIANTS], [VARIANTS]];
const kinds = ["approved", "canary", "canary", "confirmed", "rolledBack", "rejected", "expired", "superseded"] as const;
const successors: Record<Phase["kind"], readonly Phase["kind"][]> = {
  proposed: ["approved", "canary", "rejected", "expired", "superseded"],
  approved: ["canary", "rejected", "rolledBack", "superseded"],
  canary: ["canary", "confirmed", "rolledBack", "superseded"],
  confirmed: ["rolledBack"],
  rejected: [],
  expired: [],
  rolledBack: [],
  superseded: [],
};

/** An event that may follow, chosen by two numbers, so that any list of numbers is a possible history. */
export function nextEvent(state: ControlState, [what, which]: readonly [number, number]): Event {
  const at = START + state.head.seq;
  const policies = Object.keys(state.policies);
  const segments = Object.keys(state.segments);
  if (policies.length === 0 || what % 20 === 0)
    return published(policyOf(["support-chat", "search"][which % 2]!, ladders[which % ladders.length]));
  const [policy = "", segment = ""] = pick(segments, which)!.split("/");
  const ref = { policy, segment };
  const variant = VARIANTS[which % VARIANTS.length]!;
  const free = segments.filter((key) => state.segments[key]!.open === null);
  const movable = Object.values(state.switchovers).filter(
    (switchover) => isOpen(switchover) || switchover.phase.kind === "confirmed",
  );
  switch (what % 12) {
    case 1:
    case 2: {
      const key = pick(free, which);
      const to = pick(
        state.rows.filter((row) => row.startsWith(`${key}/`)),
        what + which,
      );
      if (to === undefined) break;
      const [owner = "", moving = "", candidate = ""] = to.split("/");
      return proposed(`move-${state.head.seq}`, changeOf(state, owner, moving, candidate), at);
    }
    case 3:
    case 4:
    case 5: {
      const switchover = pick(movable, which);
      if (switchover === undefined) break;
      const kind = pick(
        kinds.filter((next) => successors[switchover.phase.kind].includes(next)),
        what + which,
      );
      if (kind !== undefined) return { type: "switchover.moved", id: switchover.id, phase: phaseOf(kind, at) };
      break;
    }
    case 6:
      return { type: "baseline.frozen", ...ref, variant, metric: "quality", lossMean: 0.125, labels: 100 };
    case 7:
      return which % 2 === 0
        ? { type: "escalation.raised", ...ref, variant, metric: "quality", reason: "no-better-rung", detail: "held" }
        : { type: "escalation.resolved", ...ref, because: "recovered" };
    case 8:
      return which % 2 === 0
        ? { type: "freeze.set", scope: ref, reason: "release week", until: null }
        : { type: "freeze.lifted", scope: ref, reason: "released" };
    case 9:
      return which % 2 === 0
        ? {
            type: "flag.effect-started",
            ...ref,
            flag: "segue-fallback",
            variant,
            value: "baseline",
            reason: "RULE_MATCH",
          }
        : { type: "flag.effect-ended", ...ref, flag: "segue-fallback" };
    case 10: {
      const id = `key${String(which % 50).padStart(6, "0")}`;
      if (which % 3 === 0) return { type: "key.revoked", id, reason: "lost" };
      const holder = { kind: "machine", name: "app" } as const;
      return {
        type: "key.created",
        key: {
          id,
          hash: "a".repeat(64),
          holder,
          scopes: ["serve"],
          attributes: {},
          policies: [],
          createdAt: at,
          expiresAt: null,
        },
      };
    }
  }
  const signal = signalEvent(`s-${state.head.seq}`, at - (which % 7));
  if (signal.type !== "signal.recorded") return signal;
  return { ...signal, signal: { ...signal.signal, ...ref, variant, metric: ["quality", "error"][which % 2]! } };
}

/** A history, one event for each pair of numbers, and the state after it. */
export function historyOf(choices: readonly (readonly [number, number])[]): {
  readonly entries: LedgerEntry[];
  readonly state: ControlState;
} {
  let state = emptyState;
  const entries: LedgerEntry[] = [];
  for (const choice of choices) {
    const [entry] = entriesOf(state, [nextEvent(state, choice)], START + state.head.seq);
    entries.push(entry!);
    state = fold(state, [entry!]);
  }
  return { entries, state };
}
