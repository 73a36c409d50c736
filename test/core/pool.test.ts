import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/core/outcome.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import { after, MINUTE, NOW, publish, segmentOf, START, stateOf } from "../loop/loop-fixture.ts";
import { alarmed, feed } from "./scoreboard-fixture.ts";

describe("the pools", () => {
  const ids = ["alpha", "beta", "gamma", "delta"];
  const state = stateOf(
    ids.map((id) => segmentOf(id, { objectives: [{ metric: "helpful", against: "baseline" }] })),
    {
      variants: {
        first: { provider: "up", model: "large" },
        second: { provider: "up", model: "large" },
        third: { provider: "other", model: "small" },
      },
    },
  );
  const losing = (scoreboard: Scoreboard, count: number, every: number, given: Partial<Outcome> = {}) => {
    for (let label = 0; label < count; label++)
      for (const segment of ids) feed(scoreboard, 1, { segment, loss: label % every === 0 ? 1 : 0, ...given });
  };
  const learnt = (): Scoreboard => {
    const scoreboard = createScoreboard();
    scoreboard.calibrate(state, NOW);
    losing(scoreboard, 200, 10);
    return scoreboard;
  };
  const names = ["all", "upstream:up/large", "variant:first"];

  test("are told nothing while it is not known what is healthy", () =>
    expect(learnt().pool("chat", "helpful", "all")).toMatchObject({ alarmed: false, labels: 0, since: null }));

  test("weigh together what is too little for any segment alone, each loss against its own level", () => {
    const scoreboard = learnt();
    scoreboard.takeNews();
    losing(scoreboard, 4, 1, { at: NOW + MINUTE });
    expect(
      ids.flatMap((id) =>
        alarmed(
          scoreboard,
          state.policies.chat!.policy.segments.find((s) => s.id === id),
        ),
      ),
    ).toEqual([]);
    expect(scoreboard.pools("chat").map(({ pool }) => pool)).toStrictEqual(names);
    for (const name of names)
      expect(scoreboard.pool("chat", "helpful", name)).toMatchObject({
        alarmed: true,
        labels: 16,
        since: NOW + MINUTE,
      });
    const reading = scoreboard.pool("chat", "helpful", "all")!;
    expect(reading.toleratedMean).toBeGreaterThan(0.1);
    expect(reading.toleratedMean).toBeLessThan(0.17);
    expect(reading.lossMean).toBeGreaterThan(0.9);
    expect(reading.suspicion).toBeGreaterThan(10);
    expect(scoreboard.takeNews()).toStrictEqual(new Set(["chat/*"]));
  });

  test("stay alarmed until they are reset, and each by itself", () => {
    const scoreboard = learnt();
    losing(scoreboard, 9, 1);
    losing(scoreboard, 500, 100);
    expect(scoreboard.pool("chat", "helpful", "all")?.alarmed).toBe(true);
    scoreboard.resetPool("chat", "helpful", "all");
    expect(scoreboard.pool("chat", "helpful", "all")).toMatchObject({ alarmed: false, statistic: 0, labels: 0 });
    expect(scoreboard.pool("chat", "helpful", "variant:first")?.alarmed).toBe(true);
  });

  test.each([
    { given: { variant: "third" }, because: "it does not serve there" },
    { given: { metric: "polite" }, because: "no objective asks for the metric" },
    { given: { at: START - 1 }, because: "it was served before the incumbency" },
  ])("hear nothing of a loss when $because", ({ given }) => {
    const scoreboard = learnt();
    losing(scoreboard, 300, 1, given);
    expect(scoreboard.pools("chat").every(({ reading }) => reading.labels === 0)).toBe(true);
  });

  test("begin again for a metric that means something else", () => {
    const scoreboard = learnt();
    losing(scoreboard, 9, 1);
    const { policy } = state.policies.chat!;
    const metrics = { ...policy.metrics, helpful: { from: "feedback" as const, better: "lower" as const } };
    scoreboard.calibrate(after(state, [publish({ ...policy, metrics })], NOW), NOW);
    expect(scoreboard.pools("chat").some(({ reading }) => reading.alarmed)).toBe(false);
  });
});
