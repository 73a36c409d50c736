import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBoards, segmentBoard, type Boards } from "../../src/core/boards.ts";
import { countExposure, exposuresOf, trafficShare } from "../../src/core/traffic.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Half past. */
const NOW = 1000 * HOUR + 30 * MINUTE;
const counted = (exposures: readonly (readonly [string, number])[]): Boards => {
  const boards = createBoards();
  for (const [key, at] of exposures) countExposure(boards.slabs.exposures, boardOf(boards, key), at);
  return boards;
};
const boardOf = (boards: Boards, key: string) => {
  const [policy = "", segment = ""] = key.split("/");
  return segmentBoard(boards, policy, segment);
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
        ["chat/a", -2 * HOUR],
        ["chat/b", 0],
      ],
      share: 0,
      because: "its own are two hours old",
    },
    {
      exposures: [
        ["chat/a", -HOUR],
        ["chat/b", 0],
      ],
      share: 1 / 3,
      because: "half of the hour of its own is over",
    },
  ] as const)("is $share when $because", ({ exposures, share }) => {
    const boards = counted(exposures.map(([key, at]) => [key, NOW + at] as const));
    expect(trafficShare(boardOf(boards, "chat/a"), NOW)).toBeCloseTo(share, 12);
  });

  test("sums to one over the segments", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("chat/a", "chat/b", "chat/c"), fc.nat(200)), { minLength: 1 }),
        (list) => {
          const exposures = list.map(([key, minute]) => [key, minute * MINUTE] as const).sort(([, a], [, b]) => a - b);
          const boards = counted(exposures);
          const now = Math.max(...exposures.map(([, at]) => at));
          const shares = ["chat/a", "chat/b", "chat/c"].map((key) => trafficShare(boardOf(boards, key), now));
          expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 9);
        },
      ),
    ));
});

test("a segment's requests of about the last hour are its own, and 0 of one that was never served", () => {
  const boards = counted([
    ["chat/a", NOW],
    ["chat/a", NOW - HOUR],
    ["chat/b", NOW],
  ]);
  expect(exposuresOf(boardOf(boards, "chat/a"), NOW)).toBe(1.5);
  expect(exposuresOf(boardOf(boards, "chat/c"), NOW)).toBe(0);
});
