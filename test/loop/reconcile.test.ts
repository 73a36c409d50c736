import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Event } from "../../src/core/event.ts";
import type { Mode } from "../../src/core/policy.ts";
import type { Reading } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import type { Trial } from "../../src/core/switchover.ts";
import { reconcile } from "../../src/loop/reconcile.ts";
import { effectiveMode } from "../../src/loop/effective-mode.ts";
import type { LoopContext } from "../../src/loop/subject.ts";
import {
  after,
  alice,
  canaryPhase,
  changeOf,
  contextOf,
  degraded,
  HOUR,
  measured,
  moved,
  NOW,
  proposed,
  segmentOf,
  settle,
  signalOf,
  stateOf,
  switchoverOf,
  typesOf,
  withCanary,
} from "./loop-fixture.ts";

const reading = (given: Partial<Reading> = {}): Reading => ({
  policy: "chat",
  segment: "alpha",
  variant: "first",
  metric: "helpful",
  against: "bound",
  alarmed: true,
  lasted: true,
  evidence: { lossMean: 0.9, lossTolerated: 0.2, labels: 60, statistic: 2e5, threshold: 1e5, against: "bound" },
  ...given,
});
const reads = (...list: Reading[]) =>
  measured({
    readings: (policy, segment, variant) =>
      list.filter((each) => each.variant === variant && each.segment === segment.id && policy === "chat"),
  });

describe("what a detector's alarm blames", () => {
  const blame = {
    slice: [],
    how: "worse" as const,
    labels: 20,
    lossMean: 0.9,
    lossMeanBefore: 0.1,
    lossMeanElsewhere: null,
    explained: 1,
    share: 1,
    shareBefore: 1,
    examples: ["p1"],
  };
  const recorded = (state: ControlState, alarmed: boolean) => {
    const asked: unknown[] = [];
    const scoreboard: LoopContext["scoreboard"] = {
      ...reads(reading({ alarmed })),
      blame: (...of) => {
        asked.push(of);
        return blame;
      },
    };
    const events = reconcile(state, contextOf({ scoreboard }));
    return { asked, evidence: events.map((event) => event.type === "signal.recorded" && event.signal.evidence) };
  };

  test("is recorded with it", () => {
    const { asked, evidence } = recorded(stateOf(), true);
    expect(asked).toEqual([[{ policy: "chat", segment: "alpha", variant: "first", metric: "helpful" }, "bound"]]);
    expect(evidence).toEqual([{ ...reading().evidence, blame }]);
  });

  test("is not asked for where it is recorded already, or called off", () => {
    const alarmed = after(stateOf(), [signalOf({ source: "detector:bound" })], NOW);
    expect(recorded(alarmed, true).asked).toEqual([]);
    const { asked, evidence } = recorded(alarmed, false);
    expect(asked).toEqual([]);
    expect(evidence).toEqual([reading().evidence]);
  });
});

test("a detector's alarm is recorded at once, and acted on when labels after it bear it out", () => {
  const events = reconcile(stateOf(), contextOf({ scoreboard: reads(reading({ lasted: false })) }));
  expect(typesOf(events)).toEqual(["signal.recorded"]);
  const state = after(stateOf(), events);
  expect(reconcile(state, contextOf({ scoreboard: reads(reading({ lasted: false })) }))).toEqual([]);
  expect(typesOf(reconcile(state, contextOf({ scoreboard: reads(reading()) })))).toEqual(["switchover.proposed"]);
});

test("a detector that takes its alarm back is heard first: nothing is proposed in the same pass", () => {
  const start = stateOf();
  const alarm = signalOf({ source: "detector:bound" });
  const alarmed = after(start, [alarm], NOW);
  const well = {
    policy: "chat",
    segment: "alpha",
    variant: "first",
    metric: "helpful",
    against: "bound" as const,
    alarmed: false,
    lasted: false,
    evidence: {},
  };
  const context = contextOf({ now: NOW + 1, scoreboard: measured({ readings: () => [well] }) });
  const events = reconcile(alarmed, context);
  expect(events).toMatchObject([{ type: "signal.recorded", signal: { status: "recovered" } }]);
  expect(reconcile(after(alarmed, events, NOW + 1), context)).toEqual([]);
});

