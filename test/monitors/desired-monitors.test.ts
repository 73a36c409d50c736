import { describe, expect, test } from "vitest";
import { subjectOf } from "../../src/core/monitor-subject.ts";
import { desiredMonitors } from "../../src/monitors/desired-monitors.ts";
import { MonitorSettings } from "../../src/monitors/monitor-settings.ts";
import { bound, desired, settings, shop } from "./shop-policy.ts";

describe("an objective becomes a monitor", () => {
  test.each([
    {
      because: "feedback, higher is better: the mean score may not fall below one minus the loss",
      objective: bound("solved", 0.3),
      monitor: {
        aggregate: "avg",
        column: "annotation.solved.score",
        category: "annotation",
        operator: "lessThan",
        threshold: { value: 0.7 },
      },
    },
    {
      because: "feedback, lower is better: the mean score is the loss",
      objective: bound("toxic", 0.3),
      monitor: { column: "annotation.toxic.score", operator: "greaterThan", threshold: { value: 0.3 } },
    },
    {
      because: "a judge in Arize writes evaluations, which are scores",
      objective: bound("judged", 0.1),
      monitor: { column: "eval.judged.score", category: "llmEval", operator: "lessThan", threshold: { value: 0.9 } },
    },
    {
      because: "an error is 0 or 1 in the span's metadata",
      objective: bound("failure", 0.02),
      monitor: {
        column: "attributes.metadata.error",
        category: "spanProperty",
        operator: "greaterThan",
        threshold: { value: 0.02 },
      },
    },
    {
      because: "against its own baseline there is no bound",
      objective: { metric: "solved", against: "baseline", tolerance: 0.05 } as const,
      monitor: {
        operator: "lessThan",
        threshold: { stdDevMultiplier: 2 },
        caveat: expect.stringContaining("no fixed bound"),
      },
    },
    {
      because: "against the rest there is no bound either",
      objective: { metric: "failure", against: "rest", tolerance: 0.05 } as const,
      monitor: { operator: "greaterThan", threshold: { stdDevMultiplier: 2 }, caveat: expect.any(String) },
    },
    {
      because: "dollars are relative always",
      objective: bound("dear"),
      monitor: { column: "attributes.llm.cost.total", operator: "greaterThan", threshold: { stdDevMultiplier: 2 } },
    },
    {
      because: "5 % slower than a limit is a 95th percentile above it",
      objective: bound("slow", 0.05),
      over: { dimensions: { slow: "latency_ms" } },
      monitor: { aggregate: "p95", column: "latency_ms", operator: "greaterThan", threshold: { value: 8000 } },
    },
    {
      because: "a latency without a limit changes against its own history",
      objective: bound("slower", 0.05),
      over: { dimensions: { slower: "latency_ms" } },
      monitor: { aggregate: "p95", threshold: { stdDevMultiplier: 2 } },
    },
    {
      because: "a column that is configured wins, and its name tells the category",
      objective: bound("solved"),
      over: { dimensions: { solved: "eval.Correctness.score" } },
      monitor: { column: "eval.Correctness.score", category: "llmEval", operator: "lessThan" },
    },
    {
      because: "a check's losses are somewhere else",
      objective: bound("cut", 0.01),
      over: { dimensions: { cut: "attributes.metadata.cut" } },
      monitor: { column: "attributes.metadata.cut", operator: "greaterThan", threshold: { value: 0.01 } },
    },
  ])("where $because", ({ objective, over, monitor }) => {
    expect(desired([objective], over)).toMatchObject([monitor]);
  });

  test.each([
    { because: "nothing tells how long an answer took", objectives: [bound("slow", 0.05)], over: {} },
    {
      because: "no percentile is that share",
      objectives: [bound("slow", 0.07)],
      over: { dimensions: { slow: "latency_ms" } },
    },
    { because: "a check's finds are not sent", objectives: [bound("cut")], over: {} },
  ])("or is listed, never forgotten, where $because", ({ objectives, over }) => {
    const { monitors, unmonitorable } = desiredMonitors(shop({ gold: objectives }), settings(over));
    expect(monitors).toEqual([]);
    expect(unmonitorable).toMatchObject([{ segment: "gold", because: expect.stringContaining("built-in detector") }]);
  });

  test("once a segment and metric: the fixed bound is watched, the others are listed", () => {
    const objectives = [{ metric: "solved", against: "rest", tolerance: 0.05 } as const, bound("solved", 0.3)];
    const { monitors, unmonitorable } = desiredMonitors(shop({ gold: objectives }), settings());
    expect(monitors).toMatchObject([{ threshold: { value: 0.7 } }]);
    expect(unmonitorable).toMatchObject([
      { metric: "solved", against: "rest", because: expect.stringContaining("bound") },
    ]);
  });
});

describe("a monitor", () => {
  test("is of one segment's answers only, and says whose it is in its name and its notes", () => {
    const [monitor] = desired([bound("solved")], { windowSeconds: 600, cadenceSeconds: 900, delaySeconds: 60 });
    expect(monitor).toMatchObject({
      name: "seg|shop|gold|solved",
      notes: "managed-by=segue; policy=shop; segment=gold; metric=solved",
      filters: [{ column: "attributes.metadata.segment_id", values: ["shop|gold"] }],
      windowSeconds: 600,
      cadenceSeconds: 900,
      delaySeconds: 60,
    });
  });

  test("may be of one variant, and then there is one for each that the segment may be served", () => {
    const monitors = desired([bound("solved")], { perVariant: true });
    expect(monitors.map(({ name }) => name)).toEqual(["seg|shop|gold|solved|large", "seg|shop|gold|solved|small"]);
    expect(monitors[1]).toMatchObject({
      notes: expect.stringMatching(/; variant=small$/),
      filters: [{}, { column: "attributes.metadata.variant", values: ["small"] }],
    });
  });

  test("is about what the listener reads from its name alone and from its notes alone", () => {
    const marks = { namePrefix: "seg", managedBy: "segue" };
    for (const { subject, name, notes } of [
      ...desired([bound("solved")]),
      ...desired([bound("dear")], { perVariant: true }),
    ]) {
      expect(subjectOf({ name, notes }, marks)).toEqual(subject);
      expect(subjectOf({ name, notes: null }, marks)).toEqual(subject);
      expect(subjectOf({ name: "renamed", notes }, marks)).toEqual(subject);
    }
  });

  test("is not asked for the traffic that no segment matched, which has no objectives", () =>
    expect(desiredMonitors(shop({}), settings())).toEqual({ monitors: [], unmonitorable: [] }));
});

test.each([
  { because: "a quote", over: { dimensions: { solved: "eval.x'; drop" } } },
  { because: "a brace", over: { metadataPrefix: "attributes.{" } },
  { because: "a bar, which parts a name", over: { namePrefix: "a|b" } },
  { because: "a cadence that Arize does not offer", over: { cadenceSeconds: 60 } },
  { because: "a window of no time", over: { windowSeconds: 0 } },
])("settings with $because are refused", ({ over }) => expect(() => MonitorSettings.parse(over)).toThrow());
