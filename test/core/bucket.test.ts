import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bucket } from "../../src/core/bucket.ts";

describe("a bucket", () => {
  test("is always the same for the same salt and unit, and lies in [0,1)", () =>
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (salt, unit) => {
        const place = bucket(salt, unit);
        expect(bucket(salt, unit)).toBe(place);
        expect(place).toBeGreaterThanOrEqual(0);
        expect(place).toBeLessThan(1);
      }),
    ));

  test("keeps whom a smaller share held when the share grows", () =>
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.double({ min: 0, max: 1 }),
        fc.double({ min: 0, max: 1 }),
        (salt, unit, a, b) => {
          const [smaller, larger] = [Math.min(a, b), Math.max(a, b)];
          if (bucket(salt, unit) < smaller) expect(bucket(salt, unit)).toBeLessThan(larger);
        },
      ),
    ));

  // 99 degrees of freedom: a fair spread exceeds 148.2 once in a thousand salts; these are fixed.
  test.each([
    { name: "numbers", unit: (i: number) => String(i) },
    { name: "user ids", unit: (i: number) => `user-${i}` },
    { name: "hex ids", unit: (i: number) => (i * 2654435761).toString(16).padStart(32, "0") },
    { name: "names beyond ASCII", unit: (i: number) => `użytkownik-${i}-漢字` },
  ])("spreads $name evenly", ({ unit }) => {
    const units = 20_000;
    const cells = Array.from({ length: 100 }, () => 0);
    for (let i = 0; i < units; i++) cells[Math.floor(bucket("sw-1", unit(i)) * 100)]!++;
    const expected = units / cells.length;
    const chiSquare = cells.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(148.2);
  });

  test("puts units elsewhere under another salt", () => {
    const units = Array.from({ length: 4000 }, (_, i) => `user-${i}`);
    const inBoth = units.filter((unit) => bucket("sw-1", unit) < 0.1 && bucket("sw-2", unit) < 0.1).length;
    expect(inBoth / units.length).toBeGreaterThan(0.004);
    expect(inBoth / units.length).toBeLessThan(0.017);
  });

  test("does not confuse where the salt ends and the unit begins", () => {
    expect(bucket("ab", "c")).not.toBe(bucket("a", "bc"));
  });
});
