import { deflateSync, gzipSync } from "node:zlib";
import {
  annotateSpans,
  createContinuousAnnotationConfig,
  getPrompt,
  getPromptVersionByLabel,
  listSpans,
  setPromptVersionLabels,
  type createClient,
} from "@arizeai/ax-client";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { id, openAccount, OTLP, PROJECT, SPACE, span, START } from "./arize/account.ts";
import { compileSpanFilter } from "./arize/span-filter.ts";
import { postSpans, traceRequest } from "./otlp/made-spans.ts";

describe("OTLP at the fake Arize", () => {
  test("spans are kept as they were sent", async () => {
    const { arize, send } = await openAccount();
    const attributes = { "llm.token_count.total": 450, "llm.cost.total": 0.25, cached: true, "tag.tags": ["é", "b"] };
    const events = [{ name: "first token", timeMs: START + 5 }];
    await send([{ ...span(1), startMs: START + 0.25, parentSpanId: id(9), error: "no", attributes, events }]);
    expect(arize.spans()).toMatchObject([
      {
        spanId: id(1),
        traceId: id(1).padStart(32, "0"),
        parentSpanId: id(9),
        name: "chat",
        kind: "CLIENT",
        startMs: START + 0.25,
        endMs: START + 100.25,
        startNanos: BigInt(START) * 1_000_000n + 250_000n,
        status: { code: "ERROR", message: "no" },
        attributes: { ...attributes, "openinference.span.kind": "LLM" },
        events: [{ name: "first token", timeMs: START + 5 }],
        project: "segue",
        repeatedKeys: [],
      },
    ]);
  });

  test.each([
    { headers: { authorization: "Bearer arize-key" }, status: 401, because: "the key is sent bare" },
    { headers: { "arize-space-id": "U3BhY2U6Mg==" }, status: 403, because: "the space is another one" },
    { headers: { "content-type": "application/json" }, status: 415, because: "OTLP/JSON is not taken" },
    { headers: { "content-encoding": "br" }, status: 415, because: "the encoding is unknown" },
    { headers: { "content-encoding": "gzip" }, status: 422, because: "it is not what it says it is" },
  ])("answers $status when $because", async ({ headers, status }) => {
    const { arize, send } = await openAccount();
    expect((await send([span(1)], headers as Record<string, string>)).status).toBe(status);
    expect(arize.spans()).toEqual([]);
  });

  test("a missing project looks like an outage", async () => {
    const { arize } = await openAccount();
    expect((await postSpans(arize.otlpUrl, OTLP, traceRequest([span(1)], null))).status).toBe(500);
    expect(arize.spans()).toEqual([]);
  });

  test("takes gzip and deflate, and an empty export", async () => {
    const { arize } = await openAccount();
    const bytes = traceRequest([span(1)]);
    for (const [encoding, body] of [
      ["gzip", gzipSync(bytes)],
      ["deflate", deflateSync(bytes)],
    ] as const)
      expect((await postSpans(arize.otlpUrl, { ...OTLP, "content-encoding": encoding }, body)).status).toBe(200);
    expect((await postSpans(arize.otlpUrl, OTLP, new Uint8Array())).status).toBe(200);
    expect(arize.spans()).toHaveLength(1);
    expect(arize.received()).toBe(2);
  });

  test("spans can be read only after the lag", async () => {
    const { arize, clock, send, ids } = await openAccount({ ingestLagMs: 30_000 });
    await send([span(1)]);
    clock.at += 29_999;
    expect([arize.spans(), await ids()]).toEqual([[], []]);
    clock.at += 1;
    expect(await ids()).toEqual([1]);
  });
});

