import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Basis, RUNGS_LISTED } from "../../src/core/basis.ts";
import { rounded } from "../../src/core/rounded.ts";
import { moveBasis } from "./some-basis.ts";

const any = fc.double({ noNaN: true, noDefaultInfinity: true });

describe("rounding", () => {
  test("of what was rounded changes nothing, nor does writing it down", () =>
    fc.assert(
      fc.property(any, (value) => {
        const once = rounded(value);
        expect(rounded(once)).toBe(once);
        expect(JSON.parse(JSON.stringify(once))).toBe(once);
      }),
    ));

  test("keeps the order of figures, a millionth of them, and what lies within 0 and 1 there", () =>
    fc.assert(
      fc.property(any, any, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, loss) => {
        if (a <= b) expect(rounded(a)).toBeLessThanOrEqual(rounded(b));
        expect(Math.abs(rounded(a) - a)).toBeLessThanOrEqual(Math.abs(a) * 1e-5);
        expect(rounded(loss)).toBeGreaterThanOrEqual(0);
        expect(rounded(loss)).toBeLessThanOrEqual(1);
      }),
    ));
});

describe("a basis", () => {
  test("reads back from its JSON as it was", () =>
    fc.assert(
      fc.property(moveBasis, (basis) => {
        expect(Basis.parse(JSON.parse(JSON.stringify(basis)))).toEqual(basis);
      }),
    ));

  test.each([
    { given: { rungs: Array.from({ length: RUNGS_LISTED + 1 }, () => ({})) }, because: "it lists too many rungs" },
    { given: { surprise: 1 }, because: "it holds what nobody knows" },
    { given: { engine: 0 }, because: "no rules have that version" },
    { given: { cause: "manual" }, because: "a person's proposal has none" },
  ])("is refused when $because", ({ given }) => {
    const [basis] = fc.sample(moveBasis, 1);
    const rungs = "rungs" in given ? Array.from(given.rungs, () => basis?.rungs[0]) : basis?.rungs;
    expect(Basis.safeParse(basis).success).toBe(true);
    expect(Basis.safeParse({ ...basis, ...given, rungs }).success).toBe(false);
  });
});