describe("no data", () => {
  test("takes back no alarm: a proposal that waits goes on waiting", () => {
    const start = stateOf([segmentOf("alpha", { risk: "high", mode: "approve" })]);
    const alarmed = after(start, [signalOf()], NOW);
    const waiting = after(alarmed, reconcile(alarmed, contextOf()), NOW);
    expect(waiting.segments["chat/alpha"]?.open).not.toBeNull();
    const silent = after(waiting, [signalOf({ status: "inconclusive", observedAt: NOW + 1 })], NOW + 1);
    expect(reconcile(silent, contextOf({ now: NOW + 1 }))).toEqual([]);
    const well = after(silent, [signalOf({ status: "recovered", observedAt: NOW + 2 })], NOW + 2);
    expect(reconcile(well, contextOf({ now: NOW + 2 }))).toMatchObject([{ phase: { kind: "superseded" } }]);
  });
});

describe("an outside word for a candidate", () => {
  test("carries one step, and the next one takes another", () => {
    const steps = [0.1, 0.5].map((share) => ({ share, labelsMin: 10, secondsMin: 0 }));
    const start = stateOf();
    const trying = withCanary(start, { change: changeOf(start, { steps }) });
    const word = (at: number) => signalOf({ variant: "second", status: "recovered", observedAt: at });
    const step = (state: ControlState, now: number) => after(state, reconcile(state, contextOf({ now })), now);
    const phaseOf = (state: ControlState) => Object.values(state.switchovers)[0]!.phase;
    const first = step(after(trying, [word(NOW + 1)], NOW + 1), NOW + 1);
    expect(phaseOf(first)).toMatchObject({ kind: "canary", step: 1 });
    const second = step(first, NOW + 2);
    expect(phaseOf(second)).toMatchObject({ kind: "canary", step: 1 });
    expect(phaseOf(step(after(second, [word(NOW + 3)], NOW + 3), NOW + 3))).toMatchObject({ kind: "confirmed" });
  });
});

describe("a segment of high risk", () => {
  test("never moves without a person, whatever the flags say", () =>
    fc.assert(
      fc.property(
        fc.constantFrom<Mode>("observe", "alert", "approve", "auto"),
        fc.option(fc.constantFrom<Mode>("observe", "alert", "approve", "auto")),
        fc.constantFrom<Trial["verdict"]>("healthy", "degraded", "inconclusive"),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (mode, override, verdict, lossMean) => {
          const state = degraded(stateOf([segmentOf("alpha", { risk: "high", mode })]), { evidence: { lossMean } });
          const trial = () => ({ verdict, because: "a trial", stepLabels: 1000 });
          const context = contextOf({ modeOverride: () => override, scoreboard: measured({ trial }) });
          const settled = settle(state, context);
          expect(settled.state.segments["chat/alpha"]!.incumbent).toBe("first");
          expect(settled.events.some((event) => event.type === "switchover.moved")).toBe(false);
        },
      ),
    ));

  test.each(["observe", "alert", "approve", "auto"] as const)(
    "has no mode beyond approve under the flag %s",
    (override) => {
      const [segment] = stateOf([segmentOf("alpha", { risk: "high" })]).policies.chat!.policy.segments;
      expect(effectiveMode(segment!, override)).toBe(override === "auto" ? "approve" : override);
    },
  );

  test("never begins ungated, though it was proposed while the risk was low", () => {
    const low = after(stateOf(), [proposed(switchoverOf(stateOf()))], NOW);
    const policy = low.policies.chat!.policy;
    const segments = policy.segments.map((segment) => ({ ...segment, risk: "high" as const }));
    const state = { ...low, policies: { chat: { ...low.policies.chat!, policy: { ...policy, segments } } } };
    const settled = settle(state, contextOf());
    expect(settled.state.switchovers["alpha-1"]!.phase).toMatchObject({ kind: "superseded" });
    expect(settled.state.segments["chat/alpha"]).toMatchObject({ incumbent: "first", open: null });
  });
});

