import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keptBytes } from "../../src/gateway/kept-bytes.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunks: readonly Uint8Array[]) => chunks.map((chunk) => new TextDecoder().decode(chunk)).join("");

describe("kept bytes", () => {
  test("are the end of what was added, in whole pieces and within the bound, whenever they are looked at", () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ piece: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 9 }), look: fc.boolean() }),
        ),
        fc.integer({ min: 1, max: 30 }),
        (pieces, max) => {
          const kept = keptBytes(max);
          let added = "";
          for (const { piece, look } of pieces) {
            kept.add(bytes(piece));
            added += piece;
            if (!look) continue;
            const now = text(kept.chunks());
            expect(added.endsWith(now)).toBe(true);
            expect(now.length <= max || kept.chunks().length === 1).toBe(true);
            expect(kept.seen().all()).toBe(now);
          }
          expect(kept.isWhole()).toBe(text(kept.chunks()) === added);
        },
      ),
    ));

  test("of a stream of many small pieces are forgotten a piece at a time, not copied each time", () => {
    const kept = keptBytes(1000);
    for (let at = 0; at < 200_000; at++) kept.add(bytes("0123456789"));
    expect(text(kept.chunks())).toBe("0123456789".repeat(100));
  });
});
