import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Policy } from "../../../src/core/policy.ts";
import type { SpanRedaction } from "../../../src/core/privacy.ts";
import type { ServedSpan } from "../../../src/ports.ts";
import { attemptSpanId } from "../../../src/telemetry/spans/encode-attempt.ts";
import { createSpanEncoder } from "../../../src/telemetry/spans/encode-span.ts";
import { exportRequest, requestHead } from "../../../src/telemetry/spans/export-request.ts";
import { decodeTraceRequest, type ReceivedSpan } from "../../fakes/otlp/trace-request.ts";
import { readableSpan } from "./readable-span.ts";
import { decision, plainRedaction, policy, servedSpan, variant } from "./served-spans.ts";

const head = requestHead("support", { name: "segue", version: "1.2.3", instance: "test" });

/** What a collector gets of answers. */
function sent(spans: readonly ServedSpan[], redaction: SpanRedaction = plainRedaction): readonly ReceivedSpan[] {
  const encode = createSpanEncoder(() => redaction);
  const encoded = spans.map((span) => ({ span: { ...encode(span), content: null }, content: null }));
  return decodeTraceRequest(exportRequest(head, encoded));
}
const sentOne = (span: ServedSpan, redaction?: SpanRedaction): ReceivedSpan => sent([span], redaction)[0]!;
const jsonOf = (value: unknown): Record<string, unknown> => JSON.parse(value as string);
const metadataOf = (span: ServedSpan, redaction?: SpanRedaction): Record<string, unknown> =>
  jsonOf(sentOne(span, redaction).attributes.metadata);

const theirs = (span: ServedSpan): ReceivedSpan =>
  decodeTraceRequest(ProtobufTraceSerializer.serializeRequest([readableSpan(span)])!)[0]!;

/** JSON texts as what they say: the order of members is Segue's own. */
const comparable = (span: ReceivedSpan) => ({
  ...span,
  attributes: Object.fromEntries(
    Object.entries(span.attributes).map(([name, value]) => [
      name,
      name === "metadata" || name.endsWith(".variables") ? jsonOf(value) : value,
    ]),
  ),
});

const text = fc.string({ unit: "grapheme", maxLength: 200 });
const count = fc.nat({ max: 2 ** 52 });
const half = (max: number) => fc.nat({ max: 2 * max }).map((halves) => halves / 2);
const answered = fc.record({
  target: fc.record({ provider: fc.constantFrom("openai", "anthropic", "mine"), model: text }),
  attempts: fc.integer({ min: 1, max: 5 }),
  firstByteMs: half(600_000),
  usage: fc.option(
    fc.record({ inputTokens: count, cachedTokens: count, cacheWriteTokens: count, outputTokens: count }),
  ),
  costUsd: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }).map((usd) => (usd === 0 ? 0 : usd))),
});
const randomSpan: fc.Arbitrary<ServedSpan> = fc
  .record({
    number: fc.nat(),
    wire: fc.constantFrom("chat", "responses", "embeddings", "messages"),
    parentSpanId: fc.option(fc.string({ unit: fc.constantFrom("0", "7", "a", "f"), minLength: 16, maxLength: 16 })),
    attributes: fc.record({
      region: fc.constantFrom("eu", "us"),
      city: text,
      seats: fc.double({ noNaN: true, noDefaultInfinity: true }).map((seats) => (seats === 0 ? 0 : seats)),
      beta: fc.boolean(),
    }),
    session: fc.option(text),
    user: fc.option(text),
    keyId: fc.option(text),
    startedAt: fc.nat({ max: 8_000_000_000_000 }),
    lasted: fc.nat({ max: 86_400_000 }),
    ending: fc.oneof(
      fc.constant({ status: 200, error: null }),
      fc.constant({ status: 200, error: "upstream_cut" }),
      fc.constant({ status: 499, error: "client_closed" }),
      fc.record({ status: fc.constantFrom(400, 500, 503, 599), error: text.filter((error) => error !== "") }),
    ),
    answered: fc.option(answered),
  })
  .map(({ number, lasted, ending, ...rest }) =>
    servedSpan(number, { ...rest, ...ending, endedAt: rest.startedAt + lasted }),
  );

