import { eventAttributeBytes, writeFramed } from "./otlp-fields.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

// Tags of opentelemetry.proto.trace.v1.Span: (field number << 3) | wire type.
const TRACE_ID = 0x0a; // 1
const SPAN_ID = 0x12; // 2
const PARENT_SPAN_ID = 0x22; // 4
const NAME = 0x2a; // 5
const KIND = 0x30; // 6
const START = 0x39; // 7
const END = 0x41; // 8
const EVENTS = 0x5a; // 11
const STATUS = 0x7a; // 15
const FLAGS = [0x85, 0x01]; // 16, fixed32

/** W3C's "sampled", and that it is known whether the parent is of another process. */
const SAMPLED = 0x101;
const PARENT_IS_REMOTE = 0x200;

const KINDS = { server: 2, client: 3 } as const;
const STATUSES = { ok: 1, error: 2 } as const;

const EVENT_TIME = 0x09; // Event.time_unix_nano = 1
const EVENT_NAME = 0x12; // Event.name = 2
const STATUS_MESSAGE = 0x12; // Status.message = 2
const STATUS_CODE = 0x18; // Status.code = 3

const utf8 = new TextEncoder();
const EVENT_BYTES = 512;

/** @param ids hex digits: 32 of the trace, 16 of a span */
export function writeIds(
  writer: ProtobufWriter,
  ids: { readonly traceId: string; readonly spanId: string; readonly parentSpanId: string | null },
): void {
  writer.byte(TRACE_ID);
  writer.byte(16);
  writer.hex(ids.traceId);
  writer.byte(SPAN_ID);
  writer.byte(8);
  writer.hex(ids.spanId);
  if (ids.parentSpanId === null) return;
  writer.byte(PARENT_SPAN_ID);
  writer.byte(8);
  writer.hex(ids.parentSpanId);
}

/** @param startedAt epoch milliseconds; an end before it, by a clock that went back, becomes it */
export function writeTimes(writer: ProtobufWriter, startedAt: number, endedAt: number): void {
  writer.byte(START);
  writer.nanos(startedAt);
  writer.byte(END);
  writer.nanos(Math.max(startedAt, endedAt));
}

export function writeFlags(writer: ProtobufWriter, parentIsRemote: boolean): void {
  for (const byte of FLAGS) writer.byte(byte);
  writer.fixed32(parentIsRemote ? SAMPLED | PARENT_IS_REMOTE : SAMPLED);
}

export function writeNameAndKind(writer: ProtobufWriter, name: string, kind: keyof typeof KINDS): void {
  writeFramed(writer, NAME, utf8.encode(name));
  writer.byte(KIND);
  writer.byte(KINDS[kind]);
}

export function writeStatus(
  writer: ProtobufWriter,
  { code, message }: { readonly code: keyof typeof STATUSES; readonly message?: string },
): void {
  const text = message === undefined ? null : utf8.encode(message);
  writer.byte(STATUS);
  writer.varint(text === null ? 2 : 4 + text.length + (text.length > 127 ? 1 : 0));
  if (text !== null) writeFramed(writer, STATUS_MESSAGE, text);
  writer.byte(STATUS_CODE);
  writer.byte(STATUSES[code]);
}

const FIRST_TOKEN = (() => {
  const name = utf8.encode("first token");
  return { name, length: 11 + name.length };
})();

/** The event that the first bytes of the answer came. @param at epoch milliseconds */
export function writeFirstToken(writer: ProtobufWriter, at: number): void {
  writer.byte(EVENTS);
  writer.byte(FIRST_TOKEN.length);
  writer.byte(EVENT_TIME);
  writer.nanos(at);
  writeFramed(writer, EVENT_NAME, FIRST_TOKEN.name);
}

/** The event that there was no answer, named as OpenTelemetry names it. @param at epoch milliseconds */
export function writeException(
  writer: ProtobufWriter,
  { at, type, message }: { readonly at: number; readonly type: string; readonly message: string },
): void {
  const event = new ProtobufWriter(EVENT_BYTES);
  event.byte(EVENT_TIME);
  event.nanos(at);
  writeFramed(event, EVENT_NAME, utf8.encode("exception"));
  event.bytes(
    eventAttributeBytes([
      ["exception.type", type],
      ["exception.message", message],
    ]),
  );
  writeFramed(writer, EVENTS, event.taken());
}
