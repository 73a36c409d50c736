import { afterEach, describe, expect, test } from "vitest";
import { arizeMonitors, type ProjectRef } from "../../src/arize/arize-monitors.ts";
import { createAskArize } from "../../src/arize/graphql.ts";
import { configureSource } from "../../src/core/signal-source.ts";
import { applyMonitors } from "../../src/monitors/apply-monitors.ts";
import type { DesiredMonitor } from "../../src/monitors/desired-monitors.ts";
import { planMonitors } from "../../src/monitors/plan-monitors.ts";
import { wantedMonitors } from "../../src/monitors/wanted-monitors.ts";
import { arize } from "../../src/sources/arize.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { stateAfter } from "../core/state-after.ts";
import { fakeArize } from "../fakes/arize/arize.ts";
import { bound, desired, settings, shop } from "./shop-policy.ts";

const PROJECT = "TW9kZWw6MTIz";
const SPACE = "U3BhY2U6MQ==";
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function world({ project = { id: PROJECT } }: { project?: ProjectRef } = {}) {
  const clock = { at: Date.parse("2026-09-01T10:00:00Z") };
  const service = await fakeArize({ developerKey: "developer-key", now: () => clock.at });
  closers.push(service.close);
  const slept: number[] = [];
  const ask = createAskArize({
    url: service.graphqlUrl,
    developerKey: "developer-key",
    fetch,
    counters: memoryCounters(),
    clock: { now: () => clock.at },
    random: { bytes: (count) => new Uint8Array(count).fill(255) },
    sleep: (ms) => Promise.resolve(void (slept.push(ms), (clock.at += ms))),
  });
  const contacts = [{ notificationChannelType: "email", emailAddress: "oncall@example.com" }];
  const store = arizeMonitors(ask, { project, contacts, now: clock.at });
  const plan = async (wanted: readonly DesiredMonitor[], monitorsMax = 200) =>
    planMonitors({
      desired: wanted,
      existing: await store.list(),
      policies: new Set(["shop"]),
      monitorsMax,
      marks: { namePrefix: "seg", managedBy: "segue" },
      mayDelete: true,
      mayReplace: true,
      mayAdopt: false,
    });
  const apply = async (wanted: readonly DesiredMonitor[], monitorsMax?: number) =>
    applyMonitors({ store, progress: () => undefined }, await plan(wanted, monitorsMax));
  const operations = () =>
    service.calls
      .filter(({ surface }) => surface === "graphql")
      .map(({ body }) => (JSON.parse(body.toString()) as { operationName: string }).operationName);
  return { service, store, plan, apply, slept, operations };
}

const everyKind = () =>
  desired([bound("solved"), bound("toxic"), bound("judged"), bound("failure"), bound("dear"), bound("slow", 0.05)], {
    dimensions: { slow: "latency_ms" },
    perVariant: true,
  });

