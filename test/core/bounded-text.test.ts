import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundedText } from "../../src/core/bounded-text.ts";

/** A body in pieces, which says how many were taken and whether the rest was given up. */
function bodyOf(pieces: readonly Uint8Array<ArrayBuffer>[]) {
  const seen = { taken: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: (controller) => {
        const piece = pieces[seen.taken];
        if (piece === undefined) return controller.close();
        seen.taken += 1;
        controller.enqueue(piece);
      },
      cancel: () => {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, seen };
}

describe("the text of an answer", () => {
  test("is whole where it is no longer than the limit, wherever its pieces begin", async () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 5 }), async (text, size) => {
        // A mark of the byte order at the beginning is no part of a text.
        fc.pre(!text.startsWith("\ufeff"));
        const bytes = new TextEncoder().encode(text);
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
          bytes.slice(n * size, (n + 1) * size),
        );
        expect(await boundedText(bodyOf(pieces), bytes.length)).toBe(text);
        if (bytes.length > 0) expect(await boundedText(bodyOf(pieces), bytes.length - 1)).toBeNull();
      }),
      { numRuns: 50 },
    ));

  test("is read no further than the limit, and the rest is given up", async () => {
    const { body, seen } = bodyOf(Array.from({ length: 100 }, () => new Uint8Array(10)));
    expect(await boundedText({ body }, 25)).toBeNull();
    expect(seen).toEqual({ taken: 3, cancelled: true });
  });

  test("is empty without a body", async () => expect(await boundedText(new Response(null), 10)).toBe(""));

  test("that breaks off is a failure", async () => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.error(new Error("cut")),
    });
    await expect(boundedText({ body }, 10)).rejects.toThrow("cut");
  });
});
