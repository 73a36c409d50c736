import { z } from "zod";
import { assert } from "../core/errors.ts";
import type { AmountOutcome, Outcome } from "../core/outcome.ts";
import type { Sum } from "./loss-interval.ts";
import { HOUR_MS } from "./period.ts";

/** What a series of the history is about. */
export interface HistoryRow {
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly metric: string;
}

/** The labels of one series that were served within one hour. */
export interface HistoryCell extends Sum {
  readonly row: HistoryRow;
  /** When the hour begins, epoch milliseconds. */
  readonly at: number;
}

/** One day of the history as plain JSON, and the name that it is kept under: there are as many names as days. */
export interface HistoryDay {
  readonly name: string;
  readonly value: unknown;
}

/**
 * How many labels there were in each hour and what they came to, for 90 days, by the hour in which the answer was served: a
 * label that comes late is counted where it belongs. Losses, or amounts for metrics that are reported as amounts.
 */
export interface LossHistory {
  /** Counts a label that was not counted before. */
  readonly count: (outcome: Outcome | AmountOutcome) => void;
  /** Shows what was served from `since` on and before `until`, whole hours, the oldest first. */
  readonly read: (
    period: { readonly since: number; readonly until: number },
    visit: (cell: HistoryCell) => void,
  ) => void;
  /** The first hour that there is a label of, or the first that was not forgotten; null while there is none. */
  readonly since: () => number | null;
  /** Labels that were left out or forgotten for want of room, since the start. */
  readonly dropped: () => number;
  /** The days that changed since the last call, for a checkpoint of each. */
  readonly takeChanged: () => readonly HistoryDay[];
}

const DAYS = 90;
/** Hours of series over all; some 40 MB. */
const CELLS_MAX = 400_000;
/** Series of different names; each name is kept once. */
const ROWS_MAX = 100_000;

/** The names under which a history is kept. A day takes the place of the one 90 days before. */
export const historyNames: readonly string[] = Array.from({ length: DAYS }, (_, slot) => `loss-history-${slot}`);
const nameOf = (day: number): string => `loss-history-${day % DAYS}`;

type Cell = { labels: number; sum: number };

const Saved = z.strictObject({
  version: z.literal(1),
  /** Days since 1970. */
  day: z.int().nonnegative(),
  /** Policy, segment, variant and metric, then for each hour: the hour of the day, labels, sum. */
  rows: z.array(
    z.tuple([
      z.string(),
      z.string(),
      z.string(),
      z.string(),
      z.array(z.tuple([z.int().min(0).max(23), z.int().positive(), z.number().nonnegative()])).max(24),
    ]),
  ),
});

/**
 * @param saved what was kept under `historyNames`; what is null is left out. A shape that is not ours throws `ZodError`
 * @param cellsMax hours of series over all: the oldest hours go first
 */
