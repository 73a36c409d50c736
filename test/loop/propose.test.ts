import { describe, expect, test } from "vitest";
import type { Mode } from "../../src/core/policy.ts";
import type { ControlState } from "../../src/core/state.ts";
import { reconcile } from "../../src/loop/reconcile.ts";
import {
  after,
  alice,
  contextOf,
  degraded,
  HOUR,
  measured,
  moved,
  NOW,
  proposalOf,
  segmentOf,
  settle,
  signalOf,
  START,
  stateOf,
  typesOf,
  withSegment,
} from "./loop-fixture.ts";

describe("a degraded incumbent", () => {
  test("is moved to the best validated rung, on the evidence, by proposal first", () => {
    const state = degraded(stateOf());
    const switchover = proposalOf(reconcile(state, contextOf()));
    expect(switchover).toMatchObject({
      id: `alpha-${state.head.seq + 1}`,
      gate: "none",
      change: {
        from: "first",
        to: "second",
        cause: "degraded",
        metric: "helpful",
        basedOn: state.revision,
        evidence: { lossMean: 0.9 },
      },
      phase: { kind: "proposed", since: NOW },
    });
  });

  test.each([
    { given: { variant: "second" }, because: "it is about another variant" },
    { given: { observedAt: START - 1 }, because: "it is older than the incumbency" },
    { given: { status: "recovered" }, because: "it says that the variant recovered" },
    { given: { status: "inconclusive" }, because: "nothing could be said" },
    { given: { segment: "default" }, because: "it is about another segment" },
  ] as const)("is not moved by a signal when $because", ({ given }) =>
    expect(reconcile(degraded(stateOf(), given), contextOf())).toStrictEqual([]),
  );

  test("is moved on a signal from the very moment that it became the incumbent", () =>
    expect(proposalOf(reconcile(degraded(stateOf(), { observedAt: START }), contextOf()))).toBeDefined());

  test("is moved on an outside signal without any figures, to the best rung", () =>
    expect(proposalOf(reconcile(degraded(stateOf(), { evidence: {} }), contextOf()))).toMatchObject({
      change: { to: "second", evidence: {}, steps: [{ share: 0.1 }, { share: 0.5 }, { share: 0.9 }] },
    }));

  test.each([
    { risk: "low", lossMean: 0.9, shares: [0.9], because: "it is severe" },
    { risk: "low", lossMean: 0.41, shares: [0.9], because: "it is just severe" },
    { risk: "low", lossMean: 0.39, shares: [0.1, 0.5, 0.9], because: "it is mild" },
    { risk: "high", lossMean: 0.9, shares: [0.1, 0.5, 0.9], because: "the risk is high" },
  ] as const)(
    "of risk $risk at a loss of $lossMean is moved in steps of $shares: $because",
    ({ risk, lossMean, shares }) => {
      const state = degraded(stateOf([segmentOf("alpha", { risk })]), {
        evidence: { lossMean, lossTolerated: 0.2, labels: 90 },
      });
      expect(proposalOf(reconcile(state, contextOf()))?.change.steps.map(({ share }) => share)).toStrictEqual(shares);
    },
  );

  test("is moved in the steps that the policy names, whatever the risk", () => {
    const steps = [{ share: 0.25, labelsMin: 5, secondsMin: 60 }];
    const state = degraded(stateOf([segmentOf("alpha", { risk: "high" })], { canary: { steps } }));
    expect(proposalOf(reconcile(state, contextOf()))?.change.steps).toStrictEqual(steps);
  });

  test.each([
    { mode: "observe", override: null, gate: null, because: "it is only observed" },
    { mode: "alert", override: null, gate: null, because: "people are told, no more" },
    { mode: "approve", override: null, gate: "approval", because: "people decide" },
    { mode: "auto", override: null, gate: "none", because: "the loop decides" },
    { mode: "auto", override: "observe", gate: null, because: "a flag has it observed" },
    { mode: "auto", override: "alert", gate: null, because: "a flag has people told" },
    { mode: "auto", override: "approve", gate: "approval", because: "a flag has people decide" },
    { mode: "observe", override: "auto", gate: "none", because: "a flag lets the loop decide" },
  ] as const)(
    "in mode $mode under flag $override is proposed with gate $gate: $because",
    ({ mode, override, gate }) => {
      const state = degraded(stateOf([segmentOf("alpha", { mode })]));
      const events = reconcile(state, contextOf({ modeOverride: () => override }));
      expect(proposalOf(events)?.gate ?? null).toBe(gate);
    },
  );

  test.each([
    { given: { automation: () => false }, because: "a flag stopped the loop" },
    {
      given: { now: START + 1000 },
      state: (s: ControlState) => withSegment(s, "alpha", { endedAt: START }),
      because: "it cools down",
    },
    {
      given: {},
      state: (s: ControlState) => after(s, [{ type: "freeze.set", scope: {}, reason: "release", until: null }]),
      because: "it is frozen",
    },
  ])("is left alone while $because", ({ given, state = (s) => s }) =>
    expect(reconcile(state(degraded(stateOf(), { observedAt: START })), contextOf(given))).toStrictEqual([]),
  );

  test("is not moved to a rung that was rolled back lately or that some source calls degraded", () => {
    const state = withSegment(degraded(stateOf()), "alpha", { quarantine: { second: NOW - 1000 } });
    expect(proposalOf(reconcile(state, contextOf()))?.change.to).toBe("third");
    const bad = degraded(degraded(stateOf()), { variant: "second", source: "phoenix" });
    expect(proposalOf(reconcile(bad, contextOf()))?.change.to).toBe("third");
    const released = withSegment(degraded(stateOf()), "alpha", { quarantine: { second: NOW - 6 * HOUR } });
    expect(proposalOf(reconcile(released, contextOf()))?.change.to).toBe("second");
  });

  test("may be moved to a rung that a detector called degraded weeks ago and that nobody watched since", () => {
    const old = degraded(stateOf(), { variant: "second", source: "detector:bound", observedAt: START + 1 });
    const now = START + 60 * 86_400_000;
    const state = degraded(old, { observedAt: now });
    expect(proposalOf(reconcile(state, contextOf({ now })))?.change.to).toBe("second");
  });

  test.each([
    { days: 1, to: "third", because: "its source stands by it" },
    { days: 3, to: "second", because: "its source would have said so again" },
  ])("is moved to $to $days days after Arize called the second rung degraded, as $because", ({ days, to }) => {
    const old = degraded(stateOf(), { variant: "second", source: "arize", observedAt: START + 1 });
    const now = START + days * 86_400_000;
    const state = degraded(old, { observedAt: now });
    expect(proposalOf(reconcile(state, contextOf({ now })))?.change.to).toBe(to);
  });

  test("on a metric that was never validated is not held because of the validated one's figures", () => {
    const objectives = [{ metric: "errors", against: "bound" as const, lossMax: 0.01 }];
    const metrics = { errors: { from: "error" as const }, helpful: { from: "feedback" as const } };
    const ladder = ["first", "second"].map((variant) => ({ variant, validated: { score: 0.7, items: 200 } }));
    const state = degraded(stateOf([segmentOf("alpha", { objectives, ladder })], { metrics }), {
      metric: "errors",
      evidence: { lossMean: 0.25, lossTolerated: 0.01, labels: 200 },
    });
    expect(proposalOf(reconcile(state, contextOf()))?.change.to).toBe("second");
  });
});

