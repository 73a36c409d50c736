import { describe, expect, test } from "vitest";
import type { Delivery, OutboxEntry, OutboxSender } from "../../src/ports.ts";
import { outboxDelivery } from "../../src/loop/deliver-outbox.ts";
import { createMemoryOutbox } from "../../src/stores/memory-outbox.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";

const MINUTE = 60_000;

/** Senders that answer what a test says, and the items that each was given. */
function worldOf(answers: Readonly<Record<string, (entry: OutboxEntry) => Delivery | Promise<Delivery>>>) {
  const counters = memoryCounters();
  const outbox = createMemoryOutbox({ counters });
  const clock = { at: 0, now: () => clock.at };
  const logged: string[] = [];
  const note = (message: string, fields?: object) => void logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const given: Record<string, string[][]> = {};
  const senders = Object.entries(answers).map(([topic, answer]): [string, OutboxSender] => {
    given[topic] = [];
    const send = async (entries: readonly OutboxEntry[]) => {
      given[topic]!.push(entries.map(({ id }) => id));
      return Promise.all(entries.map(async (entry) => answer(entry)));
    };
    return [topic, { send }];
  });
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const log = { info: note, warn: note, error: note };
  const deps = { outbox, clock, random, log, counters };
  const delivery = outboxDelivery(deps, Object.fromEntries(senders));
  return {
    outbox,
    clock,
    logged,
    given,
    counters,
    deps,
    delivery,
    deliver: delivery.deliver,
    add: (topic: string, ...ids: readonly string[]) =>
      outbox.add(
        ids.map((id) => ({
          topic,
          id,
          body: {},
          readyAt: 0,
        })),
        clock.at,
      ),
  };
}
const down: Delivery = { kind: "unavailable", problem: "it answered 503", afterMs: null };
const done: Delivery = { kind: "done" };
const ids = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

