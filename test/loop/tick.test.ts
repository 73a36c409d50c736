import { describe, expect, test } from "vitest";
import type { Event } from "../../src/core/event.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { ControlState } from "../../src/core/state.ts";
import { freeze } from "../../src/loop/freeze.ts";
import { tick } from "../../src/loop/tick.ts";
import { alice, controlPlaneWith, HOUR, NOW, segmentOf, signalOf, stateOf } from "./loop-fixture.ts";

const LEASE_MS = 10_000;
const flags = { automation: () => true, mode: () => "" };
const told = (given: Partial<typeof flags> = {}) => {
  const { automation, mode } = { ...flags, ...given };
  return {
    automation: () => ({ value: automation(), reason: "FALLTHROUGH" }),
    mode: () => ({ value: mode(), reason: "FALLTHROUGH" }),
  };
};
const typesOf = (entries: readonly LedgerEntry[]) => entries.map(({ event }) => event.type);

async function worldOf(state: ControlState = stateOf(), given: Partial<typeof flags> = {}) {
  const world = await controlPlaneWith(state);
  const scoreboard: Scoreboard = createScoreboard();
  const deps = { ...world, scoreboard, flags: told(given) };
  let ids = 0;
  const feed = (count: number, loss: number, variant = "first", at = NOW) => {
    for (let label = 0; label < count; label++)
      scoreboard.observe({
        policy: "chat",
        segment: "alpha",
        variant,
        metric: "helpful",
        loss,
        at,
        predictionId: `p${(ids += 1)}`,
      });
  };
  const record = (event: Event) => world.controlPlane.commit(alice, () => [event]);
  return { ...world, scoreboard, deps, feed, record };
}
const alpha = (world: { readonly controlPlane: { readonly state: () => ControlState } }) =>
  world.controlPlane.state().segments["chat/alpha"]!;