describe("people are told", () => {
  test.each([
    { given: { mode: "alert" as const }, guard: {}, reason: "alert-mode", because: "the mode is alert" },
    {
      given: { ladder: [{ variant: "first" }, { variant: "second" }] },
      guard: {},
      reason: "no-better-rung",
      because: "no rung is validated",
    },
    { given: {}, guard: { movesPerHour: 0 }, reason: "moves-exhausted", because: "no move is allowed" },
  ])("once that $reason, and again that it is over: $because", ({ given, guard, reason }) => {
    const state = degraded(stateOf([segmentOf("alpha", given)], { guard }));
    const told = settle(state, contextOf());
    expect(told.events).toMatchObject([{ type: "escalation.raised", reason, variant: "first", segment: "alpha" }]);
    const over = settle(degraded(told.state, { status: "recovered", observedAt: NOW }), contextOf());
    expect(typesOf(over.events)).toStrictEqual(["escalation.resolved"]);
    expect(over.state.escalations).toStrictEqual({});
  });

  test("again when the reason is another", () => {
    const state = degraded(stateOf([segmentOf("alpha", { mode: "alert" })]));
    const told = settle(state, contextOf()).state;
    const none = settle(
      withSegment(told, "alpha", { quarantine: { second: NOW, third: NOW } }),
      contextOf({ modeOverride: () => "auto" }),
    );
    expect(none.events).toMatchObject([{ type: "escalation.raised", reason: "no-better-rung" }]);
  });
});

