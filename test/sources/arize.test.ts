import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arize, ArizeSettings, monitorRefs } from "../../src/sources/arize.ts";
import { configureSource, type Delivery, type SourceContext } from "../../src/core/signal-source.ts";
import { stateAfter } from "../core/state-after.ts";
import { hmacHeaders, monitorId } from "../fakes/arize/arize.ts";
import { published, START } from "../fakes/signal-world.ts";

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg";
const configured = (over: object = {}) =>
  configureSource(arize, { apiKey: "k", webhook: { auth: "hmac", secret }, ...over });
const bytes = (text: string) => new TextEncoder().encode(text);
const delivery = (body: string, headers: Record<string, string>): Delivery => ({
  rawBody: bytes(body),
  headers,
  at: START,
});
const timestamp = START / 1000;
const context: SourceContext = { targets: stateAfter([published()]), now: START };
const isMonitor = (json: unknown) => typeof json === "object" && json !== null && "name" in json;
/** How an answer to a sweep, or of one monitor, reads. */
const reading = (json: unknown, targets = context.targets, source = configured()) =>
  source
    .questions(isMonitor(json) ? { kind: "id", id: "m" } : { kind: "sweep" }, { ...context, targets })[0]!
    .toReading(json, { ...context, targets });

describe("an HMAC delivery", () => {
  const body = '{"event":"monitor.triggered"}';
  const headers = hmacHeaders(body, { timestamp, key: secret });

  test("is believed when it is signed with our secret and fresh", () =>
    expect(configured().refuse(delivery(body, headers))).toBeNull());

  test.each([
    { because: "the signature is missing", change: { "x-arize-webhook-signature": undefined } },
    { because: "the timestamp is missing", change: { "x-arize-webhook-timestamp": undefined } },
    { because: "the timestamp is no number", change: { "x-arize-webhook-timestamp": "1e9" } },
    { because: "the timestamp was moved", change: { "x-arize-webhook-timestamp": String(timestamp + 1) } },
    { because: "the signature is empty", change: { "x-arize-webhook-signature": "" } },
    {
      because: "the signature lacks its version",
      change: { "x-arize-webhook-signature": headers["x-arize-webhook-signature"]!.slice(3) },
    },
  ])("is refused when $because", ({ change }) => {
    const changed = Object.fromEntries(
      Object.entries({ ...headers, ...change }).filter(([, value]) => value !== undefined),
    ) as Record<string, string>;
    expect(configured().refuse(delivery(body, changed))).toEqual(expect.any(String));
  });

  test.each([
    { seconds: -301, believed: false },
    { seconds: -300, believed: true },
    { seconds: 300, believed: true },
    { seconds: 301, believed: false },
  ])("signed $seconds s from now is believed: $believed", ({ seconds, believed }) => {
    const then = hmacHeaders(body, { timestamp: timestamp + seconds, key: secret });
    expect(configured().refuse(delivery(body, then)) === null).toBe(believed);
  });

  test("is refused after any one byte of its body or signature changed", () =>
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (text, place, flip, inBody) => {
        const signed = hmacHeaders(text, { timestamp, key: secret });
        const rawBody = bytes(text);
        expect(configured().refuse({ rawBody, headers: signed, at: START })).toBeNull();
        if (inBody) rawBody[place % rawBody.length]! ^= flip;
        else
          signed["x-arize-webhook-signature"] = `v1=${createHmac("sha256", String(flip)).update(text).digest("hex")}`;
        expect(configured().refuse({ rawBody, headers: signed, at: START })).not.toBeNull();
      }),
      { numRuns: 50 },
    ));

  test("may carry several signatures, of which one must be ours", () => {
    const both = { ...headers, "x-arize-webhook-signature": `v1=00 ${headers["x-arize-webhook-signature"]}` };
    expect(configured().refuse(delivery(body, both))).toBeNull();
  });

  test("is keyed by the whole secret, or without its prefix where so configured", () => {
    const short = hmacHeaders(body, { timestamp, key: secret.slice("whsec_".length) });
    const withoutPrefix = configured({ webhook: { auth: "hmac", secret, key: "without-prefix" } });
    expect(configured().refuse(delivery(body, short))).not.toBeNull();
    expect(withoutPrefix.refuse(delivery(body, short))).toBeNull();
    expect(withoutPrefix.refuse(delivery(body, headers))).not.toBeNull();
  });

  test("signed by another program is believed", () => {
    // printf '1795446000.{"a":1}' | openssl dgst -sha256 -hmac test-secret
    const vector = "19c065974402459c1f58a0b5b025e76fcb8a827915c95e1364db71c6c7454e87";
    const source = configured({ webhook: { auth: "hmac", secret: "test-secret" } });
    const signed = { "x-arize-webhook-timestamp": "1795446000", "x-arize-webhook-signature": `v1=${vector}` };
    expect(source.refuse({ rawBody: bytes('{"a":1}'), headers: signed, at: 1_795_446_000_000 })).toBeNull();
  });
});

