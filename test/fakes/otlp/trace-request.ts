import protobuf from "protobufjs";

/** The part of OTLP's `ExportTraceServiceRequest` that an exporter writes; field numbers of opentelemetry-proto v1. */
const SOURCE = `
  syntax = "proto3";
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; string schema_url = 3; }
  message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5;
    uint32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
    repeated Event events = 11; uint32 dropped_events_count = 12;
    repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15; fixed32 flags = 16;
  }
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
  message Link { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; repeated KeyValue attributes = 4; }
  message Status { string message = 2; uint32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  } }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValueList { repeated KeyValue values = 1; }
`;
const Request = protobuf.parse(SOURCE, { keepCase: true }).root.lookupType("ExportTraceServiceRequest");

const KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] as const;
const STATUSES = ["UNSET", "OK", "ERROR"] as const;

export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };
export type SpanAttributes = Readonly<Record<string, AttributeValue>>;

export interface ReceivedEvent {
  readonly name: string;
  /** Epoch milliseconds, with a fraction. */
  readonly timeMs: number;
  readonly timeNanos: bigint;
  readonly attributes: SpanAttributes;
}

/** A span as a collector got it. */
export interface ReceivedSpan {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  /** Epoch milliseconds, with a fraction. */
  readonly startMs: number;
  readonly endMs: number;
  readonly startNanos: bigint;
  readonly endNanos: bigint;
  readonly status: { readonly code: (typeof STATUSES)[number]; readonly message: string };
  /** Integers that no number holds exactly are bigints. */
  readonly attributes: SpanAttributes;
  /** Keys that came more than once, which OTLP forbids; the last value counts. */
  readonly repeatedKeys: readonly string[];
  readonly events: readonly ReceivedEvent[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string; readonly attributes: SpanAttributes }[];
  /** `openinference.project.name` of the resource; null where it is missing. */
  readonly project: string | null;
  readonly resource: SpanAttributes;
  readonly scope: string;
}

/** Reads an OTLP/protobuf request. @throws where the bytes are none. */
export function decodeTraceRequest(bytes: Uint8Array): readonly ReceivedSpan[] {
  const options = { longs: String, bytes: Uint8Array, arrays: true, oneofs: true } as const;
  const request = Request.toObject(Request.decode(bytes), options) as WireRequest;
  return request.resource_spans.flatMap(({ resource, scope_spans: scopes }) => {
    const attributes = attributesOf(resource?.attributes ?? []);
    const project = attributes["openinference.project.name"];
    const shared = { resource: attributes, project: typeof project === "string" && project !== "" ? project : null };
    return scopes.flatMap(({ scope, spans }) =>
      spans.map((span) => ({ ...spanOf(span), ...shared, scope: scope?.name ?? "" })),
    );
  });
}

function spanOf(span: WireSpan): Omit<ReceivedSpan, "resource" | "project" | "scope"> {
  const traceId = hex(span.trace_id);
  const spanId = hex(span.span_id);
  if (traceId.length !== 32 || spanId.length !== 16) throw new Error(`Span '${span.name}' has malformed ids.`);
  const keys = span.attributes.map(({ key }) => key ?? "");
  return {
    traceId,
    spanId,
    parentSpanId: hex(span.parent_span_id) || null,
    name: span.name ?? "",
    kind: KINDS[span.kind ?? 0] ?? "UNSPECIFIED",
    startMs: toMs(span.start_time_unix_nano),
    startNanos: BigInt(span.start_time_unix_nano ?? 0),
    endMs: toMs(span.end_time_unix_nano),
    endNanos: BigInt(span.end_time_unix_nano ?? 0),
    status: { code: STATUSES[span.status?.code ?? 0] ?? "UNSET", message: span.status?.message ?? "" },
    attributes: attributesOf(span.attributes),
    repeatedKeys: [...new Set(keys.filter((key, at) => keys.indexOf(key) !== at))],
    events: span.events.map((event) => ({
      name: event.name ?? "",
      timeMs: toMs(event.time_unix_nano),
      timeNanos: BigInt(event.time_unix_nano ?? 0),
      attributes: attributesOf(event.attributes),
    })),
    links: span.links.map((link) => ({
      traceId: hex(link.trace_id),
      spanId: hex(link.span_id),
      attributes: attributesOf(link.attributes),
    })),
  };
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
const toMs = (nanos: string | undefined): number => {
  const value = BigInt(nanos ?? 0);
  return Number(value / 1_000_000n) + Number(value % 1_000_000n) / 1e6;
};

const attributesOf = (list: readonly WireKeyValue[]): SpanAttributes =>
  Object.fromEntries(list.map(({ key, value }) => [key ?? "", valueOf(value)]));

function valueOf(value: WireValue | undefined | null): AttributeValue {
  switch (value?.value) {
    case "string_value":
      return value.string_value ?? "";
    case "bool_value":
      return value.bool_value ?? false;
    case "int_value": {
      const int = BigInt(value.int_value ?? 0);
      return BigInt(Number(int)) === int && Number.isSafeInteger(Number(int)) ? Number(int) : int;
    }
    case "double_value":
      return value.double_value ?? 0;
    case "array_value":
      return value.array_value?.values.map(valueOf) ?? [];
    case "kvlist_value":
      return attributesOf(value.kvlist_value?.values ?? []);
    case "bytes_value":
      return value.bytes_value ?? new Uint8Array();
    case undefined:
      return null;
  }
}

interface WireRequest {
  readonly resource_spans: readonly {
    readonly resource?: { readonly attributes: readonly WireKeyValue[] };
    readonly scope_spans: readonly {
      readonly scope?: { readonly name?: string };
      readonly spans: readonly WireSpan[];
    }[];
  }[];
}
interface WireSpan {
  readonly trace_id?: Uint8Array;
  readonly span_id?: Uint8Array;
  readonly parent_span_id?: Uint8Array;
  readonly name?: string;
  readonly kind?: number;
  readonly start_time_unix_nano?: string;
  readonly end_time_unix_nano?: string;
  readonly attributes: readonly WireKeyValue[];
  readonly events: readonly {
    readonly name?: string;
    readonly time_unix_nano?: string;
    readonly attributes: readonly WireKeyValue[];
  }[];
  readonly links: readonly {
    readonly trace_id?: Uint8Array;
    readonly span_id?: Uint8Array;
    readonly attributes: readonly WireKeyValue[];
  }[];
  readonly status?: { readonly message?: string; readonly code?: number };
}
interface WireKeyValue {
  readonly key?: string;
  readonly value?: WireValue;
}
interface WireValue {
  /** The field that is set. */
  readonly value?:
    | "string_value"
    | "bool_value"
    | "int_value"
    | "double_value"
    | "array_value"
    | "kvlist_value"
    | "bytes_value";
  readonly string_value?: string;
  readonly bool_value?: boolean;
  readonly int_value?: string;
  readonly double_value?: number;
  readonly array_value?: { readonly values: readonly WireValue[] };
  readonly kvlist_value?: { readonly values: readonly WireKeyValue[] };
  readonly bytes_value?: Uint8Array;
}
