import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EMPTY, verifyChain } from "../../src/core/ledger.ts";
import { emptyState } from "../../src/core/state.ts";
import type { Ledger, Lease } from "../../src/ports.ts";
import { after, draft, signalEvent } from "./history.ts";

export interface LedgerUnderTest {
  readonly ledger: Ledger;
  /** The lease whose fence the ledger compares with. */
  readonly lease: Lease;
  /** A second writer on the same chain, as another process would be. */
  readonly other: Ledger;
  readonly clean: () => Promise<void>;
}

const signals = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => draft(signalEvent(`s-${from + index}`)));

/** What every ledger promises. */
export function ledgerContract(name: string, open: () => Promise<LedgerUnderTest>): void {
  describe(`the ${name} ledger`, () => {
    let under: LedgerUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.clean());

    test("is empty at first", async () => {
      expect(await under.ledger.head()).toEqual(EMPTY);
      expect(await under.ledger.read(0, 10)).toEqual([]);
      expect(await under.ledger.loadSnapshot()).toBeNull();
    });

    test("gives back what was appended, in order and chained", async () => {
      const { ledger } = under;
      const first = await ledger.append(0, signals(1, 2));
      const second = await ledger.append(2, signals(3, 3));
      expect([...first, ...second].map((entry) => entry.seq)).toEqual([1, 2, 3]);
      expect(await ledger.read(0, 10)).toEqual([...first, ...second]);
      expect(first[0]).toMatchObject(signals(1, 1)[0]!);
      expect(verifyChain(EMPTY, await ledger.readStored(0, 10))).toEqual({ head: await ledger.head() });
    });

    test("reads pages after a number", async () => {
      await under.ledger.append(0, signals(1, 5));
      expect((await under.ledger.read(1, 2)).map((entry) => entry.seq)).toEqual([2, 3]);
      expect((await under.ledger.readStored(4, 10)).map((entry) => entry.seq)).toEqual([5]);
      expect(await under.ledger.read(5, 10)).toEqual([]);
    });

    test("appends nothing for an empty list, but still refuses a stale number", async () => {
      expect(await under.ledger.append(0, [])).toEqual([]);
      expect(await under.ledger.head()).toEqual(EMPTY);
      await expect(under.ledger.append(1, [])).rejects.toMatchObject({ code: "conflict" });
    });

    test.each([0, 1, 3, 99])("refuses an append at %i when the head is at 2, and writes none of it", async (seq) => {
      const { ledger } = under;
      await ledger.append(0, signals(1, 2));
      const head = await ledger.head();
      await expect(ledger.append(seq, signals(3, 4))).rejects.toMatchObject({
        code: "conflict",
        reason: "stale_sequence",
      });
      expect(await ledger.head()).toEqual(head);
      expect(await ledger.read(0, 10)).toHaveLength(2);
    });

    test("lets exactly one of many concurrent appends on one number win", async () => {
      const writers = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? under.ledger : under.other));
      const results = await Promise.allSettled(writers.map((writer, index) => writer.append(0, signals(index, index))));
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const result of results)
        if (result.status === "rejected") expect(result.reason).toMatchObject({ reason: "stale_sequence" });
      expect(await under.ledger.head()).toMatchObject({ seq: 1 });
    });

    test("writes none of a list of which one event could not be read back", async () => {
      const unreadable = { ...signals(2, 2)[0]!, at: -1 };
      await expect(under.ledger.append(0, [signals(1, 1)[0]!, unreadable])).rejects.toThrow();
      expect(await under.ledger.head()).toEqual(EMPTY);
      expect(await under.ledger.readStored(0, 10)).toEqual([]);
      await under.ledger.append(0, signals(1, 1));
    });

    test("sees what another writer appended at once", async () => {
      await under.other.append(0, signals(1, 1));
      expect(await under.ledger.head()).toEqual(await under.other.head());
      await under.ledger.append(1, signals(2, 2));
      expect(await under.other.read(0, 10)).toHaveLength(2);
    });

    test("refuses an older fence than the lease's, and takes the newest", async () => {
      const { ledger, lease } = under;
      const old = await lease.acquire("a", 1000, 0);
      const fence = await lease.acquire("b", 1000, 1000);
      await expect(ledger.append(0, signals(1, 1), { fence: old! })).rejects.toMatchObject({
        code: "conflict",
        reason: "fenced",
      });
      expect(await ledger.head()).toEqual(EMPTY);
      await ledger.append(0, signals(1, 1), { fence: fence! });
      expect(await ledger.head()).toMatchObject({ seq: 1 });
    });

    test("tells followers of its own appends before the append returns, until they stop", async () => {
      const grown = vi.fn();
      const stop = under.ledger.follow(grown);
      await under.ledger.append(0, signals(1, 1));
      const calls = grown.mock.calls.length;
      expect(calls).toBeGreaterThan(0);
      await expect(under.ledger.append(0, signals(2, 2))).rejects.toThrow();
      expect(grown).toHaveBeenCalledTimes(calls);
      stop();
      await under.ledger.append(1, signals(2, 2));
      expect(grown).toHaveBeenCalledTimes(calls);
    });

    test("tells followers of what another writer appended", async () => {
      const grown = new Promise<void>((resolve) => under.ledger.follow(resolve));
      await under.other.append(0, signals(1, 1));
      await grown;
    });

    test("gives back the newest snapshot of its own chain", async () => {
      const { ledger } = under;
      let state = emptyState;
      for (let seq = 1; seq <= 4; seq++) {
        await ledger.append(seq - 1, signals(seq, seq));
        state = after(state, signalEvent(`s-${seq}`));
        // The history above dates its events by place, so the heads differ; the state is what counts here.
        const saved = { ...state, head: await ledger.head() };
        await ledger.saveSnapshot({ head: saved.head, state: saved });
        expect(await ledger.loadSnapshot()).toEqual({ head: saved.head, state: saved });
      }
    });

    test("does not give back a snapshot of another chain", async () => {
      await under.ledger.append(0, signals(1, 1));
      await under.ledger.saveSnapshot({ head: { seq: 1, hash: "f".repeat(64) }, state: emptyState });
      await under.ledger.saveSnapshot({ head: { seq: 7, hash: "f".repeat(64) }, state: emptyState });
      expect(await under.ledger.loadSnapshot()).toBeNull();
    });

    test("says that it is closed, once it is", async () => {
      await under.ledger.close();
      await expect(under.ledger.head()).rejects.toMatchObject({ code: "unavailable", reason: "closed" });
      await expect(under.ledger.append(0, signals(1, 1))).rejects.toMatchObject({ code: "unavailable" });
    });
  });
}