export function createLossHistory(saved: readonly unknown[] = [], cellsMax = CELLS_MAX): LossHistory {
  const rows = createRows();
  /** By hour since 1970, then by the row's number. */
  const hours = new Map<number, Map<number, Cell>>();
  const changed = new Set<number>();
  let cells = 0;
  let newest = 0;
  let earliest = Infinity;
  /** Hours before were forgotten, and are not begun again. */
  let floor = 0;
  let dropped = 0;

  const forget = (hour: number): void => {
    for (const { labels } of hours.get(hour)?.values() ?? []) dropped += labels;
    cells -= hours.get(hour)?.size ?? 0;
    hours.delete(hour);
    changed.add(dayOf(hour));
    floor = Math.max(floor, hour + 1);
  };
  const makeRoom = (): void => {
    for (const hour of [...hours.keys()].sort((a, b) => a - b)) {
      const isOld = dayOf(hour) <= dayOf(newest) - DAYS;
      // The hour that is being counted stays: as many series as there may be fit in it.
      if (isOld || (cells > cellsMax && hour < newest)) forget(hour);
      else return;
    }
  };
  const add = (hour: number, row: HistoryRow, { labels, sum }: Sum): boolean => {
    if (hour < floor || dayOf(hour) <= dayOf(newest) - DAYS) return false;
    const number = rows.numberOf(row);
    if (number === null) return false;
    const known = hours.get(hour) ?? new Map<number, Cell>();
    const cell = known.get(number);
    if (cell === undefined) {
      hours.set(hour, known.set(number, { labels, sum }));
      cells += 1;
    } else {
      cell.labels += labels;
      cell.sum += sum;
    }
    earliest = Math.min(earliest, hour);
    const isNewDay = dayOf(hour) > dayOf(newest);
    newest = Math.max(newest, hour);
    if (isNewDay || cells > cellsMax) makeRoom();
    return true;
  };
  for (const { hour, row, ...sum } of loadDays(saved)) add(hour, row, sum);
  changed.clear();

  return {
    count: (outcome) => {
      const isLoss = "loss" in outcome;
      // Of what a client did not wait for, only a lower bound is known.
      if (!isLoss && outcome.isAtLeast === true) return;
      const hour = Math.floor(outcome.at / HOUR_MS);
      if (add(hour, outcome, { labels: 1, sum: isLoss ? outcome.loss : outcome.amount })) changed.add(dayOf(hour));
      else dropped += 1;
    },
    read: ({ since, until }, visit) => {
      for (let hour = Math.floor(since / HOUR_MS); hour * HOUR_MS < until; hour++)
        for (const [number, { labels, sum }] of hours.get(hour) ?? [])
          visit({ row: rows.rowOf(number), at: hour * HOUR_MS, labels, sum });
    },
    since: () => (earliest === Infinity ? null : Math.max(floor, earliest) * HOUR_MS),
    dropped: () => dropped,
    takeChanged: () => {
      const taken = [...changed].filter((day) => day > dayOf(newest) - DAYS);
      changed.clear();
      return taken.map((day) => ({ name: nameOf(day), value: saveDay(day, hours, rows.rowOf) }));
    },
  };
}

const dayOf = (hour: number): number => Math.floor(hour / 24);

/** By policy, segment, variant and metric: a name that is put together for each label would cost more than the count. */
type Numbers = Map<string, Map<string, Map<string, Map<string, number>>>>;

/** Each series by a number, because its name is long and its hours are many. */
function createRows() {
  const numbers: Numbers = new Map();
  const rows: HistoryRow[] = [];
  return {
    /** @returns null where no more fit */
    numberOf: ({ policy, segment, variant, metric }: HistoryRow): number | null => {
      const known = numbers.get(policy)?.get(segment)?.get(variant)?.get(metric);
      if (known !== undefined || rows.length >= ROWS_MAX) return known ?? null;
      const number = rows.push({ policy, segment, variant, metric }) - 1;
      below(below(below(numbers, policy), segment), variant).set(metric, number);
      return number;
    },
    rowOf: (number: number): HistoryRow => {
      const row = rows[number];
      assert(row !== undefined, `row ${number} of the history has no name`);
      return row;
    },
  };
}

function below<V>(map: Map<string, Map<string, V>>, name: string): Map<string, V> {
  const known = map.get(name) ?? new Map<string, V>();
  map.set(name, known);
  return known;
}

function saveDay(
  day: number,
  hours: ReadonlyMap<number, ReadonlyMap<number, Cell>>,
  rowOf: (number: number) => HistoryRow,
): z.infer<typeof Saved> {
  const entries = new Map<number, [number, number, number][]>();
  for (let hour = 0; hour < 24; hour++)
    for (const [number, { labels, sum }] of hours.get(day * 24 + hour) ?? []) {
      const known = entries.get(number);
      if (known === undefined) entries.set(number, [[hour, labels, sum]]);
      else known.push([hour, labels, sum]);
    }
  const rows = [...entries].map(([number, each]): z.infer<typeof Saved>["rows"][number] => {
    const { policy, segment, variant, metric } = rowOf(number);
    return [policy, segment, variant, metric, each];
  });
  return { version: 1, day, rows };
}

/** The latest first, so that what has no room is the oldest. */
function* loadDays(saved: readonly unknown[]): Generator<Sum & { readonly hour: number; readonly row: HistoryRow }> {
  const days = saved.flatMap((one) => (one === null || one === undefined ? [] : [Saved.parse(one)]));
  for (const { day, rows } of days.sort((a, b) => b.day - a.day))
    for (const [policy, segment, variant, metric, entries] of rows)
      for (const [hour, labels, sum] of entries)
        yield { hour: day * 24 + hour, row: { policy, segment, variant, metric }, labels, sum };
}