describe("a tick", () => {
  test("writes nothing where nothing happened, however often", async () => {
    const world = await worldOf();
    for (let round = 0; round < 3; round++)
      await expect(tick(world.deps, "one")).resolves.toStrictEqual({ acted: true, entries: [], settled: true });
  });

  test("records what a detector found, proposes the move and begins it, all in one", async () => {
    const world = await worldOf();
    world.feed(1, 1);
    await tick(world.deps, "one");
    world.feed(60, 1);
    const { entries } = await tick(world.deps, "one");
    expect(typesOf(entries)).toStrictEqual(["signal.recorded", "switchover.proposed", "switchover.moved"]);
    expect(entries.every(({ actor }) => actor.kind === "loop" && actor.instance === "one")).toBe(true);
    expect(alpha(world)).toMatchObject({ incumbent: "first", moves: [NOW] });
    await expect(tick(world.deps, "one")).resolves.toMatchObject({ entries: [] });
  });

  test("carries a whole story: noticed, moved, confirmed, and back when the former one recovered", async () => {
    const world = await worldOf();
    world.feed(1, 0);
    await tick(world.deps, "one");
    world.feed(60, 1);
    await tick(world.deps, "one");
    world.feed(30, 0, "second");
    await tick(world.deps, "one");
    expect(alpha(world)).toMatchObject({ incumbent: "second", open: null, former: { variant: "first" } });
    const later = NOW + 24 * HOUR;
    world.setTime(later);
    await tick(world.deps, "one");
    expect(world.controlPlane.state().switchovers[alpha(world).open!]!.change).toMatchObject({
      cause: "recovered",
      to: "first",
    });
    world.feed(60, 0, "first", later);
    await tick(world.deps, "one");
    expect(alpha(world)).toMatchObject({ incumbent: "first", open: null, former: null });
  });

  test("does not act while another instance holds the lease, and acts once that is over", async () => {
    const world = await worldOf();
    await world.record(signalOf());
    await world.lease.acquire("other", LEASE_MS, NOW);
    await expect(tick(world.deps, "one")).resolves.toStrictEqual({ acted: false, entries: [], settled: true });
    world.setTime(NOW + LEASE_MS);
    await expect(tick(world.deps, "one")).resolves.toMatchObject({ acted: true });
    expect(alpha(world).open).not.toBeNull();
  });

  test("keeps its detectors in line while it only watches, so that its status is true", async () => {
    const world = await worldOf();
    await world.lease.acquire("other", LEASE_MS, NOW);
    const calibrated: number[] = [];
    const scoreboard = {
      ...world.deps.scoreboard,
      calibrate: (...[state, now]: Parameters<typeof world.deps.scoreboard.calibrate>) => {
        calibrated.push(now);
        world.deps.scoreboard.calibrate(state, now);
      },
    };
    await tick({ ...world.deps, scoreboard }, "one");
    expect(calibrated).toEqual([NOW]);
  });

  test("writes nothing when it lost the lease on the way", async () => {
    const world = await worldOf();
    await world.record(signalOf());
    const head = await world.ledger.head();
    const stolen = {
      ...world.controlPlane,
      refresh: async () => {
        await world.lease.acquire("other", LEASE_MS, NOW + LEASE_MS + 1);
        return world.controlPlane.refresh();
      },
    };
    await expect(tick({ ...world.deps, controlPlane: stolen }, "one")).rejects.toMatchObject({
      code: "conflict",
      reason: "fenced",
    });
    await expect(world.ledger.head()).resolves.toStrictEqual(head);
  });

  test("resumes after a crash between any two of its steps as if there had been none", async () => {
    const whole = await worldOf();
    await whole.record(signalOf());
    const { entries } = await tick(whole.deps, "one");
    for (let crashed = 0; crashed < entries.length; crashed++) {
      const world = await worldOf();
      await world.record(signalOf());
      let left = crashed;
      const fragile = {
        ...world.controlPlane,
        commit: async (...call: Parameters<typeof world.controlPlane.commit>) => {
          if (left === 0) throw new Error("the process was killed");
          left -= 1;
          return world.controlPlane.commit(...call);
        },
      };
      await expect(tick({ ...world.deps, controlPlane: fragile }, "one")).rejects.toThrow("killed");
      await tick(world.deps, "one");
      expect(world.controlPlane.state()).toStrictEqual(whole.controlPlane.state());
    }
  });

  test.each([
    { given: { automation: () => false }, open: false, because: "a flag stops the loop" },
    { given: { mode: () => "observe" }, open: false, because: "a flag has the segment observed" },
    { given: { mode: () => "nonsense" }, open: true, because: "a flag with an unknown mode changes nothing" },
    { given: {}, open: true, because: "no flag says anything" },
  ])("moves a degraded segment: $open, when $because", async ({ given, open }) => {
    const world = await worldOf(stateOf(), given);
    await world.record(signalOf());
    await tick(world.deps, "one");
    expect(alpha(world).open !== null).toBe(open);
  });

  test("waits for a person where the risk is high, under whatever flag", async () => {
    const world = await worldOf(stateOf([segmentOf("alpha", { risk: "high" })]), { mode: () => "auto" });
    await world.record(signalOf());
    for (let round = 0; round < 3; round++) await tick(world.deps, "one");
    const [switchover] = Object.values(world.controlPlane.state().switchovers);
    expect(switchover).toMatchObject({ gate: "approval", phase: { kind: "proposed" } });
  });

  test("moves nothing within a freeze, and goes on the moment that it ends", async () => {
    const world = await worldOf();
    await freeze(world, { scope: { policy: "chat" }, reason: "release", forSeconds: 5, actor: alice });
    await world.record(signalOf());
    await expect(tick(world.deps, "one")).resolves.toMatchObject({ entries: [] });
    world.setTime(NOW + 5000);
    await tick(world.deps, "one");
    expect(alpha(world).open).not.toBeNull();
  });

  test("changes nothing when the ledger cannot be written", async () => {
    const world = await worldOf();
    await world.record(signalOf());
    const before = world.controlPlane.state();
    Object.assign(world.ledger, { append: () => Promise.reject(new Error("the disk is full")) });
    await expect(tick(world.deps, "one")).rejects.toThrow("the disk is full");
    expect(world.controlPlane.state()).toStrictEqual(before);
  });
});
