import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { predictionIds, type PredictionRef } from "../../src/core/prediction-id.ts";

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...Array.from("0123456789abcdef")), minLength: length, maxLength: length });
const reference: fc.Arbitrary<PredictionRef> = fc.record({
  revision: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  row: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  traceId: hex(32),
  spanId: hex(16),
  at: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});
const KEY = "support/eu/warm";
const known = () => KEY;
const ids = predictionIds(["first secret"]);
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("a prediction id", () => {
  test("opens to what was signed", () =>
    fc.assert(
      fc.property(reference, (ref) => {
        const id = ids.sign(ref, KEY);
        expect(id).toMatch(/^[A-Za-z0-9_-]{68}$/);
        expect(ids.open(id, known)).toEqual(ref);
      }),
    ));

  test("is refused with any character changed, dropped or added", () =>
    fc.assert(
      fc.property(reference, (ref) => {
        const id = ids.sign(ref, KEY);
        for (let at = 0; at < id.length; at++) {
          const place = alphabet.indexOf(id[at]!);
          for (const other of [place ^ 1, place ^ 32, (place + 17) % 64])
            expect(ids.open(id.slice(0, at) + alphabet[other] + id.slice(at + 1), known)).toBeNull();
          expect(ids.open(id.slice(0, at) + id.slice(at + 1), known)).toBeNull();
          expect(ids.open(`${id.slice(0, at)}A${id.slice(at)}`, known)).toBeNull();
        }
        for (const text of [`${id}=`, `${id} `, ` ${id}`, `${id}A`, ""]) expect(ids.open(text, known)).toBeNull();
      }),
      { numRuns: 10 },
    ));

  test("is not any other text", () =>
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(ids.open(text, known)).toBeNull();
      }),
    ));

  test("opens while its secret is still known, and new ones are signed with the first", () =>
    fc.assert(
      fc.property(reference, (ref) => {
        const rotated = predictionIds(["second secret", "first secret"]);
        expect(rotated.open(ids.sign(ref, KEY), known)).toEqual(ref);
        expect(ids.open(rotated.sign(ref, KEY), known)).toBeNull();
        expect(predictionIds(["second secret"]).open(rotated.sign(ref, KEY), known)).toEqual(ref);
        expect(predictionIds(["second secret"]).open(ids.sign(ref, KEY), known)).toBeNull();
      }),
      { numRuns: 20 },
    ));

  test("is refused against a list of rows that has another row, or none, at its number", () =>
    fc.assert(
      fc.property(reference, fc.string(), (ref, other) => {
        fc.pre(other !== KEY);
        const id = ids.sign(ref, KEY);
        expect(ids.open(id, (row) => (row === ref.row ? KEY : undefined))).toEqual(ref);
        expect(ids.open(id, () => other)).toBeNull();
        expect(ids.open(id, () => undefined)).toBeNull();
      }),
    ));
});
