import type { z } from "zod";
import type { Actor } from "../../src/core/actor.ts";
import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { chain, parseEntry, type StoredEntry } from "../../src/core/ledger.ts";
import { Policy, type Segment } from "../../src/core/policy.ts";
import type { Signal } from "../../src/core/signal.ts";
import { emptyState, type ControlState, type SegmentState } from "../../src/core/state.ts";
import { changeDigest, type Change, type Phase, type Switchover, type Trial } from "../../src/core/switchover.ts";
import { createControlPlane } from "../../src/loop/control-plane.ts";
import { reconcile } from "../../src/loop/reconcile.ts";
import type { LoopContext } from "../../src/loop/subject.ts";
import type { Ledger } from "../../src/ports.ts";
import { checkFence, checkSeq } from "../../src/stores/append-conflict.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";

/** When the policy was published; everything else in these tests happens later. */
export const START = 1_780_000_000_000;
/** Long after every cooldown and quarantine that began at `START`. */
export const NOW = START + 86_400_000;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export const loop: Actor = { kind: "loop", instance: "test" };
export const alice: Actor = { kind: "user", id: "alice", keyId: "k1" };
export const bob: Actor = { kind: "user", id: "bob", keyId: "k2" };

type Input = z.input<typeof Policy>;
type SegmentInput = z.input<typeof Segment>;

/** A segment of low risk in `auto` whose `helpful` loss may be .2, on `first`, with `second` and `third` below it. */
export const segmentOf = (id: string, given: Partial<SegmentInput> = {}): SegmentInput => ({
  id,
  when: "true",
  owner: "support",
  risk: "low",
  mode: "auto",
  objectives: [{ metric: "helpful", against: "bound", lossMax: 0.2 }],
  ladder: [
    { variant: "first", validated: { score: 0.9, items: 200 } },
    { variant: "second", validated: { score: 0.85, items: 200 } },
    { variant: "third", validated: { score: 0.7, items: 200 } },
  ],
  why: "A segment of the tests.",
  ...given,
});

export const policyOf = (segments: readonly SegmentInput[], given: Partial<Input> = {}): Policy =>
  Policy.parse({
    policy: "chat",
    metrics: { helpful: { from: "feedback" }, polite: { from: "feedback" } },
    variants: Object.fromEntries(["first", "second", "third"].map((id) => [id, { provider: "up", model: id }])),
    default: "first",
    segments: [...segments],
    ...given,
  });

/** The state after events, one entry each, all at one time, as the ledger would give them back. */
export const after = (state: ControlState, events: readonly Event[], at = START, actor: Actor = loop): ControlState =>
  fold(
    state,
    chain(
      state.head,
      events.map((event) => ({ at, actor, event })),
    ).map(parseEntry),
  );

export const publish = (policy: Policy): Event => ({ type: "policy.published", policy, prompts: {} });

export const stateOf = (segments: readonly SegmentInput[] = [segmentOf("alpha")], given: Partial<Input> = {}) =>
  after(emptyState, [publish(policyOf(segments, given))]);

/** The same state with other figures of one segment. */
export const withSegment = (state: ControlState, segment: string, given: Partial<SegmentState>): ControlState => {
  const key = `chat/${segment}`;
  const known = state.segments[key];
  if (known === undefined) throw new Error(`no segment ${key}`);
  return { ...state, segments: { ...state.segments, [key]: { ...known, ...given } } };
};

export const signalOf = (given: Partial<Signal> = {}): Event => ({
  type: "signal.recorded",
  signal: {
    id: `${given.source ?? "arize"}-${given.observedAt ?? NOW}-${given.status ?? "degraded"}`,
    source: "arize",
    policy: "chat",
    segment: "alpha",
    variant: "first",
    metric: "helpful",
    status: "degraded",
    observedAt: NOW,
    evidence: { lossMean: 0.9, lossTolerated: 0.2, labels: 50 },
    ...given,
  },
});

export const changeOf = (state: ControlState, given: Partial<Change> = {}): Change => ({
  policy: "chat",
  segment: "alpha",
  from: "first",
  to: "second",
  cause: "degraded",
  metric: "helpful",
  steps: [{ share: 0.9, labelsMin: 10, secondsMin: 0 }],
  basedOn: state.revision,
  evidence: { lossMean: 0.9, lossTolerated: 0.2, labels: 50 },
  ...given,
});

