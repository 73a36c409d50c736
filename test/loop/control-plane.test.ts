import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { RouterError } from "../../src/core/errors.ts";
import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";
import { createControlPlane, type ControlPlaneOptions } from "../../src/loop/control-plane.ts";
import type { Ledger } from "../../src/ports.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { draft, historyOf, loop, policyOf, published, signalEvent, START } from "../contracts/history.ts";

/** A ledger that can be cut off, and in front of whose appends something may happen. */
function interruptible(inner: Ledger) {
  const control = { isCutOff: false, calls: 0, beforeAppend: async (): Promise<void> => undefined };
  const guarded =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      control.calls += 1;
      if (control.isCutOff) throw new RouterError("unavailable", "The ledger cannot be reached.");
      return call(...args);
    };
  const ledger: Ledger = {
    ...inner,
    head: guarded(inner.head),
    read: guarded(inner.read),
    loadSnapshot: guarded(inner.loadSnapshot),
    saveSnapshot: guarded(inner.saveSnapshot),
    append: guarded(async (...args: Parameters<Ledger["append"]>) => {
      await control.beforeAppend();
      return inner.append(...args);
    }),
  };
  return { ledger, control };
}

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
async function start(ledger: Ledger, options: ControlPlaneOptions = {}) {
  const counted = new Map<string, number>();
  const controlPlane = await createControlPlane(
    {
      ledger,
      log,
      clock: { now: () => START },
      counters: { add: (name, _labels, by = 1) => counted.set(name, (counted.get(name) ?? 0) + by) },
    },
    options,
  );
  return { controlPlane, counted };
}

const publish = (): readonly Event[] => [published(policyOf("support-chat"))];
const signal = (id: string) => (): readonly Event[] => [signalEvent(id)];
const foldOf = async (ledger: Ledger): Promise<ControlState> => fold(emptyState, await ledger.read(0, 100_000));