describe("what detectors find", () => {
  test("is recorded first and acted on in the next pass", () => {
    const context = contextOf({ scoreboard: reads(reading()) });
    const first = reconcile(stateOf(), context);
    expect(first).toMatchObject([
      {
        type: "signal.recorded",
        signal: { source: "detector:bound", status: "degraded", observedAt: NOW, variant: "first" },
      },
    ]);
    expect(typesOf(reconcile(after(stateOf(), first, NOW), context))).toStrictEqual(["switchover.proposed"]);
  });

  test("is recorded once while it lasts, and its end once", () => {
    const observe = () => "observe" as const;
    const state = after(
      stateOf(),
      reconcile(stateOf(), contextOf({ scoreboard: reads(reading()), modeOverride: observe })),
      NOW,
    );
    expect(
      reconcile(state, contextOf({ scoreboard: reads(reading()), now: NOW + 1, modeOverride: observe })),
    ).toStrictEqual([]);
    const quiet = contextOf({ scoreboard: reads(reading({ alarmed: false })), now: NOW + 2, modeOverride: observe });
    const over = settle(state, quiet);
    expect(over.events).toMatchObject([{ type: "signal.recorded", signal: { status: "recovered" } }]);
  });

  test("is not recorded while nothing ever alarmed", () =>
    expect(reconcile(stateOf(), contextOf({ scoreboard: reads(reading({ alarmed: false })) }))).toStrictEqual([]));

  test("about the candidate ends its canary, on whatever metric", () => {
    const polite = reading({ variant: "second", metric: "polite" });
    const settled = settle(withCanary(stateOf()), contextOf({ scoreboard: reads(polite), now: NOW + 1000 }));
    expect(typesOf(settled.events)).toStrictEqual(["signal.recorded", "switchover.moved"]);
    expect(settled.state.switchovers["alpha-1"]!.phase).toMatchObject({
      kind: "rolledBack",
      because: expect.stringContaining("polite"),
    });
  });

  test("about the candidate on the metric of the trial does not end a canary that is clearly better than what degraded", () => {
    const bad = reading({ variant: "second", evidence: { lossMean: 0.4, lossTolerated: 0.2, labels: 30 } });
    const trial = (): Trial => ({ verdict: "healthy", because: "better at odds of a million to 1", stepLabels: 5 });
    const scoreboard = { ...reads(bad), trial };
    const settled = settle(withCanary(stateOf()), contextOf({ scoreboard, now: NOW + 1000 }));
    expect(settled.state.switchovers["alpha-1"]!.phase.kind).toBe("canary");
  });

  test("is recorded and then nothing follows, though the clock went back", () => {
    const early = stateOf([segmentOf("alpha", { mode: "observe" })]);
    const late = after(early, [signalOf({ source: "detector:bound", observedAt: NOW + 5000 })], NOW + 5000);
    expect(settle(late, contextOf({ scoreboard: reads(reading({ alarmed: false })) })).events.length).toBeLessThan(2);
  });

  test("can be recorded for the longest names that a policy may have", () => {
    const long = "a".repeat(63);
    const objectives = [{ metric: long, against: "bound" as const, lossMax: 0.2 }];
    const ladder = [{ variant: long }];
    const state = stateOf([segmentOf(long, { objectives, ladder })], {
      policy: long,
      default: long,
      variants: { [long]: { provider: "up", model: "m" } },
    });
    const one = reading({ policy: long, segment: long, variant: long, metric: long });
    const context = contextOf({ scoreboard: measured({ readings: () => [one] }), modeOverride: () => "observe" });
    expect(() => after(state, reconcile(state, context), NOW)).not.toThrow();
  });

  test("is frozen into the ledger once, when the healthy level is known", () => {
    const baseline = () => ({ labels: 2000, lossMean: 0.1, frozen: true });
    const { readings } = reads(reading({ alarmed: false }));
    const context = contextOf({ scoreboard: measured({ readings, baseline }) });
    const settled = settle(stateOf(), context);
    expect(settled.events).toMatchObject([
      { type: "baseline.frozen", variant: "first", metric: "helpful", lossMean: 0.1, labels: 2000 },
    ]);
  });
});

