import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { BASELINE_MAX } from "../../src/core/baseline.ts";
import { createCases, type Cases } from "../../src/core/cases.ts";
import { ALARM_THRESHOLD } from "../../src/core/detector.ts";
import type { Outcome } from "../../src/core/outcome.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import {
  after,
  canaryPhase,
  changeOf,
  HOUR,
  MINUTE,
  moved,
  NOW,
  policyOf,
  proposed,
  publish,
  segmentOf,
  START,
  stateOf,
  switchoverOf,
  withCanary,
  withSegment,
} from "../loop/loop-fixture.ts";
import { alarmed, alpha, calibrated, feed, outcome, row, start } from "./scoreboard-fixture.ts";

describe("what a loss means", () => {
  const again = (given: Parameters<typeof policyOf>[1], when = "true") =>
    after(start, [publish(policyOf([segmentOf("alpha", { when })], given))], NOW);
  const metrics = { helpful: { from: "feedback" as const }, polite: { from: "feedback" as const } };
  test.each([
    {
      state: again({ metrics: { ...metrics, helpful: { from: "feedback", better: "lower" } } }),
      isKept: false,
      because: "the metric is another",
    },
    { state: again({}, "1 == 1"), isKept: false, because: "other requests are in the segment" },
    { state: again({ description: "the same" }), isKept: true, because: "only words changed" },
    {
      state: again({ metrics: { ...metrics, helpful: { from: "feedback", description: "?" } } }),
      isKept: true,
      because: "a description is for people",
    },
  ])("keeps the baseline ($isKept) when $because", ({ state, isKept }) => {
    const scoreboard = createScoreboard();
    feed(scoreboard, 300);
    scoreboard.calibrate(start, NOW);
    scoreboard.calibrate(state, NOW);
    expect(scoreboard.baseline(row)?.labels ?? 0).toBe(isKept ? 300 : 0);
    const frozen = { type: "baseline.frozen" as const, ...row, lossMean: 0.1, labels: 2000 };
    const known = after(start, [frozen, publish(state.policies.chat!.policy)], NOW);
    expect(Object.keys(known.baselines)).toHaveLength(isKept ? 1 : 0);
  });
});

test("the first labels of a new stream reach its detectors, without waiting for the next calibration", () => {
  const scoreboard = createScoreboard();
  scoreboard.calibrate(start, NOW);
  feed(scoreboard, 40, { loss: 1 });
  expect(alarmed(scoreboard)).toEqual(["helpful/bound"]);
});

describe("an outcome", () => {
  test("is counted once for each metric, however often it is repeated", () => {
    const scoreboard = createScoreboard();
    const first = outcome({ loss: 1 });
    expect(scoreboard.observe(first)).toBe(true);
    expect(scoreboard.observe({ ...first, loss: 0 })).toBe(false);
    expect(scoreboard.observe({ ...first, metric: "polite" })).toBe(true);
    expect(scoreboard.level(row)).toStrictEqual({ labels: 1, lossMean: 1 });
  });

  test("counts for its own row and metric only", () => {
    const scoreboard = createScoreboard();
    feed(scoreboard, 3, { loss: 1 });
    for (const other of [{ segment: "beta" }, { variant: "second" }, { metric: "polite" }, { policy: "search" }])
      expect(scoreboard.level({ ...row, ...other })).toBeNull();
  });

  test.each([
    { at: NOW, labels: 4, because: "it is of now" },
    { at: NOW - 2 * HOUR, labels: null, because: "it is older" },
  ])("is in the level of about the last hour or not: $because", ({ at, labels }) => {
    const scoreboard = createScoreboard();
    feed(scoreboard, 4, { at, loss: 0.5 });
    const level = scoreboard.level(row, { now: NOW, minutes: 60 });
    expect(level).toStrictEqual(labels === null ? null : { labels, lossMean: 0.5 });
  });
});

