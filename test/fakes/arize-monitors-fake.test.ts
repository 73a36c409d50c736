import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { annotateSpans } from "@arizeai/ax-client";
import type { GraphQLEnumType } from "graphql";
import { describe, expect, onTestFinished, test } from "vitest";
import { id, openAccount, PROJECT, SPACE, span, START } from "./arize/account.ts";
import { bearerHeaders, hmacHeaders, monitorId } from "./arize/arize.ts";
import { arizeSchema } from "./arize/graphql-schema.ts";
import { toGraphql, toRest } from "./arize/spellings.ts";

describe("monitors of the fake Arize", () => {
  const input = {
    spaceId: SPACE,
    modelName: "segue",
    name: "seg|support|prime|quality",
    notes: "managed-by=segue",
    modelEnvironmentName: "tracing",
    dataQualityMetric: "avg",
    dimensionCategory: "annotation",
    dimensionName: "annotation.quality.score",
    filters: [
      {
        dimensionType: "spanProperty",
        name: "attributes.metadata.segment_id",
        operator: "equals",
        values: ["support|prime"],
      },
    ],
    operator: "lessThan",
    threshold: 0.8,
    evaluationWindowLengthSeconds: 3600,
    scheduledRuntimeEnabled: true,
  };
  const CREATE = `mutation segueCreateMonitor($input: CreateDataQualityMonitorMutationInput!) {
    createDataQualityMonitor(input: $input) { monitor { id } } }`;
  const created = async ({ ask }: Awaited<ReturnType<typeof openAccount>>, values: object): Promise<string> => {
    const { data, errors } = await ask(CREATE, { input: values });
    expect(errors).toBeUndefined();
    return (data as unknown as { createDataQualityMonitor: { monitor: { id: string } } }).createDataQualityMonitor
      .monitor.id;
  };
  const create = (base: Awaited<ReturnType<typeof openAccount>>, over: object = {}) =>
    created(base, { ...input, ...over });

  test("that GraphQL created are those that REST shows, in its words", async () => {
    const base = await openAccount();
    const monitor = await create(base);
    const { data } = await base.client.GET("/v2/monitors/{monitor_id}", { params: { path: { monitor_id: monitor } } });
    expect(atob(monitor)).toMatch(/^Monitor:\d+:/);
    expect(data).toMatchObject({
      id: monitor,
      name: input.name,
      notes: input.notes,
      type: "TRACING",
      status: "NO_DATA",
      project_id: PROJECT,
      metric: "AVG",
      dimension: { category: "USER_ANNOTATION", name: "annotation.quality.score" },
      filters: [
        {
          dimension: { category: "SPAN_ATTRIBUTE", name: "attributes.metadata.segment_id" },
          operator: "EQUALS",
          values: ["support|prime"],
        },
      ],
      threshold: { type: "MANUAL_SINGLE", operator: "LESS_THAN", value: 0.8 },
      evaluation_window_length_seconds: 3600,
    });
  });

  test("are patched, listed page by page and deleted", async () => {
    const base = await openAccount();
    const [first] = [await create(base), await create(base, { name: "theirs" })];
    const patch = `mutation($input: PatchDataQualityMonitorMutationInput!) {
      patchDataQualityMonitor(input: $input) { monitor { threshold operator status } } }`;
    expect((await base.ask(patch, { input: { monitorId: first, set: { threshold: 0.7 } } })).data).toEqual({
      patchDataQualityMonitor: { monitor: { threshold: 0.7, operator: "lessThan", status: "noData" } },
    });
    const list = `query($after: String) { node(id: "${SPACE}") { ... on Space { monitors(first: 1, after: $after, modelName: "segue") {
      pageInfo { hasNextPage endCursor } edges { node { id name primaryMetricWindow { filters { filterType operator dimension { name } dimensionValues { value } } } } } } } } }`;
    const page = (await base.ask(list)).data?.node?.monitors as unknown as {
      pageInfo: { hasNextPage: boolean; endCursor: string };
      edges: { node: { id: string } }[];
    };
    expect(page).toMatchObject({ pageInfo: { hasNextPage: true }, edges: [{ node: { id: first } }] });
    expect((await base.ask(list, { after: page.pageInfo.endCursor })).data?.node).toMatchObject({
      monitors: { pageInfo: { hasNextPage: false }, edges: [{ node: { name: "theirs" } }] },
    });
    await base.ask(`mutation { deleteMonitor(input: { monitorId: "${first}" }) { monitor { id } } }`);
    expect([...base.arize.monitors.keys()]).not.toContain(first);
    const { errors } = await base.ask(
      `mutation { deleteMonitor(input: { monitorId: "${first}" }) { monitor { id } } }`,
    );
    expect(errors?.[0]?.message).toMatch(/not found/);
  });

  test.each([
    { query: `{ node(id: "${SPACE}") { ... on Space { monitors { edges { node { id } } } } } }`, error: /first:/ },
    { query: `{ node(id: "${SPACE}") { id monitors(first: 1) { edges { node { id } } } } }`, error: /monitors/ },
    { query: "{ node(id: ", error: /Syntax Error/ },
    {
      query: `mutation { createDataQualityMonitor(input: { name: "x", operator: LESS_THAN }) { monitor { id } } }`,
      error: /LESS_THAN/,
    },
    {
      query: `mutation { createDataQualityMonitor(input: { name: "x", color: "red" }) { monitor { id } } }`,
      error: /color/,
    },
  ])("refuse `$query` as GraphQL does", async ({ query, error }) => {
    const { ask } = await openAccount();
    expect((await ask(query)).errors?.[0]?.message).toMatch(error);
  });

  test.each(["ComparisonOperator", "DataQualityMetric", "MonitorStatus", "MonitorCategory"])(
    "spell %s in two ways that translate back",
    (name) => {
      const values = (arizeSchema.getType(name) as GraphQLEnumType).getValues().map((value) => value.name);
      expect(values.map((value) => toGraphql(toRest(value)))).toEqual(values);
      expect(values.map(toRest).every((value) => /^[A-Z0-9_]+$/.test(value))).toBe(true);
    },
  );

  test("need a model, a threshold, and a developer key", async () => {
    const { ask, arize } = await openAccount();
    const { threshold: _, ...without } = input;
    expect((await ask(CREATE, { input: without })).errors?.[0]?.message).toMatch(/threshold/);
    expect((await ask(CREATE, { input: { ...input, modelName: "other" } })).errors?.[0]?.message).toMatch(/model/);
    const body = JSON.stringify({ query: "{ __typename }" });
    const bearer = await fetch(arize.graphqlUrl, {
      method: "POST",
      headers: { authorization: "Bearer arize-key" },
      body,
    });
    expect(bearer.status).toBe(401);
  });

  test("find the columns that spans have, and none that no span had", async () => {
    const { send, ask } = await openAccount();
    const query = `{ node(id: "${PROJECT}") { ... on Model { tracingSchema(startTime: "2026-09-01T09:00:00Z", endTime: "2026-09-01T10:00:00Z") {
      spanProperties(first: 100) { edges { node { dimension { name category } } } } } } } }`;
    const names = async () => JSON.stringify((await ask(query)).data);
    expect(await names()).not.toContain("segment_id");
    await send([span(1)]);
    expect(await names()).toContain('"attributes.metadata.segment_id","category":"spanProperty"');
  });

  test("are limited a minute, and say how long to wait", async () => {
    const { clock, ask } = await openAccount({ graphqlLimits: { queriesPerMinute: 2 } });
    const statuses = async () => (await ask("{ __typename }")).status;
    expect([await statuses(), await statuses()]).toEqual([200, 200]);
    clock.at += 20_000;
    const refused = await ask("{ __typename }");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "40"]);
    clock.at += 40_000;
    expect(await statuses()).toBe(200);
  });

  test("evaluate the spans of their segment only, and no data is no answer", async () => {
    const base = await openAccount();
    const monitor = await create(base);
    const status = () => base.arize.monitors.get(monitor);
    await base.arize.evaluate();
    expect(status()).toMatchObject({ status: "NO_DATA", latest_computed_value: null });
    await base.send([span(1), span(2), span(3, { metadata: { segment_id: "support|rest" } })]);
    await base.arize.evaluate();
    expect(status()).toMatchObject({ status: "NO_DATA" });
    const values = [0.5, 0.6, 1];
    for (const [at, score] of values.entries()) await annotateOne(base, at + 1, score);
    expect(await base.arize.evaluate()).toMatchObject([{ before: "NO_DATA", monitor: { id: monitor } }]);
    expect(status()).toMatchObject({
      status: "TRIGGERED",
      latest_computed_value: 0.55,
      evaluated_at: "2026-09-01T10:00:00.000Z",
    });
    for (const at of [1, 2]) await annotateOne(base, at, 0.9);
    expect(await base.arize.evaluate()).toMatchObject([{ before: "TRIGGERED", monitor: { status: "CLEARED" } }]);
    expect(await base.arize.evaluate()).toEqual([]);
    base.clock.at += 3_600_000;
    await base.arize.evaluate();
    expect(status()).toMatchObject({ status: "NO_DATA" });
  });
  const annotateOne = ({ client }: Awaited<ReturnType<typeof openAccount>>, number: number, score: number) =>
    annotateSpans({
      client,
      project: PROJECT,
      annotations: [{ recordId: id(number), values: [{ name: "quality", score }] }],
      startTime: new Date(START - 3_600_000),
      endTime: new Date(START),
    });

  test("count the spans that pass every filter", async () => {
    const base = await openAccount();
    const variant = { dimensionType: "spanProperty", name: "attributes.metadata.variant", operator: "equals" };
    const over = { dimensionName: "attributes.metadata.error", dimensionCategory: "spanProperty" };
    const filters = [...input.filters, { ...variant, values: ["large"] }];
    const monitor = await create(base, { ...over, dataQualityMetric: "count", filters });
    const metadata = { segment_id: "support|prime", variant: "large", error: 0 };
    await base.send([
      span(1, { metadata }),
      span(2, { metadata: { ...metadata, variant: "small" } }),
      span(3, { metadata: { ...metadata, segment_id: "support|rest" } }),
    ]);
    await base.arize.evaluate();
    expect(base.arize.monitors.get(monitor)).toMatchObject({ latest_computed_value: 1 });
  });

  test("evaluate numbers in metadata, evaluations, and the share of errors", async () => {
    const base = await openAccount();
    const cases = [
      { dimensionName: "attributes.metadata.error", dimensionCategory: "spanProperty", value: 0.25 },
      { dimensionName: "eval.toxicity.score", dimensionCategory: "llmEval", value: 0.5 },
      { dimensionName: "status_code", dimensionCategory: "spanProperty", value: 0.25 },
    ];
    const monitors = [];
    for (const { value: _, ...dimension } of cases) monitors.push(await create(base, dimension));
    const failed = { error: "no", metadata: { segment_id: "support|prime", error: 1 } };
    const fine = { metadata: { segment_id: "support|prime", error: 0 } };
    await base.send([span(1, failed), span(2, fine), span(3, fine), span(4, fine)]);
    base.arize.addEvaluation(id(1), { name: "toxicity", score: 0.5 });
    await base.arize.evaluate();
    expect(monitors.map((monitor) => base.arize.monitors.get(monitor)?.latest_computed_value)).toEqual(
      cases.map(({ value }) => value),
    );
  });

  test("with a dynamic threshold have no answer before they have a history", async () => {
    const base = await openAccount();
    const { threshold: _, ...without } = input;
    const monitor = await created(base, { ...without, dynamicAutoThreshold: { stdDevMultiplier: 2 } });
    const statuses: unknown[] = [];
    for (const score of [0.9, 0.88, 0.92, 0.9, 0.91, 0.9, 0.3]) {
      base.clock.at += 7_200_000;
      const number = statuses.length + 1;
      await base.send([span(number, { startMs: base.clock.at - 1000 })]);
      base.arize.addEvaluation(id(number), { name: "quality", score });
      base.arize.monitors.set(monitor, {
        ...base.arize.monitors.get(monitor)!,
        dimension: { category: "LLM_EVAL", name: "eval.quality.score" },
      });
      await base.arize.evaluate();
      statuses.push(base.arize.monitors.get(monitor)?.status);
    }
    expect(statuses).toEqual(["NO_DATA", "NO_DATA", "NO_DATA", "NO_DATA", "NO_DATA", "CLEARED", "TRIGGERED"]);
  });
});