describe("an encoded span", () => {
  test("says what OpenTelemetry's own serializer writes of the same answer", () => {
    expect(comparable(sentOne(servedSpan(7)))).toEqual(comparable(theirs(servedSpan(7))));
    fc.assert(
      fc.property(fc.array(randomSpan, { minLength: 1, maxLength: 4 }), (spans) => {
        expect(sent(spans).map(comparable)).toEqual(spans.map((span) => comparable(theirs(span))));
      }),
      { numRuns: 300 },
    );
  });

  test("names no attribute twice", () => {
    const failed = {
      target: { provider: "spare", model: "m" },
      startedAt: 1,
      endedAt: 2,
      status: null,
      error: "upstream_timeout",
    };
    for (const span of sent([servedSpan(1, { failedAttempts: [failed] })])) expect(span.repeatedKeys).toEqual([]);
  });

  test("begins with its segment, so that a collector which keeps the first attributes keeps that", () => {
    const { attributes } = sentOne(servedSpan(1));
    expect(Object.keys(attributes).slice(0, 2)).toEqual(["metadata", "tag.tags"]);
    expect(Object.keys(jsonOf(attributes.metadata))[0]).toBe("region");
  });

  test("says that it is sampled, and whether its parent is another process's span", () => {
    const encode = createSpanEncoder(() => plainRedaction);
    const hex = (span: ServedSpan): string => Buffer.from(encode(span).own).toString("hex");
    // Field 16, fixed32: 0x101, and 0x301 with a remote parent.
    expect(hex(servedSpan(1))).toContain("850101010000");
    expect(hex(servedSpan(1, { parentSpanId: "c".repeat(16) }))).toContain("850101030000");
  });

  test("never ends before it began, though the clock went back", () => {
    const { startNanos, endNanos } = sentOne(servedSpan(1, { startedAt: 5000, endedAt: 4000 }));
    expect([startNanos, endNanos]).toEqual([5_000_000_000n, 5_000_000_000n]);
    expect(metadataOf(servedSpan(1, { startedAt: 5000, endedAt: 4000 })).latency_ms).toBe(0);
  });

  test("holds half a surrogate pair as U+FFFD, so that the bytes are UTF-8", () => {
    const { attributes } = sentOne(servedSpan(1, { session: "a\uD83Db", user: "\uDE00".repeat(80) }));
    expect(attributes["session.id"]).toBe("a\uFFFDb");
    expect(attributes["user.id"]).toBe("\uFFFD".repeat(80));
  });

  test("keeps its bytes while others are encoded after it", () => {
    const encode = createSpanEncoder(() => plainRedaction);
    const encoded = Array.from({ length: 2000 }, (_, number) => encode(servedSpan(number)));
    const received = decodeTraceRequest(
      exportRequest(
        head,
        encoded.map((span) => ({ span: { ...span, content: null }, content: null })),
      ),
    );
    expect(received.map(({ spanId }) => spanId)).toEqual(encoded.map((_, number) => servedSpan(number).spanId));
    expect(received.at(-1)).toEqual(sentOne(servedSpan(1999)));
  });

  test("shares the bytes of what all answers of a variant say", () => {
    const encode = createSpanEncoder(() => plainRedaction);
    expect(encode(servedSpan(1)).shared).toBe(encode(servedSpan(2)).shared);
  });

  test("follows a decision that changed: revision, reason, switchover, side and target", () => {
    const encode = createSpanEncoder(() => plainRedaction);
    const later = {
      ...decision,
      revision: 43,
      reason: "TARGETING_MATCH",
      switchover: null,
      because: "matched",
    } as const;
    const target = { provider: "spare", model: "model-spare" };
    const spans = [servedSpan(1), servedSpan(2, { decision: later, answered: { ...servedSpan(2).answered!, target } })];
    const received = decodeTraceRequest(
      exportRequest(
        head,
        spans.map((span) => ({ span: { ...encode(span), content: null }, content: null })),
      ),
    );
    const said = received.map(({ attributes }) => {
      const { revision, reason, switchover } = jsonOf(attributes.metadata);
      return [revision, reason, switchover, (attributes["tag.tags"] as string[])[2], attributes["llm.model_name"]];
    });
    expect(said).toEqual([
      [42, "SPLIT", "sw-7", "arm:candidate", "gpt-4o-mini"],
      [43, "TARGETING_MATCH", undefined, "arm:incumbent", "model-spare"],
    ]);
  });
});