export const switchoverOf = (state: ControlState, given: Partial<Switchover> = {}): Switchover => {
  const change = given.change ?? changeOf(state);
  return {
    id: `${change.segment}-1`,
    change,
    digest: changeDigest(change),
    gate: "none",
    proposedBy: loop,
    phase: { kind: "proposed", since: NOW, expiresAt: NOW + HOUR },
    ...given,
  };
};

export const proposed = (switchover: Switchover): Event => ({ type: "switchover.proposed", switchover });
export const moved = (id: string, phase: Phase): Event => ({ type: "switchover.moved", id, phase });
export const canaryPhase = (startedAt = NOW, share = 0.9): Phase => ({
  kind: "canary",
  step: 0,
  share,
  since: startedAt,
  startedAt,
});

/** The state with one open switchover on `alpha`, in a canary. */
export const withCanary = (state: ControlState, given: Partial<Switchover> = {}, at = NOW): ControlState => {
  const switchover = switchoverOf(state, given);
  return after(state, [proposed(switchover), moved(switchover.id, canaryPhase(at))], at);
};

export const inconclusive: Trial = { verdict: "inconclusive", because: "no labels yet", stepLabels: 0 };

/** Measurements of a scoreboard to which nothing has happened, except what is given. */
export const measured = (given: Partial<LoopContext["scoreboard"]> = {}): LoopContext["scoreboard"] => {
  const scoreboard = {
    readings: () => [],
    blame: () => null,
    level: () => null,
    baseline: () => null,
    trial: () => inconclusive,
    share: () => 0,
    requests: () => 0,
    pooled: () => null,
    togetherOdds: () => 1,
    ...given,
  };
  const readings = (...of: Parameters<typeof scoreboard.readings>) => scoreboard.readings(...of);
  return {
    isAlarmed: (...of) => readings(...of).some(({ alarmed }) => alarmed),
    frozenMetrics: (...of) =>
      readings(...of).flatMap((reading) => (scoreboard.baseline(reading)?.frozen === true ? [reading.metric] : [])),
    ...scoreboard,
  };
};

export const contextOf = (given: Partial<LoopContext> = {}): LoopContext => ({
  scoreboard: measured(),
  now: NOW,
  actor: loop,
  automation: () => true,
  modeOverride: () => null,
  ...given,
});

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The real control plane at this state, on a clock that stands still until it is moved. */
export async function controlPlaneWith(state: ControlState, at = NOW) {
  const clock = { now: () => time };
  let time = at;
  const lease = createMemoryLease();
  const memory = createMemoryLedger({ fence: lease.fence });
  // The chain behind the state is not needed to go on from it.
  const behind: StoredEntry[] = [];
  const ledger: Ledger = {
    ...memory,
    head: async () => behind.at(-1) ?? state.head,
    read: async (afterSeq, limit) =>
      behind
        .filter(({ seq }) => seq > afterSeq)
        .slice(0, limit)
        .map(parseEntry),
    append: async (expectedSeq, drafts, options) => {
      const head = behind.at(-1) ?? state.head;
      if (options?.fence !== undefined) checkFence(options.fence, lease.fence());
      checkSeq(expectedSeq, head.seq);
      const next = chain(head, drafts);
      behind.push(...next);
      return next.map(parseEntry);
    },
    loadSnapshot: async () => ({ head: state.head, state }),
  };
  const controlPlane = await createControlPlane({ ledger, log, clock, counters: { add: () => undefined } });
  return { controlPlane, ledger, lease, clock, setTime: (to: number) => void (time = to) };
}

export const typesOf = (events: readonly Event[]) => events.map(({ type }) => type);

/** Passes until nothing follows; fails when there is no end. */
export function settle(
  state: ControlState,
  context: LoopContext,
  passesMax = 12,
): { state: ControlState; events: Event[] } {
  const all: Event[] = [];
  let now = state;
  for (let pass = 0; pass < passesMax; pass++) {
    const events = reconcile(now, context);
    if (events.length === 0) return { state: now, events: all };
    all.push(...events);
    now = after(now, events, context.now);
  }
  throw new Error(`no end after ${passesMax} passes: ${typesOf(all).join(", ")}`);
}

export const proposalOf = (events: readonly Event[]) =>
  events.flatMap((event) => (event.type === "switchover.proposed" ? [event.switchover] : []))[0];

/** The state in which an outside source has just called the incumbent of `alpha` degraded. */
export const degraded = (state: ControlState, given: Parameters<typeof signalOf>[0] = {}): ControlState =>
  after(state, [signalOf({ observedAt: NOW - 1000, ...given })]);