describe("readings", () => {
  test("are one for each objective of the variant, with the level that is tolerated", () => {
    const scoreboard = calibrated();
    feed(scoreboard, 50, { loss: 1 });
    expect(scoreboard.readings("chat", alpha, "first")).toMatchObject([
      {
        ...row,
        against: "bound",
        alarmed: true,
        evidence: { against: "bound", lossTolerated: 0.2, threshold: ALARM_THRESHOLD },
      },
    ]);
    expect(scoreboard.readings("chat", alpha, "third")).toStrictEqual([]);
  });

  test("are silent about metrics without an objective", () => {
    const scoreboard = calibrated();
    feed(scoreboard, 500, { metric: "polite", loss: 1 });
    scoreboard.calibrate(start, NOW);
    expect(scoreboard.readings("chat", alpha, "first").map(({ metric }) => metric)).toStrictEqual(["helpful"]);
  });

  test("are silent about an objective that was published away", () => {
    const scoreboard = calibrated();
    const objectives = [{ metric: "helpful", against: "baseline" as const }];
    const republished = after(start, [publish(policyOf([segmentOf("alpha", { objectives })]))], NOW);
    scoreboard.calibrate(republished, NOW);
    feed(scoreboard, 50, { loss: 1 });
    expect(alarmed(scoreboard, republished.policies.chat!.policy.segments[0])).toStrictEqual([]);
  });
});

describe("a trial's labels", () => {
  const canary = withCanary(start);
  const switchover = canary.switchovers["alpha-1"]!;
  const labels = (given: Partial<Outcome>): number => {
    const scoreboard = calibrated(canary);
    const before = scoreboard.trial(switchover, 200).stepLabels;
    feed(scoreboard, 5, given);
    return scoreboard.trial(switchover, 200).stepLabels - before;
  };

  test.each([
    { given: { variant: "second" }, counted: 5, because: "they were decided in the canary" },
    { given: { variant: "second", at: NOW - 1 }, counted: 0, because: "they were decided before it began" },
    { given: { variant: "first" }, counted: 0, because: "they are the incumbent's" },
    { given: { variant: "third" }, counted: 0, because: "they are of a variant that takes no part" },
    { given: { variant: "second", metric: "polite" }, counted: 0, because: "they are of another metric" },
    { given: { variant: "second", segment: "beta" }, counted: 0, because: "they are of another segment" },
  ])("are $counted more when $because", ({ given, counted }) => expect(labels(given)).toBe(counted));

  test("begin again with each step, while the verdict keeps all of them", () => {
    const scoreboard = calibrated(canary);
    feed(scoreboard, 30, { variant: "second" });
    const phase = { ...canaryPhase(), step: 1 } as const;
    const later = after(canary, [moved("alpha-1", phase)], NOW + 1);
    scoreboard.calibrate(later, NOW + 1);
    expect(scoreboard.trial(later.switchovers["alpha-1"]!, 200)).toMatchObject({ verdict: "healthy", stepLabels: 0 });
  });

  test("are forgotten when the canary ends, and none is inconclusive", () => {
    const scoreboard = calibrated(canary);
    feed(scoreboard, 30, { variant: "second" });
    const ended = after(canary, [moved("alpha-1", { kind: "confirmed", since: NOW + 1, because: "better" })], NOW + 1);
    scoreboard.calibrate(ended, NOW + 1);
    expect(scoreboard.trial(switchover, 200)).toMatchObject({ verdict: "inconclusive", stepLabels: 0 });
    expect(JSON.stringify(scoreboard.save())).toContain('"trials":{}');
  });
});

describe("the news", () => {
  const taken = (scoreboard: Scoreboard) => [...scoreboard.takeNews()];

  test("names the segment of an alarm that was raised or called off, once", () => {
    const scoreboard = calibrated();
    feed(scoreboard, 60, { loss: 1 });
    expect(taken(scoreboard)).toStrictEqual(["chat/alpha"]);
    feed(scoreboard, 10, { loss: 1 });
    expect(taken(scoreboard)).toStrictEqual([]);
    feed(scoreboard, 300, { loss: 0 });
    expect(taken(scoreboard)).toStrictEqual(["chat/alpha"]);
  });

  test("names the segment of each trial that got a label, and none of one that is healthy", () => {
    const scoreboard = calibrated(withCanary(start));
    scoreboard.takeNews();
    feed(scoreboard, 1, { variant: "third" });
    expect(taken(scoreboard)).toStrictEqual([]);
    feed(scoreboard, 1, { variant: "second" });
    expect(taken(scoreboard)).toStrictEqual(["chat/alpha"]);
  });

  test("names the segment whose healthy level is known by now", () => {
    const scoreboard = calibrated();
    // `calibrated` fed one already.
    feed(scoreboard, BASELINE_MAX - 2);
    expect(taken(scoreboard)).toStrictEqual([]);
    feed(scoreboard, 1);
    expect(taken(scoreboard)).toStrictEqual(["chat/alpha"]);
  });
});

