import { describe, expect, test } from "vitest";
import { periodOf, readPeriod } from "../../src/reports/period.ts";
import { HOUR, MINUTE } from "../loop/loop-fixture.ts";
import { DAY, NOW } from "./report-world.ts";

describe("a period", () => {
  test.each([
    { since: "24h", until: undefined, begins: NOW - DAY, ends: NOW, buckets: 24 },
    { since: "7d", until: undefined, begins: NOW - 7 * DAY, ends: NOW, buckets: 7 },
    { since: "2d", until: "2026-03-01T06:40:00Z", begins: NOW - 78 * HOUR, ends: NOW - 30 * HOUR, buckets: 48 },
    {
      since: "2026-03-01",
      until: "2026-03-02T01:00:00+01:00",
      begins: NOW - 36 * HOUR,
      ends: NOW - 12 * HOUR,
      buckets: 24,
    },
  ])("of $since until $until is whole hours", ({ since, until, begins, ends, buckets }) =>
    expect(readPeriod(since, until, NOW)).toMatchObject({ since: begins, until: ends, buckets }),
  );

  test("that ends now begins with a full hour, and is compared with exactly as long a time before", () => {
    const now = NOW + 37 * MINUTE;
    expect(readPeriod("24h", undefined, now)).toEqual({
      since: NOW - DAY,
      until: now,
      previousSince: NOW - DAY - 24 * HOUR - 37 * MINUTE,
      bucketMs: HOUR,
      buckets: 25,
    });
  });

  test.each([
    { since: "yesterday", until: undefined, because: "it is no time" },
    { since: "24", until: undefined, because: "it has no unit" },
    { since: "2026-03-01T10:00:00", until: undefined, because: "it has no zone, and the server's is not the caller's" },
    { since: "24h", until: "2026-03-02T13:00:00Z", because: "nothing is known of the future" },
    { since: "2026-03-02T11:00:00Z", until: "2026-03-02T11:59:00Z", because: "it is empty" },
    { since: "91d", until: undefined, because: "it is longer than losses are kept" },
    { since: "0h", until: undefined, because: "it is empty" },
  ])("of $since until $until is refused: $because", ({ since, until }) =>
    expect(() => readPeriod(since, until, NOW)).toThrow(expect.objectContaining({ reason: "invalid_period" })),
  );

  test.each(["1h", "24h", "7d"])("of %s is as long as the one before, whatever the minute", (since) => {
    for (let minute = 0; minute < 60; minute += 1) {
      const period = readPeriod(since, undefined, NOW + minute * MINUTE);
      expect(period.since - period.previousSince).toBe(period.until - period.since);
    }
  });

  test("of 90 days may begin within an hour", () =>
    expect(periodOf(NOW + MINUTE - 90 * DAY, NOW + MINUTE)).toMatchObject({ buckets: 91, bucketMs: DAY }));
});
