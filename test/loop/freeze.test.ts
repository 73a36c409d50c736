import { describe, expect, test } from "vitest";
import { freezeOf } from "../../src/core/guard.ts";
import type { FreezeScope } from "../../src/core/event.ts";
import { freeze, listFreezes, unfreeze } from "../../src/loop/freeze.ts";
import { controlPlaneWith, segmentOf, stateOf, alice, NOW } from "./loop-fixture.ts";

const start = stateOf([segmentOf("alpha"), segmentOf("beta")]);
const reason = "release week";
const frozen = async (scope: FreezeScope, forSeconds: number | null = null) => {
  const world = await controlPlaneWith(start);
  await freeze(world, { scope, reason, forSeconds, actor: alice });
  return world;
};

describe("a freeze", () => {
  test.each([
    { scope: {}, alpha: true, beta: true, because: "everything is in it" },
    { scope: { policy: "chat" }, alpha: true, beta: true, because: "both are of the policy" },
    { scope: { policy: "chat", segment: "alpha" }, alpha: true, beta: false, because: "only one is named" },
  ])("of %o holds alpha $alpha and beta $beta: $because", async ({ scope, alpha, beta }) => {
    const state = (await frozen(scope)).controlPlane.state();
    expect(freezeOf(state, "chat", "alpha", NOW) !== null).toBe(alpha);
    expect(freezeOf(state, "chat", "beta", NOW) !== null).toBe(beta);
  });

  test.each([
    { forSeconds: null, until: null, atEnd: reason, because: "it lasts until it is lifted" },
    { forSeconds: 3600, until: NOW + 3_600_000, atEnd: null, because: "its hour is over" },
    { forSeconds: 0.5, until: NOW + 500, atEnd: null, because: "half a second is over" },
  ])("for $forSeconds seconds ends at $until: $because", async ({ forSeconds, until, atEnd }) => {
    const world = await controlPlaneWith(start);
    const set = await freeze(world, { scope: {}, reason, forSeconds, actor: alice });
    expect(set).toStrictEqual({ scope: {}, until });
    const end = NOW + (forSeconds ?? 1e6) * 1000;
    expect(freezeOf(world.controlPlane.state(), "chat", "alpha", end - 1)).toBe(reason);
    expect(freezeOf(world.controlPlane.state(), "chat", "alpha", end)).toBe(atEnd);
  });

  test("is in the ledger with who set it, and a second one replaces the first", async () => {
    const world = await frozen({}, 60);
    await freeze(world, { scope: {}, reason: "another week", forSeconds: null, actor: alice });
    const { freezes } = world.controlPlane.state();
    expect(freezes).toStrictEqual({
      "*/*": { scope: {}, reason: "another week", by: "user:alice", at: NOW, until: null },
    });
  });

  test.each([
    { scope: { segment: "alpha" }, code: "invalid_request", param: "policy", because: "no policy is named" },
    { scope: { policy: "search" }, code: "not_found", param: "policy", because: "there is no such policy" },
    { scope: { policy: "toString" }, code: "not_found", param: "policy", because: "only every object has it" },
    { scope: { policy: "__proto__" }, code: "not_found", param: "policy", because: "it is every object's prototype" },
    { scope: { policy: "chat", segment: "gamma" }, code: "not_found", param: "segment", because: "no such segment" },
  ])("is refused with $code when $because, and nothing is written", async ({ scope, code, param }) => {
    const world = await controlPlaneWith(start);
    await expect(freeze(world, { scope, reason, forSeconds: null, actor: alice })).rejects.toMatchObject({
      code,
      param,
    });
    expect(world.controlPlane.state()).toStrictEqual(start);
  });

  test("that would end before the year 1970 is refused, and nothing is written", async () => {
    const world = await controlPlaneWith(start);
    await expect(freeze(world, { scope: {}, reason, forSeconds: -1e15, actor: alice })).rejects.toMatchObject({
      code: "invalid_request",
    });
    expect(world.controlPlane.state()).toStrictEqual(start);
  });
});

