import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PROBE_WAIT_MAX_MS, probeShare, probeWaitMs, type ProbeStakes } from "../../src/core/probe-wait.ts";

const HOUR = 3_600_000;
const stakes: ProbeStakes = {
  lossDegraded: 0.8,
  lossHealthy: 0.1,
  lossServing: 0.2,
  elapsedMs: HOUR,
  requestsPerHour: 600,
};
const waitOf = (given: Partial<ProbeStakes> = {}): number => probeWaitMs({ ...stakes, ...given });

const loss = fc.double({ min: 0, max: 1, noNaN: true });
const anyStakes = fc.record({
  lossDegraded: loss,
  lossHealthy: loss,
  lossServing: loss,
  elapsedMs: fc.nat(30 * 24 * HOUR),
  requestsPerHour: fc.double({ min: 0, max: 1e6, noNaN: true }),
});
/** The longer of two waits is the first's, but for rounding. */
const expectNotShorter = (one: number, other: number): void => expect(one).toBeGreaterThanOrEqual(other * (1 - 1e-9));

describe("the wait before a probe", () => {
  test("is a time, a day at most, whatever the stakes", () =>
    fc.assert(
      fc.property(anyStakes, (given) => {
        expect(probeWaitMs(given)).toBeGreaterThanOrEqual(0);
        expect(probeWaitMs(given)).toBeLessThanOrEqual(PROBE_WAIT_MAX_MS);
      }),
    ));

  test("is not shorter when the fault has lasted longer, when a probe costs more, or when a return wins less", () =>
    fc.assert(
      fc.property(anyStakes, fc.nat(24 * HOUR), loss, (given, more, by) => {
        const wait = probeWaitMs(given);
        expectNotShorter(probeWaitMs({ ...given, elapsedMs: given.elapsedMs + more }), wait);
        expectNotShorter(probeWaitMs({ ...given, lossDegraded: given.lossDegraded + by }), wait);
        expectNotShorter(probeWaitMs({ ...given, lossHealthy: given.lossHealthy + by }), wait);
      }),
    ));

  test.each([
    { given: { elapsedMs: 4 * HOUR }, times: 2, because: "the fault has lasted four times as long" },
    { given: { lossDegraded: 0.2 + 4 * 0.6 }, times: 2, because: "a probe costs four times as much" },
    { given: { lossHealthy: 0.175 }, times: 2, because: "a return wins a quarter" },
    { given: { requestsPerHour: 2400 }, times: 0.5, because: "labels come four times as fast" },
  ])("is $times times as long when $because", ({ given, times }) =>
    expect(waitOf(given)).toBeCloseTo(times * waitOf(), 3),
  );

  test("takes a probe to cost some tens of answers of what degraded", () => {
    // A wait of w requests is cheapest for a cost of gain·w²/2t.
    const requests = (waitOf() / HOUR) * stakes.requestsPerHour;
    const cost = (requests ** 2 * (stakes.lossServing - stakes.lossHealthy)) / (2 * stakes.requestsPerHour);
    expect(cost / (stakes.lossDegraded - stakes.lossServing)).toBeGreaterThanOrEqual(10);
    expect(cost / (stakes.lossDegraded - stakes.lossServing)).toBeLessThanOrEqual(200);
  });

  test("is short after a short outage of a busy segment, and long where next to nothing is to be won", () => {
    expect(waitOf({ elapsedMs: 60_000, requestsPerHour: 36_000 })).toBeLessThan(10 * 60_000);
    expect(waitOf({ lossHealthy: 0.2, elapsedMs: 24 * HOUR })).toBeGreaterThan(2 * HOUR);
  });

  test("is the longest where nobody asks, or where what serves is better than what was left ever was", () => {
    expect(waitOf({ requestsPerHour: 0 })).toBe(PROBE_WAIT_MAX_MS);
    expectNotShorter(waitOf({ lossServing: 0.05 }), waitOf());
  });
});

describe("a probe's share of the traffic", () => {
  const requests = fc.double({ min: 0, max: 1e7, noNaN: true });

  test("is at most half and never nothing, and falls with the traffic", () =>
    fc.assert(
      fc.property(requests, requests, (one, other) => {
        expect(probeShare(one)).toBeLessThanOrEqual(0.5);
        expect(probeShare(one)).toBeGreaterThan(0);
        expect(probeShare(Math.max(one, other))).toBeLessThanOrEqual(probeShare(Math.min(one, other)));
      }),
    ));

  test("is half of a quiet segment's, and next to nothing of a very busy one's", () => {
    expect(probeShare(0)).toBe(0.5);
    expect(probeShare(1e7)).toBeLessThanOrEqual(0.05);
  });

  test("makes a handful of answers a minute, the same for middling traffic of any size", () => {
    const answersAMinute = [6000, 12_000, 24_000].map((perHour) => (probeShare(perHour) * perHour) / 60);
    expect(new Set(answersAMinute).size).toBe(1);
    expect(answersAMinute[0]).toBeGreaterThanOrEqual(3);
    expect(answersAMinute[0]).toBeLessThanOrEqual(60);
  });
});