describe("metadata", () => {
  test("keeps Segue's own keys where attributes have their names, and loses no attribute", () => {
    const taken = Policy.parse({
      policy: "taken",
      attributes: Object.fromEntries(
        ["segment", "attribute_segment", "error", "attribute_x"].map((name) => [name, { type: "string" }]),
      ),
      variants: policy.variants,
      default: "warm",
    });
    const attributes = { segment: "mine", attribute_segment: "also mine", error: "no", attribute_x: "x" };
    const span = servedSpan(1, {
      policy: taken,
      attributes,
      decision: { ...decision, policy: "taken", segment: "default" },
    });
    expect(metadataOf(span)).toMatchObject({
      segment: "default",
      attribute_segment: "mine",
      attribute_attribute_segment: "also mine",
      error: 0,
      attribute_error: "no",
      attribute_x: "x",
    });
  });

  test.each([
    { status: 200, error: null, says: { error: 0 }, code: "OK", because: "it was answered" },
    {
      status: 503,
      error: "upstream_timeout",
      says: { error: 1, error_reason: "upstream_timeout" },
      code: "ERROR",
      because: "the upstream failed",
    },
    {
      status: 200,
      error: "upstream_cut",
      says: { error: 1, error_reason: "upstream_cut" },
      code: "ERROR",
      because: "the answer was cut",
    },
    {
      status: 429,
      error: "upstream_status_429",
      says: { error: 1, error_reason: "upstream_status_429" },
      code: "ERROR",
      because: "the upstream was busy",
    },
    {
      status: 400,
      error: "upstream_status_400",
      says: { error_reason: "upstream_status_400" },
      code: "UNSET",
      because: "the request was at fault",
    },
    {
      status: 499,
      error: "client_closed",
      says: { error_reason: "client_closed" },
      code: "UNSET",
      because: "the client left",
    },
  ])("and status say $says where $because", ({ status, error, says, code }) => {
    const span = servedSpan(1, { status, error });
    const { error: isError, error_reason: reason } = metadataOf(span);
    expect({ error: isError, error_reason: reason }).toEqual({ error: undefined, error_reason: undefined, ...says });
    expect(sentOne(span).status.code).toBe(code);
    expect(sentOne(span).events.some(({ name }) => name === "exception")).toBe(code === "ERROR");
  });

  test("is JSON whatever the attributes hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary", maxLength: 20 }), (city, keyId) => {
        const metadata = metadataOf(servedSpan(1, { attributes: { city }, keyId }));
        expect(metadata.city).toBe(city.toWellFormed() === city ? city : metadata.city);
        expect(metadata.key_id).toBe(keyId.toWellFormed() === keyId ? keyId : metadata.key_id);
      }),
    );
  });
});