describe("a canary", () => {
  const healthy: Trial = { verdict: "healthy", because: "better", stepLabels: 50 };
  const on = (given: Partial<LoopContext["scoreboard"]> = {}, now = NOW + 1000) =>
    contextOf({ scoreboard: measured(given), now });
  const phaseAfter = (state: ControlState, context: LoopContext) =>
    settle(state, context).state.switchovers["alpha-1"]!.phase.kind;

  test.each([
    { trial: healthy, kind: "confirmed" },
    { trial: { ...healthy, verdict: "degraded" }, kind: "rolledBack" },
    { trial: { ...healthy, verdict: "inconclusive" }, kind: "canary" },
  ] as const)("is $kind when its trial is $trial.verdict", ({ trial, kind }) =>
    expect(phaseAfter(withCanary(stateOf()), on({ trial: () => trial }))).toBe(kind),
  );

  test.each([
    { given: { variant: "second" }, kind: "rolledBack", because: "a source calls the candidate degraded" },
    { given: { variant: "second", observedAt: NOW }, kind: "canary", because: "that was said when it had only begun" },
    { given: { variant: "first" }, kind: "canary", because: "that is about the incumbent" },
  ] as const)("is $kind after a signal when $because", ({ given, kind }) =>
    expect(phaseAfter(after(withCanary(stateOf()), [signalOf({ observedAt: NOW + 1, ...given })], NOW + 1), on())).toBe(
      kind,
    ),
  );

  test("goes back though everything is frozen and the loop is stopped", () => {
    const frozen = after(
      withCanary(stateOf()),
      [{ type: "freeze.set", scope: {}, reason: "release", until: null }],
      NOW,
    );
    const context = { ...on({ trial: () => ({ ...healthy, verdict: "degraded" }) }), automation: () => false };
    expect(phaseAfter(frozen, context)).toBe("rolledBack");
    expect(phaseAfter(frozen, { ...context, scoreboard: measured({ trial: () => healthy }) })).toBe("canary");
  });

  test.each([
    { mode: "observe", kind: "superseded", because: "it could never end while it is only looked on" },
    { mode: "alert", kind: "superseded", because: "it could never end while people are only told" },
    { mode: "approve", kind: "superseded", because: "nobody was asked" },
    { mode: "auto", kind: "canary", because: "the loop decides" },
  ] as const)("is $kind when a flag puts its segment into mode $mode: $because", ({ mode, kind }) =>
    expect(phaseAfter(withCanary(stateOf()), { ...on(), modeOverride: () => mode })).toBe(kind),
  );

  test("that a person approved goes on in mode approve", () => {
    const gated = switchoverOf(stateOf(), { gate: "approval" });
    const approved = moved(gated.id, { kind: "approved", since: NOW, by: alice });
    const state = after(stateOf(), [proposed(gated), approved, moved(gated.id, canaryPhase())], NOW);
    expect(phaseAfter(state, { ...on(), modeOverride: () => "approve" })).toBe("canary");
  });

  test("takes an outside word that the candidate is healthy, when it has its labels", () => {
    const said = after(
      withCanary(stateOf()),
      [signalOf({ variant: "second", status: "recovered", observedAt: NOW + 1 })],
      NOW + 1,
    );
    expect(phaseAfter(said, on({ trial: () => ({ ...healthy, verdict: "inconclusive" }) }))).toBe("confirmed");
    const own = after(
      withCanary(stateOf()),
      [signalOf({ variant: "second", status: "recovered", observedAt: NOW + 1, source: "detector:bound" })],
      NOW + 1,
    );
    expect(phaseAfter(own, on({ trial: () => ({ ...healthy, verdict: "inconclusive" }) }))).toBe("canary");
  });

  test("that only an outside source can judge ends one day", () => {
    const said = after(
      withCanary(stateOf()),
      [signalOf({ variant: "second", status: "recovered", observedAt: NOW + 1 })],
      NOW + 1,
    );
    expect(phaseAfter(said, on({}, NOW + 30 * 86_400_000))).not.toBe("canary");
  });

  test("that only an outside source can judge is confirmed on its word, as it is rolled back on its word", () => {
    const said = after(
      withCanary(stateOf()),
      [signalOf({ variant: "second", status: "recovered", observedAt: NOW + 1 })],
      NOW + 1,
    );
    expect(phaseAfter(said, on({}, NOW + HOUR))).toBe("confirmed");
  });
});