describe("webhooks of the fake Arize", () => {
  async function listener() {
    const heard: { id: string; body: string; genuine: boolean; timestamp: number; authorization: string }[] = [];
    const server = createServer((request, response) => void hear(request, response));
    async function hear(request: IncomingMessage, response: ServerResponse) {
      const body = await text(request);
      const header = (name: string) => String(request.headers[name] ?? "");
      const timestamp = Number(header("x-arize-webhook-timestamp"));
      const signed = hmacHeaders(body, { timestamp, key: "whsec_1" })["x-arize-webhook-signature"];
      const genuine = header("x-arize-webhook-signature") === signed;
      heard.push({
        id: header("x-arize-webhook-id"),
        body,
        genuine,
        timestamp,
        authorization: header("authorization"),
      });
      response.end();
    }
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
  }
  const auth = { kind: "hmac", key: "whsec_1" } as const;

  test("are duplicated, delayed, reordered and forged on demand", async () => {
    const { arize } = await openAccount();
    const { url, heard } = await listener();
    const bodies = [1, 2, 3];
    expect(await arize.ring({ url, auth, bodies, copies: 2, order: "reversed", delayedSeconds: 600 })).toEqual(
      Array(6).fill(200),
    );
    expect(heard.map(({ body }) => body)).toEqual(["3", "3", "2", "2", "1", "1"]);
    expect(new Set(heard.map(({ id }) => id)).size).toBe(3);
    expect(heard.every(({ genuine, timestamp }) => genuine && timestamp === START / 1000 - 600)).toBe(true);
    await arize.ring({ url, auth, forged: true });
    await arize.ring({ url, auth: { kind: "bearer", token: "Bearer xyz" } });
    expect(heard.slice(6).map(({ genuine, authorization }) => [genuine, authorization])).toEqual([
      [false, ""],
      [false, bearerHeaders("Bearer xyz").authorization],
    ]);
  });

  test("come in the same order for the same seed", async () => {
    const { arize } = await openAccount();
    const { url, heard } = await listener();
    const bodies = Array.from({ length: 20 }, (_, n) => n);
    for (const seed of [7, 7, 8]) await arize.ring({ url, auth, bodies, order: { seed } });
    const orders = [0, 20, 40].map((from) =>
      heard
        .slice(from, from + 20)
        .map(({ body }) => body)
        .join(),
    );
    expect(orders[0]).toBe(orders[1]);
    expect(orders[0]).not.toBe(orders[2]);
    expect(orders[0]).not.toBe(bodies.join());
  });

  test("ring once for each change of a monitor's status", async () => {
    const { arize, send } = await openAccount();
    const { url, heard } = await listener();
    arize.attachWebhook({ url, auth });
    const dimension = { category: "SPAN_ATTRIBUTE", name: "attributes.metadata.error" };
    const threshold = { type: "MANUAL_SINGLE", operator: "GREATER_THAN", value: 0.5 };
    arize.set({
      id: monitorId(1),
      name: "seg|support|prime|error",
      status: "CLEARED",
      metric: "AVG",
      dimension,
      threshold,
    });
    await send([span(1, { metadata: { error: 1 } })]);
    await arize.evaluate();
    await arize.evaluate();
    expect(heard.map(({ body, genuine }) => [JSON.parse(body), genuine])).toEqual([
      [{ monitor_id: monitorId(1), name: "seg|support|prime|error" }, true],
    ]);
  });
});