describe("late labels across a change of incumbency", () => {
  test("do not alarm about the variant that came back", () => {
    const there = switchoverOf(start, { id: "m1" });
    const first = after(start, [proposed(there), moved("m1", canaryPhase(START + 1))], START + 1);
    const away = after(first, [moved("m1", { kind: "confirmed", since: START + 2, because: "better" })], START + 2);
    const back = after(
      away,
      [moved("m1", { kind: "rolledBack", since: NOW, because: "a person", by: { kind: "operator", id: "op" } })],
      NOW,
    );
    const scoreboard = calibrated(back);
    feed(scoreboard, 500, { loss: 1, at: NOW - 1 });
    expect(alarmed(scoreboard)).toStrictEqual([]);
    feed(scoreboard, 500, { loss: 1, at: NOW });
    expect(alarmed(scoreboard)).toStrictEqual(["helpful/bound"]);
  });
});

describe("the labelled answers behind a row's figures", () => {
  const KEY = "chat/alpha/first/helpful";
  const attributes = { region: "eu" };
  const kept = (cases: Cases): readonly string[] => {
    const { healthy, degraded } = cases.read(KEY, 0);
    return [...healthy, ...degraded].map(({ predictionId }) => predictionId);
  };
  const watching = (): { scoreboard: Scoreboard; cases: Cases } => {
    const cases = createCases();
    const scoreboard = createScoreboard(undefined, cases);
    scoreboard.calibrate(start, NOW);
    return { scoreboard, cases };
  };

  test.each([
    { given: { attributes }, isKept: true, because: "it is evidence" },
    { given: {}, isKept: false, because: "nobody knows whom it was for" },
    { given: { attributes, at: START - 1 }, isKept: false, because: "it was served before the incumbency" },
  ])("have one among them ($isKept): $because", ({ given, isKept }) => {
    const { scoreboard, cases } = watching();
    scoreboard.observe(outcome({ predictionId: "one", ...given }));
    expect(kept(cases)).toEqual(isKept ? ["one"] : []);
  });

  test("are not those of a metric without an objective, nor one answer twice", () => {
    const { scoreboard, cases } = watching();
    scoreboard.observe(outcome({ predictionId: "one", attributes }));
    scoreboard.observe(outcome({ predictionId: "one", attributes }));
    scoreboard.observe(outcome({ predictionId: "two", metric: "polite", attributes }));
    expect(kept(cases)).toEqual(["one"]);
    expect(cases.changeOf("chat/alpha/first/polite", 1)).toBeNull();
  });

  test("begin again with an incumbency, with another meaning, and when an alarm is called off", () => {
    const last = (cases: Cases): number | null => cases.changeOf(KEY, 1);
    const first = watching();
    feed(first.scoreboard, 5, { attributes });
    expect(last(first.cases)).toBe(NOW);
    first.scoreboard.calibrate(withSegment(start, "alpha", { since: NOW }), NOW);
    expect(last(first.cases)).toBeNull();

    const second = watching();
    const idle = "chat/alpha/second/helpful";
    feed(second.scoreboard, 5, { attributes, variant: "second" });
    expect(second.cases.changeOf(idle, 1)).toBe(NOW);
    second.scoreboard.calibrate(stateOf([segmentOf("alpha", { when: "1 == 1" })]), NOW);
    expect(second.cases.changeOf(idle, 1)).toBeNull();

    const third = watching();
    feed(third.scoreboard, 60, { attributes, loss: 1 });
    expect(alarmed(third.scoreboard)).toEqual(["helpful/bound"]);
    expect(kept(third.cases)).toHaveLength(60);
    for (let label = 0; label < 500 && alarmed(third.scoreboard).length > 0; label++)
      feed(third.scoreboard, 1, { attributes });
    expect(alarmed(third.scoreboard)).toEqual([]);
    expect(last(third.cases)).toBeNull();
  });

  test("say where an alarm's losses rose, and nothing of a row or an objective that is not watched", () => {
    const { scoreboard } = watching();
    for (let label = 0; label < 300; label++)
      feed(scoreboard, 1, { attributes: { region: label % 2 === 0 ? "eu" : "us" }, at: NOW + label });
    for (let label = 0; label < 120; label++)
      feed(scoreboard, 1, {
        attributes: { region: label % 2 === 0 ? "eu" : "us" },
        loss: label % 2,
        at: NOW + 1000 + label,
      });
    expect(alarmed(scoreboard)).toEqual(["helpful/bound"]);
    expect(scoreboard.blame(row, "bound")).toMatchObject({
      slice: [{ attribute: "region", value: "us" }],
      lossMean: 1,
    });
    expect(scoreboard.blame(row, "rest")).toBeNull();
    expect(scoreboard.blame({ ...row, variant: "second" }, "bound")).toBeNull();
    expect(scoreboard.blame({ ...row, segment: "beta" }, "bound")).toBeNull();
  });
});

