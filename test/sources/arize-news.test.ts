import { describe, expect, test } from "vitest";
import { configureSource } from "../../src/core/signal-source.ts";
import type { ControlState } from "../../src/core/state.ts";
import { pollSource } from "../../src/loop/poll-source.ts";
import { recordSignal } from "../../src/loop/record-signal.ts";
import { arize } from "../../src/sources/arize.ts";
import { monitorId } from "../fakes/arize/arize.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A world whose Arize answers a sweep with these monitors: their number, status and how long after the start each evaluated. */
async function world() {
  const base = await signalWorld();
  const source = configureSource(arize, { apiKey: "k" });
  const poll = async (...monitors: readonly (readonly [number, string, number])[]) => {
    base.clock.at = START + Math.max(...monitors.map(([, , ms]) => ms)) + MINUTE_MS;
    const fetch = () =>
      Promise.resolve(
        Response.json({
          monitors: monitors.map(([number, status, ms]) => ({
            id: monitorId(number),
            name: "seg|support|prime|accuracy",
            status,
            evaluated_at: new Date(START + ms).toISOString(),
            updated_at: new Date(START).toISOString(),
            evaluation_window_length_seconds: 60,
          })),
        }),
      );
    return pollSource({ ...base.deps, fetch }, source);
  };
  const statuses = () =>
    base
      .signals()
      .map(({ status }) => status)
      .sort();
  const sources = () =>
    base
      .signals()
      .map((signal) => signal.source)
      .sort();
  return { ...base, poll, statuses, sources };
}

describe("two monitors on one subject", () => {
  const later = HOUR_MS;
  test.each([
    {
      because: "in one answer",
      polls: [
        [
          [1, "TRIGGERED", 10],
          [2, "CLEARED", 20],
        ],
      ],
    },
    {
      because: "in one answer, the other way round",
      polls: [
        [
          [2, "CLEARED", 20],
          [1, "TRIGGERED", 10],
        ],
      ],
    },
    { because: "one after the other", polls: [[[1, "TRIGGERED", 10]], [[2, "CLEARED", later]]] },
    {
      because: "again and again",
      polls: [[[1, "TRIGGERED", 10]], [[2, "CLEARED", later]], [[2, "CLEARED", 2 * later]]],
    },
  ] as const)("do not take back each other's alarm $because", async ({ polls }) => {
    const { poll, statuses } = await world();
    for (const answer of polls) await poll(...answer);
    expect(statuses()).toEqual(["degraded", "recovered"]);
    await poll([1, "CLEARED", 3 * later], [2, "CLEARED", 3 * later]);
    expect(statuses()).toEqual(["recovered", "recovered"]);
  });

  test("are each told by their own source, the first by the one that ledgers have always had", async () => {
    const { poll, sources } = await world();
    await poll([1, "TRIGGERED", 10]);
    expect(sources()).toEqual(["arize"]);
    await poll([2, "TRIGGERED", 20]);
    expect(sources()).toEqual(["arize", expect.stringMatching(/^arize:[0-9a-f]{12}$/)]);
  });
});

test("a monitor that was made anew takes back the alarm of the one before it, once that one is silent for two days", async () => {
  const { poll, statuses } = await world();
  await poll([1, "TRIGGERED", 0]);
  await poll([2, "CLEARED", 47 * HOUR_MS]);
  expect(statuses()).toEqual(["degraded", "recovered"]);
  await poll([2, "CLEARED", 49 * HOUR_MS]);
  expect(statuses()).toEqual(["recovered", "recovered"]);
});

test("an alarm is taken back where it was raised, also when the other monitor is gone by then", async () => {
  const { poll, statuses } = await world();
  await poll([1, "CLEARED", 0]);
  await poll([2, "TRIGGERED", HOUR_MS]);
  expect(statuses()).toEqual(["degraded", "recovered"]);
  await poll([2, "CLEARED", 49 * HOUR_MS]);
  expect(statuses()).toEqual(["recovered", "recovered"]);
});

