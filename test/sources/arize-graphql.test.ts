import { afterEach, describe, expect, test } from "vitest";
import { configureSource } from "../../src/core/signal-source.ts";
import { pollSource } from "../../src/loop/poll-source.ts";
import { readSource } from "../../src/loop/read-source.ts";
import { arize } from "../../src/sources/arize.ts";
import { fakeArize, monitorId, type MonitorJson } from "../fakes/arize/arize.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const monitor = (over: Partial<MonitorJson> = {}): MonitorJson => ({
  id: monitorId(1),
  name: "seg|support|prime|accuracy",
  notes: "managed-by=segue; policy=support; segment=prime; metric=accuracy",
  status: "TRIGGERED",
  evaluated_at: new Date(START).toISOString(),
  latest_computed_value: 0.7,
  ...over,
});

/** A world whose Arize has no REST v2, or has it. */
async function world({ rest = false, settings = {} }: { rest?: boolean; settings?: object } = {}) {
  const base = await signalWorld();
  const service = await fakeArize({ developerKey: "developer-key" });
  closers.push(service.close);
  if (!rest) service.fail("rest", 404);
  const source = configureSource(arize, {
    apiKey: "arize-key",
    baseUrl: service.url,
    projectId: "TW9kZWw6MTIz",
    graphql: { url: service.graphqlUrl, developerKey: "developer-key" },
    ...settings,
  });
  const surfaces = () => service.calls.map(({ surface }) => surface);
  return { ...base, service, source, surfaces };
}

describe("where REST v2 is not there, GraphQL", () => {
  test("tells of one monitor exactly what REST does", async () => {
    const read = async (rest: boolean) => {
      const { service, source, deps, signals, surfaces } = await world({ rest });
      service.set(monitor());
      await readSource(deps, source, { kind: "id", id: monitorId(1) });
      return { signals: signals(), surfaces: surfaces() };
    };
    const [graphql, rest] = [await read(false), await read(true)];
    expect(graphql.surfaces).toEqual(["rest", "graphql"]);
    expect(rest.surfaces).toEqual(["rest"]);
    expect(graphql.signals).toMatchObject([{ status: "degraded", evidence: { lossMean: 0.3, lossTolerated: 0.2 } }]);
    // Only REST has the address of its page.
    const told = ({ signals }: typeof rest) =>
      signals.map((signal) => ({ ...signal, evidence: { ...signal.evidence, url: null } }));
    expect(told(graphql)).toEqual(told(rest));
  });

  test.each([
    { status: "TRIGGERED", means: "degraded" },
    { status: "CLEARED", means: "recovered" },
    { status: "NO_DATA", means: "inconclusive" },
  ])("that says $status means $means", async ({ status, means }) => {
    const { service, source, deps, signals } = await world();
    service.set(monitor({ status }));
    await readSource(deps, source, { kind: "id", id: monitorId(1) });
    expect(signals()).toMatchObject([{ status: means }]);
  });

  test.each([
    { because: "of the project", settings: {} },
    { because: "of the space", settings: { projectId: undefined, spaceId: "U3BhY2U6MQ==" } },
  ])("is swept over all its pages $because", async ({ settings }) => {
    const { service, source, deps, signals, surfaces } = await world({ settings });
    for (let n = 1; n <= 45; n += 1) service.set(monitor({ id: monitorId(n), name: `theirs ${n}`, notes: null }));
    service.set(monitor({ id: monitorId(46) }));
    expect(await pollSource(deps, source)).toEqual({ recorded: 1, duplicates: 0, ignored: { "not-ours": 45 } });
    expect(surfaces()).toEqual(["rest", "graphql", "graphql", "graphql"]);
    expect(signals()).toMatchObject([{ segment: "prime" }]);
    expect(await pollSource(deps, source)).toMatchObject({ recorded: 0, ignored: { unchanged: 1 } });
  });

  test.each([
    { segment: "support|prime", because: "its own", ignored: {} },
    { segment: "support|default", because: "another", ignored: { contradictory: 1 } },
  ])("tells the filters, and a monitor of $because segment's answers says so", async ({ segment, ignored }) => {
    const { service, source, deps } = await world();
    const dimension = { category: "SPAN_ATTRIBUTE", name: "attributes.metadata.segment_id" };
    service.set(monitor({ filters: [{ dimension, operator: "EQUALS", values: [segment] }] }));
    expect(await readSource(deps, source, { kind: "id", id: monitorId(1) })).toMatchObject({ ignored });
  });

  test("finds a monitor by its name", async () => {
    const { service, source, deps, signals } = await world({
      settings: { projectId: undefined, spaceId: "U3BhY2U6MQ==" },
    });
    service.set(monitor());
    service.set(monitor({ id: monitorId(2), name: "seg|support|prime|toxicity", notes: null }));
    await readSource(deps, source, { kind: "name", name: "seg|support|prime|accuracy" });
    expect(signals()).toMatchObject([{ metric: "accuracy" }]);
  });

  test.each([
    { because: "there is no such monitor", id: monitorId(404), ignored: { "not-found": 1 } },
    { because: "the id is no monitor's", id: "TW9kZWw6MTIz", ignored: { unreadable: 1 } },
  ])("records nothing where $because, and counts it", async ({ id, ignored }) => {
    const { source, deps, signals } = await world();
    expect(await readSource(deps, source, { kind: "id", id })).toMatchObject({ recorded: 0, ignored });
    expect(signals()).toEqual([]);
  });

  test("that refuses the query is counted", async () => {
    const { service, source, deps } = await world();
    service.fail("graphql", { status: 200, body: '{"errors":[{"message":"no"}],"data":null}' });
    expect(await readSource(deps, source, { kind: "sweep" })).toMatchObject({ ignored: { "graphql-refused": 1 } });
  });

  test("is not asked without a developer key, nor where nothing limits a sweep", async () => {
    const without = await world({ settings: { graphql: undefined } });
    expect(await readSource(without.deps, without.source, { kind: "sweep" })).toMatchObject({
      ignored: { "not-found": 1 },
    });
    expect(without.surfaces()).toEqual(["rest"]);
    const everywhere = await world({ settings: { projectId: undefined } });
    await readSource(everywhere.deps, everywhere.source, { kind: "sweep" });
    expect(everywhere.surfaces()).toEqual(["rest"]);
  });
});

test("REST v2 that works is asked alone", async () => {
  const { service, source, deps, surfaces } = await world({ rest: true });
  service.set(monitor());
  await pollSource(deps, source);
  expect(surfaces()).toEqual(["rest"]);
});
