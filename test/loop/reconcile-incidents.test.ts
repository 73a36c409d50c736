import { describe, expect, test } from "vitest";
import type { Actor } from "../../src/core/actor.ts";
import type { Event } from "../../src/core/event.ts";
import type { ControlState } from "../../src/core/state.ts";
import type { Change, Switchover } from "../../src/core/switchover.ts";
import { reconcile } from "../../src/loop/reconcile.ts";
import type { LoopContext } from "../../src/loop/subject.ts";
import { fleetState, measuredFleet, servedBy, tell, times, type Fleet, type Variant } from "./incident-fixture.ts";
import {
  loop,
  after,
  alice,
  contextOf,
  HOUR,
  MINUTE,
  moved,
  NOW,
  type segmentOf,
  signalOf,
  typesOf,
} from "./loop-fixture.ts";

/** When the labels of what fails have come. */
const FOUND = NOW + 2 * MINUTE;
const guard = { movesPerHour: 1 };

/** A policy of many segments with what is measured of them, and the loop that acts on it. */
function worldOf(fleet: Fleet, given: Parameters<typeof segmentOf>[1] = {}, before: readonly Event[] = []) {
  let state: ControlState = after(fleetState(fleet, given, { guard }), before);
  const scoreboard = measuredFleet(fleet, state);
  // The later a segment is named, the more traffic it has.
  const requests = (_policy: string, segment: string) => 1000 + 100 * Number(segment.slice(segment.indexOf("-") + 1));
  const world = {
    scoreboard: { ...scoreboard, requests },
    state: () => state,
    record: (events: readonly Event[], now: number) => (state = after(state, events, now, alice)),
    /** Passes until nothing follows. @returns their events */
    run: (now: number, context: Partial<LoopContext> = {}): Event[] => {
      const all: Event[] = [];
      for (let pass = 0; pass < 20; pass++) {
        scoreboard.calibrate(state, now);
        const events = reconcile(state, contextOf({ scoreboard: world.scoreboard, now, ...context }));
        if (events.length === 0) return all;
        all.push(...events);
        state = after(state, events, now);
      }
      throw new Error(`no end: ${typesOf(all).join(", ")}`);
    },
    loses: (variant: Variant, losses: readonly number[], segments = servedBy(fleet, variant).segments, at?: number) =>
      tell(scoreboard, { variant, segments }, losses, at),
    open: (): Switchover[] => Object.values(state.switchovers).filter(({ phase }) => phase.kind === "canary"),
  };
  return world;
}
type World = ReturnType<typeof worldOf>;

const incidentsOf = (world: World) => Object.entries(world.state().incidents);
const proposalsOf = (events: readonly Event[]): Change[] =>
  events.flatMap((event) => (event.type === "switchover.proposed" ? [event.switchover.change] : []));
const segmentsOf = (events: readonly Event[]): string[] => proposalsOf(events).map(({ segment }) => segment);
const opened = (events: readonly Event[]) =>
  events.flatMap((event) => (event.type === "incident.opened" ? [event.scope.kind] : []));