describe("the control plane", () => {
  test("starts with the fold of the whole ledger, page by page", async () => {
    const { entries, state } = historyOf(Array.from({ length: 1203 }, (_, index) => [index * 7, index * 13] as const));
    const ledger = createMemoryLedger();
    await ledger.append(0, entries);
    const { controlPlane } = await start(ledger);
    expect(controlPlane.state()).toEqual(state);
    expect(controlPlane.isCurrent()).toBe(true);
  });

  test("writes what build returns, at the clock's time and in the actor's name, and folds it", async () => {
    const ledger = createMemoryLedger();
    const { controlPlane } = await start(ledger);
    const entries = await controlPlane.commit(loop, publish);
    expect(entries).toMatchObject([{ seq: 1, at: START, actor: loop }]);
    expect(await ledger.read(0, 10)).toEqual(entries);
    expect(controlPlane.state()).toEqual(await foldOf(ledger));
  });

  test("writes nothing for an empty list", async () => {
    const ledger = createMemoryLedger();
    const { controlPlane } = await start(ledger);
    expect(await controlPlane.commit(loop, () => [])).toEqual([]);
    expect(await ledger.head()).toMatchObject({ seq: 0 });
  });

  test("shows build what others wrote before, even unheard", async () => {
    const ledger = createMemoryLedger();
    const { controlPlane } = await start({ ...ledger, follow: () => () => undefined });
    await ledger.append(
      0,
      publish().map((event) => draft(event)),
    );
    const seen: number[] = [];
    await controlPlane.commit(loop, (state) => {
      seen.push(Object.keys(state.policies).length);
      return [];
    });
    expect(seen).toEqual([1]);
  });

  test("hears of what others append, and tells its listeners until they stop", async () => {
    const ledger = createMemoryLedger();
    const { controlPlane } = await start(ledger);
    const heard = new Promise<ControlState>((resolve) => controlPlane.onChange(resolve));
    const stopped = vi.fn();
    controlPlane.onChange(stopped)();
    await ledger.append(
      0,
      publish().map((event) => draft(event)),
    );
    expect(await heard).toEqual(await foldOf(ledger));
    expect(controlPlane.state().head.seq).toBe(1);
    expect(stopped).not.toHaveBeenCalled();
  });

  test("reports a written change as written even when a listener fails", async () => {
    const { controlPlane } = await start(createMemoryLedger());
    const other = vi.fn();
    controlPlane.onChange(() => {
      throw new Error("broken listener");
    });
    controlPlane.onChange(other);
    expect(await controlPlane.commit(loop, publish)).toHaveLength(1);
    expect(other).toHaveBeenCalledWith(controlPlane.state());
  });

  test("builds anew on the newer state when another writer was faster", async () => {
    const inner = createMemoryLedger();
    const { ledger, control } = interruptible(inner);
    const { controlPlane, counted } = await start(ledger);
    let rivals = 3;
    control.beforeAppend = async () => {
      if (rivals-- > 0) await inner.append((await inner.head()).seq, [draft(signalEvent(`rival-${rivals}`))]);
    };
    const built: number[] = [];
    const entries = await controlPlane.commit(loop, (state) => {
      built.push(state.head.seq);
      return [signalEvent("mine")];
    });
    expect(built).toEqual([0, 1, 2, 3]);
    expect(entries).toMatchObject([{ seq: 4 }]);
    expect(counted.get("segue_ledger_conflicts_total")).toBe(3);
    expect(controlPlane.state()).toEqual(await foldOf(inner));
  });

  test("gives up after eight attempts with a conflict, and has written nothing", async () => {
    const inner = createMemoryLedger();
    const { ledger, control } = interruptible(inner);
    const { controlPlane } = await start(ledger);
    let attempts = 0;
    control.beforeAppend = async () => {
      attempts += 1;
      await inner.append((await inner.head()).seq, [draft(signalEvent(`rival-${attempts}`))]);
    };
    await expect(controlPlane.commit(loop, signal("mine"))).rejects.toMatchObject({
      code: "conflict",
      reason: "contention",
    });
    expect(attempts).toBe(8);
    expect(JSON.stringify(await inner.read(0, 100))).not.toContain("mine");
  });

  test("does not try again when its lease is over", async () => {
    const lease = createMemoryLease();
    const { ledger, control } = interruptible(createMemoryLedger({ fence: lease.fence }));
    const { controlPlane } = await start(ledger);
    const fence = (await lease.acquire("a", 1, 0))!;
    await controlPlane.commit(loop, publish, { fence });
    await lease.acquire("b", 1, 10);
    let attempts = 0;
    control.beforeAppend = async () => void (attempts += 1);
    await expect(controlPlane.commit(loop, signal("late"), { fence })).rejects.toMatchObject({ reason: "fenced" });
    expect(attempts).toBe(1);
    expect(await ledger.head()).toMatchObject({ seq: 1 });
  });

  test("does the commits of one process one after another, so that they never conflict", async () => {
    const ledger = createMemoryLedger();
    const { controlPlane, counted } = await start(ledger);
    const ids = Array.from({ length: 50 }, (_, index) => `s-${index}`);
    await Promise.all(ids.map((id) => controlPlane.commit(loop, signal(id))));
    expect(Object.keys(controlPlane.state().signalIds)).toEqual(ids.map((id) => `detector:${id}`));
    expect(counted.get("segue_ledger_conflicts_total")).toBeUndefined();
  });

  test("lets two processes commit at once without losing or doubling anything", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), async (turns) => {
        const ledger = createMemoryLedger();
        const [a, b] = [await start(ledger), await start(ledger)];
        await Promise.all(turns.map((isA, index) => (isA ? a : b).controlPlane.commit(loop, signal(`s-${index}`))));
        for (const { controlPlane } of [a, b]) {
          expect(Object.keys((await controlPlane.refresh()).signalIds)).toHaveLength(turns.length);
          expect(controlPlane.state()).toEqual(await foldOf(ledger));
        }
      }),
      { numRuns: 30 },
    ));

  test("refuses a change when too many wait already", async () => {
    const { ledger, control } = interruptible(createMemoryLedger());
    const { controlPlane } = await start(ledger, { waitingMax: 2 });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    control.beforeAppend = () => held;
    const commits = ["a", "b", "c"].map((id) => controlPlane.commit(loop, signal(id)));
    await expect(commits[2]).rejects.toMatchObject({ code: "unavailable", reason: "too_many_commits" });
    release();
    await Promise.all(commits.slice(0, 2));
    expect(await controlPlane.commit(loop, signal("d"))).toHaveLength(1);
  });

  test("passes on what build throws, and works on", async () => {
    const { controlPlane } = await start(createMemoryLedger());
    const refusal = new RouterError("not_found", "There is no switchover 'x'.");
    const refuse = () => {
      throw refusal;
    };
    await expect(controlPlane.commit(loop, refuse)).rejects.toBe(refusal);
    expect(await controlPlane.commit(loop, publish)).toHaveLength(1);
  });
});

