import protobuf from "protobufjs";

/** As much of OTLP as makes a span known. */
const Request = protobuf
  .parse(
    `syntax = "proto3";
     message Request { repeated ResourceSpans resource_spans = 1; }
     message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
     message Resource { repeated KeyValue attributes = 1; }
     message ScopeSpans { repeated Span spans = 2; }
     message Span { bytes trace_id = 1; bytes span_id = 2; string name = 5; uint32 kind = 6;
       fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; }
     message KeyValue { string key = 1; Value value = 2; }
     message Value { string string_value = 1; }`,
    { keepCase: true },
  )
  .root.lookupType("Request");

export interface KnownSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** Sends spans, as an exporter does, so that a server knows them. */
export async function makeKnown(
  { otlpUrl }: { readonly otlpUrl: string },
  headers: Readonly<Record<string, string>>,
  spans: readonly KnownSpan[],
): Promise<void> {
  const nanos = (at: number) =>
    ((value) => ({ low: Number(value & 0xffffffffn), high: Number(value >> 32n) }))(BigInt(at) * 1_000_000n);
  const scope = spans.map(({ traceId, spanId, at }) => ({
    trace_id: Buffer.from(traceId, "hex"),
    span_id: Buffer.from(spanId, "hex"),
    name: "chat",
    kind: 3,
    start_time_unix_nano: nanos(at),
    end_time_unix_nano: nanos(at + 900),
  }));
  const project = { key: "openinference.project.name", value: { string_value: "segue" } };
  const body = Request.encode({
    resource_spans: [{ resource: { attributes: [project] }, scope_spans: [{ spans: scope }] }],
  }).finish();
  const response = await fetch(`${otlpUrl}/traces`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", ...headers },
    body: Buffer.from(body),
  });
  if (!response.ok) throw new Error(`the fake refused the spans: ${response.status} ${await response.text()}`);
}
