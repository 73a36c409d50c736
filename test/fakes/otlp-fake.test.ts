import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { traceRequest } from "./otlp/made-spans.ts";
import { decodeTraceRequest } from "./otlp/trace-request.ts";

const START = Date.parse("2026-09-01T10:00:00Z");
const attribute = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
  fc.array(fc.string(), { maxLength: 3 }),
);
const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((id) => /[^0]/.test(id));

describe("an OTLP request", () => {
  test("is decoded to what OpenTelemetry's serializer was given", () => {
    fc.assert(
      fc.property(
        fc.record({
          spanId: hex(16),
          traceId: hex(32),
          name: fc.string({ unit: "grapheme" }),
          startMs: fc.integer({ min: 0, max: 2 ** 42 }),
          durationMs: fc.integer({ min: 0, max: 2 ** 31 }),
          attributes: fc.dictionary(fc.string({ minLength: 1 }), attribute, { noNullPrototype: true }),
        }),
        fc.string({ minLength: 1 }),
        (span, project) => {
          const [decoded, ...more] = decodeTraceRequest(traceRequest([span], project));
          expect(more).toEqual([]);
          expect(decoded).toMatchObject({
            spanId: span.spanId,
            traceId: span.traceId,
            name: span.name,
            startNanos: BigInt(span.startMs) * 1_000_000n,
            endNanos: BigInt(span.startMs + span.durationMs) * 1_000_000n,
            startMs: span.startMs,
            project,
          });
          // An integer that a number does not hold exactly is a bigint, and a whole double an integer.
          const numbers = Object.entries(decoded?.attributes ?? {}).map(([key, value]) => [
            key,
            typeof value === "bigint" ? Number(value) : value,
          ]);
          expect(Object.fromEntries(numbers)).toEqual({ "openinference.span.kind": "LLM", ...span.attributes });
        },
      ),
    );
  });

  test("names the keys that came twice, which OTLP forbids", () => {
    const bytes = traceRequest([{ spanId: "1".repeat(16), startMs: START, attributes: { aa: "one", bb: "two" } }]);
    const twice = Buffer.from(bytes);
    twice.write("aa", twice.indexOf("bb"));
    expect(decodeTraceRequest(twice)[0]).toMatchObject({ repeatedKeys: ["aa"], attributes: { aa: "two" } });
  });

  test.each([
    { bytes: Buffer.from("{}"), because: "it is JSON" },
    { bytes: traceRequest([{ spanId: "1".repeat(16), startMs: START }]).subarray(0, 40), because: "it is cut" },
    { bytes: traceRequest([{ spanId: "11", startMs: START }]), because: "a span's id is too short" },
  ])("is refused when $because", ({ bytes }) => expect(() => decodeTraceRequest(bytes)).toThrow());
});
