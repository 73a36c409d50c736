import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countExposure, trafficShare, type Traffic } from "../../src/core/traffic.ts";

const MINUTE = 60_000;
const counted = (exposures: readonly (readonly [string, number])[]): Traffic => {
  const traffic: Traffic = {};
  for (const [key, at] of exposures) countExposure(traffic, key, at);
  return traffic;
};

describe("a segment's share of its policy's traffic", () => {
  test.each([
    { exposures: [], share: 0, because: "nothing was served" },
    { exposures: [["chat/b", 0]], share: 0, because: "only others were served" },
    { exposures: [["chat/a", 0]], share: 1, because: "nothing else was served" },
    {
      exposures: [
        ["chat/a", 0],
        ["chat/b", 0],
        ["chat/b", 1],
      ],
      share: 1 / 3,
      because: "one of three was its own",
    },
    {
      exposures: [
        ["chat/a", 0],
        ["search/b", 0],
      ],
      share: 1,
      because: "another policy does not count",
    },
    {
      exposures: [
        ["chat/a", 0],
        ["chatty/b", 0],
      ],
      share: 1,
      because: "a longer name is another policy",
    },
    {
      exposures: [
        ["chat/a", -60 * MINUTE],
        ["chat/b", 0],
      ],
      share: 0,
      because: "its own are an hour old",
    },
    {
      exposures: [
        ["chat/a", -59 * MINUTE],
        ["chat/b", 0],
      ],
      share: 0.5,
      because: "its own are still within the hour",
    },
  ] as const)("is $share when $because", ({ exposures, share }) => {
    const now = 1000 * MINUTE;
    const traffic = counted(exposures.map(([key, at]) => [key, now + at] as const));
    expect(trafficShare(traffic, "chat", "chat/a", now)).toBeCloseTo(share, 12);
  });

  test("sums to one over the segments, and keeps at most an hour of minutes each", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("chat/a", "chat/b", "chat/c"), fc.nat(200)), { minLength: 1 }),
        (list) => {
          const exposures = list.map(([key, minute]) => [key, minute * MINUTE] as const).sort(([, a], [, b]) => a - b);
          const traffic = counted(exposures);
          const now = Math.max(...exposures.map(([, at]) => at));
          const shares = ["chat/a", "chat/b", "chat/c"].map((key) => trafficShare(traffic, "chat", key, now));
          expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 9);
          for (const minutes of Object.values(traffic)) expect(minutes.length).toBeLessThanOrEqual(60);
        },
      ),
    ));
});
