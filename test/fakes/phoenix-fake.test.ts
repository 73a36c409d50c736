import { createClient } from "@arizeai/phoenix-client";
import { getPrompt } from "@arizeai/phoenix-client/prompts";
import { addSpanAnnotation, getSpanAnnotations, getSpans, logSpanAnnotations } from "@arizeai/phoenix-client/spans";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { postSpans, traceRequest, type MadeSpan } from "./otlp/made-spans.ts";
import { fakePhoenix, type FakePhoenixOptions } from "./phoenix/phoenix.ts";
import { compileFilter } from "./phoenix/span-filter.ts";

const START = Date.parse("2026-09-01T10:00:00Z");

async function world(options: FakePhoenixOptions = {}) {
  const clock = { at: START };
  const phoenix = await fakePhoenix({ now: () => clock.at, ...options });
  onTestFinished(() => phoenix.close());
  const headers = { authorization: "Bearer phoenix-key" };
  const client = createClient({ options: { baseUrl: phoenix.url, headers } });
  const send = (spans: readonly MadeSpan[], project: string | null = "segue", more: Record<string, string> = {}) =>
    postSpans(phoenix.otlpUrl, { ...headers, ...more }, traceRequest(spans, project));
  const ask = async (query: string, variables: object = {}) => {
    const answer = await fetch(phoenix.graphqlUrl, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    return (await answer.json()) as { data?: Record<string, unknown>; errors?: { message: string }[] };
  };
  return { clock, phoenix, client, send, ask, headers };
}

const id = (number: number) => number.toString(16).padStart(16, "0");
const span = (number: number, over: Partial<MadeSpan> = {}): MadeSpan => ({
  spanId: id(number),
  startMs: START - 60_000 * number,
  metadata: { segment_id: "support|prime", variant: "large" },
  ...over,
});
const project = { projectName: "segue" };
const numbers = (spans: readonly { context: { span_id: string } }[]) =>
  spans.map(({ context }) => Number(`0x${context.span_id}`));

describe("OTLP at the fake Phoenix", () => {
  test("spans come back through the vendor's client as they were sent, with JSON strings as objects", async () => {
    const { send, client } = await world();
    const attributes = {
      "llm.model_name": "small",
      "llm.prompt_template.variables": '{"order":"7"}',
      "tag.tags": ["a", "b"],
    };
    await send([{ spanId: id(1), startMs: START, durationMs: 250, metadata: { region: "EU", n: 3 }, attributes }]);
    const { spans } = await getSpans({ client, project, attributes: { "metadata.region": "EU" } });
    expect(spans).toMatchObject([
      {
        context: { span_id: id(1), trace_id: id(1).padStart(32, "0") },
        span_kind: "LLM",
        parent_id: null,
        status_code: "OK",
        start_time: "2026-09-01T10:00:00.000Z",
        end_time: "2026-09-01T10:00:00.250Z",
        attributes: {
          "metadata.region": "EU",
          "metadata.n": 3,
          "llm.model_name": "small",
          "tag.tags.1": "b",
          "llm.prompt_template.variables.order": "7",
        },
      },
    ]);
  });

  test("a span without a project goes to the default one", async () => {
    const { send, client } = await world();
    await send([span(1)], null);
    expect(numbers((await getSpans({ client, project: { projectName: "default" } })).spans)).toEqual([1]);
  });

  test("of a span that is sent again, the first stays", async () => {
    const { phoenix, send } = await world();
    await send([span(1, { name: "first" })]);
    await send([span(1, { name: "second" })]);
    expect([phoenix.received(), phoenix.spans().map(({ name }) => name)]).toEqual([2, ["first"]]);
  });

  test.each([
    { headers: { authorization: "phoenix-key" }, status: 401, because: "the key is no Bearer token" },
    { headers: { authorization: "Bearer phoenix-viewer-key" }, status: 403, because: "a viewer may not write" },
    { headers: { "content-type": "application/json" }, status: 415, because: "OTLP/JSON is not taken" },
  ])("answers $status when $because", async ({ headers, status }) => {
    const { phoenix, send } = await world();
    expect((await send([span(1)], "segue", headers as Record<string, string>)).status).toBe(status);
    expect(phoenix.spans()).toEqual([]);
  });

  test("refuses more while too many spans wait, and takes them once those are written", async () => {
    const { clock, send } = await world({ queueMax: 2, ingestLagMs: 5000 });
    expect((await send([span(1), span(2)])).status).toBe(200);
    expect((await send([span(3)])).status).toBe(503);
    clock.at += 5000;
    expect((await send([span(3)])).status).toBe(200);
  });

  test("needs no key where authentication is off", async () => {
    const { send } = await world({ apiKey: null });
    expect((await send([span(1)], "segue", { authorization: "" })).status).toBe(200);
  });
});

describe("reading spans from the fake Phoenix", () => {
  const list = async (filter: object) => {
    const { client, send } = await world();
    await send([
      span(1, { metadata: { region: "EU", n: 12_345 } }),
      span(2, { metadata: { region: "US", n: "12345" }, error: "no", parentSpanId: id(1) }),
      span(3, { name: "embed", attributes: { "openinference.span.kind": "EMBEDDING", "tag.tags": ["x"] } }),
    ]);
    return numbers((await getSpans({ client, project, ...filter })).spans);
  };
  test.each([
    { filter: {}, found: [3, 2, 1], because: "newest row first" },
    { filter: { attributes: { "metadata.region": "EU" } }, found: [1], because: "a metadata key can be matched" },
    { filter: { attributes: { "metadata.n": 12_345 } }, found: [1], because: "numbers match numbers" },
    { filter: { attributes: { "metadata.n": "12345" } }, found: [2], because: "quoted numbers match strings" },
    { filter: { attributes: { "tag.tags": "x" } }, found: [], because: "lists cannot be matched" },
    {
      filter: { attributes: { "metadata.region": "US" }, statusCode: "OK" },
      found: [],
      because: "filters are joined by AND",
    },
    { filter: { spanKind: ["EMBEDDING", "TOOL"] }, found: [3], because: "kinds are alternatives" },
    { filter: { parentId: null }, found: [3, 1], because: "roots can be asked for" },
    { filter: { traceIds: [id(2).padStart(32, "0")] }, found: [2], because: "a trace can be asked for" },
    {
      filter: { startTime: new Date(START - 120_000), endTime: new Date(START - 60_000) },
      found: [2],
      because: "the end is exclusive",
    },
  ])("$filter finds $found: $because", async ({ filter, found }) => expect(await list(filter)).toEqual(found));

  test("pages follow their cursors", async () => {
    const { client, send } = await world();
    await send(Array.from({ length: 5 }, (_, n) => span(n + 1)));
    const found: number[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof getSpans>> = await getSpans({ client, project, limit: 2, cursor });
      found.push(...numbers(page.spans));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(found).toEqual([5, 4, 3, 2, 1]);
  });

  test("a project that is not there is a 404", async () => {
    const { client } = await world();
    await expect(getSpans({ client, project })).rejects.toThrow(/404/);
  });
});

describe("annotations at the fake Phoenix", () => {
  const quality = (number: number, over: object = {}) => ({
    spanId: id(number),
    name: "quality",
    annotatorKind: "HUMAN" as const,
    score: 1,
    ...over,
  });

  test("are one per span, name and identifier, and a later one replaces the whole", async () => {
    const { client, send } = await world();
    await send([span(1)]);
    await addSpanAnnotation({ client, spanAnnotation: quality(1, { label: "good", explanation: "fine" }), sync: true });
    await addSpanAnnotation({ client, spanAnnotation: quality(1, { score: 0 }), sync: true });
    await addSpanAnnotation({ client, spanAnnotation: quality(1, { identifier: "judge-v3" }), sync: true });
    const { annotations } = await getSpanAnnotations({ client, project, spanIds: [id(1)] });
    expect(annotations.map(({ identifier, result }) => [identifier, result])).toEqual([
      ["judge-v3", { label: null, score: 1, explanation: null }],
      ["", { label: null, score: 0, explanation: null }],
    ]);
  });

  test("of one unknown span fail the whole batch when they are synchronous", async () => {
    const { client, phoenix, send } = await world();
    await send([span(1)]);
    const batch = logSpanAnnotations({ client, spanAnnotations: [quality(1), quality(2)], sync: true });
    await expect(batch).rejects.toThrow(/404/);
    expect(phoenix.annotations()).toEqual([]);
  });

  test("that were queued are written when their span is there at an attempt, every ten seconds", async () => {
    const { clock, client, phoenix, send } = await world();
    expect(await addSpanAnnotation({ client, spanAnnotation: quality(1) })).toBeNull();
    clock.at += 15_000;
    await send([span(1)]);
    expect(phoenix.annotations()).toEqual([]);
    clock.at += 5000;
    expect(phoenix.annotations()).toMatchObject([{ spanId: id(1), name: "quality", score: 1 }]);
  });

  test("that were queued for a span that never comes are gone after ten minutes, without a word", async () => {
    const { clock, client, phoenix, send } = await world();
    await logSpanAnnotations({ client, spanAnnotations: [quality(1)] });
    clock.at += 600_000;
    expect(phoenix.droppedAnnotations()).toBe(1);
    await send([span(1)]);
    clock.at += 600_000;
    expect(phoenix.annotations()).toEqual([]);
  });

  test("are ten a page unless told otherwise", async () => {
    const { client, send } = await world();
    await send([span(1)]);
    const spanAnnotations = Array.from({ length: 12 }, (_, n) => quality(1, { identifier: `i${n}` }));
    await logSpanAnnotations({ client, spanAnnotations, sync: true });
    const parameters = { path: { project_identifier: "segue" }, query: { span_ids: [id(1)] } };
    const { data } = await client.GET("/v1/projects/{project_identifier}/span_annotations", { params: parameters });
    expect([data?.data.length, data?.next_cursor === null]).toEqual([10, false]);
  });

  test.each([
    { key: "phoenix-key", name: "note", status: 400, because: "the name is reserved" },
    { key: "phoenix-key", name: "", status: 422, because: "there is no name" },
    { key: "phoenix-viewer-key", name: "quality", status: 403, because: "a viewer may not write" },
  ])("answers $status when $because", async ({ key, name, status }) => {
    const { phoenix } = await world();
    const answer = await fetch(`${phoenix.url}/v1/span_annotations?sync=true`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ data: [{ span_id: id(1), name, annotator_kind: "HUMAN", result: { score: 1 } }] }),
    });
    expect(answer.status).toBe(status);
  });
});

