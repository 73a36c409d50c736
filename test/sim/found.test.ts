import { describe, expect, test } from "vitest";
import { begin, happen } from "./happen.ts";
import type { Outage, Step } from "./histories.ts";
import { places } from "./policies.ts";
import { settle } from "./settle.ts";
import { createWorld } from "./world.ts";

const placeOf = (segment: string): number => places.findIndex((place) => place.segment === segment);
const ON_FIRST = ["a-one", "a-two", "a-three", "a-four", "a-five"];
const EVERYWHERE = [...ON_FIRST, "b-one", "b-two", "b-three", "b-four"];

const outage = (model: Outage): Step => ({ kind: "outage", slot: 0, model, segments: 9 });
const pass = (seconds: number): Step => ({ kind: "pass", seconds });
const freeze = (seconds: number): Step => ({ kind: "freeze", slot: 0, scope: "voice", seconds });
const quality = (segment: string, rung: number, loss: number): Step => ({
  kind: "quality",
  place: placeOf(segment),
  rung,
  loss,
});
const serve = (segment: string, count: number): Step => ({
  kind: "serve",
  slot: 0,
  place: placeOf(segment),
  count,
  labels: "now",
});
const serveAll: Step = { kind: "serve", slot: 0, place: "all", count: 600, labels: "now" };
const unfreeze: Step = { kind: "unfreeze", slot: 0, scope: "voice" };
/** About the second rung, too mild for anything to be better. */
const monitorAlarm = (segment: string): Step => ({
  kind: "signal",
  slot: 0,
  signal: {
    place: placeOf(segment),
    rung: 1,
    status: "degraded",
    source: "monitor",
    ageSeconds: 0,
    twice: false,
    lossMean: 0.05,
  },
});
const tick: Step = { kind: "tick", slot: 0 };
const onlyFirstWorks = (segment: string): Step => ({ kind: "turn", place: placeOf(segment), rung: 0 });

/** A few segments lose four answers each, are well again and have no more traffic. */
const quietAfterLosses = (segments: readonly string[]): readonly Step[] => [
  ...segments.flatMap((segment) => [quality(segment, 0, 0.9), serve(segment, 4)]),
  ...segments.map((segment) => quality(segment, 0, 0.05)),
];

/** Histories in which a promise was once seen broken, made as short as they get. */
const histories: readonly { readonly name: string; readonly steps: readonly Step[] }[] = [
  {
    name: "the measure fails when a freeze of its policy has run out",
    steps: [outage("none"), freeze(60), pass(400), outage("all")],
  },
  {
    name: "the measure fails while its policy is frozen for a time",
    steps: [outage("none"), freeze(7200), outage("all")],
  },
  {
    name: "a policy whose measure failed is frozen again, for a time",
    steps: [outage("all"), freeze(60), pass(400)],
  },
  {
    name: "an outside source still says degraded when the measure is trusted again",
    steps: [outage("none"), monitorAlarm("b-one"), tick, outage("all"), unfreeze, tick],
  },
  {
    name: "an upstream recovers, and then the one that everything moved to fails",
    steps: [
      outage("m1"),
      pass(600),
      serveAll,
      tick,
      ...ON_FIRST.flatMap((segment) => [quality(segment, 0, 0.05), quality(segment, 2, 0.9)]),
      outage("m2"),
    ],
  },
  {
    name: "what everything moved to fails for one segment after another",
    steps: [outage("m1"), ...EVERYWHERE.map(onlyFirstWorks)],
  },
  {
    name: "a segment collapses after others lost some answers and have no more traffic",
    steps: [
      outage("none"),
      ...quietAfterLosses(["a-one", "a-two", "a-four"]),
      quality("a-three", 0, 0.9),
      serve("a-three", 60),
      tick,
    ],
  },
];

describe("the loop keeps every promise when", () => {
  test.each(histories)("$name", async ({ steps }) => {
    const world = createWorld();
    await begin(world);
    for (const step of steps) await happen(world, step);
    await settle(world);
    expect(world.judge.verdict()).toBeNull();
  });
});
