import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fold } from "../../src/core/fold.ts";
import { chain, EMPTY, type StoredEntry } from "../../src/core/ledger.ts";
import { emptyState } from "../../src/core/state.ts";
import { verifyLedger } from "../../src/loop/verify-ledger.ts";
import type { Ledger } from "../../src/ports.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { draft, historyOf, loop, signalEvent, START } from "../contracts/history.ts";

const COUNT = 1500;
const { entries, state } = historyOf(Array.from({ length: COUNT }, (_, index) => [index * 7, index * 13] as const));
const whole = createMemoryLedger();
await whole.append(0, entries);
const stored = await whole.readStored(0, COUNT);

/** A ledger whose stored entries somebody edited behind its back. */
const edited = (wrong: readonly StoredEntry[]): Ledger => ({
  ...whole,
  readStored: async (afterSeq, limit) => wrong.filter(({ seq }) => seq > afterSeq).slice(0, limit),
});
const place = fc.nat(COUNT - 1);

describe("verifying a ledger", () => {
  test("finds no fault in one that is whole", async () => {
    expect(await verifyLedger(whole)).toEqual({ entries: COUNT, head: state.head, fault: null });
    expect(await verifyLedger(createMemoryLedger())).toEqual({ entries: 0, head: EMPTY, fault: null });
  });

  test("names the first entry that was changed or removed, the last included", () =>
    fc.assert(
      fc.asyncProperty(place, fc.constantFrom("body", "prev", "hash", "removed"), async (index, what) => {
        const entry = stored[index]!;
        const wrong =
          what === "removed"
            ? stored.toSpliced(index, 1)
            : stored.with(index, { ...entry, [what]: `${entry[what as "body"].slice(0, -1)}x` });
        const { fault, entries: sound, head } = await verifyLedger(edited(wrong));
        expect(fault?.seq).toBe(index + 1);
        expect([sound, head.seq]).toEqual([index, index]);
      }),
      {
        numRuns: 20,
        examples: [
          [COUNT - 1, "removed"],
          [999, "body"],
          [1000, "prev"],
        ],
      },
    ));

  test("names an entry that is chained well but cannot be understood", async () => {
    const nonsense = chain({ seq: 2, hash: stored[1]!.hash }, [
      { ...draft(signalEvent("s")), event: { type: "unknown" } as never },
    ]);
    expect(await verifyLedger(edited([...stored.slice(0, 2), ...nonsense]))).toMatchObject({
      entries: 2,
      fault: { seq: 3 },
    });
  });

  test("names an entry that no state follows from", async () => {
    const ledger = createMemoryLedger();
    await ledger.append(0, [
      draft(signalEvent("s")),
      draft({ type: "switchover.moved", id: "x", phase: { kind: "approved", since: START, by: loop } }),
      draft(signalEvent("t")),
    ]);
    const { fault } = await verifyLedger(ledger);
    expect(fault).toMatchObject({ seq: 2, problem: expect.stringContaining("cannot be understood") });
  });

  test("finds a snapshot that is not the fold of the entries before it", async () => {
    const ledger = createMemoryLedger({ entries: stored });
    const at = fold(emptyState, entries.slice(0, 700));
    await ledger.saveSnapshot({ head: at.head, state: at });
    expect((await verifyLedger(ledger)).fault).toBeNull();
    await ledger.saveSnapshot({ head: at.head, state: { ...at, revision: at.revision + 1 } });
    expect((await verifyLedger(ledger)).fault).toMatchObject({
      seq: 700,
      problem: expect.stringContaining("snapshot"),
    });
  });

  test("compares with a head that was noted down elsewhere", async () => {
    const noted = { seq: 700, hash: stored[699]!.hash };
    expect((await verifyLedger(whole, { expectedHead: noted })).fault).toBeNull();
    const other = { seq: 700, hash: stored[0]!.hash };
    expect((await verifyLedger(whole, { expectedHead: other })).fault).toMatchObject({ seq: 700 });
    const ahead = { seq: COUNT + 5, hash: stored[0]!.hash };
    expect((await verifyLedger(whole, { expectedHead: ahead })).fault).toMatchObject({ seq: COUNT + 1 });
  });

  test("finds a history that was rewritten and hashed anew as a whole, given such a head", async () => {
    const drafts = Array.from({ length: 20 }, (_, index) => draft(signalEvent(`s-${index}`)));
    const before = chain(EMPTY, drafts);
    const ledger = createMemoryLedger({ entries: chain(EMPTY, drafts.with(4, draft(signalEvent("forged")))) });
    expect((await verifyLedger(ledger)).fault).toBeNull();
    const expectedHead = { seq: 10, hash: before[9]!.hash };
    expect((await verifyLedger(ledger, { expectedHead })).fault).toMatchObject({ seq: 10 });
  });
});