describe("after its end, a freeze", () => {
  test("is listed no more, and those without an end are", async () => {
    const world = await frozen({}, 60);
    await freeze(world, { scope: { policy: "chat" }, reason, forSeconds: null, actor: alice });
    world.setTime(NOW + 59_999);
    expect(listFreezes(world).map(({ scope }) => scope)).toEqual([{}, { policy: "chat" }]);
    world.setTime(NOW + 60_000);
    expect(listFreezes(world).map(({ scope }) => scope)).toEqual([{ policy: "chat" }]);
  });

  test("cannot be lifted, and is not named among what is frozen", async () => {
    const world = await frozen({}, 60);
    world.setTime(NOW + 60_000);
    await expect(unfreeze(world, { scope: {}, reason: "done", actor: alice })).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("frozen: none"),
    });
  });
});

describe("lifting a freeze", () => {
  test("says what was lifted, and the segment moves again", async () => {
    const world = await frozen({ policy: "chat" });
    const { lifted } = await unfreeze(world, { scope: { policy: "chat" }, reason: "done", actor: alice });
    expect(lifted).toMatchObject({ scope: { policy: "chat" }, reason });
    expect(freezeOf(world.controlPlane.state(), "chat", "alpha", NOW)).toBeNull();
  });

  test.each([{}, { policy: "chat", segment: "alpha" }, { policy: "search" }])(
    "of another scope is refused, naming what is frozen: %o",
    async (scope) => {
      const world = await frozen({ policy: "chat" });
      const lifting = unfreeze(world, { scope, reason: "done", actor: alice });
      await expect(lifting).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining("chat/*") });
      expect(freezeOf(world.controlPlane.state(), "chat", "alpha", NOW)).toBe(reason);
    },
  );

  describe("where the measure was found to have changed", () => {
    const found = async (scope: FreezeScope) => {
      const world = await frozen(scope);
      const evidence = {
        statistic: 1e6,
        threshold: 1e5,
        labels: 50,
        rows: 9,
        lossMean: 0.5,
        lossTolerated: 0.1,
        breadth: 9,
        breadthElsewhere: 6,
      };
      await world.controlPlane.commit(alice, () => [
        { type: "baseline.frozen", ...row, metric: "helpful", lossMean: 0.1, labels: 2000 },
        { type: "baseline.frozen", ...row, metric: "polite", lossMean: 0.1, labels: 2000 },
        { type: "incident.opened", id: "m", policy: "chat", metric: "helpful", scope: { kind: "evaluator" }, evidence },
        {
          type: "incident.opened",
          id: "u",
          policy: "chat",
          metric: "helpful",
          scope: { kind: "variant", variant: "first" },
          evidence,
        },
      ]);
      return world;
    };
    const row = { policy: "chat", segment: "alpha", variant: "first" };

    test.each([{ scope: { policy: "chat" } }, { scope: {} }])(
      "says that scores mean what they mean now, with %o: that finding is over, no other, and the metric's baselines are forgotten",
      async ({ scope }) => {
        const world = await found(scope);
        await unfreeze(world, { scope, reason: "the judge was replaced", actor: alice });
        const state = world.controlPlane.state();
        expect(Object.keys(state.incidents)).toStrictEqual(["u"]);
        expect(Object.keys(state.baselines)).toStrictEqual(["chat/alpha/first/polite"]);
        expect(state.measuredSince).toStrictEqual({ "chat/helpful": state.head.seq });
      },
    );

    test("says nothing of the sort when it was the freeze of one segment", async () => {
      const world = await found({ policy: "chat", segment: "alpha" });
      await unfreeze(world, { scope: { policy: "chat", segment: "alpha" }, reason: "done", actor: alice });
      expect(Object.keys(world.controlPlane.state().incidents)).toStrictEqual(["m", "u"]);
      expect(world.controlPlane.state().measuredSince).toStrictEqual({});
    });
  });

  test("leaves a wider freeze in place", async () => {
    const world = await frozen({});
    await freeze(world, { scope: { policy: "chat" }, reason, forSeconds: null, actor: alice });
    await unfreeze(world, { scope: { policy: "chat" }, reason: "done", actor: alice });
    expect(freezeOf(world.controlPlane.state(), "chat", "alpha", NOW)).toBe(reason);
  });
});