describe("the control plane writes nothing that could not be read", () => {
  test.each([
    { because: "a member is of the wrong type", event: { type: "key.revoked", id: 7, reason: "lost" } },
    {
      because: "a number is not finite",
      event: { ...signalEvent("s"), signal: { ...signalOf("s"), observedAt: Number.NaN } },
    },
    { because: "a member is unknown", event: { type: "key.revoked", id: "a", reason: "lost", more: true } },
  ])("when $because", async ({ event }) => {
    const ledger = createMemoryLedger();
    const { controlPlane } = await start(ledger);
    await expect(controlPlane.commit(loop, () => [event as unknown as Event])).rejects.toMatchObject({
      code: "invalid_request",
      reason: "malformed_event",
      message: expect.stringContaining(event.type),
    });
    expect(await ledger.head()).toMatchObject({ seq: 0 });
  });

  test("when no state follows from it", async () => {
    const ledger = createMemoryLedger();
    const { controlPlane } = await start(ledger);
    const moved: Event = { type: "switchover.moved", id: "x", phase: { kind: "approved", since: START, by: loop } };
    await expect(controlPlane.commit(loop, () => [signalEvent("s"), moved])).rejects.toThrow(/before it was proposed/);
    expect(await ledger.head()).toMatchObject({ seq: 0 });
    expect(controlPlane.state()).toEqual(emptyState);
  });
});

function signalOf(id: string) {
  const event = signalEvent(id);
  return event.type === "signal.recorded" ? event.signal : undefined;
}

describe("while the ledger cannot be reached, the control plane", () => {
  test("keeps its last state, says so, changes nothing, and is well again after a refresh", async () => {
    const inner = createMemoryLedger();
    const { ledger, control } = interruptible(inner);
    const { controlPlane } = await start(ledger);
    await controlPlane.commit(loop, publish);
    const before = controlPlane.state();
    control.isCutOff = true;
    await expect(controlPlane.commit(loop, signal("s"))).rejects.toMatchObject({ code: "unavailable" });
    await expect(controlPlane.refresh()).rejects.toMatchObject({ code: "unavailable" });
    expect(controlPlane.isCurrent()).toBe(false);
    expect(controlPlane.state()).toBe(before);
    await inner.append(1, [draft(signalEvent("elsewhere"))]);
    control.isCutOff = false;
    expect(await controlPlane.refresh()).toEqual(await foldOf(inner));
    expect(controlPlane.isCurrent()).toBe(true);
  });

  test("does not start", async () => {
    const { ledger, control } = interruptible(createMemoryLedger());
    control.isCutOff = true;
    await expect(start(ledger)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("refuses a ledger that went back, or on to another history, and keeps what it knows", async () => {
    const { ledger: old } = interruptible(createMemoryLedger());
    const swapped: { ledger: Ledger } = { ledger: old };
    const proxy: Ledger = {
      ...old,
      head: () => swapped.ledger.head(),
      read: (...args) => swapped.ledger.read(...args),
    };
    const { controlPlane } = await start(proxy);
    await controlPlane.commit(loop, signal("s-1"));
    const before = controlPlane.state();
    const fork = createMemoryLedger();
    swapped.ledger = fork;
    for (const id of ["other-1", "other-2"]) {
      await expect(controlPlane.refresh()).rejects.toMatchObject({ code: "ledger_broken" });
      await fork.append((await fork.head()).seq, [draft(signalEvent(id))]);
    }
    await expect(controlPlane.refresh()).rejects.toMatchObject({ reason: "history_changed" });
    expect(controlPlane.isCurrent()).toBe(false);
    expect(controlPlane.state()).toBe(before);
  });
});

describe("snapshots of the control plane", () => {
  test("are saved every so many entries, and a start reads on from there", async () => {
    const { ledger, control } = interruptible(createMemoryLedger());
    const first = await start(ledger, { snapshotEvery: 10 });
    for (let index = 0; index < 25; index++) await first.controlPlane.commit(loop, signal(`s-${index}`));
    await first.controlPlane.close();
    expect((await ledger.loadSnapshot())?.head.seq).toBe(20);
    const read = vi.fn(ledger.read);
    const second = await start({ ...ledger, read });
    expect(read.mock.calls.map(([seq]) => seq)).toEqual([20]);
    expect(second.controlPlane.state()).toEqual(first.controlPlane.state());
    expect(control.isCutOff).toBe(false);
  });

  test("that cannot be saved are counted, and nothing else happens", async () => {
    const ledger = createMemoryLedger();
    const saveSnapshot = () => Promise.reject(new RouterError("unavailable", "The disk is full."));
    const { controlPlane, counted } = await start({ ...ledger, saveSnapshot }, { snapshotEvery: 5 });
    for (let index = 0; index < 12; index++) await controlPlane.commit(loop, signal(`s-${index}`));
    await controlPlane.close();
    expect(counted.get("segue_snapshot_failures_total")).toBe(2);
    expect(controlPlane.state().head.seq).toBe(12);
  });
});
