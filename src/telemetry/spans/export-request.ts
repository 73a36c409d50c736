import { SEMRESATTRS_PROJECT_NAME } from "@arizeai/openinference-semantic-conventions";
import { resourceAttributeBytes, writeFramed } from "./otlp-fields.ts";
import { ProtobufWriter, varintBytes } from "./protobuf-writer.ts";
import type { WaitingSpan } from "./span-buffer.ts";

/** Who sends. */
export interface SpanService {
  readonly name: string;
  readonly version: string;
  readonly instance: string;
}

/** A span's bytes beside its content, which is encoded just before it is sent. */
export interface SentSpan {
  readonly span: WaitingSpan;
  readonly content: Uint8Array | null;
}

// Tags of opentelemetry.proto: (field number << 3) | 2, as all are messages or strings.
const RESOURCE_SPANS = 0x0a; // ExportTraceServiceRequest.resource_spans = 1
const RESOURCE = 0x0a; // ResourceSpans.resource = 1
const SCOPE_SPANS = 0x12; // ResourceSpans.scope_spans = 2
const SCOPE = 0x0a; // ScopeSpans.scope = 1
const SPANS = 0x12; // ScopeSpans.spans = 2
const SCOPE_NAME = 0x0a; // InstrumentationScope.name = 1
const SCOPE_VERSION = 0x12; // InstrumentationScope.version = 2

const utf8 = new TextEncoder();
const HEAD_BYTES = 512;

/** What all requests to a destination begin with: without the project's name, Arize AX answers 500. */
export interface RequestHead {
  readonly resource: Uint8Array;
  readonly scope: Uint8Array;
}

export function requestHead(projectName: string, service: SpanService): RequestHead {
  const attributes = resourceAttributeBytes([
    [SEMRESATTRS_PROJECT_NAME, projectName],
    ["service.name", service.name],
    ["service.version", service.version],
    ["segue.instance", service.instance],
  ]);
  const scope = new ProtobufWriter(HEAD_BYTES);
  writeFramed(scope, SCOPE_NAME, utf8.encode(service.name));
  writeFramed(scope, SCOPE_VERSION, utf8.encode(service.version));
  return { resource: field(RESOURCE, attributes), scope: field(SCOPE, scope.taken()) };
}

function field(tag: number, value: Uint8Array): Uint8Array {
  const writer = new ProtobufWriter(HEAD_BYTES);
  writeFramed(writer, tag, value);
  return writer.taken().slice();
}

const spanBytes = ({ span, content }: SentSpan): number =>
  span.own.length + span.shared.length + (content?.length ?? 0);
const framed = (length: number): number => 1 + varintBytes(length) + length;

/**
 * An `ExportTraceServiceRequest`.
 * @param memory where it is written if there is room; what was written there before is gone. A new array for each is memory that the collector of garbage has to be asked for
 */
export function exportRequest(
  { resource, scope }: RequestHead,
  spans: readonly SentSpan[],
  memory?: ProtobufWriter,
): Uint8Array<ArrayBuffer> {
  let scopeSpans = scope.length;
  for (const sent of spans) {
    scopeSpans += framed(spanBytes(sent));
    for (const attempt of sent.span.attempts) scopeSpans += framed(attempt.length);
  }
  const resourceSpans = resource.length + framed(scopeSpans);
  const size = framed(resourceSpans);
  const writer = memory ?? new ProtobufWriter(size);
  writer.clear();
  writer.byte(RESOURCE_SPANS);
  writer.varint(resourceSpans);
  writer.bytes(resource);
  writer.byte(SCOPE_SPANS);
  writer.varint(scopeSpans);
  writer.bytes(scope);
  for (const sent of spans) {
    writer.byte(SPANS);
    writer.varint(spanBytes(sent));
    writer.bytes(sent.span.own);
    writer.bytes(sent.span.shared);
    if (sent.content !== null) writer.bytes(sent.content);
    for (const attempt of sent.span.attempts) writeFramed(writer, SPANS, attempt);
  }
  return writer.taken();
}
