import type { z } from "zod";
import type { Policy } from "../../src/core/policy.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import { MINUTE, NOW, segmentOf, stateOf } from "./loop-fixture.ts";

/** Two variants on one upstream, and two on others. */
export const variants = {
  first: { provider: "up", model: "large" },
  sibling: { provider: "up", model: "large" },
  second: { provider: "other", model: "small" },
  third: { provider: "third", model: "small" },
};
export type Variant = keyof typeof variants;

/** What each segment lost while it was well, and what it loses when it fails. */
const HEALTHY = 0.1;
const LEARNT = 100;

/** How many segments each variant serves: `first-0`, `first-1` and so on. */
export type Fleet = Partial<Record<Variant, number>>;

const idsOf = (variant: Variant, count: number): string[] => Array.from({ length: count }, (_, i) => `${variant}-${i}`);
const entriesOf = (fleet: Fleet) => Object.entries(fleet) as [Variant, number][];

/** A policy whose segments are held to their own baseline, each on its variant with the others below. */
export function fleetState(
  fleet: Fleet,
  given: Parameters<typeof segmentOf>[1] = {},
  policy: Partial<z.input<typeof Policy>> = {},
): ControlState {
  const segments = entriesOf(fleet).flatMap(([variant, count]) =>
    idsOf(variant, count).map((id) =>
      segmentOf(id, {
        objectives: [{ metric: "helpful", against: "baseline" }],
        ladder: [variant, ...(Object.keys(variants) as Variant[]).filter((other) => other !== variant)].map((rung) => ({
          variant: rung,
          validated: { score: 1 - HEALTHY, items: 200 },
        })),
        ...given,
      }),
    ),
  );
  return stateOf(segments, { variants, ...policy });
}

let answers = 0;

/** Labels of segments, one of each in turn. */
export function tell(
  scoreboard: Scoreboard,
  {
    variant,
    from,
    segments,
  }: { readonly variant: Variant; readonly from?: Variant; readonly segments: readonly string[] },
  losses: readonly number[],
  at = NOW + MINUTE,
): void {
  for (const loss of losses)
    for (const segment of segments)
      scoreboard.observe({
        policy: "chat",
        segment,
        variant: from ?? variant,
        metric: "helpful",
        loss,
        at,
        predictionId: `answer-${(answers += 1)}`,
      });
}

export const times = (count: number, loss: number): number[] => Array.from({ length: count }, () => loss);

const learnt = new Map<string, string>();

/** A scoreboard that knows what is healthy on every segment, as after a restart. */
export function measuredFleet(fleet: Fleet, state = fleetState(fleet)): Scoreboard {
  const key = JSON.stringify(fleet);
  let saved = learnt.get(key);
  if (saved === undefined) {
    const teacher = createScoreboard();
    teacher.calibrate(state, NOW);
    for (const [variant, count] of entriesOf(fleet))
      tell(teacher, { variant, segments: idsOf(variant, count) }, times(LEARNT, HEALTHY), NOW);
    learnt.set(key, (saved = JSON.stringify(teacher.save())));
  }
  const scoreboard = createScoreboard(JSON.parse(saved));
  scoreboard.calibrate(state, NOW);
  return scoreboard;
}

/** All segments that a variant serves. */
export const servedBy = (fleet: Fleet, variant: Variant) => ({
  variant,
  segments: idsOf(variant, fleet[variant] ?? 0),
});