describe("a bearer delivery", () => {
  const source = configured({ webhook: { auth: "bearer", secret: "Bearer xyz" } });
  test.each([
    { authorization: "Bearer xyz", believed: true },
    { authorization: "bearer xyz", believed: false },
    { authorization: "xyz", believed: false },
    { authorization: "Bearer xyz ", believed: false },
    { authorization: "", believed: false },
  ])("with '$authorization' is believed: $believed", ({ authorization, believed }) =>
    expect(source.refuse(delivery("{}", { authorization })) === null).toBe(believed),
  );
  test("without the header is refused", () => expect(source.refuse(delivery("{}", {}))).not.toBeNull());
});

test("no delivery is believed without a webhook secret", () => {
  const source = configureSource(arize, { apiKey: "k" });
  expect(source.acceptsWebhooks).toBe(false);
  expect(source.refuse(delivery("{}", { authorization: "" }))).not.toBeNull();
});

describe("a delivery's id", () => {
  const { deliveryId } = configured();
  const signed = (seconds: number) => ({ "x-arize-webhook-timestamp": String(timestamp + seconds) });
  const at = (ms: number): Delivery => ({ ...delivery("{}", {}), at: START + ms });

  test("is Arize's own", () => expect(deliveryId(delivery("{}", { "x-arize-webhook-id": "evt-1" }))).toBe("evt-1"));

  test.each([
    {
      because: "signed at the same second",
      one: delivery("{}", signed(0)),
      other: delivery("{}", signed(0)),
      same: true,
    },
    {
      because: "signed a week later",
      one: delivery("{}", signed(0)),
      other: delivery("{}", signed(604_800)),
      same: false,
    },
    { because: "unsigned, within a minute", one: at(0), other: at(59_999), same: true },
    { because: "unsigned, a week later", one: at(0), other: at(604_800_000), same: false },
    { because: "of another body", one: delivery("{}", {}), other: delivery("{ }", {}), same: false },
  ])("is without it the same ($same) for one that is $because", ({ one, other, same }) =>
    expect(deliveryId(one) === deliveryId(other)).toBe(same),
  );
});