describe("prompts of the fake Phoenix", () => {
  const version = (content: string) => ({
    model_provider: "OPENAI",
    model_name: "gpt-4o-mini",
    template_type: "CHAT" as const,
    template_format: "MUSTACHE" as const,
    template: { type: "chat" as const, messages: [{ role: "system" as const, content }] },
    invocation_parameters: { type: "openai", openai: { temperature: 0.2 } },
  });
  test("are read by the vendor's client: newest, by version, by a tag that moves", async () => {
    const { client, phoenix } = await world();
    const first = phoenix.prompts.add("support", version("one"));
    const second = phoenix.prompts.add("support", version("two"));
    phoenix.prompts.tag(first.id, "production");
    const tagged = () => getPrompt({ client, prompt: { name: "support", tag: "production" } });
    expect(await tagged()).toMatchObject({ id: first.id, template: version("one").template });
    phoenix.prompts.tag(second.id, "production");
    expect(await tagged()).toMatchObject({ id: second.id });
    phoenix.prompts.tag(first.id, "production");
    expect(await tagged()).toMatchObject({ id: first.id });
    expect(await getPrompt({ client, prompt: { name: "support" } })).toMatchObject({
      id: second.id,
      template_format: "MUSTACHE",
    });
    expect(await getPrompt({ client, prompt: { versionId: first.id } })).toMatchObject({ id: first.id });
  });

  test("that are missing and a server that is down look alike to the vendor's client, not to a status", async () => {
    const { client, phoenix } = await world();
    const silent = vi.spyOn(console, "error").mockImplementation(() => {});
    expect(await getPrompt({ client, prompt: { name: "gone" } })).toBeNull();
    phoenix.fail("rest", 503, 1);
    expect(await getPrompt({ client, prompt: { name: "gone" } })).toBeNull();
    silent.mockRestore();
    const get = () =>
      client.GET("/v1/prompts/{prompt_identifier}/latest", { params: { path: { prompt_identifier: "gone" } } });
    await expect(get()).rejects.toThrow(/404/);
    phoenix.fail("rest", 503, 1);
    await expect(get()).rejects.toThrow(/503/);
  });
});