describe("redaction", () => {
  const dropping: SpanRedaction = {
    attribute: (name, value) => (name === "city" || name === "region" ? null : name === "seats" ? "many" : value),
    identifier: (kind, value) => (kind === "user" ? null : `tok_${kind}_${value.length}`),
    text: () => "",
  };

  test("decides on every value before it is encoded", () => {
    const span = servedSpan(3, { session: "s-1", user: "maria", keyId: "k" });
    const { attributes } = sentOne(span, dropping);
    const metadata = metadataOf(span, dropping);
    expect(attributes).toMatchObject({
      "session.id": "tok_session_3",
      "llm.prompt_template.variables": '{"beta":true}',
    });
    expect(attributes).not.toHaveProperty("user.id");
    expect(metadata).toMatchObject({ seats: "many", key_id: "tok_key_1", user_tier: "gold" });
    expect(metadata).not.toHaveProperty("city");
    expect(metadata).not.toHaveProperty("region");
  });

  test("leaves no trace of what it drops in any byte", () => {
    const encode = createSpanEncoder(() => dropping);
    const { own, shared } = encode(
      servedSpan(3, { attributes: { city: "Wuppertal", region: "eu-west" }, user: "maria" }),
    );
    const bytes = Buffer.concat([own, shared]).toString("latin1");
    for (const secret of ["Wuppertal", "eu-west", "maria"]) expect(bytes).not.toContain(secret);
  });

  test("is asked once for each value of a closed list, and each time for any other", () => {
    const asked: string[] = [];
    const encode = createSpanEncoder(() => ({
      ...plainRedaction,
      attribute: (name, value) => (asked.push(`${name}=${value}`), value),
    }));
    for (let number = 0; number < 3; number++)
      encode(
        servedSpan(number, {
          attributes: { region: "eu", seats: 2 },
          decision: { ...decision, variant: { ...variant, prompt: null } },
        }),
      );
    expect(asked.sort()).toEqual(["region=eu", "seats=2", "seats=2", "seats=2"]);
  });
});

describe("a failed attempt", () => {
  const attempts = [
    {
      target: { provider: "openai", model: "gpt-4o-mini" },
      startedAt: 1000,
      endedAt: 1500,
      status: 503,
      error: "upstream_status_503",
    },
    {
      target: { provider: "openai", model: "gpt-4o-mini" },
      startedAt: 1500,
      endedAt: 2000,
      status: null,
      error: "upstream_timeout",
    },
  ];

  test("is a child of its answer, with an error, and is not counted for the segment", () => {
    const [parent, first, second] = sent([servedSpan(9, { failedAttempts: attempts })]);
    expect([first!.parentSpanId, second!.parentSpanId]).toEqual([parent!.spanId, parent!.spanId]);
    expect(first).toMatchObject({
      traceId: parent!.traceId,
      kind: "CLIENT",
      status: { code: "ERROR", message: "upstream_status_503" },
      startMs: 1000,
      endMs: 1500,
    });
    expect(first!.events).toMatchObject([
      { name: "exception", attributes: { "exception.type": "upstream_status_503" } },
    ]);
    const metadata = jsonOf(second!.attributes.metadata);
    expect(metadata).toEqual({
      attempt_segment_id: "support-chat|eu",
      attempt_variant: "warm",
      attempt: 2,
      attempt_error: "upstream_timeout",
    });
    expect(parent!.status.code).toBe("OK");
  });

  test("has an id that follows from the answer's, so that sending it again makes no other span", () => {
    const ids = [0, 1, 2].map((index) => attemptSpanId("b".repeat(16), index));
    expect(new Set(ids).size).toBe(3);
    expect(sent([servedSpan(9, { failedAttempts: attempts })])[1]!.spanId).toBe(attemptSpanId(servedSpan(9).spanId, 0));
    expect(attemptSpanId("b".repeat(16), 1)).toBe(ids[1]);
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/);
  });
});

test("a prompt that was pinned from a hub goes by the hub's own id, and names the hub", () => {
  const promptSource = { hub: "arize", prompt: "greet", version: "v7", promptId: "UHJvbXB0OjEyMw==" } as const;
  const pinned = { ...variant, variant: { ...variant.variant, promptSource } };
  const { attributes } = sentOne(servedSpan(1, { decision: { ...decision, variant: pinned } }));
  expect(attributes).toMatchObject({ "prompt.id": "UHJvbXB0OjEyMw==", "prompt.vendor": "arize" });
});
