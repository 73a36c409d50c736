import { describe, expect, test } from "vitest";
import type { Actor } from "../../src/core/actor.ts";
import type { ControlState } from "../../src/core/state.ts";
import type { Phase, Switchover } from "../../src/core/switchover.ts";
import { approveSwitchover, rejectSwitchover, rollBackSwitchover } from "../../src/loop/decide-switchover.ts";
import {
  after,
  alice,
  bob,
  canaryPhase,
  changeOf,
  controlPlaneWith,
  HOUR,
  loop,
  moved,
  NOW,
  proposed,
  stateOf,
  switchoverOf,
} from "./loop-fixture.ts";

const start = stateOf();
const gated = (given: Partial<Switchover> = {}) => switchoverOf(start, { id: "m1", gate: "approval", ...given });
const { digest } = gated();
const waiting = after(start, [proposed(gated())], NOW);
const approved: Phase = { kind: "approved", since: NOW, by: alice };
const confirmed: Phase = { kind: "confirmed", since: NOW, because: "better" };
const open = (...phases: Phase[]): ControlState =>
  after(
    waiting,
    phases.map((phase) => moved("m1", phase)),
    NOW,
  );

const approve = async (state: ControlState, given: Partial<Parameters<typeof approveSwitchover>[1]> = {}) => {
  const world = await controlPlaneWith(state);
  const result = await approveSwitchover(world, { id: "m1", digest, actor: alice, ...given });
  return { result, state: world.controlPlane.state() };
};

describe("an approval", () => {
  test("is recorded with who gave it and why, and moves no traffic by itself", async () => {
    const { result, state } = await approve(waiting, { reason: "looked at it" });
    expect(result.phase).toStrictEqual({ kind: "approved", since: NOW, by: alice, reason: "looked at it" });
    expect(state.switchovers["m1"]).toStrictEqual(result);
    expect(state.segments["chat/alpha"]).toMatchObject({ incumbent: "first", open: "m1" });
    expect(state.revision).toBe(waiting.revision);
  });

  test.each(["constructor", "__proto__", "toString"])("of %s, which every object has, finds nothing", (id) =>
    expect(approve(waiting, { id })).rejects.toMatchObject({ code: "not_found", reason: "switchover_not_found" }),
  );

  test("is refused to whoever recorded the signal that the proposal rests on", async () => {
    const change = changeOf(start, { raisedBy: "user:alice" });
    const own = after(start, [proposed(switchoverOf(start, { id: "m1", gate: "approval", change }))], NOW);
    const named = own.switchovers["m1"]!.digest;
    await expect(approve(own, { digest: named })).rejects.toMatchObject({ code: "forbidden", reason: "self_approval" });
    await expect(approve(own, { digest: named, actor: bob })).resolves.toMatchObject({
      result: { phase: { by: bob } },
    });
  });

  const machine: Actor = { kind: "key", id: "ci" };
  const byAlice = after(start, [proposed(gated({ proposedBy: alice }))], NOW);
  const otherKey: Actor = { kind: "user", id: "alice", keyId: "another" };
  const elsewhere = {
    ...waiting,
    segments: { ...waiting.segments, "chat/alpha": { ...waiting.segments["chat/alpha"]!, incumbent: "third" } },
  };
  const closed = {
    ...waiting,
    segments: { ...waiting.segments, "chat/alpha": { ...waiting.segments["chat/alpha"]!, open: null } },
  };
  test.each([
    { state: start, given: {}, code: "not_found", reason: "switchover_not_found", because: "there is none" },
    {
      state: waiting,
      given: { actor: machine },
      code: "forbidden",
      reason: "approver_not_a_person",
      because: "a key asks",
    },
    {
      state: waiting,
      given: { actor: loop },
      code: "forbidden",
      reason: "approver_not_a_person",
      because: "the loop asks",
    },
    {
      state: waiting,
      given: { actor: { kind: "operator", id: "root" } as const },
      code: "forbidden",
      reason: "approver_not_a_person",
      because: "an operator is no named person",
    },
    { state: byAlice, given: {}, code: "forbidden", reason: "self_approval", because: "she proposed it" },
    {
      state: byAlice,
      given: { actor: otherKey },
      code: "forbidden",
      reason: "self_approval",
      because: "it is she with another key",
    },
    {
      state: waiting,
      given: { digest: "0".repeat(64) },
      code: "conflict",
      reason: "digest_mismatch",
      because: "it is for another change",
    },
    {
      state: waiting,
      given: { digest: "" },
      code: "conflict",
      reason: "digest_mismatch",
      because: "it is for nothing",
    },
    { state: elsewhere, given: {}, code: "conflict", reason: "out_of_date", because: "something else serves" },
    { state: closed, given: {}, code: "conflict", reason: "out_of_date", because: "it is not the open one" },
    {
      state: open(approved),
      given: { actor: bob },
      code: "conflict",
      reason: "not_waiting",
      because: "it was given before",
    },
    {
      state: open(approved, canaryPhase()),
      given: {},
      code: "conflict",
      reason: "not_waiting",
      because: "the canary began",
    },
    {
      state: open({ kind: "rejected", since: NOW, because: "no", by: bob }),
      given: {},
      code: "conflict",
      reason: "not_waiting",
      because: "it was rejected",
    },
  ])("is refused as $code $reason when $because, and nothing is written", async ({ state, given, code, reason }) => {
    const world = await controlPlaneWith(state);
    const asked = approveSwitchover(world, { id: "m1", digest, actor: alice, ...given });
    await expect(asked).rejects.toMatchObject({ name: "RouterError", code, reason });
    expect(world.controlPlane.state()).toStrictEqual(state);
  });

  test.each([
    { age: HOUR - 1, reason: null, because: "a millisecond is left" },
    { age: HOUR, reason: "expired", because: "the time is over" },
  ])("is given or refused with $reason when $because", async ({ age, reason }) => {
    const world = await controlPlaneWith(waiting, NOW + age);
    const asked = approveSwitchover(world, { id: "m1", digest, actor: alice });
    if (reason === null) await expect(asked).resolves.toMatchObject({ phase: { kind: "approved" } });
    else await expect(asked).rejects.toMatchObject({ code: "conflict", reason });
  });

  test("of someone else is taken for what a person proposed", async () =>
    expect((await approve(byAlice, { actor: bob })).result.phase).toMatchObject({ kind: "approved", by: bob }));
});

