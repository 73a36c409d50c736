import { describe, expect, test } from "vitest";
import { configureSource, type SignalTargets } from "../../src/core/signal-source.ts";
import { Policy } from "../../src/core/policy.ts";
import { FALLBACK_FLAG, flagEffectKey } from "../../src/core/state.ts";
import type { Phase, Switchover } from "../../src/core/switchover.ts";
import { arize } from "../../src/sources/arize.ts";
import { stateAfter } from "../core/state-after.ts";
import { MONITOR_DEFAULTS } from "../fakes/arize/monitors.ts";
import { policy, published, START } from "../fakes/signal-world.ts";

const HOUR_MS = 3_600_000;
const KEY = "support/prime";
const state = stateAfter([published()]);
const source = configureSource(arize, { apiKey: "k" });

/** What an evaluation at `at` of the last hour says while the state is this. */
function signalOf(targets: SignalTargets, over: object = {}, at = START) {
  const monitor = {
    ...MONITOR_DEFAULTS,
    id: "TW9uaXRvcjoxOmFC",
    name: "seg|support|prime|accuracy",
    status: "TRIGGERED",
    evaluated_at: new Date(at).toISOString(),
    ...over,
  };
  const context = { targets, now: at };
  const { signals } = source.questions({ kind: "sweep" }, context)[0]!.toReading({ monitors: [monitor] }, context);
  return signals[0]!;
}

const segment = (over: object): SignalTargets => ({
  ...state,
  segments: { ...state.segments, [KEY]: { ...state.segments[KEY]!, ...over } },
});

function tried(phase: Phase, over: object): SignalTargets {
  const switchover = {
    id: "s1",
    change: { policy: "support", segment: "prime", from: "large", to: "small", cause: "degraded", metric: "accuracy" },
    phase,
  } as unknown as Switchover;
  return { ...segment(over), switchovers: { s1: switchover } };
}

const canary = (startedAt: number): Phase => ({ kind: "canary", step: 0, share: 0.1, since: startedAt, startedAt });
const rolledBack = (since: number): Phase => ({
  kind: "rolledBack",
  since,
  because: "worse",
  by: { kind: "operator", id: "ada" },
});

const superseded = (since: number): Phase => ({ kind: "superseded", since, because: "the policy changed" });

/** The incumbent `large` went from the ladder, half an hour or two hours before. */
function replaced(hoursAgo: number): SignalTargets {
  const since = START - hoursAgo * HOUR_MS;
  const ladder = [{ variant: "small" }];
  const without = Policy.parse({ ...policy, segments: [{ ...policy.segments[0], ladder }] });
  const after = stateAfter([published(without)], state);
  return { ...after, segments: { ...after.segments, [KEY]: { ...after.segments[KEY]!, since } } };
}

const forced = (variant: string | null, since: number): SignalTargets => ({
  ...state,
  flagEffects: {
    [flagEffectKey("support", "prime", FALLBACK_FLAG)]: { flag: FALLBACK_FLAG, value: "x", variant, since },
  },
});

describe("a monitor that names no variant", () => {
  test.each([
    { because: "a publication replaced the incumbent within its window", targets: replaced(0.5), says: "inconclusive" },
    { because: "a publication replaced the incumbent before its window", targets: replaced(2), says: "degraded" },
    {
      because: "the segment was first published within its window",
      targets: segment({ since: START - HOUR_MS / 2 }),
      says: "degraded",
    },
    {
      because: "a canary was superseded within its window",
      targets: tried(superseded(START - HOUR_MS / 2), { endedAt: START - HOUR_MS / 2 }),
      says: "inconclusive",
    },
    { because: "a flag forces another variant", targets: forced("small", START - 10 * HOUR_MS), says: "inconclusive" },
    { because: "a flag forces the incumbent", targets: forced("large", START - 10 * HOUR_MS), says: "degraded" },
    { because: "a flag forced another only after it evaluated", targets: forced("small", START), says: "degraded" },
    { because: "only the incumbent ever served", targets: state, says: "degraded" },
    {
      because: "a confirmed move is younger than its window",
      targets: segment({ incumbent: "small", since: START - HOUR_MS / 2, changes: [START - HOUR_MS / 2] }),
      says: "inconclusive",
    },
    {
      because: "a confirmed move is older than its window",
      targets: segment({ incumbent: "small", since: START - 2 * HOUR_MS, changes: [START - 2 * HOUR_MS] }),
      says: "degraded",
    },
    {
      because: "a canary of another variant runs",
      targets: tried(canary(START - 60_000), { open: "s1" }),
      says: "inconclusive",
    },
    {
      because: "a proposal waits, of which nothing is served",
      targets: tried({ kind: "proposed", since: START - 60_000, expiresAt: START + HOUR_MS }, { open: "s1" }),
      says: "degraded",
    },
    {
      because: "a variant was rolled back within its window",
      targets: tried(rolledBack(START - HOUR_MS / 2), { endedAt: START - HOUR_MS / 2 }),
      says: "inconclusive",
    },
    {
      because: "a variant was rolled back before its window",
      targets: tried(rolledBack(START - 2 * HOUR_MS), { endedAt: START - 2 * HOUR_MS }),
      says: "degraded",
    },
  ])("says $says where $because", ({ targets, says }) => {
    expect(signalOf(targets).status).toBe(says);
    // What it cannot say of an alarm, it cannot say of a recovery either.
    expect(signalOf(targets, { status: "CLEARED" }).status).toBe(says === "degraded" ? "recovered" : says);
  });
});

describe("a monitor that names its variant", () => {
  test.each([
    { because: "it is the incumbent, and a canary of another runs", variant: "large", says: "degraded" },
    { because: "it is the canary's, which began within the window", variant: "small", says: "inconclusive" },
    { because: "a flag forces another", variant: "large", says: "degraded", targets: forced("small", START - HOUR_MS) },
  ])("says $says where $because", ({ variant, says, targets = tried(canary(START - 60_000), { open: "s1" }) }) => {
    expect(signalOf(targets, { name: `seg|support|prime|accuracy|${variant}` })).toMatchObject({
      variant,
      status: says,
    });
  });
});

test("one evaluation is one signal, however its status and its time are spelled", () => {
  const [rest, graphql] = [
    signalOf(state, { status: "NO_DATA", evaluated_at: "2026-09-01T10:00:00Z" }),
    signalOf(state, { status: "noData", evaluated_at: "2026-09-01T12:00:00.000+02:00" }),
  ];
  expect(graphql.id).toBe(rest.id);
  expect(signalOf(state, { status: "CLEARED" }).id).not.toBe(rest.id);
});

test.each([
  { hours: 2, says: "degraded" },
  { hours: 0.5, says: "inconclusive" },
])("GraphQL's window of an hour, $hours hours after a move, is $says", ({ hours, says }) => {
  const since = START - hours * HOUR_MS;
  const context = { targets: segment({ incumbent: "small", since, changes: [since] }), now: START };
  const graphql = { url: "https://app.arize.com/graphql", developerKey: "d" };
  const [question] = configureSource(arize, { apiKey: "k", graphql }).questions({ kind: "id", id: "m" }, context);
  const node = {
    id: "m",
    name: "seg|support|prime|accuracy",
    status: "triggered",
    evaluatedAt: new Date(START).toISOString(),
    primaryMetricWindow: { windowLengthMs: HOUR_MS },
  };
  expect(question!.otherwise!.toReading({ data: { node } }, context).signals).toMatchObject([{ status: says }]);
});
