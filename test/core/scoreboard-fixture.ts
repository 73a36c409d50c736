import type { Outcome } from "../../src/core/outcome.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import { NOW, stateOf } from "../loop/loop-fixture.ts";

export const start = stateOf();
export const alpha = start.policies.chat!.policy.segments[0]!;
export const row = { policy: "chat", segment: "alpha", variant: "first", metric: "helpful" };

let ids = 0;
export const outcome = (given: Partial<Outcome> = {}): Outcome => ({
  ...row,
  loss: 0,
  at: NOW,
  predictionId: `p${(ids += 1)}`,
  ...given,
});
export const feed = (scoreboard: Scoreboard, count: number, given: Partial<Outcome> = {}): void => {
  for (let label = 0; label < count; label++) scoreboard.observe(outcome(given));
};
/** A scoreboard that was calibrated after the first label, as a running loop's is. */
export const calibrated = (state: ControlState = start, saved?: unknown): Scoreboard => {
  const scoreboard = createScoreboard(saved);
  for (const variant of ["first", "second"]) scoreboard.observe(outcome({ variant }));
  scoreboard.calibrate(state, NOW);
  return scoreboard;
};
export const alarmed = (scoreboard: Scoreboard, segment = alpha): readonly string[] =>
  scoreboard
    .readings("chat", segment, "first")
    .filter(({ alarmed: is }) => is)
    .map(({ metric, against }) => `${metric}/${against}`);
