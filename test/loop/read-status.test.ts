import { describe, expect, test } from "vitest";
import type { Level, Reading } from "../../src/core/scoreboard.ts";
import { readStatus } from "../../src/loop/read-status.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { degraded, measured, NOW, segmentOf, stateOf } from "./loop-fixture.ts";

const reading = (alarmed: boolean): Reading => ({
  policy: "chat",
  segment: "alpha",
  variant: "first",
  metric: "helpful",
  against: "bound",
  alarmed,
  lasted: alarmed,
  evidence: { lossTolerated: 0.2 },
});

const alpha = (
  { level, readings }: { readonly level: Level | null; readonly readings: readonly Reading[] },
  state = stateOf([segmentOf("alpha")]),
) =>
  readStatus({
    controlPlane: { state: () => state, isCurrent: () => true },
    scoreboard: measured({ level: () => level, readings: () => readings }),
    flags: staticFlags(),
    clock: { now: () => NOW },
  }).segments[0]!;

describe("a segment's health", () => {
  test.each([
    {
      labels: 20,
      lossMean: 0.1,
      alarmed: false,
      health: "healthy",
      because: "enough labels are within what is tolerated",
    },
    { labels: 20, lossMean: 0.2, alarmed: false, health: "healthy", because: "exactly what is tolerated is tolerated" },
    { labels: 19, lossMean: 0.1, alarmed: false, health: "inconclusive", because: "one label is missing" },
    { labels: 1, lossMean: 0, alarmed: false, health: "inconclusive", because: "one label says nothing" },
    {
      labels: 50,
      lossMean: 0.21,
      alarmed: false,
      health: "inconclusive",
      because: "more than tolerated may be chance",
    },
    { labels: 50, lossMean: 0.9, alarmed: true, health: "degraded", because: "the detector is in alarm" },
    { labels: 5, lossMean: 0, alarmed: true, health: "degraded", because: "an alarm lasts until recovery" },
  ])("is $health after $labels labels of $lossMean: $because", ({ labels, lossMean, alarmed, health }) => {
    const status = alpha({ level: { labels, lossMean }, readings: [reading(alarmed)] });
    expect(status.health).toBe(health);
    expect(status.objectives).toEqual([
      { metric: "helpful", against: "bound", verdict: health, lossMean, labels, lossTolerated: 0.2 },
    ]);
  });

  test("is inconclusive without any label", () => {
    const status = alpha({ level: null, readings: [] });
    expect(status).toMatchObject({ health: "inconclusive", objectives: [{ lossMean: null, labels: 0 }] });
  });

  test("is degraded when a source says so, whatever was measured here", () => {
    const state = degraded(stateOf([segmentOf("alpha")]));
    const measurements = { level: { labels: 100, lossMean: 0 }, readings: [reading(false)] };
    expect(alpha(measurements, state).health).toBe("degraded");
    expect(alpha(measurements).health).toBe("healthy");
  });
});
