import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AmountOutcome, Outcome } from "../../src/core/outcome.ts";
import { restoredLossHistory } from "../../src/reports/kept-loss-history.ts";
import { createLossHistory, historyNames, type HistoryCell, type LossHistory } from "../../src/reports/loss-history.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { HOUR } from "../loop/loop-fixture.ts";
import { DAY, NOW } from "./report-world.ts";

const outcome = (given: Partial<Outcome> = {}): Outcome => ({
  policy: "chat",
  segment: "alpha",
  variant: "first",
  metric: "helpful",
  at: NOW,
  predictionId: "p",
  loss: 1,
  ...given,
});
const cellsOf = (history: LossHistory, since = 0, until = NOW + DAY): HistoryCell[] => {
  const cells: HistoryCell[] = [];
  history.read({ since, until }, (cell) => cells.push(cell));
  return cells;
};
const sumOf = (cells: readonly HistoryCell[]) => cells.reduce((sum, { labels }) => sum + labels, 0);

const quiet = { info: () => 0, warn: () => 0, error: () => 0 };
const counters = { add: () => undefined };

describe("the history of losses", () => {
  test("counts a label in the hour in which its answer was served, however late it comes", () => {
    const history = createLossHistory();
    history.count(outcome({ at: NOW + 5 }));
    history.count(outcome({ at: NOW - 50 * HOUR, loss: 0.25 }));
    history.count(outcome({ at: NOW + HOUR - 1, loss: 0.5 }));
    expect(cellsOf(history, NOW - 51 * HOUR).map(({ at, labels, sum }) => [at, labels, sum])).toEqual([
      [NOW - 50 * HOUR, 1, 0.25],
      [NOW, 2, 1.5],
    ]);
    expect(history.since()).toBe(NOW - 50 * HOUR);
  });

  test("counts amounts as they are, and leaves out those that are only a lower bound", () => {
    const history = createLossHistory();
    const { loss: _, ...about } = outcome();
    const amount: AmountOutcome = { ...about, metric: "slow", amount: 800 };
    history.count(amount);
    history.count({ ...amount, amount: 60_000, isAtLeast: true });
    expect(cellsOf(history, NOW)).toMatchObject([{ labels: 1, sum: 800 }]);
  });

  test("forgets what is 90 days old, and never begins it again", () => {
    const history = createLossHistory();
    const old = NOW - 89 * DAY;
    history.count(outcome({ at: old }));
    history.count(outcome({ at: NOW }));
    expect(sumOf(cellsOf(history, old))).toBe(2);
    history.count(outcome({ at: NOW + DAY }));
    history.count(outcome({ at: old }));
    expect(sumOf(cellsOf(history, old, NOW + 2 * DAY))).toBe(2);
    expect([history.dropped(), history.since()]).toEqual([2, old + HOUR]);
  });

  test("holds no more than it may: the oldest hours go first, and are counted", () => {
    const history = createLossHistory([], 10);
    for (let hour = 0; hour < 30; hour++)
      for (const segment of ["alpha", "beta"]) history.count(outcome({ segment, at: NOW + hour * HOUR }));
    const cells = cellsOf(history, NOW, NOW + 40 * HOUR);
    expect(cells.map(({ at }) => (at - NOW) / HOUR)).toEqual([25, 25, 26, 26, 27, 27, 28, 28, 29, 29]);
    expect([history.dropped(), history.since()]).toEqual([50, NOW + 25 * HOUR]);
  });

  test("is the same after a restart, whatever was counted and whenever it was saved", async () => {
    const label = fc.record({
      segment: fc.constantFrom("alpha", "beta", "gamma"),
      variant: fc.constantFrom("first", "second"),
      at: fc.integer({ min: NOW - 100 * DAY, max: NOW + 3 * DAY }),
      loss: fc.constantFrom(0, 0.25, 1),
      save: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(label, { maxLength: 40 }), async (labels) => {
        const checkpoints = createMemoryCheckpoints();
        const deps = { checkpoints, counters, log: quiet };
        const kept = await restoredLossHistory(deps);
        const outcomes = kept.listening({ observe: () => true });
        for (const { save, ...given } of labels) {
          outcomes.observe(outcome(given));
          if (save) await kept.save();
        }
        await kept.save();
        const { history } = await restoredLossHistory(deps);
        const ordered = (of: LossHistory) =>
          cellsOf(of, NOW - 110 * DAY, NOW + 4 * DAY)
            .map(({ row, at, labels: count, sum }) => `${at} ${row.segment}/${row.variant} ${count} ${sum}`)
            .sort();
        expect(ordered(history)).toEqual(ordered(kept.history));
      }),
      { numRuns: 50 },
    );
  });

  test("is saved a day at a time, under as many names as there are days", () => {
    const history = createLossHistory();
    history.count(outcome({ at: NOW }));
    history.count(outcome({ at: NOW - DAY }));
    expect(history.takeChanged()).toHaveLength(2);
    history.count(outcome({ at: NOW }));
    const [day, ...others] = history.takeChanged();
    expect([others, historyNames.includes(day!.name), historyNames.length]).toEqual([[], true, 90]);
    expect(history.takeChanged()).toEqual([]);
  });

  test("counts nothing that was counted before", async () => {
    const kept = await restoredLossHistory({
      checkpoints: createMemoryCheckpoints(),
      counters,
      log: quiet,
    });
    expect(kept.listening({ observe: () => false }).observe(outcome())).toBe(false);
    expect(cellsOf(kept.history, NOW)).toEqual([]);
  });

  test("counts what it left out, once", async () => {
    let dropped = 0;
    const kept = await restoredLossHistory({
      checkpoints: createMemoryCheckpoints(),
      counters: {
        add: (name, _labels, by = 1) => void (name === "segue_loss_history_dropped_total" && (dropped += by)),
      },
      log: quiet,
    });
    const outcomes = kept.listening({ observe: () => true });
    outcomes.observe(outcome());
    outcomes.observe(outcome({ at: NOW - 100 * DAY }));
    for (let time = 0; time < 2; time++) await kept.save();
    expect(dropped).toBe(1);
  });

  test("that cannot be read begins afresh, with one warning", async () => {
    const checkpoints = createMemoryCheckpoints();
    await checkpoints.save(historyNames[3]!, { version: 9 });
    const warnings: string[] = [];
    const log = { info: () => 0, warn: (message: string) => warnings.push(message), error: () => 0 };
    const { history } = await restoredLossHistory({ checkpoints, counters, log });
    expect([history.since(), warnings.length]).toEqual([null, 1]);
  });

  test("of a day that could not be saved is saved with the next call", async () => {
    const checkpoints = createMemoryCheckpoints();
    let isFull = true;
    const save: typeof checkpoints.save = async (name, value) => {
      if (isFull) throw new Error("disk full");
      return checkpoints.save(name, value);
    };
    const kept = await restoredLossHistory({
      checkpoints: { ...checkpoints, save },
      counters,
      log: quiet,
    });
    kept.history.count(outcome({ at: NOW - DAY }));
    kept.history.count(outcome({ at: NOW }));
    await expect(kept.save()).rejects.toThrow("disk full");
    isFull = false;
    await kept.save();
    const again = await restoredLossHistory({ checkpoints, counters, log: quiet });
    expect(sumOf(cellsOf(again.history, NOW - DAY))).toBe(2);
  });
});