describe("GraphQL of the fake Phoenix", () => {
  const SEGMENT = `query Seg($p: String!, $t: TimeRange!, $f: String!) {
    getProjectByName(name: $p) {
      recordCount(timeRange: $t, filterCondition: $f)
      spanLatencyMsQuantile(probability: 0.95, timeRange: $t, filterCondition: $f)
      costSummary(timeRange: $t, filterCondition: $f) { total { cost tokens } }
      quality: spanAnnotationSummary(annotationName: "quality", timeRange: $t, filterCondition: $f) {
        count meanScore scoreCount labelCount labelFractions { label fraction } }
      spanCountTimeSeries(timeRange: $t, timeBinConfig: { scale: MINUTE }, filterCondition: $f) {
        data { timestamp okCount errorCount unsetCount totalCount } } } }`;
  const t = { start: "2026-09-01T09:57:00Z", end: "2026-09-01T10:00:00Z" };
  const f = "span_kind == 'LLM' and metadata['segment_id'] == 'support|prime'";

  test("answers the aggregates of a segment, and of no other", async () => {
    const { client, send, ask } = await world({ prices: { small: { prompt: 0.001, completion: 0.002 } } });
    const tokens = {
      "llm.token_count.prompt": 100,
      "llm.token_count.completion": 10,
      "llm.model_name": "small",
      "llm.cost.total": 99,
    };
    await send([
      span(1, { durationMs: 100, attributes: tokens }),
      span(2, { durationMs: 200, attributes: tokens, error: "no" }),
      span(3, { durationMs: 300, attributes: tokens }),
      span(4),
      span(0, { spanId: id(10) }),
      span(1, { spanId: id(11), metadata: { segment_id: "support|rest" }, durationMs: 9000 }),
    ]);
    const annotation = { name: "quality", annotatorKind: "HUMAN" as const };
    const annotate = (n: number, score: number, label: string) =>
      addSpanAnnotation({ client, spanAnnotation: { ...annotation, spanId: id(n), score, label }, sync: true });
    for (const [n, score, label] of [
      [1, 1, "good"],
      [2, 0.5, "bad"],
      [3, 0.75, "good"],
      [4, 0, "bad"],
      [11, 0, "bad"],
    ] as const)
      await annotate(n, score, label);
    const { data, errors } = await ask(SEGMENT, { p: "segue", t, f });
    expect(errors).toBeUndefined();
    const minute = (n: number, counts: object) => ({
      timestamp: new Date(START - 60_000 * n).toISOString(),
      okCount: 0,
      errorCount: 0,
      unsetCount: 0,
      totalCount: 1,
      ...counts,
    });
    expect(data?.getProjectByName).toMatchObject({
      recordCount: 3,
      spanLatencyMsQuantile: expect.closeTo(290, 6) as number,
      costSummary: { total: { cost: expect.closeTo(0.36, 9) as number, tokens: 330 } },
      quality: {
        count: 3,
        meanScore: 0.75,
        scoreCount: 3,
        labelCount: 3,
        labelFractions: [
          { label: "good", fraction: 2 / 3 },
          { label: "bad", fraction: 1 / 3 },
        ],
      },
      spanCountTimeSeries: {
        data: [minute(3, { okCount: 1 }), minute(2, { errorCount: 1 }), minute(1, { okCount: 1 })],
      },
    });
  });

  test("answers a project that is not there with null, and a misspelt key with nothing", async () => {
    const { send, ask } = await world();
    expect((await ask(SEGMENT, { p: "other", t, f })).data).toEqual({ getProjectByName: null });
    await send([span(1)]);
    const { data } = await ask(SEGMENT, { p: "segue", t, f: "metadata['segmentid'] == 'support|prime'" });
    expect(data?.getProjectByName).toMatchObject({ recordCount: 0, spanLatencyMsQuantile: null, quality: null });
  });

  test("lets viewers ask, and says who they are and which server it is", async () => {
    const { phoenix } = await world({ version: "19.1.0" });
    const answer = await fetch(phoenix.graphqlUrl, {
      method: "POST",
      headers: { authorization: "Bearer phoenix-viewer-key", "content-type": "application/json" },
      body: JSON.stringify({ query: "{ viewer { role { name } } projects { edges { node { name } } } }" }),
    });
    expect(answer.headers.get("x-phoenix-server-version")).toBe("19.1.0");
    expect(await answer.json()).toEqual({
      data: { viewer: { role: { name: "VIEWER" } }, projects: { edges: [{ node: { name: "default" } }] } },
    });
  });

  test("refuses what its schema does not have", async () => {
    const { ask } = await world();
    const { errors } = await ask('{ getProjectByName(name: "default") { monitors { id } } }');
    expect(errors?.[0]?.message).toMatch(/monitors/);
  });

  test.each([
    { filter: "span_kind == 'llm'", found: [1, 2], because: "enums are compared in upper case" },
    { filter: "status_code == 'ERROR'", found: [2], because: "statuses are compared" },
    { filter: "latency_ms > 100 and not (status_code == 'ERROR')", found: [3], because: "brackets and not" },
    { filter: "50 < latency_ms <= 200", found: [1, 2], because: "comparisons are chained" },
    { filter: "metadata['tier'] != 'gold'", found: [2], because: "a missing key is unknown, not different" },
    { filter: "not metadata['tier'] == 'gold'", found: [2], because: "the negation of unknown is unknown" },
    { filter: "metadata['tier'] is None", found: [3], because: "missing keys can be asked for" },
    { filter: "metadata['n'] >= 3", found: [1], because: "numbers are compared as numbers" },
    { filter: "metadata['tier'] in ['gold', 'silver'] or name == 'embed'", found: [1, 3], because: "lists" },
    { filter: "'GOL' in metadata['tier']", found: [1], because: "containment has no case" },
    { filter: "attributes['metadata']['tier'] == \"gold\"", found: [1], because: "metadata is an attribute" },
    { filter: "llm.model_name == 'small'", found: [3], because: "names with dots are attributes" },
    { filter: "llm.token_count.total > 5", found: [3], because: "token counts are numbers" },
    { filter: "annotations['quality'].score < 0.5", found: [1], because: "scores of annotations" },
    { filter: "annotations['quality']", found: [1, 2], because: "an annotation exists" },
    { filter: "evals['quality'].label == 'good' and True", found: [2], because: "the old name of annotations" },
    { filter: "start_time >= '2026-09-01T11:58:00+02:00'", found: [1, 2], because: "times have offsets" },
    { filter: "float(metadata['s']) > 1.5", found: [2], because: "strings are cast when told" },
  ])("`$filter` finds $found: $because", async ({ filter, found }) => {
    const { client, send, ask } = await world();
    await send([
      span(1, { metadata: { tier: "gold", n: 3 } }),
      span(2, { metadata: { tier: "basic", n: 2, s: "1.75" }, error: "no", durationMs: 200 }),
      span(3, {
        name: "embed",
        metadata: {},
        durationMs: 300,
        attributes: { "openinference.span.kind": "EMBEDDING", "llm.model_name": "small", "llm.token_count.total": 6 },
      }),
    ]);
    const annotation = { name: "quality", annotatorKind: "CODE" as const };
    await addSpanAnnotation({
      client,
      spanAnnotation: { ...annotation, spanId: id(1), score: 0.2, label: "bad" },
      sync: true,
    });
    await addSpanAnnotation({
      client,
      spanAnnotation: { ...annotation, spanId: id(2), score: 0.8, label: "good" },
      sync: true,
    });
    const query = `query($f: String!, $c: String!) { getProjectByName(name: "segue") {
      validateSpanFilterCondition(condition: $f) { isValid errorMessage warnings }
      recordCount(filterCondition: $c) } }`;
    const counts = [];
    for (const n of [1, 2, 3]) {
      const { data, errors } = await ask(query, { f: filter, c: `(${filter}) and span_id == '${id(n)}'` });
      expect(errors).toBeUndefined();
      const project = data?.getProjectByName as { recordCount: number } | undefined;
      expect(project).toMatchObject({ validateSpanFilterCondition: { isValid: true, warnings: [] } });
      if (project?.recordCount === 1) counts.push(n);
    }
    expect(counts).toEqual(found);
  });

  test.each([
    { filter: "latency_ms > '100'", error: /cannot compare number and string/ },
    { filter: "name == 'x' and metadata['flag']", error: /not a condition/ },
    { filter: "True", error: /not a condition/ },
    { filter: "latency_ms", error: /not a condition/ },
    { filter: "status_code = 'ERROR'", error: /invalid syntax/ },
    { filter: "name ==", error: /invalid syntax/ },
    { filter: "(name == 'x'", error: /invalid syntax/ },
    { filter: "annotations['q'].scor > 1", error: /scor/ },
    { filter: "len(name) > 1", error: /len/ },
    { filter: "name in ['a', None]", error: /None/ },
    { filter: "start_time > '2026-09-01T10:00:00'", error: /offset/ },
  ])("`$filter` is no filter", async ({ filter, error }) => {
    const { ask } = await world();
    const query = `query($f: String!) { getProjectByName(name: "default") {
      validateSpanFilterCondition(condition: $f) { isValid errorMessage } } }`;
    const { data } = await ask(query, { f: filter });
    expect(data?.getProjectByName).toMatchObject({
      validateSpanFilterCondition: { isValid: false, errorMessage: expect.stringMatching(error) as string },
    });
    const counted = await ask(
      `query($f: String!) { getProjectByName(name: "default") { recordCount(filterCondition: $f) } }`,
      { f: filter },
    );
    expect(counted.errors?.[0]?.message).toMatch(error);
  });

  test("finds any value by its quoted self, and nothing else", () => {
    const quoted = (value: string) => `'${value.replaceAll(/[\\']/g, "\\$&").replaceAll("\n", String.raw`\n`)}'`;
    const one = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(fc.uniqueArray(one, { minLength: 2, maxLength: 5 }), (values) => {
        for (const [at, value] of values.entries()) {
          const { matches } = compileFilter(`metadata['key'] == ${quoted(value)}`);
          const row = (other: string) => ({ column: () => null, attribute: () => other, annotation: () => null });
          expect(values.map((other) => matches(row(other)))).toEqual(values.map((_, other) => other === at));
        }
      }),
    );
  });

  test("warns of annotations that nobody wrote", async () => {
    const { ask } = await world();
    const { data } = await ask(`{ getProjectByName(name: "default") {
      validateSpanFilterCondition(condition: "annotations['quality'].score > 0") { isValid warnings } } }`);
    expect(data?.getProjectByName).toMatchObject({
      validateSpanFilterCondition: { isValid: true, warnings: [expect.stringContaining("quality") as string] },
    });
  });
});
