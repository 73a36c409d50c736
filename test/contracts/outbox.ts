import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Counters, Outbox, OutboxBody, OutboxItem, OutboxSettlement } from "../../src/ports.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";

export interface OutboxUnderTest {
  readonly outbox: Outbox;
  /** The same outbox, as another process has it. */
  readonly other: Outbox;
  readonly clean: () => Promise<void>;
}

/** The bounds that an outbox under test is opened with. */
export const BOUNDS = { waitingMax: 6, struckMax: 3, buriedMax: 3 };

const item = (id: string, body: OutboxBody = { score: 1 }, readyAt = 0): OutboxItem => ({
  topic: "arize",
  id,
  body,
  readyAt,
});
const done = (id: string): OutboxSettlement => ({ id, kind: "done" });
const claiming = (now: number, limit = 10) => ({ limit, leaseMs: 100, now });

/** What every outbox promises. */
export function outboxContract(name: string, open: (deps: { counters: Counters }) => Promise<OutboxUnderTest>): void {
  describe(`the ${name} outbox`, () => {
    let under: OutboxUnderTest;
    let counters: ReturnType<typeof memoryCounters>;
    beforeEach(async () => {
      counters = memoryCounters();
      under = await open({ counters });
    });
    afterEach(() => under.clean());

    const idsAt = async (now: number, outbox = under.outbox) =>
      (await outbox.claim("arize", claiming(now))).entries.map(({ id }) => id);

    test("gives what was added, when it is ready, those ready longest first", async () => {
      const { outbox } = under;
      const body = { text: "ü\u0000😀", score: 0.25, label: null, flag: true };
      expect(await outbox.add([item("b", body, 20), item("a", {}, 10), item("c", {}, 31)], 5)).toEqual(
        Array.from({ length: 3 }, () => "added"),
      );
      const { entries } = await outbox.claim("arize", claiming(30));
      expect(entries).toEqual([
        { id: "a", body: {}, addedAt: 5, strikes: 0, struckAt: null },
        { id: "b", body, addedAt: 5, strikes: 0, struckAt: null },
      ]);
    });

    test("holds one item of an id: a repeat changes nothing, other content is merged, and the first one's time counts", async () => {
      const { outbox } = under;
      await outbox.add([item("a", { score: 1, comment: "fine" }, 10)], 1);
      expect(await outbox.add([item("a", { score: 1 }, 99)], 2)).toEqual(["unchanged"]);
      expect(await outbox.add([item("a", { score: 0 }, 99), item("a", { score: 0 }, 99)], 3)).toEqual([
        "replaced",
        "unchanged",
      ]);
      const { entries } = await outbox.claim("arize", claiming(10));
      expect(entries).toMatchObject([{ id: "a", body: { score: 0, comment: "fine" }, addedAt: 1 }]);
    });

    test("keeps topics apart", async () => {
      const { outbox } = under;
      await outbox.add([item("a"), { ...item("a"), topic: "phoenix" }], 0);
      const { token } = await outbox.claim("phoenix", claiming(0));
      await outbox.settle("phoenix", { token, settlements: [done("a")], now: 0 });
      expect(await outbox.counts("phoenix")).toEqual({ waiting: 0, buried: 0 });
      expect(await idsAt(0)).toEqual(["a"]);
    });

    test("gives an item to one claimer at a time, and again when the lease ended", async () => {
      const { outbox, other } = under;
      await outbox.add([item("a"), item("b")], 0);
      const [mine, theirs] = await Promise.all([
        outbox.claim("arize", claiming(0, 1)),
        other.claim("arize", claiming(0)),
      ]);
      expect([...mine.entries, ...theirs.entries].map(({ id }) => id).sort()).toEqual(["a", "b"]);
      expect(await idsAt(99)).toEqual([]);
      expect((await idsAt(100, other)).sort()).toEqual(["a", "b"]);
    });

    test("forgets what is done, and what settles it twice or too late changes nothing", async () => {
      const { outbox, other } = under;
      await outbox.add([item("a")], 0);
      const late = await outbox.claim("arize", claiming(0));
      const next = await other.claim("arize", claiming(100));
      await outbox.settle("arize", { token: late.token, settlements: [done("a")], now: 101 });
      expect(await outbox.counts("arize")).toEqual({ waiting: 1, buried: 0 });
      for (let twice = 0; twice < 2; twice++)
        await other.settle("arize", { token: next.token, settlements: [done("a"), done("x")], now: 102 });
      expect(await outbox.counts("arize")).toEqual({ waiting: 0, buried: 0 });
      await outbox.add([item("a")], 103);
      await outbox.settle("arize", { token: next.token, settlements: [done("a")], now: 104 });
      expect(await idsAt(105)).toEqual(["a"]);
    });

    test("gives back later what has to wait, with its strikes", async () => {
      const { outbox } = under;
      await outbox.add([item("a")], 0);
      const settle = async (now: number, isStrike: boolean) => {
        const { token, entries } = await outbox.claim("arize", claiming(now));
        const settlements = [{ id: "a", kind: "later", at: now + 10, isStrike }] as const;
        await outbox.settle("arize", { token, settlements, now });
        return entries;
      };
      await settle(0, false);
      expect(await idsAt(9)).toEqual([]);
      expect(await settle(10, true)).toMatchObject([{ strikes: 0, struckAt: null }]);
      expect(await settle(20, true)).toMatchObject([{ strikes: 1, struckAt: 10 }]);
      expect(await settle(30, true)).toMatchObject([{ strikes: 2, struckAt: 10 }]);
    });

    test.each([
      { settlement: done("a"), because: "it was done" },
      { settlement: { id: "a", kind: "buried", problem: "refused" } as const, because: "it was to be buried" },
    ])("sends anew what got other content while it was under way, though $because", async ({ settlement }) => {
      const { outbox, other } = under;
      await outbox.add([item("a", { score: 1 })], 0);
      const { token } = await outbox.claim("arize", claiming(0));
      expect(await other.add([item("a", { score: 0 })], 1)).toEqual(["replaced"]);
      expect(await idsAt(2)).toEqual([]);
      await outbox.settle("arize", { token, settlements: [settlement], now: 3 });
      const again = await outbox.claim("arize", claiming(3));
      expect(again.entries).toMatchObject([{ id: "a", body: { score: 0 } }]);
      await outbox.settle("arize", { token: again.token, settlements: [done("a")], now: 4 });
      expect(await outbox.counts("arize")).toEqual({ waiting: 0, buried: 0 });
    });

    test("keeps the newest dead letters, and counts those that it forgets", async () => {
      const { outbox } = under;
      await outbox.add(
        [1, 2, 3, 4, 5].map((number) => item(`${number}`, { number })),
        0,
      );
      const { token, entries } = await outbox.claim("arize", claiming(0));
      const settlements = entries
        .map(({ id }) => ({ id, kind: "buried" as const, problem: `no ${id}` }))
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      await outbox.settle("arize", { token, settlements, now: 0 });
      expect(await outbox.counts("arize")).toEqual({ waiting: 0, buried: 3 });
      expect(await outbox.readBuried("arize", 2)).toEqual([
        { id: "5", body: { number: 5 }, problem: "no 5" },
        { id: "4", body: { number: 4 }, problem: "no 4" },
      ]);
      expect(counters.print()).toContain('segue_outbox_dropped_total{topic="arize",reason="buried"} 2');
    });

    test("keeps what was unknown apart, gives it a part of the room only, and forgets what was unknown longest", async () => {
      const { outbox } = under;
      await outbox.add([item("fresh", {}, 50), item("1"), item("2"), item("3"), item("4")], 0);
      for (const at of [1, 2, 3]) {
        const { token, entries } = await outbox.claim("arize", { ...claiming(at, 1), struck: false });
        const settlements = entries.map(({ id }) => ({ id, kind: "later" as const, at: 20, isStrike: true }));
        await outbox.settle("arize", { token, settlements, now: at });
      }
      expect(await outbox.counts("arize")).toMatchObject({ waiting: 5 });
      await outbox.add([{ ...item("doubtful", {}, 20), isDoubtful: true }], 4);
      expect(await outbox.counts("arize")).toMatchObject({ waiting: 5 });
      const idsOf = async (struck: boolean) =>
        (await outbox.claim("arize", { ...claiming(50), struck })).entries.map(({ id }) => id);
      expect((await idsOf(false)).sort()).toEqual(["4", "fresh"]);
      expect((await idsOf(true)).sort()).toEqual(["2", "3", "doubtful"]);
      expect(counters.print()).toContain('segue_outbox_dropped_total{topic="arize",reason="unknown"} 1');
      const { token, entries } = await outbox.claim("arize", { ...claiming(200), struck: false });
      const settlements = entries.map(({ id }) => ({ id, kind: "later" as const, at: 20, isStrike: true }));
      await outbox.settle("arize", { token, settlements, now: 200 });
      expect(await outbox.counts("arize")).toMatchObject({ waiting: 3 });
      expect(counters.print()).toContain('segue_outbox_dropped_total{topic="arize",reason="unknown"} 3');
    });

    test("refuses what it has no room for, of that topic only, and counts it; what waits can still be replaced", async () => {
      const { outbox } = under;
      const seven = Array.from({ length: 7 }, (_, number) => item(`${number}`));
      expect((await outbox.add(seven, 0)).filter((added) => added === "full")).toHaveLength(1);
      expect(counters.print()).toContain('segue_outbox_dropped_total{topic="arize",reason="full"} 1');
      expect(await outbox.add([{ ...item("a"), topic: "phoenix" }, item("0", { score: 0 })], 0)).toEqual([
        "added",
        "replaced",
      ]);
      const { token } = await outbox.claim("arize", claiming(0, 1));
      await outbox.settle("arize", { token, settlements: [done("0")], now: 0 });
      expect(await outbox.counts("arize")).toMatchObject({ waiting: 5 });
      expect(await outbox.add([item("6")], 1)).toEqual(["added"]);
    });

    test("delivers the last content of each id, whatever the order of additions, claims, crashes and settlements", () => {
      const step = fc.oneof(
        fc.record({ do: fc.constant("add" as const), id: fc.constantFrom("a", "b", "c"), score: fc.nat(3) }),
        fc.record({ do: fc.constantFrom("claim", "crash", "done", "later") }),
      );
      let round = 0;
      return fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const topic = `law-${round++}`;
          const { outbox } = under;
          const [wanted, delivered] = [new Map<string, unknown>(), new Map<string, unknown>()];
          let now = 0;
          let claim = await outbox.claim(topic, claiming(now));
          const settle = async (kind: "done" | "later") => {
            const settlements = claim.entries.map(({ id, body }) => {
              if (kind === "done") delivered.set(id, body.score);
              return kind === "done" ? done(id) : ({ id, kind, at: now, isStrike: true } as const);
            });
            await outbox.settle(topic, { token: claim.token, settlements, now });
            claim = { token: "", entries: [] };
          };
          for (const one of steps) {
            now += 1;
            if ("id" in one) {
              wanted.set(one.id, one.score);
              await outbox.add([{ ...item(one.id, { score: one.score }), topic }], now);
            } else if (one.do === "crash") {
              // The claimer is gone, and nobody settles: the lease ends.
              claim = { token: "", entries: [] };
              now += 100;
            } else if (one.do === "claim") {
              await settle("later");
              claim = await outbox.claim(topic, claiming(now));
            } else await settle(one.do === "done" ? "done" : "later");
          }
          for (let rounds = 0; rounds < 3; rounds++) {
            now += 100;
            claim = await outbox.claim(topic, claiming(now));
            await settle("done");
          }
          expect(delivered).toEqual(wanted);
          expect(await outbox.counts(topic)).toEqual({ waiting: 0, buried: 0 });
        }),
        { numRuns: 60 },
      );
    });
  });
}