describe("the legacy log of the fake Arize", () => {
  const headers = {
    authorization: "arize-key",
    "grpc-metadata-arize-space-id": SPACE,
    "content-type": "application/json",
  };
  const base = { model_id: "support", prediction_id: "p1", environment_params: { production: {} } };
  const label = { score_categorical: { category: { category: "large" } } };

  test("joins actuals to predictions by their ids, whenever they come", async () => {
    const { arize } = await openAccount();
    const post = (record: object) =>
      fetch(arize.logUrl, { method: "POST", headers, body: JSON.stringify({ ...base, ...record }) });
    const prediction = { timestamp: "2026-09-01T10:00:00Z", prediction_label: label, features: { n: { int: "3" } } };
    expect((await post({ prediction })).status).toBe(200);
    expect(arize.joinedLog()).toMatchObject([{ predictionId: "p1", actual: null }]);
    await post({ actual: { actual_label: label } });
    expect(arize.joinedLog()).toMatchObject([{ predictionId: "p1", prediction, actual: { actual_label: label } }]);
  });

  test.each([
    { body: { prediction: { features: { n: { int: 3 } } } }, status: 422, because: "a 64-bit integer is a string" },
    { body: { prediction: { predictionLabel: label } }, status: 422, because: "names are in snake case" },
    { body: {}, status: 422, because: "there is neither prediction nor actual" },
    { body: { actual: { timestamp: "2029-01-01T00:00:00Z" } }, status: 422, because: "it is of the far future" },
    { body: { actual: {} }, more: { authorization: "Bearer arize-key" }, status: 401, because: "the key is bare" },
    {
      body: { actual: {} },
      more: { "grpc-metadata-arize-space-id": "x" },
      status: 403,
      because: "the space is another",
    },
  ])("answers $status when $because", async ({ body, more, status }) => {
    const { arize } = await openAccount();
    const answer = await fetch(arize.logUrl, {
      method: "POST",
      headers: { ...headers, ...more } as Record<string, string>,
      body: JSON.stringify({ ...base, ...body }),
    });
    expect([answer.status, arize.log]).toEqual([status, []]);
  });
});
