import { SpanKind, SpanStatusCode, TraceFlags, type Attributes } from "@opentelemetry/api";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";

type ReadableSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

/** A span to send; what is left out is as a plain LLM call has it. */
export interface MadeSpan {
  readonly spanId: string;
  readonly traceId?: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly durationMs?: number;
  readonly error?: string;
  /** Becomes the one string of JSON that the `metadata` attribute is. */
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  readonly attributes?: Attributes;
  readonly events?: readonly { readonly name: string; readonly timeMs: number; readonly attributes?: Attributes }[];
}

/** An OTLP/protobuf request as OpenTelemetry's own serializer writes it; `project` null leaves the attribute out. */
export function traceRequest(spans: readonly MadeSpan[], project: string | null = "segue"): Uint8Array {
  const resource = resourceFromAttributes({
    "service.name": "segue",
    ...(project === null ? {} : { "openinference.project.name": project }),
  });
  const bytes = ProtobufTraceSerializer.serializeRequest(spans.map((span) => readable(span, resource)));
  if (bytes === undefined) throw new Error("The spans could not be serialized.");
  return bytes;
}

/** Posts spans to `<otlpUrl>/traces`. */
export const postSpans = (otlpUrl: string, headers: Record<string, string>, body: Uint8Array): Promise<Response> =>
  fetch(`${otlpUrl}/traces`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", ...headers },
    body: body as Uint8Array<ArrayBuffer>,
  });

function readable(span: MadeSpan, resource: ReadableSpan["resource"]): ReadableSpan {
  const { durationMs = 100, traceId = span.spanId.padStart(32, "0"), parentSpanId } = span;
  const parent =
    parentSpanId === undefined ? undefined : { traceId, spanId: parentSpanId, traceFlags: TraceFlags.SAMPLED };
  return {
    name: span.name ?? "chat",
    kind: SpanKind.CLIENT,
    spanContext: () => ({ traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED }),
    ...(parent === undefined ? {} : { parentSpanContext: parent }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.startMs + durationMs),
    duration: hrTime(durationMs),
    status:
      span.error === undefined ? { code: SpanStatusCode.OK } : { code: SpanStatusCode.ERROR, message: span.error },
    attributes: {
      "openinference.span.kind": "LLM",
      ...(span.metadata === undefined ? {} : { metadata: JSON.stringify(span.metadata) }),
      ...span.attributes,
    },
    links: [],
    events: (span.events ?? []).map(({ name, timeMs, attributes = {} }) => ({
      name,
      time: hrTime(timeMs),
      attributes,
    })),
    ended: true,
    resource,
    instrumentationScope: { name: "test" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function hrTime(ms: number): [number, number] {
  const whole = Math.floor(ms);
  const nanos = BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6));
  return [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)];
}
