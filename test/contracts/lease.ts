import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Lease } from "../../src/ports.ts";

export interface LeaseUnderTest {
  readonly lease: Lease;
  readonly clean: () => Promise<void>;
}

/** What every lease promises. */
export function leaseContract(name: string, open: () => Promise<LeaseUnderTest>): void {
  describe(`the ${name} lease`, () => {
    let under: LeaseUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.clean());

    test("is given to one holder at a time", async () => {
      const { lease } = under;
      expect(await lease.acquire("a", 1000, 5000)).toBe(1);
      expect(await lease.acquire("b", 1000, 5999)).toBeNull();
    });

    test("is renewed with the same fence, from the time of the renewal", async () => {
      const { lease } = under;
      await lease.acquire("a", 1000, 5000);
      expect(await lease.acquire("a", 1000, 5900)).toBe(1);
      expect(await lease.acquire("b", 1000, 6500)).toBeNull();
      expect(await lease.acquire("b", 1000, 6900)).toBe(2);
    });

    test("is taken over at its end, with a higher fence, and the former holder has lost it", async () => {
      const { lease } = under;
      await lease.acquire("a", 1000, 5000);
      expect(await lease.acquire("b", 1000, 6000)).toBe(2);
      expect(await lease.acquire("a", 1000, 6001)).toBeNull();
      expect(await lease.acquire("a", 1000, 7000)).toBe(3);
    });

    test("keeps its fence when its holder comes late and nobody else came", async () => {
      await under.lease.acquire("a", 1000, 5000);
      expect(await under.lease.acquire("a", 1000, 99_000)).toBe(1);
    });

    test("is free after a release, with a higher fence, even for the same holder", async () => {
      const { lease } = under;
      await lease.acquire("a", 1000, 5000);
      await lease.release("a");
      expect(await lease.acquire("b", 1000, 5001)).toBe(2);
      await lease.release("b");
      expect(await lease.acquire("b", 1000, 5002)).toBe(3);
    });

    test("is not released by anybody but its holder", async () => {
      const { lease } = under;
      await lease.acquire("a", 1000, 5000);
      await lease.release("b");
      expect(await lease.acquire("b", 1000, 5001)).toBeNull();
    });

    test("goes to exactly one of many who ask at once", async () => {
      const names = Array.from({ length: 10 }, (_, index) => `holder-${index}`);
      const fences = await Promise.all(names.map((holder) => under.lease.acquire(holder, 1000, 5000)));
      expect(fences.filter((fence) => fence !== null)).toEqual([1]);
    });
  });
}
