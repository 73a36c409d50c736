import { describe, expect, test } from "vitest";
import { createScoreboard } from "../../src/core/scoreboard.ts";
import { pacedTick } from "../../src/loop/paced-tick.ts";
import { alice, controlPlaneWith, NOW, segmentOf, signalOf, stateOf } from "./loop-fixture.ts";

async function worldOf() {
  const world = await controlPlaneWith(stateOf([segmentOf("alpha"), segmentOf("beta")]));
  const scoreboard = createScoreboard();
  const listeners = new Set<() => void>();
  const asked = { automation: true };
  const flags = {
    automation: () => ({ value: asked.automation, reason: "STATIC" }),
    mode: () => ({ value: "", reason: "STATIC" }),
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const deps = { ...world, scoreboard, flags };
  let ids = 0;
  const feed = (count: number, loss: number, segment = "alpha") => {
    for (let label = 0; label < count; label++)
      scoreboard.observe({
        policy: "chat",
        segment,
        variant: "first",
        metric: "helpful",
        loss,
        at: NOW,
        predictionId: `p${(ids += 1)}`,
      });
  };
  const paced = pacedTick(deps, { instance: "one" });
  return {
    ...world,
    asked,
    feed,
    paced,
    changeFlag: () => listeners.forEach((listener) => listener()),
    listeners,
    types: async () => (await paced.tick()).entries.map(({ event }) => event.type),
    record: () => world.controlPlane.commit(alice, () => [signalOf()]),
  };
}
const MOVE = ["signal.recorded", "switchover.proposed", "switchover.moved"];

describe("a paced tick", () => {
  test("acts at once on what the measurements noticed", async () => {
    const world = await worldOf();
    await world.types();
    world.feed(60, 1);
    await expect(world.types()).resolves.toStrictEqual(MOVE);
    await expect(world.types()).resolves.toStrictEqual([]);
  });

  test("acts at once on what somebody else wrote", async () => {
    const world = await worldOf();
    await world.types();
    await world.record();
    await expect(world.types()).resolves.toStrictEqual(MOVE.slice(1));
  });

  test("acts at once when a flag changed, and by itself only at the next full look", async () => {
    const world = await worldOf();
    world.asked.automation = false;
    await world.record();
    await world.types();
    world.asked.automation = true;
    await expect(world.types()).resolves.toStrictEqual([]);
    world.changeFlag();
    await expect(world.types()).resolves.toStrictEqual(MOVE.slice(1));
  });

  test("looks everywhere after ten seconds", async () => {
    const world = await worldOf();
    world.asked.automation = false;
    await world.record();
    await world.types();
    world.asked.automation = true;
    world.setTime(NOW + 10_000);
    await expect(world.types()).resolves.toStrictEqual(MOVE.slice(1));
  });

  test("renews the lease though there is nothing to look at", async () => {
    const world = await worldOf();
    await world.types();
    world.setTime(NOW + 9000);
    await world.types();
    await expect(world.lease.acquire("other", 1000, NOW + 15_000)).resolves.toBeNull();
  });

  test("forgets no news of a tick that failed, or that only watched", async () => {
    const world = await worldOf();
    await world.types();
    const { append } = world.ledger;
    Object.assign(world.ledger, { append: () => Promise.reject(new Error("the disk is full")) });
    world.feed(60, 1);
    await expect(world.types()).rejects.toThrow("the disk is full");
    Object.assign(world.ledger, { append });
    await world.lease.release("one");
    await world.lease.acquire("other", 100, NOW);
    await expect(world.types()).resolves.toStrictEqual([]);
    await world.lease.release("other");
    await expect(world.types()).resolves.toStrictEqual(MOVE);
  });

  test("listens for flags no longer once it was stopped", async () => {
    const world = await worldOf();
    world.paced.stop();
    expect(world.listeners.size).toBe(0);
  });
});