test("an alarm that a ledger has of an older version is taken back by its monitor", async () => {
  const { poll, statuses, deps } = await world();
  const about = { source: "arize", policy: "support", segment: "prime", variant: "large", metric: "accuracy" };
  const id = `${monitorId(1)}@${new Date(START).toISOString()}@TRIGGERED`;
  const signal = { ...about, id, status: "degraded", observedAt: START, evidence: {} } as const;
  await recordSignal(deps, { signals: [signal], actor: { kind: "webhook", source: "arize" } });
  await poll([1, "CLEARED", HOUR_MS]);
  expect(statuses()).toEqual(["recovered"]);
});

describe("an evaluation that says what is known", () => {
  test("is no entry, but once a day: the loop's memory of an alarm ages", async () => {
    const { poll, entries } = await world();
    const before = (await entries()).length;
    for (let minutes = 0; minutes < 48 * 60; minutes += 30) await poll([1, "TRIGGERED", minutes * MINUTE_MS]);
    expect((await entries()).length - before).toBe(2);
  });

  test("is no entry where it has no data", async () => {
    const { poll, entries } = await world();
    const before = (await entries()).length;
    for (let hours = 0; hours < 72; hours += 1) await poll([1, "NO_DATA", hours * HOUR_MS]);
    expect((await entries()).length - before).toBe(1);
  });

  test("is no entry where a newer one is known", async () => {
    const { poll, entries } = await world();
    await poll([1, "TRIGGERED", 2 * HOUR_MS]);
    const before = (await entries()).length;
    expect(await poll([1, "CLEARED", HOUR_MS])).toMatchObject({ recorded: 0, ignored: { unchanged: 1 } });
    expect(await entries()).toHaveLength(before);
  });

  test("is an entry where its status changed, and counted where not", async () => {
    const { poll, statuses } = await world();
    expect(await poll([1, "CLEARED", 0])).toMatchObject({ recorded: 1 });
    expect(await poll([1, "CLEARED", HOUR_MS])).toMatchObject({ recorded: 0, ignored: { unchanged: 1 } });
    expect(await poll([1, "TRIGGERED", 2 * HOUR_MS])).toMatchObject({ recorded: 1 });
    expect(await poll([1, "NO_DATA", 3 * HOUR_MS])).toMatchObject({ recorded: 0 });
    expect(statuses()).toEqual(["degraded"]);
  });

  test.each([
    { because: "it is of what serves since before", over: {}, isEntry: false },
    { because: "the variant serves again since then", over: { since: START + MINUTE_MS }, isEntry: true },
    {
      because: "a move ended since then, and it left the variant",
      over: { incumbent: "small", endedAt: START + MINUTE_MS },
      isEntry: true,
    },
    {
      because: "a move ended before, and it left the variant",
      over: { incumbent: "small", endedAt: START - MINUTE_MS },
      isEntry: false,
    },
    { because: "a canary of it began a step since then", over: { incumbent: "small", open: "s1" }, isEntry: true },
  ])("is an entry ($isEntry) where $because", async ({ over, isEntry }) => {
    const { poll, controlPlane } = await world();
    await poll([1, "CLEARED", 0]);
    const state = controlPlane.state();
    const key = "support/prime";
    const began = START + MINUTE_MS;
    const phase = { kind: "canary", step: 1, share: 0.5, since: began, startedAt: START - HOUR_MS };
    const targets = {
      ...state,
      segments: { ...state.segments, [key]: { ...state.segments[key]!, ...over } },
      switchovers: { s1: { id: "s1", change: { policy: "support", segment: "prime", to: "large" }, phase } },
    } as unknown as ControlState;
    const evaluated = new Date(START + HOUR_MS).toISOString();
    const monitor = {
      id: monitorId(1),
      name: "seg|support|prime|accuracy|large",
      status: "CLEARED",
      evaluated_at: evaluated,
      updated_at: evaluated,
      evaluation_window_length_seconds: 60,
    };
    const context = { targets, now: START + HOUR_MS };
    const [question] = configureSource(arize, { apiKey: "k" }).questions({ kind: "sweep" }, context);
    const { signals } = question!.toReading({ monitors: [monitor] }, context);
    expect(signals).toHaveLength(isEntry ? 1 : 0);
    // Another monitor may speak in its place where what it said counts no more of what is served.
    const others = question!.toReading({ monitors: [{ ...monitor, id: monitorId(2) }] }, context).signals;
    const isServedAnew = isEntry && !("endedAt" in over);
    expect(others.map(({ source }) => source === "arize")).toEqual([isServedAnew]);
  });
});
