import type { LoopCost } from "./loop-cost.ts";
import type { Band, DelayFigures, HealthyFigures } from "./loop-detector.ts";
import { kindOf } from "./loop-right.ts";
import type { ScenarioResult } from "./loop-run.ts";

/** All that was measured; null for what was not asked for. */
export interface Results {
  readonly scenarios: readonly ScenarioResult[];
  readonly delays: readonly DelayFigures[];
  readonly healthy: HealthyFigures | null;
  readonly cost: LoopCost | null;
  /** Milliseconds for a million requests. */
  readonly millionMs: number | null;
}

export interface Target {
  readonly id: string;
  /** In words: a bound, and whether it is one of the targets at all. */
  readonly target: string;
  /** Null where nothing was measured. */
  readonly value: number | null;
  readonly met: boolean | null;
}

/** Labels from which the baseline is learnt that the delays' targets are about. */
export const DELAY_BASELINE = 2000;
export const HEALTHY_BASELINE = 500;
const NOT_A_TARGET = " (not in the targets)";

/** The figures of a run against the targets of the design, and some more that have none. */
export function targetsOf({ scenarios, delays, healthy, cost, millionMs }: Results): readonly Target[] {
  const of = (kind: string): ScenarioResult | undefined => scenarios.find(({ scenario }) => kindOf(scenario) === kind);
  const ratio = (band: Band): number | null =>
    delays.find(({ baselineLabels }) => baselineLabels === DELAY_BASELINE)?.bands.find((one) => one.band === band)
      ?.ratio ?? null;
  const removed = (kind: string): number | null => of(kind)?.mean.regret.removedShare ?? null;
  const wrong = (kind: string): number | null => of(kind)?.mean.falseSwitchovers ?? null;
  return [
    atMost("falseAlarmsPer1e6Labels", 10, falseAlarmRate([of("s0"), of("s5")])),
    atMost("falseAlarmsPer1e6Labels.detector", 10, healthy?.falseAlarmsPer1e6Labels ?? null),
    atMost("delayRatio.large", 1.15, ratio("large")),
    atMost("delayRatio.medium", 1.25, ratio("medium")),
    atMost("delayRatio.small", 1.7, ratio("small")),
    atLeast("regretRemoved.s1", 0.9, removed("s1")),
    atLeast("regretRemoved.s3", 0.65, removed("s3")),
    atLeast("regretRemoved.s4", 0.9, removed("s4")),
    atMost("wrongSwitchovers.s0", 1, wrong("s0")),
    atMost("wrongSwitchovers.s5", 1, wrong("s5")),
    atMost("wrongSwitchovers.s7", 5, wrong("s7")),
    atMost("flaps", 0, scenarios.length === 0 ? null : Math.max(...scenarios.map(({ flapShare }) => flapShare))),
    ...["s6", "s8", "s9", "s10", "s11", "s12"].map((kind) => onEverySeed(kind, of(kind))),
    atMost("cost.microsecondsPerSample", 1, cost?.microsecondsPerLabel ?? null),
    atMost("cost.bytesPerStream", 256, cost?.slabBytesPerStream ?? null),
    below("cost.millionRequestsMs", 3000, millionMs),
    below("cost.reconcileMs", 50, cost?.reconcileMs ?? null),
    extra(atMost("falseAlarmsPer1e6Labels.s14", 10, falseAlarmRate([of("s14")]))),
    ...["s0", "s1", "s2", "s3", "s4", "s5", "s7", "s13", "s14"].map((kind) => extra(onEverySeed(kind, of(kind)))),
  ];
}

const atMost = (id: string, bound: number, value: number | null): Target => ({
  id,
  target: `≤ ${bound}`,
  value: rounded(value),
  met: value === null ? null : value <= bound,
});

const below = (id: string, bound: number, value: number | null): Target => ({
  id,
  target: `< ${bound}`,
  value: rounded(value),
  met: value === null ? null : value < bound,
});

const atLeast = (id: string, bound: number, value: number | null): Target => ({
  id,
  target: `≥ ${bound}`,
  value: rounded(value),
  met: value === null ? null : value >= bound,
});

/** The value is the share of seeds on which the loop did right. */
function onEverySeed(kind: string, result: ScenarioResult | undefined): Target {
  const right = result?.right ?? null;
  return {
    id: `right.${kind}`,
    target: "1, right on every seed",
    value: right === null ? null : rounded(right.seeds / right.of),
    met: right === null ? null : right.seeds === right.of,
  };
}

const extra = (target: Target): Target => ({ ...target, target: target.target + NOT_A_TARGET });

/** Pooled: alarms of all seeds over labels of all seeds. Null unless all the scenarios were run. */
function falseAlarmRate(results: readonly (ScenarioResult | undefined)[]): number | null {
  const known = results.filter((result) => result !== undefined);
  const labels = known.reduce((sum, result) => sum + result.labels, 0);
  if (known.length < results.length || labels === 0) return null;
  return (known.reduce((sum, { falseAlarms }) => sum + falseAlarms, 0) * 1e6) / labels;
}

const rounded = (value: number | null): number | null => (value === null ? null : Number(value.toPrecision(4)));