describe("one pass", () => {
  const ids = ["alpha", "beta", "gamma", "delta"];
  const burst = (
    guard: object,
    state = stateOf(
      ids.map((id) => segmentOf(id)),
      { guard },
    ),
  ) => ids.reduce((so, segment) => degraded(so, { segment }), state);
  const opened = (events: readonly Event[]) =>
    events.filter((event) => event.type === "switchover.moved" && event.phase.kind === "canary").length;

  test("takes one step a segment, and the names follow the ledger's numbers", () => {
    const state = burst({ movesPerHour: 100 });
    const events = reconcile(state, contextOf());
    expect(
      events.map((event) => (event.type === "switchover.proposed" ? event.switchover.id : event.type)),
    ).toStrictEqual(ids.map((id, i) => `${id}-${state.head.seq + 1 + i}`));
  });

  test("does not let a burst of alarms begin more moves than an hour allows", () =>
    expect(opened(settle(burst({ movesPerHour: 2 }), contextOf()).events)).toBeLessThanOrEqual(2));

  test("does not let a burst of alarms bring more traffic into canaries than is allowed", () => {
    const scoreboard = measured({ share: () => 0.25 });
    expect(
      opened(settle(burst({ movesPerHour: 100, shareInFlightMax: 0.5 }), contextOf({ scoreboard })).events),
    ).toBeLessThanOrEqual(2);
  });

  const figure = fc.record({
    mode: fc.constantFrom<Mode>("observe", "alert", "approve", "auto"),
    risk: fc.constantFrom("low", "medium", "high"),
    alarm: fc.constantFrom("none", "outside", "detector", "candidate"),
    lossMean: fc.constantFrom(0, 0.16, 0.3, 0.9, 1),
    open: fc.constantFrom("nothing", "proposal", "approved", "canary"),
    verdict: fc.constantFrom<Trial["verdict"]>("healthy", "degraded", "inconclusive"),
    frozen: fc.boolean(),
    automation: fc.boolean(),
    override: fc.option(fc.constantFrom<Mode>("observe", "alert", "approve", "auto")),
  });

  test("gives the same events twice, one step a segment, never changes the state, and after its events comes to an end", () =>
    fc.assert(
      fc.property(figure, fc.nat(7 * 24), (given, hours) => {
        let state = stateOf([segmentOf("alpha", { mode: given.mode, risk: given.risk as "low" }), segmentOf("beta")]);
        const gate = given.open === "approved" ? ("approval" as const) : ("none" as const);
        const one = switchoverOf(state, { gate });
        if (given.open !== "nothing") state = after(state, [proposed(one)], NOW);
        if (given.open === "approved")
          state = after(state, [moved(one.id, { kind: "approved", since: NOW, by: alice })], NOW);
        if (given.open === "canary") state = after(state, [moved(one.id, canaryPhase(NOW))], NOW);
        if (given.alarm === "outside") state = degraded(state, { evidence: { lossMean: given.lossMean } });
        if (given.frozen)
          state = after(state, [{ type: "freeze.set", scope: { policy: "chat" }, reason: "x", until: null }], NOW);
        const readings = { none: [], outside: [], detector: [reading()], candidate: [reading({ variant: "second" })] }[
          given.alarm
        ];
        const trial = () => ({ verdict: given.verdict, because: "a trial", stepLabels: 100 });
        const context = contextOf({
          scoreboard: { ...reads(...readings), trial },
          now: NOW + hours * HOUR,
          automation: () => given.automation,
          modeOverride: () => given.override,
        });
        const text = JSON.stringify(state);
        const events = reconcile(state, context);
        expect(reconcile(state, context)).toStrictEqual(events);
        expect(JSON.stringify(state)).toBe(text);
        const steps = events.filter(({ type }) => type === "switchover.proposed" || type === "switchover.moved");
        expect(steps.length).toBeLessThanOrEqual(1);
        const settled = settle(state, context);
        const still = !given.automation || given.frozen;
        const forward = settled.events.some(
          (event) =>
            event.type === "switchover.proposed" ||
            (event.type === "switchover.moved" && ["canary", "confirmed"].includes(event.phase.kind)),
        );
        if (still) expect(forward).toBe(false);
      }),
      { numRuns: 300 },
    ));

  test("visits only segments that the state knows, and ignores a change that was planned for one that is gone", () => {
    const { "chat/alpha": _gone, ...segments } = stateOf([segmentOf("alpha"), segmentOf("beta")]).segments;
    const state = { ...degraded(stateOf([segmentOf("alpha"), segmentOf("beta")])), segments };
    expect(reconcile(state, contextOf())).toStrictEqual([]);
    expect(changeOf(state).segment).toBe("alpha");
  });
});

