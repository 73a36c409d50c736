import { describe, expect, test } from "vitest";
import { parseOptions } from "../../bench/overhead/options.ts";
import { benchPolicy, placesOf } from "../../bench/overhead/policy.ts";
import { orderOf, scheduleOf } from "../../bench/overhead/schedule.ts";
import { isFlat } from "../../bench/overhead/soak.ts";
import {
  BODY_BYTES,
  jsonAnswer,
  MODES,
  PACED_MARK,
  requestBodies,
  servedPlaces,
  STREAM_CHUNKS,
  STREAM_MARK,
  streamEvents,
} from "../../bench/overhead/wire.ts";
import { Policy } from "../../src/core/policy.ts";

describe("the options", () => {
  test("are everything, once, when nothing is said", () => {
    expect(parseOptions([], "/here")).toEqual({
      quick: false,
      json: false,
      modes: ["json", "stream", "paced"],
      variants: ["direct", "raw", "segue", "portkey"],
      gate: null,
      soakMinutes: null,
      checkout: "/here",
      content: false,
    });
  });

  test("take lists in any order", () => {
    const options = parseOptions(["--variants", "segue,raw", "--only", "stream", "--gate", "2.0"], "/here");
    expect(options).toMatchObject({ variants: ["raw", "segue"], modes: ["stream"], gate: 2 });
  });

  test("are null when help is wanted", () => expect(parseOptions(["--help"], "/here")).toBeNull());

  test.each([
    [["--variants", "nginx"], "--variants takes direct, raw, segue, portkey, not 'nginx'"],
    [["--only", ""], "--only takes json, stream, paced, not ''"],
    [["--gate", "0"], "--gate takes a number above 0"],
    [["--soak", "long"], "--soak takes a number above 0"],
    [["--fast"], "--fast"],
  ])("refuse %j", (args, message) => expect(() => parseOptions(args, "/here")).toThrow(message));
});

describe("the schedule", () => {
  test.each([true, false])("restarts every process three times at least, quick: %s", (quick) => {
    const schedule = scheduleOf({ quick, modes: MODES });
    expect(schedule.restarts).toBeGreaterThanOrEqual(3);
    expect(schedule.warmUp.modes.length * schedule.warmUp.msEach).toBeGreaterThanOrEqual(2500);
    for (const load of ["c32", "400rps"]) expect(schedule.cells.map((cell) => cell.load)).toContain(load);
  });

  test.each(MODES)("warms up for %s alone as well", (mode) => {
    const { cells, warmUp } = scheduleOf({ quick: true, modes: [mode] });
    expect(new Set(cells.map((cell) => cell.mode))).toEqual(new Set([mode]));
    expect(warmUp).toEqual({ modes: [mode], msEach: 2500 });
  });

  test("turns the order round every other round", () => {
    expect([0, 1, 2].map((round) => orderOf(["a", "b", "c"], round).join(""))).toEqual(["abc", "cba", "abc"]);
  });
});

describe("the policy", () => {
  test.each([10, 1000, 10_000] as const)("has %i segments of different names", (count) => {
    const { segments } = Policy.parse(benchPolicy(count));
    expect(new Set(segments.map(({ id }) => id)).size).toBe(count);
    expect(placesOf(count)).toHaveLength(count);
  });

  test("serves several segments of the key's region", () => {
    expect(servedPlaces).toHaveLength(16);
    expect(new Set(servedPlaces.map(({ region }) => region)).size).toBe(1);
  });
});

describe("what goes over the wire", () => {
  test.each(MODES)("is a request of the stated size that says its mode, for %s", (mode) => {
    for (const { text } of requestBodies(mode)) {
      expect(Buffer.byteLength(text)).toBe(BODY_BYTES);
      expect([text.includes(STREAM_MARK), text.includes(PACED_MARK)]).toEqual([mode !== "json", mode === "paced"]);
    }
  });

  test("is an answer of the stated size, and a stream of so many events with its end", () => {
    expect(Buffer.byteLength(jsonAnswer())).toBe(BODY_BYTES);
    expect(streamEvents()).toHaveLength(STREAM_CHUNKS);
    expect(streamEvents().at(-1)).toMatch(/data: \[DONE\]\n\n$/);
  });
});

describe("memory", () => {
  test.each([
    { rss: [90, 120, 130, 130, 131, 132], flat: true, because: "it grew at the start only" },
    { rss: [90, 100, 120, 140, 160, 180], flat: false, because: "it still grows at the end" },
    { rss: [90, 100, 180, 180, 120, 120], flat: true, because: "it fell" },
    { rss: [90, 100, 180], flat: null, because: "there are too few samples" },
  ])("is flat: $flat, when $because", ({ rss, flat }) => expect(isFlat(rss)).toBe(flat));
});
