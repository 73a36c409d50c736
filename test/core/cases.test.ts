import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCases, type Case, type Cases } from "../../src/core/cases.ts";

const KEY = "support-chat/emea-free/first/helpful";
const DAY = 86_400_000;

const answer = (place: number, given: Partial<Case> = {}): Case => ({
  predictionId: `prediction-${place}`,
  attributes: { region: place % 2 === 0 ? "eu" : "us" },
  loss: 0,
  at: place,
  ...given,
});

const fill = (cases: Cases, count: number, key = KEY): Cases => {
  for (let place = 0; place < count; place++) cases.add(key, answer(place));
  return cases;
};

const all = (cases: Cases, key = KEY): readonly Case[] => cases.read(key, Infinity).healthy;
const times = (cases: readonly Case[]): number[] => cases.map(({ at }) => at).sort((a, b) => a - b);

describe("the memory of cases", () => {
  test("gives back what was served before and since the change, whatever came first", () => {
    const cases = createCases();
    for (const at of [5, 1, 4, 2, 3]) cases.add(KEY, answer(at));
    const { healthy, degraded } = cases.read(KEY, 4);
    expect(times(healthy)).toEqual([1, 2, 3]);
    expect(times(degraded)).toEqual([4, 5]);
    expect(cases.read("another/key", 4)).toEqual({ healthy: [], degraded: [] });
  });

  test("keeps every one of the last 200 and an even sample of 400 of all before them", () => {
    const cases = fill(createCases(), 40_000);
    expect(times(all(cases)).slice(-200)).toEqual(Array.from({ length: 200 }, (_, place) => 39_800 + place));
    expect(all(cases)).toHaveLength(600);
    const sample = times(all(cases)).slice(0, 400);
    for (let quarter = 0; quarter < 4; quarter++) {
      const within = sample.filter((at) => Math.floor(at / 10_000) === quarter).length;
      // Binomial(400, .25): four standard deviations.
      expect(Math.abs(within - 100)).toBeLessThan(35);
    }
  });

  test("keeps the same sample in whatever order the answers came", () =>
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(900).keys()], { minLength: 900 }), (order) => {
        const sampled = (places: readonly number[]) => {
          const cases = createCases();
          for (const place of places) cases.add(KEY, answer(place));
          // The last ones differ with the order; those who push them out do not.
          for (let place = 1000; place < 1200; place++) cases.add(KEY, answer(place));
          return times(all(cases));
        };
        expect(sampled(order)).toEqual(sampled(order.toSorted((a, b) => a - b)));
      }),
      { numRuns: 20 },
    ));

  test("forgets the last answers and keeps the sample when a new incumbency begins", () => {
    const cases = fill(createCases(), 1000);
    cases.begin(KEY);
    cases.begin("another/key");
    expect(all(cases)).toHaveLength(400);
    expect(times(all(cases)).at(-1)).toBeLessThan(800);
  });

  test("takes nothing into the sample while the row is alarmed", () => {
    const cases = fill(createCases(), 1000);
    for (let place = 1000; place < 50_000; place++) cases.add(KEY, answer(place), true);
    const { healthy, degraded } = cases.read(KEY, 1000);
    expect(healthy).toHaveLength(400);
    expect(degraded).toHaveLength(200);
  });

  test.each([
    { values: 3, change: 7, because: "answers without a session count each" },
    { values: 100, change: 0, because: "more are asked for than are known" },
    { values: 1, change: 9, because: "the last is the change" },
  ])("says that the last $values began at $change, for $because", ({ values, change }) => {
    const cases = createCases();
    for (const at of [9, 3, 8, 0, 7, 2, 1, 4, 6, 5]) cases.add(KEY, answer(at));
    expect(cases.changeOf(KEY, values)).toBe(change);
    expect(cases.changeOf("another/key", values)).toBeNull();
  });

  test("counts the answers of one session as one of the last", () => {
    const cases = createCases();
    for (let at = 0; at < 10; at++) cases.add(KEY, answer(at, at < 5 ? {} : { session: at < 8 ? "one" : "two" }));
    expect(cases.changeOf(KEY, 2)).toBe(5);
    expect(cases.changeOf(KEY, 3)).toBe(4);
  });

  test("never holds more than it may, over any number of keys, and counts what it forgets", () =>
    fc.assert(
      fc.property(fc.array(fc.nat(80), { minLength: 1, maxLength: 3000 }), fc.nat(40), (keys, stray) => {
        const cases = createCases(undefined, 1200);
        for (const [place, key] of keys.entries()) cases.add(`key-${key % (stray + 1)}`, answer(place));
        const held = new Set(keys.map((key) => `key-${key % (stray + 1)}`));
        const count = [...held].reduce((sum, key) => sum + all(cases, key).length, 0);
        expect(count).toBeLessThanOrEqual(1200);
        if (cases.dropped() === 0 && keys.length <= 60) expect(count).toBe(keys.length);
        expect(count + cases.dropped()).toBeLessThanOrEqual(keys.length);
      }),
      { numRuns: 50 },
    ));

  test("gives every key its share when there are many, and drops the one that was not fed for longest", () => {
    const cases = createCases(undefined, 1200);
    for (let key = 0; key < 20; key++) fill(cases, 300, `key-${key}`);
    for (let key = 0; key < 20; key++) expect(all(cases, `key-${key}`)).toHaveLength(60);
    cases.add("key-0", answer(301));
    cases.add("key-20", answer(0));
    expect(all(cases, "key-1")).toHaveLength(0);
    expect(all(cases, "key-0")).toHaveLength(60);
  });

  test.each([
    { first: "was not fed for a day", at: 0, straggler: 0, kept: 0, because: "it is dropped" },
    { first: "was fed today, and late labels since", at: 2 * DAY, straggler: 0, kept: 400, because: "all make room" },
  ])("when there is no more room and one $first, $because", ({ at, straggler, kept }) => {
    const cases = createCases(undefined, 1200);
    cases.add("first", answer(601, { at: 0 }));
    for (let place = 0; place < 600; place++) cases.add("first", answer(place, { at: at + place }));
    cases.add("first", answer(600, { at: straggler }));
    for (let place = 0; place < 600; place++) cases.add("busy", answer(place, { at: 2 * DAY + place }));
    cases.add("new", answer(0, { at: 2 * DAY }));
    expect(all(cases, "first")).toHaveLength(kept);
    expect(all(cases, "busy")).toHaveLength(kept === 0 ? 600 : 400);
    expect(cases.dropped()).toBe(kept === 0 ? 600 : 400);
  });

  test("drops nothing while there is room, however old it is", () => {
    const cases = fill(createCases(), 600, "stale");
    cases.add("new", answer(0, { at: 20 * DAY }));
    expect(all(cases, "stale")).toHaveLength(600);
    expect(cases.dropped()).toBe(0);
  });

  test("goes on from its JSON with the lowest of the sample and the last answers", () => {
    const cases = fill(createCases(), 99);
    cases.add(KEY, answer(100, { session: "one", loss: 0.5, attributes: { tier: "free", turns: 3, beta: true } }));
    const restarted = createCases(JSON.parse(JSON.stringify(cases.save())));
    expect(restarted.read(KEY, 50)).toEqual(cases.read(KEY, 50));
    const large = fill(createCases(), 5000);
    const half = createCases(JSON.parse(JSON.stringify(large.save())));
    expect(all(half)).toHaveLength(300);
    expect(times(all(half)).slice(-100)).toEqual(times(all(large)).slice(-100));
    const sampled = (cases: Cases) => times(all(cases).slice(0, -(cases === half ? 100 : 200)));
    expect(sampled(large)).toEqual(expect.arrayContaining(sampled(half)));
  });

  test("writes attributes that many answers share once", () => {
    const saved = JSON.stringify(fill(createCases(), 250).save());
    expect(saved.match(/region/g)).toHaveLength(2);
  });

  test.each([
    { saved: { version: 2, attributes: [], keys: [] }, because: "another version" },
    { saved: { version: 1, attributes: [], keys: [], more: 1 }, because: "a member that is not ours" },
    { saved: [], because: "another thing" },
  ])("refuses a checkpoint of $because", ({ saved }) => {
    expect(() => createCases(saved)).toThrow();
  });

  test("begins empty without a checkpoint", () => {
    expect(createCases(null).read(KEY, 0)).toEqual({ healthy: [], degraded: [] });
  });
});
