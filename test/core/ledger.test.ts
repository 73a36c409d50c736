import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chain, EMPTY, GENESIS, parseEntry, verifyChain, type StoredEntry } from "../../src/core/ledger.ts";
import { draft, loop, signalEvent, START } from "../contracts/history.ts";

const chainOf = (count: number): StoredEntry[] =>
  chain(
    EMPTY,
    Array.from({ length: count }, (_, index) => draft(signalEvent(`s-${index}`), START + index)),
  );

const faultOf = (entries: readonly StoredEntry[]) => {
  const verified = verifyChain(EMPTY, entries);
  return "fault" in verified ? verified.fault.seq : null;
};

const length = fc.integer({ min: 1, max: 12 });
const chainAndPlace = length.chain((count) => fc.tuple(fc.constant(chainOf(count)), fc.nat(count - 1)));

describe("the chain", () => {
  test("hashes previous hash, number and body, one a line, with SHA-256", () => {
    const [first, second] = chainOf(2);
    expect(first).toMatchObject({ seq: 1, prev: GENESIS });
    expect(second!.prev).toBe(first!.hash);
    const text = `${second!.prev}\n2\n${second!.body}`;
    expect(second!.hash).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
  });

  test("verifies as it was written, and gives its head", () => {
    const entries = chainOf(5);
    expect(verifyChain(EMPTY, entries)).toEqual({ head: { seq: 5, hash: entries[4]!.hash } });
    expect(verifyChain(EMPTY, [])).toEqual({ head: EMPTY });
  });

  test("may be written and verified in any parts", () =>
    fc.assert(
      fc.property(length, fc.nat(12), (count, cut) => {
        const whole = chainOf(count);
        const first = whole.slice(0, cut);
        const head = first.length === 0 ? EMPTY : { seq: first.length, hash: first.at(-1)!.hash };
        const rest = whole.slice(cut).map(parseEntry);
        expect([...first, ...chain(head, rest)]).toEqual(whole);
        expect(verifyChain(head, whole.slice(cut))).toEqual(verifyChain(EMPTY, whole));
      }),
    ));

  test("gives back the drafts it was made of, and hashes equal drafts alike whatever the order of their members", () => {
    const { at, event } = draft(signalEvent("s"));
    const [entry] = chain(EMPTY, [{ at, actor: loop, event }]);
    expect(parseEntry(entry!)).toEqual({ seq: 1, prev: GENESIS, hash: entry!.hash, at, actor: loop, event });
    const [same] = chain(EMPTY, [{ event, actor: { instance: "test", kind: "loop" }, at }]);
    expect(same).toEqual(entry);
  });

  test("names the entry of which any character was changed, in its text, previous hash or hash", () =>
    fc.assert(
      fc.property(
        chainAndPlace,
        fc.constantFrom("body", "prev", "hash" as const),
        fc.nat(),
        fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
        ([entries, place], member, offset, character) => {
          const text = entries[place]![member];
          const cut = offset % text.length;
          fc.pre(text[cut] !== character);
          const changed = text.slice(0, cut) + character + text.slice(cut + 1);
          expect(faultOf(entries.with(place, { ...entries[place]!, [member]: changed }))).toBe(place + 1);
        },
      ),
      { numRuns: 300 },
    ));

  test("names the first of the entries that were removed before the end", () =>
    fc.assert(
      fc.property(chainAndPlace, fc.integer({ min: 1, max: 4 }), ([entries, place], count) => {
        fc.pre(place + count < entries.length);
        expect(faultOf(entries.toSpliced(place, count))).toBe(place + 1);
      }),
    ));

  test("names the first of two entries whose texts changed places", () =>
    fc.assert(
      fc.property(chainAndPlace, fc.nat(11), ([entries, place], other) => {
        fc.pre(other < entries.length && other !== place);
        const swapped = entries
          .with(place, { ...entries[other]!, seq: place + 1 })
          .with(other, { ...entries[place]!, seq: other + 1 });
        expect(faultOf(swapped)).toBe(Math.min(place, other) + 1);
      }),
    ));

  test("tells by its head that the end was cut off", () =>
    fc.assert(
      fc.property(chainAndPlace, ([entries, place]) => {
        const cut = verifyChain(EMPTY, entries.slice(0, place));
        expect(cut).not.toEqual(verifyChain(EMPTY, entries));
        expect(cut).toMatchObject({ head: { seq: place } });
      }),
    ));

  test("names the first entry that was rewritten, even when all hashes behind it were made anew", () => {
    const entries = chainOf(6);
    const forged = chain({ seq: 2, hash: entries[1]!.hash }, [draft(signalEvent("forged"))]);
    expect(faultOf([...entries.slice(0, 2), ...forged, ...entries.slice(3)])).toBe(4);
  });

  test.each([
    { body: "{", because: "it is not JSON" },
    {
      body: '{"actor":{"kind":"loop","instance":"a"},"at":1,"event":{"type":"unknown"}}',
      because: "no event has that type",
    },
    {
      body: '{"actor":{"kind":"loop","instance":"a"},"at":1,"event":{"type":"key.revoked","id":"a","reason":"b"},"more":1}',
      because: "it says more than we know",
    },
  ])("does not read a body back when $because", ({ body }) => {
    expect(() => parseEntry({ seq: 1, prev: GENESIS, hash: GENESIS, body })).toThrow();
  });
});