test("an escalation is resolved when no source says anything any more", () => {
  const raised: Event = {
    type: "escalation.raised",
    policy: "chat",
    segment: "alpha",
    variant: "first",
    metric: "helpful",
    reason: "alert-mode",
    detail: "it degraded",
  };
  expect(typesOf(reconcile(after(stateOf(), [raised], NOW), contextOf()))).toStrictEqual(["escalation.resolved"]);
});

describe("a pass over some segments", () => {
  const ids = ["alpha", "beta", "gamma", "delta"];
  const all = stateOf(
    ids.map((id) => segmentOf(id)),
    { guard: { movesPerHour: 100 } },
  );
  const aboutOf = (event: Event): string =>
    event.type === "switchover.proposed"
      ? event.switchover.change.segment
      : event.type === "signal.recorded"
        ? event.signal.segment
        : "another";

  test("gives what the pass over all would give for them, in policy order", () =>
    fc.assert(
      fc.property(fc.subarray(ids), fc.subarray(ids), fc.subarray(ids), (outside, found, wanted) => {
        const state = outside.reduce((so, segment) => degraded(so, { segment }), all);
        const scoreboard = reads(...found.map((segment) => reading({ segment })));
        const whole = reconcile(state, contextOf({ scoreboard }));
        const only = new Set(wanted.map((id) => `chat/${id}`));
        const part = reconcile(state, contextOf({ scoreboard, only }));
        const expected = whole.filter((event) => wanted.includes(aboutOf(event)));
        expect(part.map((event) => [event.type, aboutOf(event)])).toStrictEqual(
          expected.map((event) => [event.type, aboutOf(event)]),
        );
      }),
    ));

  test("asks no flag about a segment with which nothing is the matter", () => {
    const asked: string[] = [];
    const context = contextOf({
      automation: (_policy, segment) => {
        asked.push(segment);
        return true;
      },
    });
    reconcile(degraded(all, { segment: "beta" }), context);
    expect(asked).toStrictEqual(["beta"]);
  });
});