describe("reading spans from the fake Arize", () => {
  const mixed = [
    span(1, { metadata: { segment_id: "support|prime", n: 3 }, durationMs: 900 }),
    span(2, { metadata: { segment_id: "o'hara|x" }, error: "timeout" }),
    span(3, { metadata: {}, name: "embed", attributes: { "llm.model_name": "small" } }),
  ];
  test.each([
    { filter: undefined, found: [1, 2, 3], because: "newest first" },
    { filter: "attributes.metadata.segment_id = 'support|prime'", found: [1], because: "a metadata key is a column" },
    { filter: "attributes.metadata.segment_id = 'o''hara|x'", found: [2], because: "quotes are doubled" },
    {
      filter: "attributes.metadata.segment_id != 'support|prime'",
      found: [2],
      because: "a missing value is unknown, not different",
    },
    {
      filter: "NOT attributes.metadata.segment_id = 'support|prime'",
      found: [2],
      because: "the negation of unknown is unknown",
    },
    { filter: "attributes.metadata.segment_id IS NULL", found: [3], because: "missing values can be asked for" },
    { filter: "status_code = 'ERROR' OR latency_ms >= 900", found: [1, 2], because: "either does" },
    { filter: "latency_ms < 500 AND (name = 'embed' OR status_code = 'OK')", found: [3], because: "brackets bind" },
    {
      filter: "name = 'embed' OR name = 'chat' AND status_code = 'ERROR'",
      found: [2, 3],
      because: "AND binds tighter",
    },
    { filter: "attributes.metadata.n IN (3, 4)", found: [1], because: "numbers are numbers" },
    { filter: "attributes.llm.model_name LIKE 'sm_l%'", found: [3], because: "LIKE has its wildcards" },
    { filter: "attributes.metadata.segment_id CONTAINS 'hara'", found: [2], because: "a part is enough" },
    { filter: "attributes.metadata.nobody = 'x'", found: [], because: "a key that no span has matches nothing" },
  ])("`$filter` finds $found: $because", async ({ filter, found }) => {
    const { send, ids } = await openAccount();
    await send(mixed);
    expect(await ids(filter)).toEqual(found);
  });

  test.each(["status_code == 'ERROR'", "nonsense = 1", "name =", "name = 'a' name", " "])(
    "`%s` is refused",
    async (filter) => {
      const { send, list } = await openAccount();
      await send(mixed);
      await expect(list(filter)).rejects.toThrow(/Filter|empty/);
    },
  );

  test("any value is found by its quoted self, and nothing else is", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 2, maxLength: 5 }),
        (values) => {
          const filters = values.map((value) =>
            compileSpanFilter(`attributes.metadata.key = '${value.replaceAll("'", "''")}'`),
          );
          for (const [at, matches] of filters.entries())
            expect(values.map((value) => matches(() => value))).toEqual(values.map((_, other) => other === at));
        },
      ),
    );
  });

  test("pages follow their cursors, and a project is found by its name", async () => {
    const { client, send } = await openAccount();
    await send(Array.from({ length: 5 }, (_, n) => span(n + 1)));
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listSpans({
        client,
        project: "segue",
        space: "segue-space",
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...page.data.map(({ context }) => context.spanId));
      cursor = page.pagination.nextCursor;
    } while (cursor !== undefined);
    expect(found).toEqual([1, 2, 3, 4, 5].map(id));
  });

  test("time ranges lag where they are told to; looking up a trace does not", async () => {
    const { clock, send, ids } = await openAccount({ rangeLagMs: 6 * 3_600_000 });
    await send([span(1)]);
    expect(await ids()).toEqual([]);
    expect(await ids(`context.trace_id = '${id(1).padStart(32, "0")}'`)).toEqual([1]);
    clock.at += 6 * 3_600_000;
    expect(await ids()).toEqual([1]);
  });
});

