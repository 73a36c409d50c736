import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/core/outcome.ts";
import type { Scoreboard } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import { MINUTE, NOW, segmentOf, stateOf, withCanary } from "../loop/loop-fixture.ts";
import { alarmed, calibrated, feed, row } from "./scoreboard-fixture.ts";

describe("a session", () => {
  const own = stateOf([segmentOf("alpha")]);
  const trialLabels = (scoreboard: Scoreboard, state: ControlState): number =>
    scoreboard.trial(state.switchovers["alpha-1"]!, 200).stepLabels;
  const canary = withCanary(own);
  const said = (given: Partial<Outcome>) => ({ variant: "second", session: "s1", ...given });

  test("is one piece of evidence, the mean of its labels, once labels of a minute later are heard", () => {
    const scoreboard = calibrated(canary);
    const before = trialLabels(scoreboard, canary);
    feed(scoreboard, 10, said({ at: NOW }));
    feed(scoreboard, 10, said({ at: NOW + MINUTE - 1, loss: 1 }));
    expect(trialLabels(scoreboard, canary)).toBe(before);
    feed(scoreboard, 1, { variant: "third", at: NOW + MINUTE });
    expect(trialLabels(scoreboard, canary)).toBe(before + 1);
    expect(scoreboard.trial(canary.switchovers["alpha-1"]!, 200).because).toMatch(/candidate loss 0.500 over 1 labels/);
    expect(scoreboard.level({ ...row, variant: "second" })).toStrictEqual({ labels: 21, lossMean: 10 / 21 });
  });

  test("counts in the totals only, once its value was handed on", () => {
    const scoreboard = calibrated(canary);
    feed(scoreboard, 10, said({ at: NOW }));
    feed(scoreboard, 10, said({ at: NOW + MINUTE }));
    const after = trialLabels(scoreboard, canary);
    feed(scoreboard, 10, said({ at: NOW + 3 * MINUTE, loss: 1 }));
    feed(scoreboard, 10, said({ at: NOW }));
    feed(scoreboard, 1, { variant: "third", at: NOW + 9 * MINUTE });
    expect(trialLabels(scoreboard, canary)).toBe(after);
    expect(scoreboard.level({ ...row, variant: "second" })?.labels).toBe(41);
  });

  test("takes in no label of a minute before the one that was heard first", () => {
    const scoreboard = calibrated(canary);
    feed(scoreboard, 1, said({ at: NOW + 2 * MINUTE }));
    feed(scoreboard, 1, said({ at: NOW + MINUTE, loss: 1 }));
    feed(scoreboard, 1, { variant: "third", at: NOW + 3 * MINUTE });
    expect(scoreboard.trial(canary.switchovers["alpha-1"]!, 200).because).toMatch(/candidate loss 0.000 over 1 labels/);
  });

  test("is one for each row and metric, and apart from other sessions", () => {
    const scoreboard = calibrated(canary);
    const before = trialLabels(scoreboard, canary);
    feed(scoreboard, 5, said({ session: "s1" }));
    feed(scoreboard, 5, said({ session: "s2" }));
    feed(scoreboard, 5, said({ session: "s2", variant: "first" }));
    feed(scoreboard, 1, { variant: "third", at: NOW + MINUTE });
    expect(trialLabels(scoreboard, canary)).toBe(before + 2);
  });

  test("is handed on when nothing newer was heard for a minute, and not sooner", () => {
    const scoreboard = calibrated(canary);
    const before = trialLabels(scoreboard, canary);
    feed(scoreboard, 5, said({}));
    scoreboard.calibrate(canary, NOW);
    scoreboard.calibrate(canary, NOW + MINUTE - 1);
    expect(trialLabels(scoreboard, canary)).toBe(before);
    scoreboard.calibrate(canary, NOW + MINUTE);
    expect(trialLabels(scoreboard, canary)).toBe(before + 1);
  });

  test.each([{ order: [1, -1] }, { order: [-1, 1] }])(
    "that reaches back before the canary is no evidence about it",
    ({ order }) => {
      const scoreboard = calibrated(canary);
      const before = trialLabels(scoreboard, canary);
      for (const from of order) feed(scoreboard, 5, said({ at: NOW + from }));
      feed(scoreboard, 1, { variant: "third", at: NOW + 5 * MINUTE });
      expect(trialLabels(scoreboard, canary)).toBe(before);
    },
  );

  test("does not wait for ever behind ten thousand others: the oldest is handed on early", () => {
    const scoreboard = calibrated(canary);
    const before = trialLabels(scoreboard, canary);
    for (let session = 0; session < 10_005; session++) feed(scoreboard, 1, said({ session: `s${session}` }));
    expect(trialLabels(scoreboard, canary)).toBe(before + 5);
  });

  test("raises no alarm by repeating one bad answer, as many labels on their own would", () => {
    const bad = (session: string | undefined) => {
      const scoreboard = calibrated(own);
      feed(scoreboard, 100, { loss: 1, session });
      feed(scoreboard, 1, { variant: "third", at: NOW + MINUTE });
      return alarmed(scoreboard);
    };
    expect(bad("s1")).toStrictEqual([]);
    expect(bad(undefined)).toStrictEqual(["helpful/bound"]);
  });
});
