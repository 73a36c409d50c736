import { RouterError } from "../core/errors.ts";

export const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** As far back as losses are kept by the hour. */
export const PERIOD_MS_MAX = 90 * DAY_MS;
/** Up to here a period is told by the hour, beyond it by the day. */
const HOURLY_MS_MAX = 2 * DAY_MS;

/** What a report is about: `since ≤ t < until`, both epoch milliseconds, and the time as long before it. */
export interface Period {
  /** At a full hour (UTC), because losses are kept by the hour. */
  readonly since: number;
  readonly until: number;
  /** Where the period before begins, which ends at `since` and is exactly as long; not always at a full hour. */
  readonly previousSince: number;
  /** How long each point of a series lasts, and how many there are; the last may be shorter. */
  readonly bucketMs: number;
  readonly buckets: number;
}

/** The beginning of the hour (UTC) that a time is in, epoch milliseconds. */
export const fullHour = (time: number): number => Math.floor(time / HOUR_MS) * HOUR_MS;

/**
 * @param since epoch milliseconds, rounded down to the hour
 * @throws RouterError `invalid_request` for a period that is empty or longer than 90 days
 */
export function periodOf(since: number, until: number): Period {
  const start = fullHour(since);
  if (!(start < until)) throw refuse("since", "The period is empty: 'since' must be before 'until'.");
  // An hour more than the longest, for the hour that was rounded down.
  if (until - start > PERIOD_MS_MAX + HOUR_MS)
    throw refuse("since", "The period is longer than 90 days, which is as far back as losses are kept.");
  const hours = Math.ceil((until - start) / HOUR_MS);
  const bucketMs = hours * HOUR_MS > HOURLY_MS_MAX + HOUR_MS ? DAY_MS : HOUR_MS;
  return {
    since: start,
    until,
    previousSince: start - (until - start),
    bucketMs,
    buckets: Math.ceil((until - start) / bucketMs),
  };
}

/**
 * The period that a caller names.
 * @param since `24h`, `7d` (before `until`) or an ISO date and time
 * @param until an ISO date and time, rounded down to the hour; `now` when absent
 * @throws RouterError `invalid_request`
 */
export function readPeriod(since: string, until: string | undefined, now: number): Period {
  const end = until === undefined ? now : fullHour(readTime("until", until));
  if (end > now) throw refuse("until", `'until' is in the future: ${until}.`);
  const [, count, unit] = /^(\d{1,5})([hd])$/.exec(since) ?? [];
  if (count === undefined) return periodOf(readTime("since", since), end);
  return periodOf(end - Number(count) * (unit === "h" ? HOUR_MS : DAY_MS), end);
}

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** A date alone is midnight UTC; a time needs its zone, for the server's is not the caller's. */
function readTime(param: string, text: string): number {
  const time = ISO.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  const shown = text.slice(0, 40);
  throw refuse(param, `'${param}' takes 24h, 7d or an ISO time such as 2026-03-01T00:00:00Z, not '${shown}'.`);
}

const refuse = (param: string, message: string): RouterError =>
  new RouterError("invalid_request", message, { param, reason: "invalid_period" });