describe("the way back", () => {
  const left = { variant: "first", metric: "helpful", lossDegraded: 0.9, lossTolerated: 0.2, incident: null };
  const away = (given: Parameters<typeof withSegment>[2] = {}, mode: Mode = "auto") =>
    withSegment(stateOf([segmentOf("alpha", { mode })]), "alpha", {
      incumbent: "second",
      since: NOW,
      endedAt: NOW,
      former: left,
      ...given,
    });
  const scoreboard = measured({ requests: () => 600 });
  const isProbed = (state: ControlState, now: number, measurements = scoreboard) =>
    proposalOf(reconcile(state, contextOf({ now, scoreboard: measurements })))?.change.cause === "recovered";
  /** How long after `NOW` the first probe is, to the second. */
  const waitOf = (state: ControlState, measurements = scoreboard): number => {
    let [tooEarly, late] = [-1, 2 * 86_400];
    while (late - tooEarly > 1) {
      const middle = Math.floor((tooEarly + late) / 2);
      if (isProbed(state, NOW + middle * 1000, measurements)) late = middle;
      else tooEarly = middle;
    }
    return late;
  };

  test("is not probed before the least wait, however much there is to win", () => {
    const busy = measured({
      requests: () => 1e6,
      level: () => ({ labels: 1000, lossMean: 0.9 }),
      baseline: () => ({ labels: 1000, lossMean: 0, frozen: true }),
    });
    const least = stateOf().policies.chat!.policy.guard.revertSeconds;
    expect(isProbed(away(), NOW + least * 1000 - 1, busy)).toBe(false);
    expect(isProbed(away(), NOW + least * 1000, busy)).toBe(true);
  });

  test("is waited for longer, the longer it has been left and the less there is to win", () => {
    const usual = waitOf(away());
    expect(waitOf(away({ since: NOW - HOUR }))).toBeGreaterThan(usual);
    const serving = (lossMean: number) => measured({ requests: () => 600, level: () => ({ labels: 100, lossMean }) });
    expect(waitOf(away(), serving(0.5))).toBeLessThan(waitOf(away(), serving(0.25)));
    const was = (lossMean: number) =>
      measured({ requests: () => 600, baseline: () => ({ labels: 100, lossMean, frozen: false }) });
    expect(waitOf(away(), was(0.05))).toBeLessThan(waitOf(away(), was(0.15)));
  });

  test("is waited for a day at most, though nobody asks", () =>
    expect(waitOf(away({ since: NOW - 1000 * HOUR }), measured())).toBe(86_400));

  test("is a canary of at most half the traffic, less the busier the segment is, with what was known when it was left", () => {
    const probe = (requests: number) =>
      proposalOf(
        reconcile(away(), contextOf({ now: NOW + 100 * HOUR, scoreboard: measured({ requests: () => requests }) })),
      )!;
    expect(probe(600)).toMatchObject({
      gate: "none",
      change: { from: "second", to: "first", evidence: { lossMean: 0.9, lossTolerated: 0.2 } },
    });
    const shareOf = (requests: number) => probe(requests).change.steps.map(({ share }) => share);
    expect(shareOf(1)).toStrictEqual([0.5]);
    expect(shareOf(1e5)[0]).toBeLessThan(0.1);
  });

  test("is waited for longer after each probe that fails, and no more when one succeeds", () => {
    const start = NOW + 10 * HOUR;
    const probing = settle(away(), contextOf({ now: start, scoreboard })).state;
    const id = probing.segments["chat/alpha"]!.open!;
    const failed = after(probing, [moved(id, { kind: "rolledBack", since: start, because: "no", by: alice })], start);
    expect(failed.segments["chat/alpha"]).toMatchObject({ revertFails: 1, incumbent: "second" });
    expect(waitOf(failed) - 10 * 3600).toBeGreaterThan(waitOf(away()));
    const back = after(probing, [moved(id, { kind: "confirmed", since: start, because: "back" })], start);
    expect(back.segments["chat/alpha"]).toMatchObject({ revertFails: 0, incumbent: "first", former: null });
  });

  test.each([
    { state: away({}, "approve"), because: "a person decides there, and nobody said that it recovered" },
    { state: away({}, "observe"), because: "it is only observed" },
    { state: away({ former: null }), because: "nothing was left" },
    {
      state: away({ former: { ...left, variant: "gone" } }),
      because: "the former variant is not on the ladder any more",
    },
    { state: after(away(), [{ type: "freeze.set", scope: {}, reason: "x", until: null }]), because: "it is frozen" },
  ])("is not probed by the clock when $because", ({ state }) =>
    expect(isProbed(state, NOW + 100 * 86_400_000)).toBe(false),
  );

  test.each([
    { mode: "approve", gate: "approval" },
    { mode: "auto", gate: "none" },
  ] as const)("is proposed in mode $mode as soon as a source says that it recovered", ({ mode, gate }) => {
    const said = after(away({}, mode), [signalOf({ status: "recovered", observedAt: NOW })], NOW);
    const later = contextOf({ now: NOW + 900_000 });
    expect(proposalOf(reconcile(said, later))).toMatchObject({ gate, change: { cause: "recovered", to: "first" } });
    const contradicted = after(said, [signalOf({ status: "degraded", observedAt: NOW, source: "arize:other" })], NOW);
    expect(proposalOf(reconcile(contradicted, later))).toBeUndefined();
    const stale = after(away({}, mode), [signalOf({ status: "recovered", observedAt: NOW - 1 })], NOW);
    expect(reconcile(stale, later)).toStrictEqual([]);
  });

  test("is not tried while what serves is degraded itself", () => {
    const bad = after(away(), [signalOf({ variant: "second", observedAt: NOW + 1 })], NOW);
    expect(isProbed(bad, NOW + 100 * HOUR)).toBe(false);
    expect(isProbed(away(), NOW + 100 * HOUR)).toBe(true);
  });

  test("is probed where its source gave no figures, later than with any, as labels of what serves can judge a probe", () => {
    const state = away({ former: { ...left, lossDegraded: null, lossTolerated: null } });
    const labelled = measured({ requests: () => 600, level: () => ({ labels: 100, lossMean: 0.1 }) });
    expect(waitOf(state, labelled)).toBeGreaterThan(waitOf(away(), labelled));
    expect(isProbed(state, NOW + 24 * HOUR, labelled)).toBe(true);
  });

  test("is not probed by the clock when nothing was measured that a probe could be judged by", () =>
    expect(isProbed(away({ former: { ...left, lossDegraded: null, lossTolerated: null } }), NOW + 100 * HOUR)).toBe(
      false,
    ));
});