describe("what a body points at", () => {
  const id = monitorId(999);
  const byId = { kind: "id", id };
  const name = "seg|support|prime|accuracy";
  test.each([
    { because: "an id, however deep", body: { a: [{ b: { monitor: id } }] }, refs: [byId] },
    {
      because: "a page's address",
      body: { text: `see <https://app.arize.com/x/monitors/${encodeURIComponent(id)}?tab=1>` },
      refs: [byId],
    },
    { because: "a name that is ours", body: { monitorName: name }, refs: [{ kind: "name", name }] },
    { because: "plain text", body: `https://app.arize.com/x/monitors/${id}`, refs: [byId] },
    { because: "the same twice", body: [id, id], refs: [byId] },
    { because: "another kind of id", body: { prompt: btoa("Prompt:123:x") }, refs: [] },
    { because: "somebody else's name", body: { monitorName: "latency of checkout" }, refs: [] },
    { because: "nothing", body: { event: "x", n: 1, ok: null }, refs: [] },
  ])("is found in $because", ({ body, refs }) => expect(monitorRefs(body, "seg")).toEqual(refs));

  test("is everything when it points at nothing", () => {
    expect(configured().refsOf(delivery('{"event":"x"}', {}))).toEqual([{ kind: "sweep" }]);
    expect(configured().refsOf(delivery("not json", {}))).toEqual([{ kind: "sweep" }]);
  });

  test("is bounded, however the body is made", () => {
    let deep: unknown = id;
    for (let i = 0; i < 5000; i += 1) deep = [deep];
    expect(monitorRefs(deep, "seg")).toEqual([]);
    const wide = Array.from({ length: 50_000 }, (_, number) => monitorId(number));
    expect(monitorRefs(wide, "seg").length).toBeLessThanOrEqual(20);
    expect(monitorRefs("/monitors/a ".repeat(100_000), "seg")).toEqual([]);
  });

  test("never leaves the path that it is read at", () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom("..", "%2e%2e", "%2E%2e%2fspans", "%2F..%2F", "a%3Fb")),
        (text) => {
          const refs = monitorRefs({ text: `https://x/monitors/${text}` }, "seg");
          for (const ref of refs) {
            const { path } = configured().questions(ref, context)[0]!.request;
            expect(path).toMatch(/^\/v2\/monitors\/[^/?#]+$/);
            expect(new URL(`http://arize.test${path}`).pathname).toBe(path);
          }
        },
      ),
    ));
});

test("reading is described relative to the configured base URL, with the API key", () => {
  const source = configured({ baseUrl: "https://api.eu-west-1a.arize.com", projectId: "p1" });
  const headers = { authorization: "Bearer k", accept: "application/json" };
  expect(source.baseUrl).toBe("https://api.eu-west-1a.arize.com");
  expect(source.questions({ kind: "id", id: "a=/b" }, context)[0]!.request).toEqual({
    method: "GET",
    path: "/v2/monitors/a%3D%2Fb",
    query: {},
    headers,
  });
  const page = { monitors: [], pagination: { has_more: true, next_cursor: "c2" } };
  expect(reading(page, context.targets, source).next?.map(({ request }) => request)).toEqual([
    {
      method: "GET",
      path: "/v2/monitors",
      query: { project_id: "p1", limit: "100", cursor: "c2" },
      headers,
    },
  ]);
  expect(source.questions({ kind: "name", name: "seg|a|b|c" }, context)[0]!.request.query).toMatchObject({
    name: "seg|a|b|c",
  });
});