describe("labels beyond the usual share", () => {
  const wants = (scoreboard: Scoreboard, variant = "first", segment = "alpha") =>
    scoreboard.wantsLabels("chat", segment, variant);
  const known = (): Scoreboard => {
    const scoreboard = calibrated();
    feed(scoreboard, 1000);
    return scoreboard;
  };

  test("are wanted of what serves until its healthy level is known, and of a segment of which nothing is, once it is published", () => {
    expect(wants(calibrated())).toBe(true);
    const scoreboard = known();
    expect([wants(scoreboard), wants(scoreboard, "first", "beta")]).toStrictEqual([false, false]);
    scoreboard.calibrate(stateOf([segmentOf("alpha"), segmentOf("beta")]), NOW);
    expect(wants(scoreboard, "first", "beta")).toBe(true);
  });

  test("are wanted of feedback that never came, whatever else is known, and never where no objective asks for any", () => {
    const objectives = [
      { metric: "helpful", against: "baseline" as const },
      { metric: "failed", against: "baseline" as const },
    ];
    const metrics = { helpful: { from: "feedback" as const }, failed: { from: "error" as const } };
    const wanting = (asked: typeof objectives, labels: number): boolean => {
      const scoreboard = createScoreboard();
      scoreboard.calibrate(stateOf([segmentOf("alpha", { objectives: asked })], { metrics }), NOW);
      feed(scoreboard, labels, { metric: "failed" });
      return wants(scoreboard);
    };
    expect(wanting(objectives, 1000)).toBe(true);
    expect(wanting(objectives.slice(1), 10)).toBe(false);
  });

  test("are wanted again while something may have changed, and no more once that is certain", () => {
    const scoreboard = known();
    feed(scoreboard, 4, { loss: 1 });
    expect(wants(scoreboard)).toBe(true);
    feed(scoreboard, 50, { loss: 1 });
    expect(wants(scoreboard)).toBe(false);
  });

  test("are wanted of both arms of a canary, and of nothing else that does not serve", () => {
    const scoreboard = known();
    expect(wants(scoreboard, "second")).toBe(false);
    scoreboard.calibrate(withCanary(start), NOW);
    expect([wants(scoreboard, "first"), wants(scoreboard, "second")]).toStrictEqual([true, true]);
  });
});

/** A checkpoint in which a stream is not what it was. */
const crafted = (given: object): object => {
  const scoreboard = createScoreboard();
  scoreboard.observe(outcome());
  const saved = scoreboard.save() as { streams: Record<string, object> };
  const streams = Object.entries(saved.streams).map(([key, stream]) => [key, { ...stream, ...given }]);
  return { ...saved, streams: Object.fromEntries(streams) };
};