describe("the delivery of an outbox", () => {
  test("does nothing to one destination because of another that is down or that hangs", async () => {
    const hanging = Promise.withResolvers<Delivery>();
    const world = worldOf({
      down: () => down,
      hanging: () => hanging.promise,
      well: () => done,
    });
    for (const topic of ["down", "hanging", "well"]) await world.add(topic, "a");
    const first = world.deliver();
    while ((await world.outbox.counts("well")).waiting > 0) await Promise.resolve();
    for (const topic of ["hanging", "well"]) await world.add(topic, "b");
    // What hangs is left alone meanwhile: it is asked once.
    while ((await world.outbox.counts("well")).waiting > 0) await world.deliver();
    expect(world.given.well).toEqual([["a"], ["b"]]);
    expect(world.given.hanging).toEqual([["a"]]);
    hanging.resolve(done);
    await first;
    expect(await world.outbox.counts("hanging")).toMatchObject({ waiting: 0 });
    expect(await world.outbox.counts("down")).toMatchObject({ waiting: 1 });
  });

  test("waits longer and longer for a destination that is down, up to five minutes, and tries it with little", async () => {
    const state: { answer: Delivery } = { answer: down };
    const world = worldOf({ a: () => state.answer });
    await world.add("a", ...ids(50));
    const times: number[] = [];
    for (; world.clock.at < 30 * MINUTE; world.clock.at += 1000) {
      const before = world.given.a!.length;
      await world.deliver();
      if (world.given.a!.length > before) times.push(world.clock.at / 1000);
    }
    expect(times.slice(0, 5)).toEqual([0, 1, 3, 7, 15]);
    expect(times.at(-1)! - times.at(-2)!).toBe(300);
    expect(world.given.a!.slice(1).every((batch) => batch.length <= 20)).toBe(true);
    state.answer = done;
    world.clock.at += 5 * MINUTE;
    await world.deliver();
    expect(await world.outbox.counts("a")).toMatchObject({ waiting: 0 });
    expect(world.logged).toEqual([expect.stringContaining("503"), expect.stringContaining("sent again")]);
  });

  test("keeps what a sender failed on, or answered for only in part", async () => {
    const failing = worldOf({ a: () => Promise.reject(new Error("a bug")) });
    await failing.add("a", "x");
    await failing.deliver();
    expect(await failing.outbox.counts("a")).toEqual({ waiting: 1, buried: 0 });
    const world = worldOf({});
    await world.add("a", "x", "y");
    await outboxDelivery(world.deps, { a: { send: async () => [done] } }).deliver();
    expect(await world.outbox.counts("a")).toEqual({ waiting: 2, buried: 0 });
  });

  test("never rejects, whatever the outbox does, and counts it", async () => {
    const world = worldOf({});
    const claim = () => Promise.reject(new Error("the disk is full"));
    const delivery = outboxDelivery(
      { ...world.deps, outbox: { ...world.outbox, claim } },
      { a: { send: async () => [] } },
    );
    await expect(delivery.deliver()).resolves.toBeUndefined();
    expect(world.counters.print()).toContain('segue_outbox_failures_total{destination="a"} 1');
    expect(world.logged.join()).toContain("the disk is full");
  });

  test("sends again what was sent but could not be settled", async () => {
    const world = worldOf({});
    await world.add("a", "x");
    const sent: string[] = [];
    const sender: OutboxSender = {
      send: async (entries) => {
        sent.push(...entries.map(({ id }) => id));
        return entries.map(() => done);
      },
    };
    const settle = () => Promise.reject(new Error("the disk is full"));
    await outboxDelivery({ ...world.deps, outbox: { ...world.outbox, settle } }, { a: sender }).deliver();
    world.clock.at += 3 * MINUTE;
    await outboxDelivery(world.deps, { a: sender }).deliver();
    expect(sent).toEqual(["x", "x"]);
    expect(await world.outbox.counts("a")).toEqual({ waiting: 0, buried: 0 });
  });

  test("keeps apart from the fresh what was unknown before", async () => {
    const world = worldOf({ a: ({ id }) => (id === "lost" ? { kind: "absent", problem: "404" } : done) });
    await world.add("a", "lost");
    await world.deliver();
    await world.add("a", "fresh");
    world.clock.at += MINUTE;
    await world.deliver();
    expect(world.given.a).toEqual([["lost"], ["fresh"], ["lost"]]);
  });

  test("begins nothing more once it is stopped, and gives back what is broken off without blaming the destination", async () => {
    const hanging = Promise.withResolvers<Delivery>();
    const world = worldOf({ a: () => hanging.promise });
    await world.add("a", ...ids(1500));
    const delivery = world.delivery;
    void delivery.deliver();
    while (world.given.a!.length === 0) await Promise.resolve();
    const stopped = delivery.stop();
    hanging.resolve(down);
    await stopped;
    await delivery.deliver();
    expect(world.given.a).toHaveLength(1);
    expect(world.logged).toEqual([]);
    const { entries } = await world.outbox.claim("a", { limit: 2000, leaseMs: 1, now: world.clock.at });
    expect(entries).toHaveLength(1500);
  });

  test("counts a topic where it is told to, beside the others", async () => {
    const world = worldOf({});
    await world.add("log", "x");
    const sender = { send: async () => [done] };
    await outboxDelivery(world.deps, { log: sender }, { log: "segue_records_total" }).deliver();
    expect(world.counters.print()).toContain('segue_records_total{destination="log",result="done"} 1');
    expect(world.counters.print()).not.toContain("segue_annotations_total");
  });

  test("asks for little of what was unknown and stays so, and for all of it once it is known", async () => {
    const state: { answer: Delivery } = { answer: { kind: "absent", problem: "404" } };
    const world = worldOf({ a: () => state.answer });
    await world.add("a", ...ids(900));
    await world.deliver();
    const tried = async (forMs: number) => {
      world.given.a!.length = 0;
      for (const end = world.clock.at + forMs; world.clock.at < end;) {
        world.clock.at += 1000;
        await world.deliver();
      }
      return world.given.a!.flat().length;
    };
    expect(await tried(10 * MINUTE)).toBeLessThanOrEqual(900 + 11 * 20);
    expect(await tried(10 * MINUTE)).toBe(200);
    state.answer = done;
    await tried(2 * MINUTE);
    expect(await world.outbox.counts("a")).toEqual({ waiting: 0, buried: 0 });
  });

  test("buries at once what a destination will never take, and says what was wrong", async () => {
    const world = worldOf({ a: () => ({ kind: "never", problem: "no such label" }) });
    await world.add("a", "x");
    await world.deliver();
    expect(await world.outbox.counts("a")).toEqual({ waiting: 0, buried: 1 });
    expect(world.counters.print()).toContain('segue_annotations_total{destination="a",result="buried"} 1');
    expect(world.logged.join()).toContain("no such label");
  });

  test("works off a backlog of thousands in a few calls", async () => {
    const world = worldOf({ a: () => done });
    for (let from = 0; from < 25; from++) await world.add("a", ...ids(1000).map((id) => `${from}-${id}`));
    await world.deliver();
    await world.deliver();
    expect(await world.outbox.counts("a")).toMatchObject({ waiting: 0 });
  });
});
