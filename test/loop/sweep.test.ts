import { describe, expect, test } from "vitest";
import { nextSweep } from "../../src/loop/sweep.ts";
import { NOW } from "./loop-fixture.ts";

const quiet = {
  now: NOW + 1000,
  lastFullAt: NOW,
  news: new Set<string>(),
  head: 7,
  lastHead: 7,
  flagsChanged: false,
};
const news = new Set(["chat/alpha"]);

describe("the next sweep", () => {
  test.each([
    { given: {}, sweep: "none", because: "nothing happened" },
    { given: { news }, sweep: news, because: "there is news of it" },
    { given: { news, now: NOW + 10_000 }, sweep: "all", because: "ten seconds are over" },
    { given: { now: NOW + 9999 }, sweep: "none", because: "ten seconds are not over" },
    { given: { now: NOW + 9999, fullSweepMs: 5000 }, sweep: "all", because: "the host wants it more often" },
    { given: { now: NOW - 1 }, sweep: "all", because: "the clock went back" },
    { given: { lastFullAt: null, news }, sweep: "all", because: "nothing was looked at yet" },
    { given: { head: 8, news }, sweep: "all", because: "somebody else wrote" },
    { given: { flagsChanged: true }, sweep: "all", because: "a flag changed" },
  ])("is $sweep when $because", ({ given, sweep }) => expect(nextSweep({ ...quiet, ...given })).toBe(sweep));
});