describe("a restart", () => {
  const objectives = [...alpha.objectives, { metric: "helpful", against: "baseline" as const }];
  const first = stateOf([segmentOf("alpha", { objectives })]);
  const states = [first, withCanary(first), withCanary(first, { change: changeOf(first, { cause: "manual" }) })];
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("observe" as const),
        variant: fc.constantFrom("first", "second"),
        loss: fc.constantFrom(0, 0.25, 1),
        at: fc.constantFrom(NOW - 1, NOW, NOW + MINUTE),
        session: fc.constantFrom(undefined, undefined, "s1", "s2"),
        count: fc.nat(200),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("calibrate" as const), state: fc.nat(2) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("expose" as const), at: fc.constantFrom(NOW, NOW + MINUTE) }),
    },
  );

  test("from what was saved at any point changes nothing, once the loop has looked at the state again", () =>
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 20 }),
        fc.array(step, { maxLength: 20 }),
        fc.nat(2),
        (first, second, last) => {
          const run = (scoreboard: Scoreboard, steps: typeof first): void => {
            for (const [i, each] of steps.entries()) {
              if (each.kind === "calibrate") scoreboard.calibrate(states[each.state]!, NOW);
              else if (each.kind === "expose") scoreboard.expose("chat", "alpha", each.at);
              else
                for (let label = 0; label < each.count; label++)
                  scoreboard.observe(outcome({ ...each, predictionId: `${steps === first}-${i}-${label}` }));
            }
          };
          const whole = createScoreboard();
          run(whole, first);
          whole.calibrate(states[last]!, NOW);
          const restarted = createScoreboard(JSON.parse(JSON.stringify(whole.save())));
          restarted.calibrate(states[last]!, NOW);
          run(whole, second);
          run(restarted, second);
          expect(restarted.save()).toStrictEqual(whole.save());
          expect(restarted.readings("chat", alpha, "first")).toStrictEqual(whole.readings("chat", alpha, "first"));
        },
      ),
    ));

  test("loses no label of a canary that comes before the loop has looked at the state", () => {
    const canary = withCanary(start);
    const before = calibrated(canary);
    const restarted = createScoreboard(JSON.parse(JSON.stringify(before.save())));
    feed(restarted, 5, { variant: "second" });
    restarted.calibrate(canary, NOW);
    expect(restarted.trial(canary.switchovers["alpha-1"]!, 200).stepLabels).toBe(5);
  });

  test("shares no object with what was saved", () => {
    const scoreboard = calibrated();
    const saved = scoreboard.save();
    const text = JSON.stringify(saved);
    const other = createScoreboard(saved);
    feed(scoreboard, 10);
    feed(other, 10);
    expect(JSON.stringify(saved)).toBe(text);
  });

  test.each([
    { saved: 3 },
    { saved: {} },
    { saved: { streams: [], trials: {}, traffic: {} } },
    { saved: { streams: { a: 1 } } },
    { saved: { ...(createScoreboard().save() as object), version: 2 } },
    { saved: crafted({ numbers: [1, 2] }) },
    { saved: crafted({ meaning: 3 }) },
  ])("from $saved, which is no scoreboard's, is refused", ({ saved }) =>
    expect(() => createScoreboard(saved)).toThrow(z.ZodError),
  );

  test("remembers the last outcomes, so that feedback which is repeated counts once", () => {
    const before = createScoreboard();
    expect(before.observe(outcome({ predictionId: "an-answer-with-its-signature" }))).toBe(true);
    const restarted = createScoreboard(JSON.parse(JSON.stringify(before.save())));
    expect(restarted.observe(outcome({ predictionId: "an-answer-with-its-signature" }))).toBe(false);
    expect(restarted.observe(outcome({ predictionId: "another-answer-with-its-own" }))).toBe(true);
  });

  test("refuses a loss that is none, before it reaches a detector", () => {
    for (const loss of [Number.NaN, -0.1, 1.1])
      expect(() => createScoreboard().observe(outcome({ loss }))).toThrow(/a loss of/);
  });

  test("keeps the size of a stream bounded over any number of labels", () => {
    const scoreboard = calibrated();
    const size = () => JSON.stringify({ ...(scoreboard.save() as object), seen: [] }).length;
    for (let minute = 0; minute < 100; minute++) feed(scoreboard, 30, { at: NOW + minute * MINUTE });
    const before = size();
    for (let minute = 100; minute < 400; minute++) feed(scoreboard, 30, { at: NOW + minute * MINUTE });
    expect(size()).toBeLessThan(before * 1.1);
  });
});