describe("a monitor", () => {
  const monitor = JSON.parse(
    readFileSync(new URL("../fixtures/arize/monitor-triggered.json", import.meta.url), "utf8"),
  ) as object;
  const state = stateAfter([published()]);
  const read = (over: object = {}, targets = state) => reading({ ...monitor, ...over }, targets);

  test("that is triggered is a degraded signal on the segment's incumbent", () =>
    expect(read()).toEqual({
      signals: [
        {
          id: "TW9uaXRvcjo5OTk6YWI=@2026-09-01T10:00:00.000Z@TRIGGERED",
          source: "arize",
          policy: "support",
          segment: "prime",
          variant: "large",
          metric: "accuracy",
          status: "degraded",
          observedAt: START,
          evidence: {
            lossMean: 0.29,
            lossTolerated: 0.2,
            url: "https://app.arize.com/organizations/T3Jn/spaces/U3BhY2U/monitors/TW9uaXRvcjo5OTk6YWI%3D",
          },
        },
      ],
      ignored: {},
    }));

  test.each([
    { status: "TRIGGERED", means: "degraded" },
    { status: "CLEARED", means: "recovered" },
    { status: "NO_DATA", means: "inconclusive" },
    { status: "triggered", means: "degraded" },
    { status: "noData", means: "inconclusive" },
  ])("that is $status is $means", ({ status, means }) => expect(read({ status }).signals[0]?.status).toBe(means));

  test.each([
    { because: "a lower score is better", over: { name: "seg|support|prime|toxicity", notes: "" }, lossMean: 0.71 },
    { because: "a latency is no share", over: { name: "seg|support|prime|slow", notes: "" }, lossMean: undefined },
    { because: "the value is no share", over: { latest_computed_value: 71 }, lossMean: undefined },
    { because: "there is no value", over: { latest_computed_value: null }, lossMean: undefined },
  ])("gives the loss $lossMean where $because", ({ over, lossMean }) =>
    expect(read(over).signals[0]?.evidence.lossMean).toBe(lossMean),
  );

  test.each([
    { ignored: "not-ours", over: { name: "checkout latency", notes: "by hand" } },
    { ignored: "not-ours", over: { name: "seg|support|prime", notes: null } },
    { ignored: "contradictory", over: { name: "seg|support|default|accuracy" } },
    { ignored: "unknown-policy", over: { name: "seg|billing|prime|accuracy", notes: "" } },
    { ignored: "unknown-policy", over: { name: "seg|__proto__|prime|accuracy", notes: "" } },
    { ignored: "unknown-segment", over: { name: "seg|support|gone|accuracy", notes: "" } },
    { ignored: "unknown-metric", over: { name: "seg|support|prime|constructor", notes: "" } },
    { ignored: "unknown-variant", over: { name: "seg|support|prime|accuracy|huge" } },
    { ignored: "unreadable", over: { status: "PAUSED" } },
    { ignored: "unreadable", over: { evaluated_at: "yesterday" } },
  ])("is ignored as $ignored with $over, and counted", ({ ignored, over }) =>
    expect(read(over)).toEqual({ signals: [], ignored: { [ignored]: 1 } }),
  );

  test("is known by its notes alone, or by its name alone", () => {
    expect(read({ name: "renamed by somebody" }).signals).toHaveLength(1);
    expect(read({ notes: null }).signals).toHaveLength(1);
  });

  const filter = (key: string, values: readonly string[], operator = "EQUALS") => ({
    dimension: { category: "SPAN_ATTRIBUTE", name: key },
    operator,
    values,
  });
  const ofPrime = filter("attributes.metadata.segment_id", ["support|prime"]);
  const ofSmall = filter("attributes.metadata.variant", ["small"]);

  test("may name its variant", () => {
    const filters = [ofPrime, ofSmall];
    expect(read({ name: "seg|support|prime|accuracy|small", filters }).signals[0]?.variant).toBe("small");
    const notes = "managed-by=segue; policy=support; segment=prime; metric=accuracy; variant=small";
    expect(read({ notes, filters }).signals[0]?.variant).toBe("small");
  });

  test.each([
    { because: "the segment", filters: [ofPrime], isOurs: true },
    {
      because: "the segment, spelled otherwise",
      filters: [filter("metadata['segment_id']", ["support|prime"])],
      isOurs: true,
    },
    {
      because: "a part of the segment",
      filters: [ofPrime, filter("attributes.metadata.region", ["eu"])],
      isOurs: true,
    },
    { because: "what a custom metric says", filters: [], isOurs: true },
    { because: "what it does not tell", filters: undefined, isOurs: true },
    {
      because: "another segment",
      filters: [filter("attributes.metadata.segment_id", ["support|default"])],
      isOurs: false,
    },
    {
      because: "this segment and another",
      filters: [filter("attributes.metadata.segment_id", ["support|prime", "support|default"])],
      isOurs: false,
    },
    {
      because: "all but the segment",
      filters: [filter("attributes.metadata.segment_id", ["support|prime"], "NOT_EQUALS")],
      isOurs: false,
    },
    { because: "another column", filters: [filter("attributes.metadata.region", ["eu"])], isOurs: false },
    { because: "one variant, which it does not name", filters: [ofPrime, ofSmall], isOurs: false },
  ])("that looks at $because is heard: $isOurs", ({ filters, isOurs }) =>
    expect(read({ name: "Copy of prime", filters }).ignored).toEqual(isOurs ? {} : { contradictory: 1 }),
  );

  test("that names a variant and looks at all of them, or at another, is contradictory", () => {
    const name = "seg|support|prime|accuracy|small";
    for (const filters of [[ofPrime], [ofPrime, filter("attributes.metadata.variant", ["large"])]])
      expect(read({ name, filters }).ignored).toEqual({ contradictory: 1 });
  });

  test.each([
    { told: "TW9kZWw6MTIz", projectId: "TW9kZWw6MTIz", isOurs: true },
    { told: "TW9kZWw6MQ==", projectId: "TW9kZWw6MQ", isOurs: true },
    { told: "TW9kZWw6MTIz", projectId: undefined, isOurs: true },
    { told: null, projectId: "TW9kZWw6MTIz", isOurs: true },
    { told: "TW9kZWw6NDU2", projectId: "TW9kZWw6MTIz", isOurs: false },
  ])("of the project $told is heard where $projectId is configured: $isOurs", ({ told, projectId, isOurs }) => {
    const source = configured({ projectId });
    const answer = reading({ ...monitor, project_id: told }, state, source);
    expect(answer.ignored).toEqual(isOurs ? {} : { "other-project": 1 });
    expect(answer.signals).toHaveLength(isOurs ? 1 : 0);
  });

  test("that was never evaluated is dated by its last update", () => {
    const [signal] = read({ evaluated_at: null, updated_at: "2026-08-31T00:00:00Z" }).signals;
    expect(signal?.observedAt).toBe(Date.parse("2026-08-31T00:00:00Z"));
  });

  test("keeps one malformed neighbour from hiding it in a page", () => {
    const page = { monitors: [{ id: 5 }, monitor, null], pagination: { has_more: true, next_cursor: "c2" } };
    expect(reading(page)).toMatchObject({
      signals: [{ segment: "prime" }],
      ignored: { unreadable: 2 },
      next: [{ request: { query: { cursor: "c2" } } }],
    });
  });

  test("holds nothing against a new incumbent that the one before did", () => {
    const since = START - 60_000;
    const moved = {
      ...state,
      segments: {
        ...state.segments,
        "support/prime": { ...state.segments["support/prime"]!, incumbent: "small", since, moves: [since - 1] },
      },
    };
    expect(read({}, moved).signals).toMatchObject([{ variant: "small", status: "inconclusive" }]);
    expect(read({ evaluation_window_length_seconds: 30 }, moved).signals).toMatchObject([
      { variant: "small", status: "degraded" },
    ]);
    expect(read({ evaluated_at: "2026-09-01T09:00:00Z" }, moved).ignored).toEqual({ "before-incumbent": 1 });
    expect(read({ name: "seg|support|prime|accuracy|small", filters: null }, moved).signals).toMatchObject([
      { variant: "small", status: "degraded" },
    ]);
  });

  test("of any shape is a reading, never an error", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.jsonValue().map((value) => ({ ...monitor, threshold: value, notes: value, evaluated_at: value })),
        ),
        (answer) => {
          const { signals, ignored } = reading(answer);
          expect(signals.length + Object.values(ignored).reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
        },
      ),
    ));
});

test("settings that are wrong are refused", () => {
  expect(() => configureSource(arize, { apiKey: "" })).toThrow();
  expect(() => configureSource(arize, { apiKey: "k", baseUrl: "file:///etc" })).toThrow();
  expect(ArizeSettings.parse({ apiKey: "k" }).baseUrl).toBe("https://api.arize.com");
});

describe("a sweep whose answer is no list of monitors", () => {
  test.each([{ json: {} }, { json: { hello: "world" } }, { json: [] }])(
    "says that something is wrong: $json",
    ({ json }) => {
      const [sweep] = configured().questions({ kind: "sweep" }, context);
      expect(sweep!.toReading(json, context)).toMatchObject({ problem: expect.stringContaining("SEGUE_ARIZE_URL") });
    },
  );

  test("is none where the list is empty", () => {
    const [sweep] = configured().questions({ kind: "sweep" }, context);
    expect(sweep!.toReading({ monitors: [] }, context)).not.toHaveProperty("problem");
  });
});