describe("monitors in Arize", () => {
  test("are as wanted once they were applied, so that applying again changes nothing", async () => {
    const { service, apply, plan, operations } = await world();
    const wanted = everyKind();
    expect(await apply(wanted)).toMatchObject({ create: wanted.length });
    expect(await plan(wanted)).toMatchObject({ steps: [], leftAlone: [] });
    expect(await apply(wanted)).toEqual({ create: 0, patch: 0, replace: 0, delete: 0 });
    expect(service.monitors.size).toBe(wanted.length);
    expect(operations().filter((name) => !name.startsWith("segue"))).toEqual([]);
  });

  test("look to REST as they were asked for", async () => {
    const { service, apply } = await world();
    await apply(desired([bound("solved", 0.3)], { windowSeconds: 900, delaySeconds: 60, cadenceSeconds: 600 }));
    expect([...service.monitors.values()]).toMatchObject([
      {
        name: "seg|shop|gold|solved",
        notes: "managed-by=segue; policy=shop; segment=gold; metric=solved",
        type: "TRACING",
        metric: "AVG",
        project_id: PROJECT,
        dimension: { category: "USER_ANNOTATION", name: "annotation.solved.score" },
        filters: [
          {
            dimension: { category: "SPAN_ATTRIBUTE", name: "attributes.metadata.segment_id" },
            operator: "EQUALS",
            values: ["shop|gold"],
          },
        ],
        threshold: { type: "MANUAL_SINGLE", operator: "LESS_THAN", value: 0.7 },
        scheduled_runtime: { enabled: true, cadence_seconds: 600, days_of_week: [0, 1, 2, 3, 4, 5, 6] },
        evaluation_window_length_seconds: 900,
        delay_seconds: 60,
        notification_configs: [{ type: "EMAIL", email_address: "oncall@example.com" }],
      },
    ]);
  });

  test("that alarm are signals on the very segment and variant that asked for them", async () => {
    const { service, apply } = await world();
    const wanted = desired([bound("solved")], { perVariant: true });
    await apply(wanted);
    const policy = shop({ gold: [bound("solved")] });
    const state = stateAfter([{ type: "policy.published", policy, prompts: {} }]);
    const monitors = [...service.monitors.values()].map((monitor) => ({
      ...monitor,
      status: "TRIGGERED",
      evaluated_at: "2026-09-01T10:00:00Z",
    }));
    const context = { targets: state, now: Date.parse("2026-09-01T10:00:00Z") };
    const [question] = configureSource(arize, { apiKey: "k" }).questions({ kind: "sweep" }, context);
    expect(question!.toReading({ monitors }, context)).toMatchObject({
      signals: wanted.map(({ subject }) => ({ ...subject, status: "degraded" })),
      ignored: {},
    });
  });

  test.each([
    {
      because: "a threshold was moved",
      over: { threshold: { type: "MANUAL_SINGLE", operator: "LESS_THAN", value: 0.1 } },
    },
    {
      because: "a threshold was made dynamic",
      over: { threshold: { type: "DYNAMIC_SINGLE", operator: "LESS_THAN", multiplier: 3 } },
    },
    { because: "its window was widened", over: { evaluation_window_length_seconds: 86_400 } },
    { because: "it was taken off its schedule", over: { scheduled_runtime: { enabled: false } } },
    { because: "it was renamed", over: { name: "gold solves less" } },
  ])("that drifted because $because are patched back, and keep their ids", async ({ over }) => {
    const { service, apply, plan } = await world();
    const wanted = desired([bound("solved")]);
    await apply(wanted);
    const [monitor] = [...service.monitors.values()];
    service.monitors.set(monitor!.id, { ...monitor!, ...over });
    expect((await plan(wanted)).steps).toMatchObject([{ kind: "patch", id: monitor!.id }]);
    await apply(wanted);
    expect((await plan(wanted)).steps).toEqual([]);
    expect([...service.monitors.keys()]).toEqual([monitor!.id]);
  });

  test("whose objective lost its bound are patched to a dynamic threshold", async () => {
    const { service, apply, plan } = await world();
    await apply(desired([bound("solved")]));
    const wanted = desired([{ metric: "solved", against: "baseline", tolerance: 0.01 }]);
    await apply(wanted);
    expect((await plan(wanted)).steps).toEqual([]);
    expect([...service.monitors.values()]).toMatchObject([{ threshold: { type: "DYNAMIC_SINGLE", multiplier: 2 } }]);
  });

  test("that measure something else are made anew, and those that nothing asks for go", async () => {
    const { service, apply, plan } = await world();
    await apply(desired([bound("solved"), bound("failure")]));
    const wanted = desired([bound("solved")], { dimensions: { solved: "eval.Correctness.score" } });
    expect(await apply(wanted)).toEqual({ create: 0, patch: 0, replace: 1, delete: 1 });
    expect((await plan(wanted)).steps).toEqual([]);
    expect(service.monitors.size).toBe(1);
  });

  test("are found over many pages, and only those of the project", async () => {
    const { service, apply, plan } = await world();
    const policy = shop(Object.fromEntries(Array.from({ length: 45 }, (_, n) => [`s${n}`, [bound("solved")]])));
    const { monitors } = wantedMonitors([policy], settings(), { columns: [], givenPrefix: undefined });
    await apply(monitors);
    const all = [...service.monitors.values()];
    for (const monitor of all)
      service.monitors.set(`other-${monitor.id}`, { ...monitor, id: `other-${monitor.id}`, project_id: "elsewhere" });
    expect(await plan(monitors)).toMatchObject({ steps: [], leftAlone: [] });
  });

  test("are not made twice when the answer to their creation was lost", async () => {
    const { service, store, apply, plan } = await world();
    const wanted = desired([bound("solved"), bound("failure")]);
    const made = await plan(wanted);
    service.fail("graphql", "lost", 1);
    await expect(applyMonitors({ store, progress: () => undefined }, made)).rejects.toMatchObject({
      reason: "outcome_unknown",
      message: expect.stringContaining("create of seg|shop|gold|solved; 0 of 2 changes"),
    });
    expect(service.monitors.size).toBe(1);
    expect(await apply(wanted)).toMatchObject({ create: 1 });
    expect(service.monitors.size).toBe(2);
  });

  test("that somebody deleted meanwhile are as good as deleted", async () => {
    const { service, store, apply } = await world();
    await apply(desired([bound("solved")]));
    const [id] = [...service.monitors.keys()];
    service.monitors.clear();
    await expect(store.remove(id!)).resolves.toBeUndefined();
  });

  test("wait as long as Arize asks for", async () => {
    const { service, apply, slept } = await world();
    service.fail("graphql", { status: 429, headers: { "retry-after": "9" } }, 2);
    await apply(desired([bound("solved")]));
    expect(slept).toEqual([9000, 9000]);
    expect(service.monitors.size).toBe(1);
  });
});

test("hundreds of monitors are made within Arize's limits, so that none is refused", async () => {
  const { service, apply, slept, operations } = await world();
  const policy = shop(Object.fromEntries(Array.from({ length: 320 }, (_, n) => [`s${n}`, [bound("solved")]])));
  const { monitors } = wantedMonitors([policy], settings(), { columns: [], givenPrefix: undefined });
  await expect(apply(monitors)).rejects.toThrow("at most 200");
  await apply(monitors, 500);
  expect(service.monitors.size).toBe(320);
  expect(operations().filter((name) => name === "segueCreateMonitor")).toHaveLength(320);
  expect(Math.max(...slept)).toBe(60_000);
});

describe("the project", () => {
  test("is found by its name in the space", async () => {
    const { service, apply } = await world({ project: { spaceId: SPACE, name: "segue" } });
    await apply(desired([bound("solved")]));
    expect([...service.monitors.values()]).toMatchObject([{ project_id: PROJECT }]);
  });

  test.each([
    { because: "its name", project: { spaceId: SPACE, name: "nope" } },
    { because: "its space", project: { spaceId: "U3BhY2U6OTk=", name: "segue" } },
    { because: "its id", project: { id: "TW9kZWw6OTk=" } },
  ])("that Arize does not know by $because is named, with what to check", async ({ project }) => {
    const { store } = await world({ project });
    await expect(store.list()).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("SEGUE_ARIZE_PROJECT"),
    });
  });
});