describe("annotations at the fake Arize", () => {
  const annotate = (
    client: ReturnType<typeof createClient>,
    recordIds: readonly string[],
    value: object = { score: 1 },
  ) =>
    annotateSpans({
      client,
      project: PROJECT,
      annotations: recordIds.map((recordId) => ({ recordId, values: [{ name: "quality", ...value }] })),
      startTime: new Date(START - 3_600_000),
      endTime: new Date(START),
    });

  test("are written, show at their spans, and keep what a later one leaves out", async () => {
    const { arize, client, send, list } = await openAccount();
    await send([span(1)]);
    await annotate(client, [id(1)], { score: 0.2, text: "wrong" });
    await annotate(client, [id(1)], { score: 0.4, label: "poor" });
    expect(arize.annotations()).toMatchObject([
      { spanId: id(1), name: "quality", score: 0.4, label: "poor", text: "wrong" },
    ]);
    expect(await list("annotation.quality.score < 0.5")).toMatchObject([
      { annotations: [{ name: "quality", score: 0.4 }] },
    ]);
  });

  test("of one unknown span fail the whole batch", async () => {
    const { arize, client, send } = await openAccount();
    await send([span(1)]);
    await expect(annotate(client, [id(1), id(2)])).rejects.toMatchObject({ name: "NotFoundError", statusCode: 404 });
    expect(arize.annotations()).toEqual([]);
  });

  test("need a config that is there, which the refusal names", async () => {
    const { client, send } = await openAccount({ annotationConfigs: [] });
    await send([span(1)]);
    await expect(annotate(client, [id(1)])).rejects.toThrow(/'quality'/);
    const range = { minimumScore: 0, maximumScore: 1 };
    await createContinuousAnnotationConfig({ client, space: SPACE, name: "quality", ...range });
    await annotate(client, [id(1)]);
    await expect(createContinuousAnnotationConfig({ client, space: SPACE, name: "quality", ...range })).rejects.toThrow(
      /409/,
    );
  });

  test.each([
    { startTime: START - 32 * 86_400_000, endTime: START, because: "the range is longer than 31 days", status: 400 },
    { startTime: START, endTime: START + 1, because: "the range ends in the future", status: 400 },
    { startTime: START - 10, endTime: START, because: "the span is older than the range", status: 404 },
  ])("are refused with $status when $because", async ({ startTime, endTime, status }) => {
    const { client, send } = await openAccount();
    await send([span(1)]);
    const annotations = [{ recordId: id(1), values: [{ name: "quality", score: 1 }] }];
    const range = { startTime: new Date(startTime), endTime: new Date(endTime) };
    await expect(annotateSpans({ client, project: PROJECT, annotations, ...range })).rejects.toMatchObject({
      statusCode: status,
    });
  });

  test("are at most a thousand, and no span twice", async () => {
    const { client, send } = await openAccount();
    await send([span(1)]);
    const many = Array.from({ length: 1001 }, (_, n) => id(n));
    await expect(annotate(client, many)).rejects.toMatchObject({ statusCode: 422 });
    await expect(annotate(client, [id(1), id(1)])).rejects.toMatchObject({ statusCode: 400 });
  });
});

describe("prompts of the fake Arize", () => {
  const version = {
    commit_message: "first",
    provider: "OPEN_AI" as const,
    model: "gpt-4o-mini",
    messages: [{ role: "SYSTEM" as const, content: "Answer {customer}." }],
  };
  test("are read by the vendor's client: newest, by version, by a label that moves", async () => {
    const { arize, client } = await openAccount();
    const first = arize.prompts.add("support", version);
    const second = arize.prompts.addVersion(first.id, { ...version, commit_message: "second" });
    await setPromptVersionLabels({ client, versionId: first.version.id, labels: ["production", "canary"] });
    const label = async () => (await getPromptVersionByLabel({ client, prompt: first.id, labelName: "production" })).id;
    expect(await label()).toBe(first.version.id);
    await setPromptVersionLabels({ client, versionId: second.id, labels: ["production"] });
    expect(await label()).toBe(second.id);
    expect(arize.prompts.versionOf(first.version.id).labels).toEqual(["canary"]);
    expect(await getPrompt({ client, prompt: "support", space: "segue-space" })).toMatchObject({
      version: { id: second.id, inputVariableFormat: "F_STRING" },
    });
    expect(await getPrompt({ client, prompt: first.id, label: "canary" })).toMatchObject({
      version: { id: first.version.id },
    });
    await expect(getPromptVersionByLabel({ client, prompt: first.id, labelName: "gone" })).rejects.toThrow(/gone/);
    const both = { path: { prompt_id: first.id }, query: { label: "canary", version_id: second.id } };
    expect((await client.GET("/v2/prompts/{prompt_id}", { params: both })).error).toMatchObject({ status: 400 });
  });
});
