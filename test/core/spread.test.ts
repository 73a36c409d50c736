import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  breadth,
  newSpread,
  observeSpread,
  resetSpread,
  rowOf,
  variantOf,
  type Spread,
} from "../../src/core/spread.ts";

const AT = 1_780_000_000_000;
const tell = (
  spread: Spread,
  row: string,
  losses: readonly number[],
  { tolerated = 0.1, at = AT, heard = 0 } = {},
): Spread => {
  for (const loss of losses) observeSpread(spread, row, { loss, tolerated, at }, { all: heard, upstream: heard });
  return spread;
};
const times = (count: number, loss: number): number[] => Array.from({ length: count }, () => loss);
const rowsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => rowOf(`s${i}`, "first"));
/** Rows that lose so many answers each, one answer of each row after another. */
const losing = (rows: readonly string[], labels: number): Spread => {
  const spread = newSpread();
  for (let label = 0; label < labels; label++) for (const row of rows) tell(spread, row, [1]);
  return spread;
};

test("a row is named by its segment and its variant, and gives its variant back", () => {
  expect(rowOf("alpha", "first")).not.toBe(rowOf("alpha", "second"));
  expect(variantOf(rowOf("alpha", "first"))).toBe("first");
});

describe("how far a loss is spread", () => {
  test("is no more for two rows however bad they are, and more for each further row that is as bad", () => {
    expect(breadth(losing(rowsOf(2), 5000))).toBe(breadth(losing(rowsOf(2), 5)));
    expect(breadth(losing(rowsOf(2), 5000))).toBeLessThan(Math.log(100));
    const breadths = [1, 2, 4, 8, 16].map((count) => breadth(losing(rowsOf(count), 5)));
    expect(breadths).toStrictEqual(breadths.toSorted((a, b) => a - b));
    expect(new Set(breadths).size).toBe(5);
  });

  test("is beyond doubt when many rows lose a few answers each", () =>
    expect(breadth(losing(rowsOf(10), 3))).toBeGreaterThan(Math.log(1000)));

  test("is less for each row that is well, without a limit to how much one may speak against it", () => {
    const spread = losing(rowsOf(10), 20);
    const before = breadth(spread);
    tell(spread, rowOf("well", "first"), times(5, 0));
    const some = breadth(spread);
    tell(spread, rowOf("well", "first"), times(100, 0));
    expect(some).toBeLessThan(before);
    expect(breadth(spread)).toBeLessThan(0);
  });

  test("is that of the rows that are asked for", () => {
    const spread = tell(losing(rowsOf(4), 20), rowOf("well", "second"), times(5, 0));
    const ofFirst = breadth(spread, (row) => variantOf(row) === "first");
    const ofSecond = breadth(spread, (row) => variantOf(row) === "second");
    expect(ofFirst).toBeGreaterThan(0);
    expect(ofSecond).toBeLessThan(0);
    expect(ofFirst + ofSecond).toBeCloseTo(breadth(spread), 9);
  });

  test("measures each loss against what its own row tolerates: a hard segment that is as usual says nothing", () => {
    const spread = losing(rowsOf(3), 2);
    const before = breadth(spread);
    tell(spread, rowOf("hard", "first"), [1, 0, 1, 0], { tolerated: 0.5 });
    expect(Math.abs(breadth(spread) - before)).toBeLessThan(0.3);
  });
});

describe("what is kept of a loss", () => {
  test("is each row's labels, losses and levels since it began, and when that was", () => {
    const spread = tell(newSpread(), "a/first", [1], { tolerated: 0.2, at: AT + 5 });
    tell(spread, "b/first", [1, 0.5], { at: AT + 9 });
    expect(spread.since).toBe(AT + 5);
    expect(spread.rows.get("a/first")).toMatchObject({ labels: 1, lossSum: 1, toleratedSum: 0.2 });
    expect(spread.rows.get("b/first")).toMatchObject({ labels: 2, lossSum: 1.5, toleratedSum: 0.2 });
  });

  test("is nothing once the losses are well, and a later loss begins at its own time", () => {
    const spread = tell(losing(rowsOf(3), 2), rowOf("s0", "first"), times(200, 0));
    expect(spread).toMatchObject({ cusum: 0, rows: new Map() });
    expect(breadth(spread)).toBe(0);
    tell(spread, "a/first", [1], { at: AT + 1000 });
    expect(spread.since).toBe(AT + 1000);
    expect([...spread.rows.keys()]).toStrictEqual(["a/first"]);
  });

  test("tells how much the metric was heard of before it began, however much it is heard of since", () => {
    const spread = tell(newSpread(), "a/first", [1], { heard: 70 });
    expect(tell(spread, "b/first", [1], { heard: 90 }).heardBefore.all).toBe(70);
  });

  test("is nothing while nothing is lost", () => expect(tell(newSpread(), "a/first", times(50, 0)).rows.size).toBe(0));

  test("is forgotten when it is reset", () => {
    const spread = losing(rowsOf(3), 2);
    resetSpread(spread);
    expect(spread).toMatchObject({ cusum: 0, rows: new Map() });
  });

  const label = fc.tuple(
    fc.constantFrom("a/first", "b/first", "b/second"),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0.02, max: 0.98, noNaN: true }),
  );

  test("is finite and never broader than the CUSUM says, for any losses", () =>
    fc.assert(
      fc.property(fc.array(label, { maxLength: 300 }), (labels) => {
        const spread = newSpread();
        for (const [row, loss, tolerated] of labels) {
          observeSpread(spread, row, { loss, tolerated, at: AT }, { all: 0, upstream: 0 });
          expect(spread.cusum).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(breadth(spread))).toBe(true);
          expect(breadth(spread)).toBeLessThanOrEqual(spread.cusum + 1e-9);
        }
      }),
    ));
});
