import { expect, test } from "vitest";
import type { Actor } from "../../src/core/actor.ts";
import type { Signal } from "../../src/core/signal.ts";
import { recordSignal } from "../../src/loop/record-signal.ts";
import { policy, published, signalWorld, START } from "../fakes/signal-world.ts";

const actor: Actor = { kind: "key", id: "ci" };
const signal = (over: Partial<Signal> = {}): Signal => ({
  id: "s1",
  source: "api:key:ci",
  policy: "support",
  segment: "prime",
  variant: "large",
  metric: "accuracy",
  status: "degraded",
  observedAt: START,
  evidence: {},
  ...over,
});

test("a signal is recorded with who sent it, and nothing else happens", async () => {
  const world = await signalWorld();
  expect(await recordSignal(world.deps, { signals: [signal()], actor })).toEqual([{ id: "s1", recorded: true }]);
  const entries = await world.entries();
  expect(entries.slice(1)).toMatchObject([{ actor, event: { type: "signal.recorded", signal: signal() } }]);
  expect(world.controlPlane.state().switchovers).toEqual({});
});

test("the same id of the same source is recorded once, later or within one batch", async () => {
  const world = await signalWorld();
  const signals = [signal(), signal(), signal({ source: "api:key:other" })];
  const [first, second, other] = await recordSignal(world.deps, { signals, actor });
  expect([first?.recorded, second, other?.recorded]).toEqual([
    true,
    { id: "s1", recorded: false, reason: "duplicate" },
    true,
  ]);
  const before = (await world.entries()).length;
  expect(await recordSignal(world.deps, { signals: [signal({ status: "recovered" })], actor })).toEqual([
    { id: "s1", recorded: false, reason: "duplicate" },
  ]);
  expect(await world.entries()).toHaveLength(before);
});

test.each([
  { over: { policy: "billing" }, param: "policy", names: ["billing", "support"] },
  { over: { policy: "__proto__" }, param: "policy", names: ["__proto__"] },
  { over: { segment: "composite" }, param: "segment", names: ["composite", "prime", "default"] },
  { over: { variant: "huge" }, param: "variant", names: ["huge", "large", "small"] },
  { over: { metric: "thumbs" }, param: "metric", names: ["thumbs", "accuracy"] },
  { over: { metric: "constructor" }, param: "metric", names: ["constructor"] },
  { over: { observedAt: START + 300_001 }, param: "observedAt", names: ["2026-09-01T10:05:00.001Z"] },
])(
  "a signal whose $param is not ours is refused with $names, and none of its batch is recorded",
  async ({ over, param, names }) => {
    const world = await signalWorld();
    const signals = [signal({ id: "good" }), signal({ id: "bad", ...over })];
    const error = await recordSignal(world.deps, { signals, actor }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "invalid_request", param });
    for (const name of ["'bad'", ...names]) expect((error as Error).message).toContain(name);
    expect(world.signals()).toEqual([]);
  },
);

test("a sender's clock may run five minutes ahead, and a default segment can be spoken of", async () => {
  const world = await signalWorld();
  const signals = [signal({ observedAt: START + 300_000, segment: "default" })];
  expect(await recordSignal(world.deps, { signals, actor })).toMatchObject([{ recorded: true }]);
});

test("an older observation is recorded but does not replace a newer one", async () => {
  const world = await signalWorld();
  await recordSignal(world.deps, { signals: [signal({ id: "new", status: "recovered" })], actor });
  await recordSignal(world.deps, { signals: [signal({ id: "old", observedAt: START - 1 })], actor });
  expect(world.signals()).toMatchObject([{ id: "new", status: "recovered" }]);
  expect((await world.entries()).at(-1)?.event).toMatchObject({ type: "signal.recorded", signal: { id: "old" } });
});

test("what is known is what is published when the signal is written", async () => {
  const world = await signalWorld();
  await world.commit([published({ ...policy, metrics: {} })]);
  await expect(recordSignal(world.deps, { signals: [signal()], actor })).rejects.toMatchObject({ param: "metric" });
});
