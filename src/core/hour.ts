/**
 * How many there were in about the last hour, and their sum, in five numbers: this hour's and the last one's, the last
 * counted for the part of it that still lies in the window (the sliding-window counter). Offsets are relative to `at`.
 */
const HOUR = 0;
const COUNT = 1;
const SUM = 2;
const COUNT_BEFORE = 3;
const SUM_BEFORE = 4;
export const HOUR_NUMBERS = 5;

const HOUR_MS = 3_600_000;

/** Counts one of size `value` at `time`, epoch milliseconds; one that is older than the hour before is left out. */
export function countInHour(cells: Float64Array, at: number, value: number, time: number): void {
  const hour = Math.floor(time / HOUR_MS);
  const ahead = hour - (cells[at + HOUR] ?? 0);
  if (ahead > 0) {
    cells[at + COUNT_BEFORE] = ahead === 1 ? (cells[at + COUNT] ?? 0) : 0;
    cells[at + SUM_BEFORE] = ahead === 1 ? (cells[at + SUM] ?? 0) : 0;
    cells[at + HOUR] = hour;
    cells[at + COUNT] = 1;
    cells[at + SUM] = value;
  } else if (ahead >= -1) {
    const late = ahead === 0 ? 0 : COUNT_BEFORE - COUNT;
    cells[at + COUNT + late] = (cells[at + COUNT + late] ?? 0) + 1;
    cells[at + SUM + late] = (cells[at + SUM + late] ?? 0) + value;
  }
}

/** What was counted, and its sum. Neither need be whole. */
export interface Counted {
  readonly count: number;
  readonly sum: number;
}

const NOTHING: Counted = { count: 0, sum: 0 };

/** About the last `minutes` before `now`, at most 60: within an hour's count, what there was is taken to be spread evenly. */
export function lastHour(cells: Float64Array, at: number, now: number, minutes = 60): Counted {
  const hour = Math.floor(now / HOUR_MS);
  const behind = hour - (cells[at + HOUR] ?? 0);
  if (behind > 1) return NOTHING;
  const count = cells[at + COUNT] ?? 0;
  const sum = cells[at + SUM] ?? 0;
  const elapsed = (now - hour * HOUR_MS) / 60_000;
  // The part of the hour before `now`'s that the window still covers.
  const partBefore = Math.max(0, minutes - elapsed) / 60;
  if (behind === 1) return { count: count * partBefore, sum: sum * partBefore };
  // A clock that went back: all that is counted counts as recent.
  const part = behind < 0 || minutes >= elapsed ? 1 : minutes / elapsed;
  const before = behind < 0 ? 1 : partBefore;
  return {
    count: count * part + (cells[at + COUNT_BEFORE] ?? 0) * before,
    sum: sum * part + (cells[at + SUM_BEFORE] ?? 0) * before,
  };
}