describe("a rejection", () => {
  const input = { id: "m1", actor: bob, reason: "not this week" };
  test("ends what waits, keeps what serves, and begins the cooldown", async () => {
    const world = await controlPlaneWith(waiting);
    const { phase } = await rejectSwitchover(world, input);
    expect(phase).toStrictEqual({ kind: "rejected", since: NOW, because: "not this week", by: bob });
    expect(world.controlPlane.state().segments["chat/alpha"]).toMatchObject({
      incumbent: "first",
      open: null,
      endedAt: NOW,
    });
  });

  test.each([
    { state: start, now: NOW, reason: "switchover_not_found", because: "there is none" },
    { state: open(approved), now: NOW, reason: "not_waiting", because: "it was approved" },
    { state: open(approved, canaryPhase(), confirmed), now: NOW, reason: "not_waiting", because: "it is done" },
    { state: waiting, now: NOW + HOUR, reason: "expired", because: "its time is over" },
  ])("is refused with $reason when $because", async ({ state, now, reason }) => {
    const world = await controlPlaneWith(state, now);
    await expect(rejectSwitchover(world, input)).rejects.toMatchObject({ name: "RouterError", reason });
    expect(world.controlPlane.state()).toStrictEqual(state);
  });

  test("of one that is not the segment's open one does not close the open one", async () => {
    const second = switchoverOf(start, { id: "m2", change: changeOf(start, { to: "third" }) });
    const base = {
      ...waiting,
      segments: { ...waiting.segments, "chat/alpha": { ...waiting.segments["chat/alpha"]!, open: null } },
    };
    const world = await controlPlaneWith(after(base, [proposed(second)], NOW));
    await rejectSwitchover(world, input).catch((error: unknown) => error);
    expect(world.controlPlane.state().segments["chat/alpha"]!.open).toBe("m2");
  });
});

describe("rolling back", () => {
  const input = { id: "m1", actor: alice, reason: "it feels wrong" };
  test.each([
    { phases: [approved], because: "it has not begun" },
    { phases: [approved, canaryPhase()], because: "it is a canary" },
    { phases: [approved, canaryPhase(), confirmed], because: "it is the latest move" },
  ])("leads back to what served before and sets the other aside when $because", async ({ phases }) => {
    const world = await controlPlaneWith(open(...phases), NOW + 1000);
    const { phase } = await rollBackSwitchover(world, input);
    expect(phase).toStrictEqual({ kind: "rolledBack", since: NOW + 1000, because: "it feels wrong", by: alice });
    expect(world.controlPlane.state().segments["chat/alpha"]).toMatchObject({
      incumbent: "first",
      open: null,
      endedAt: NOW + 1000,
      quarantine: { second: NOW + 1000 },
    });
  });

  test("needs no person and no agreement", async () => {
    const world = await controlPlaneWith(open(approved, canaryPhase()));
    await rollBackSwitchover(world, { ...input, actor: { kind: "key", id: "ci" } });
    expect(world.controlPlane.state().segments["chat/alpha"]!.open).toBeNull();
  });

  const onward = switchoverOf(start, { id: "m2", change: changeOf(start, { from: "second", to: "third" }) });
  const done = open(approved, canaryPhase(), confirmed);
  const later = NOW + HOUR;
  const next = after(done, [proposed(onward)], later);
  const over = after(next, [moved("m2", canaryPhase(later)), moved("m2", { ...confirmed, since: later })], later);
  test.each([
    { state: start, reason: "switchover_not_found", because: "there is none" },
    { state: waiting, reason: "nothing_to_roll_back", because: "it only waits" },
    {
      state: open({ kind: "expired", since: NOW, because: "late" }),
      reason: "nothing_to_roll_back",
      because: "it ended",
    },
    { state: next, reason: "switchover_open", because: "the next move is open" },
    { state: over, reason: "nothing_to_roll_back", because: "it is not the latest move" },
  ])("is refused as a conflict with $reason when $because", async ({ state, reason }) => {
    const world = await controlPlaneWith(state, later);
    await expect(rollBackSwitchover(world, input)).rejects.toMatchObject({ name: "RouterError", reason });
    expect(world.controlPlane.state()).toStrictEqual(state);
  });

  test("is refused when what served before is not on the ladder any more", async () => {
    const published = done.policies["chat"]!;
    const segments = published.policy.segments.map((segment) => ({
      ...segment,
      ladder: segment.ladder.filter(({ variant }) => variant !== "first"),
    }));
    const state = { ...done, policies: { chat: { ...published, policy: { ...published.policy, segments } } } };
    const world = await controlPlaneWith(state, later);
    await expect(rollBackSwitchover(world, input)).rejects.toMatchObject({ code: "conflict" });
  });
});
