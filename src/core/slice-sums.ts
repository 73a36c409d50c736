import type { Run } from "./slice-conditions.ts";
import type { Sums } from "./slice-gain.ts";

/** A labelled answer by the levels of its attributes. */
export interface Placed {
  readonly levels: readonly number[];
  /** In [0,1]. */
  readonly loss: number;
  /** The loss in (0,1) of such an answer while all is well. */
  readonly expected: number;
  /** The labels of one conversation weigh 1 together. */
  readonly weight: number;
}

export function sumsOf(answers: readonly Placed[]): Sums {
  let [labels, lossSum, expectedSum, varianceSum] = [0, 0, 0, 0];
  for (const { loss, expected, weight } of answers) {
    labels += weight;
    lossSum += weight * loss;
    expectedSum += weight * expected;
    varianceSum += weight * expected * (1 - expected);
  }
  return { labels, lossSum, expectedSum, varianceSum };
}

/** The same for any run of levels, counted in one pass. */
export interface RunSums {
  readonly answers: (run: Run) => number;
  readonly of: (run: Run) => Sums;
}

const FIELDS = 5;

/** @param levels how many there are of all attributes */
export function runSums(answers: readonly Placed[], levels: number): RunSums {
  /** The sums of all levels before a level, so that those of a run are a difference. */
  const before = new Float64Array((levels + 1) * FIELDS);
  const add = (at: number, by: number): void => {
    before[at] = (before[at] ?? 0) + by;
  };
  for (const { levels: own, loss, expected, weight } of answers)
    for (const level of own) {
      if (level < 0) continue;
      const at = (level + 1) * FIELDS;
      add(at, 1);
      add(at + 1, weight);
      add(at + 2, weight * loss);
      add(at + 3, weight * expected);
      add(at + 4, weight * expected * (1 - expected));
    }
  for (let at = FIELDS; at < before.length; at++) add(at, before[at - FIELDS] ?? 0);
  const sum = ([from, to]: Run, field: number): number =>
    (before[to * FIELDS + field] ?? 0) - (before[from * FIELDS + field] ?? 0);
  return {
    answers: (run) => sum(run, 0),
    of: (run) => ({
      labels: sum(run, 1),
      lossSum: sum(run, 2),
      expectedSum: sum(run, 3),
      varianceSum: sum(run, 4),
    }),
  };
}