describe("an upstream that fails while another is well", () => {
  const fleet: Fleet = { first: 12, second: 12 };
  const failing = (given: Parameters<typeof segmentOf>[1] = {}): World => {
    const world = worldOf(fleet, given);
    for (let label = 0; label < 4; label++) {
      world.loses("first", [1]);
      world.loses("second", [0]);
    }
    return world;
  };

  test("is one incident, and all of its segments are moved in it, beyond what an hour allows of single ones", () => {
    const world = failing();
    const events = world.run(FOUND);
    const [[id, incident] = ["", undefined]] = incidentsOf(world);
    expect(incident).toMatchObject({ metric: "helpful", scope: { kind: "upstream", upstream: "up/large" }, at: FOUND });
    expect(segmentsOf(events).toSorted()).toStrictEqual(servedBy(fleet, "first").segments.toSorted());
    for (const change of proposalsOf(events))
      expect(change).toMatchObject({ from: "first", to: "second", cause: "degraded", incident: id });
    expect(world.open()).toHaveLength(12);
    expect(Object.values(world.state().segments).flatMap(({ moves }) => moves)).toStrictEqual([]);
  });

  test("is found once, however often the loop looks and however long it goes on", () => {
    const world = failing();
    world.run(FOUND);
    for (let minute = 1; minute < 5; minute++) {
      world.loses("first", [1], undefined, FOUND + minute * MINUTE);
      world.loses("second", [0], undefined, FOUND + minute * MINUTE);
      expect(opened(world.run(FOUND + minute * MINUTE))).toStrictEqual([]);
    }
  });

  test("is recorded first: nothing moves in the pass that finds it", () => {
    const world = failing();
    const { scoreboard } = world;
    expect(typesOf(reconcile(world.state(), contextOf({ scoreboard, now: FOUND })))).toStrictEqual(["incident.opened"]);
  });

  test("moves no segment whose own labels say that it is well", () => {
    const world = failing();
    world.loses("first", times(20, 0), ["first-0"]);
    const events = world.run(FOUND);
    expect(opened(events)).toStrictEqual(["upstream"]);
    expect(segmentsOf(events)).toHaveLength(11);
    expect(segmentsOf(events)).not.toContain("first-0");
  });

  test("lets go of a segment whose own labels say so later, and of no other", () => {
    const world = failing();
    world.run(FOUND);
    world.loses("first", times(20, 0), ["first-0"], FOUND + MINUTE);
    world.run(FOUND + MINUTE);
    const { switchovers } = world.state();
    const superseded = Object.values(switchovers).filter(({ phase }) => phase.kind === "superseded");
    expect(superseded.map(({ change }) => change.segment)).toStrictEqual(["first-0"]);
    expect(world.open()).toHaveLength(11);
  });

  test("waits for people where they decide, and moves nothing that is only observed", () => {
    const asked = failing({ mode: "approve" });
    expect(segmentsOf(asked.run(FOUND))).toHaveLength(12);
    expect(asked.open()).toStrictEqual([]);
    const observed = failing({ mode: "observe" });
    expect(segmentsOf(observed.run(FOUND))).toStrictEqual([]);
  });

  test("moves nothing within a freeze", () => {
    const world = failing();
    world.record([{ type: "freeze.set", scope: {}, reason: "release", until: null }], NOW);
    expect(segmentsOf(world.run(FOUND))).toStrictEqual([]);
  });

  describe("and is well again", () => {
    const HOURS = FOUND + 24 * HOUR;
    /** All segments left it. */
    const left = (): World => {
      const world = failing();
      world.run(FOUND);
      for (let label = 0; label < 20; label++) {
        const at = FOUND + MINUTE;
        tell(world.scoreboard, { variant: "second", segments: servedBy(fleet, "first").segments }, [0], at);
        world.loses("first", [1], undefined, at);
      }
      world.run(FOUND + MINUTE);
      expect(world.open()).toStrictEqual([]);
      return world;
    };
    const busiest = ["first-11", "first-10", "first-9"];

    test("was left by all, and remembers the incident", () => {
      const world = left();
      const [[id] = [""]] = incidentsOf(world);
      for (const segment of servedBy(fleet, "first").segments)
        expect(world.state().segments[`chat/${segment}`]).toMatchObject({
          incumbent: "second",
          former: { variant: "first", incident: id },
        });
    });

    test("is probed by its busiest segments first, and the others follow the first that comes back", () => {
      const world = left();
      const probes = world.run(HOURS);
      expect(segmentsOf(probes).toSorted()).toStrictEqual(busiest.toSorted());
      expect(proposalsOf(probes).every(({ cause, to }) => cause === "recovered" && to === "first")).toBe(true);
      world.loses("first", times(40, 0), ["first-11"], HOURS + MINUTE);
      const others = world.run(HOURS + MINUTE);
      expect(incidentsOf(world)[0]?.[1]).toMatchObject({ recoveredAt: HOURS + MINUTE });
      expect(segmentsOf(others)).toHaveLength(9);
      expect(proposalsOf(others).every(({ cause }) => cause === "recovered")).toBe(true);
    });

    test("is left by nobody any more once the first segment came back", () => {
      const world = failing();
      const scope = { policy: "chat", segment: "first-0" };
      world.record([{ type: "freeze.set", scope, reason: "release", until: HOURS + 2 * MINUTE }], NOW);
      world.run(FOUND);
      for (let label = 0; label < 20; label++)
        tell(world.scoreboard, { variant: "second", segments: servedBy(fleet, "first").segments }, [0], FOUND + MINUTE);
      world.run(FOUND + MINUTE);
      world.run(HOURS);
      world.loses("first", times(40, 0), ["first-11"], HOURS + MINUTE);
      world.run(HOURS + MINUTE);
      expect(incidentsOf(world)[0]?.[1]).toMatchObject({ recoveredAt: HOURS + MINUTE });
      expect(segmentsOf(world.run(HOURS + 3 * MINUTE))).not.toContain("first-0");
      expect(world.state().segments["chat/first-0"]).toMatchObject({ incumbent: "first", open: null });
    });

    test("is over when the last segment came back, and not before", () => {
      const world = left();
      world.run(HOURS);
      for (let minute = 1; world.open().length > 0; minute++) {
        expect(incidentsOf(world)).toHaveLength(1);
        for (const { change } of world.open())
          world.loses("first", times(40, 0), [change.segment], HOURS + minute * MINUTE);
        world.run(HOURS + minute * MINUTE);
      }
      for (const segment of servedBy(fleet, "first").segments)
        expect(world.state().segments[`chat/${segment}`]).toMatchObject({ incumbent: "first", former: null });
      expect(incidentsOf(world)).toStrictEqual([]);
    });
  });
});

describe("an incident that nobody is in", () => {
  const evidence = { statistic: 1e6, threshold: 1e5, labels: 50, rows: 9, lossMean: 0.5, lossTolerated: 0.1 };
  const open = (scope: Extract<Event, { type: "incident.opened" }>["scope"]): Event => ({
    type: "incident.opened",
    id: "one",
    policy: "chat",
    metric: "helpful",
    scope,
    evidence: { ...evidence, breadth: 9, breadthElsewhere: 0 },
  });

  test("is over after a while", () => {
    const world = worldOf({ first: 4 });
    world.record([open({ kind: "upstream", upstream: "up/large", isAlone: false })], FOUND);
    expect(world.run(FOUND + MINUTE)).toStrictEqual([]);
    expect(typesOf(world.run(FOUND + HOUR))).toStrictEqual(["incident.resolved"]);
  });

  test("is not over by itself where the measure failed: a person has to say so", () => {
    const world = worldOf({ first: 4 });
    world.record([open({ kind: "evaluator" })], FOUND);
    expect(world.run(FOUND + 24 * HOUR)).toStrictEqual([]);
  });
});

describe("scores that fall whatever the upstream", () => {
  const fleet: Fleet = { first: 10, second: 10 };
  const fallen = (before: readonly Event[] = []): World => {
    const world = worldOf(fleet, {}, before);
    for (let label = 0; label < 4; label++) {
      world.loses("first", [0.8]);
      world.loses("second", [0.8]);
    }
    return world;
  };
  const ofPolicy = { policy: "chat" };

  test("are the measure's fault: the policy is frozen, people are told, and nothing moves", () => {
    const world = fallen();
    const events = world.run(FOUND);
    expect(typesOf(events)).toStrictEqual(["incident.opened", "freeze.set"]);
    expect(events).toMatchObject([
      { scope: { kind: "evaluator" } },
      { scope: ofPolicy, until: null, reason: expect.stringContaining("helpful") },
    ]);
  });

  test("freeze nothing again that somebody froze", () => {
    const world = fallen([{ type: "freeze.set", scope: ofPolicy, reason: "release", until: null }]);
    expect(typesOf(world.run(FOUND))).toStrictEqual(["incident.opened"]);
    expect(world.state().freezes["chat/*"]?.reason).toBe("release");
  });

  test("freeze the policy though it was frozen once and that is over", () => {
    const world = fallen([{ type: "freeze.set", scope: ofPolicy, reason: "release", until: NOW }]);
    expect(typesOf(world.run(FOUND))).toStrictEqual(["incident.opened", "freeze.set"]);
  });

  test("are what is normal from when a person lifts the freeze: levels are learnt anew, and nothing is found again", () => {
    const world = fallen();
    world.run(FOUND);
    const [[id] = [""]] = incidentsOf(world);
    const lifted = FOUND + MINUTE;
    const because = "the judge was replaced";
    world.record(
      [
        { type: "freeze.lifted", scope: ofPolicy, reason: because },
        { type: "incident.resolved", id, because },
      ],
      lifted,
    );
    expect(world.run(lifted)).toStrictEqual([]);
    const row = { policy: "chat", segment: "first-0", variant: "first", metric: "helpful" };
    expect(world.scoreboard.baseline(row)).toBeNull();
    for (let label = 0; label < 100; label++) {
      world.loses("first", [0.8], undefined, lifted + MINUTE);
      world.loses("second", [0.8], undefined, lifted + MINUTE);
      expect(world.run(lifted + MINUTE)).toStrictEqual([]);
    }
    const learnt = world.scoreboard.baseline(row);
    expect(learnt?.labels).toBe(100);
    expect(learnt?.lossMean).toBeCloseTo(0.8, 2);
  });
});

describe("an upstream that fails where no other shows to be well", () => {
  const fleet: Fleet = { first: 12 };
  const failing = (given: Parameters<typeof segmentOf>[1] = {}): World => {
    const world = worldOf(fleet, given);
    world.loses("first", times(4, 1));
    return world;
  };
  const busiest = ["first-11", "first-10", "first-9"];

  test("may be the measure: only the three busiest segments try first", () => {
    const world = failing();
    expect(segmentsOf(world.run(FOUND)).toSorted()).toStrictEqual(busiest.toSorted());
    expect(incidentsOf(world)[0]?.[1].scope).toMatchObject({ kind: "upstream", isAlone: true });
    expect(segmentsOf(world.run(FOUND + MINUTE))).toStrictEqual([]);
  });

  test("is left by the others once those that try first show at odds of 20 that it helps", () => {
    const world = failing();
    world.run(FOUND);
    for (const { odds, count } of [
      { odds: 19, count: 0 },
      { odds: 20, count: 9 },
    ]) {
      const togetherOdds = () => odds;
      const events = world.run(FOUND + MINUTE, { scoreboard: { ...world.scoreboard, togetherOdds } });
      expect(segmentsOf(events)).toHaveLength(count);
    }
  });

  test("is left by the others when the first answers of another upstream are well", () => {
    const world = failing();
    world.run(FOUND);
    for (let label = 0; label < 12; label++)
      tell(world.scoreboard, { variant: "second", segments: busiest }, [0], FOUND + MINUTE);
    expect(segmentsOf(world.run(FOUND + MINUTE))).toHaveLength(9);
  });

  test("is left by the others together, though each of them alarmed by itself while it waited", () => {
    const world = failing();
    world.run(FOUND);
    for (let label = 0; label < 12; label++) {
      tell(world.scoreboard, { variant: "second", segments: busiest }, [0], FOUND + MINUTE);
      world.loses("first", [1], undefined, FOUND + MINUTE);
    }
    expect(segmentsOf(world.run(FOUND + MINUTE))).toHaveLength(9);
  });

  test("is tried by the busiest that may move, where busier ones are only observed", () => {
    const world = failing();
    const modeOverride = (_policy: string, segment: string) =>
      busiest.includes(segment) ? ("observe" as const) : null;
    expect(segmentsOf(world.run(FOUND, { modeOverride })).length).toBeGreaterThan(0);
  });

  const fails = (world: World, segment: string, now: number, by: Actor = loop): void => {
    const { id } = world.open().find(({ change }) => change.segment === segment)!;
    world.record([moved(id, { kind: "rolledBack", since: now, because: "no better", by })], now);
  };

  test("is not the measure because a person undid what tried", () => {
    const world = failing();
    world.run(FOUND);
    for (const segment of busiest) fails(world, segment, FOUND + MINUTE, alice);
    expect(opened(world.run(FOUND + MINUTE))).toStrictEqual([]);
  });

  test("is the measure after two that tried came to nothing: the policy is frozen and nothing else moves", () => {
    const world = failing();
    world.run(FOUND);
    fails(world, "first-11", FOUND + MINUTE);
    expect(opened(world.run(FOUND + MINUTE))).toStrictEqual([]);
    fails(world, "first-10", FOUND + 2 * MINUTE);
    const events = world.run(FOUND + 2 * MINUTE);
    expect(typesOf(events)).toStrictEqual(["incident.resolved", "incident.opened", "freeze.set"]);
    expect(incidentsOf(world).map(([, { scope }]) => scope.kind)).toStrictEqual(["evaluator"]);
    expect(world.state().freezes["chat/*"]).toMatchObject({ until: null });
  });
});

describe("a segment's own alarm", () => {
  const fleet: Fleet = { first: 10, second: 10, third: 10 };
  const alarm = (source: string) => signalOf({ source, segment: "third-0", variant: "third", observedAt: FOUND });
  const clouded = (source: string): World => {
    const world = worldOf(fleet);
    for (let label = 0; label < 4; label++) {
      world.loses("first", [1]);
      world.loses("second", [1], ["second-0", "second-1"]);
    }
    world.record([alarm(source)], FOUND);
    return world;
  };

  test.each(["detector:baseline", "arize"])("by %s moves it while all the others are well", (source) => {
    const world = worldOf(fleet);
    world.record([alarm(source)], FOUND);
    expect(segmentsOf(world.run(FOUND))).toStrictEqual(["third-0"]);
  });

  test("waits while it may be part of something wider that is not understood yet, but not for long", () => {
    const world = clouded("detector:baseline");
    expect(segmentsOf(world.run(FOUND))).toStrictEqual([]);
    expect(segmentsOf(world.run(FOUND + HOUR))).toStrictEqual(["third-0"]);
  });

  test("does not wait when it is an outside source's, which has looked for itself", () =>
    expect(segmentsOf(clouded("arize").run(FOUND))).toStrictEqual(["third-0"]));
});
