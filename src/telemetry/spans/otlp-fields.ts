import { ProtobufWriter, utf8Bytes, varintBytes } from "./protobuf-writer.ts";

/** What an attribute of a span can be here. */
export type FieldValue = string | number | boolean | readonly string[];

/** An attribute's name as the `key` field of a `KeyValue`. */
export type Key = Uint8Array;

// Tags of opentelemetry.proto.trace.v1 and common.v1: (field number << 3) | wire type.
const ATTRIBUTES = 0x4a; // Span.attributes = 9
const EVENT_ATTRIBUTES = 0x1a; // Span.Event.attributes = 3
const RESOURCE_ATTRIBUTES = 0x0a; // Resource.attributes = 1
const KEY = 0x0a; // KeyValue.key = 1
const VALUE = 0x12; // KeyValue.value = 2
const STRING = 0x0a; // AnyValue.string_value = 1
const BOOL = 0x10; // AnyValue.bool_value = 2
const INT = 0x18; // AnyValue.int_value = 3
const DOUBLE = 0x21; // AnyValue.double_value = 4
const ARRAY = 0x2a; // AnyValue.array_value = 5
const ARRAY_VALUES = 0x0a; // ArrayValue.values = 1

const SMALL_BYTES = 256;
const ENCODER = new TextEncoder();

export function keyOf(name: string): Key {
  const text = ENCODER.encode(name);
  const writer = new ProtobufWriter(SMALL_BYTES);
  writer.byte(KEY);
  writer.varint(text.length);
  writer.bytes(text);
  return writer.taken().slice();
}

/** Bytes of a message or string of this length with its tag and length. */
const framed = (length: number): number => 1 + varintBytes(length) + length;

/** Writes a string attribute of a span, from text or from its UTF-8. */
export function writeString(writer: ProtobufWriter, key: Key, value: string | Uint8Array): void {
  const length = typeof value === "string" ? utf8Bytes(value) : value.length;
  const inner = framed(length);
  writer.byte(ATTRIBUTES);
  writer.varint(key.length + framed(inner));
  writer.bytes(key);
  writer.byte(VALUE);
  writer.varint(inner);
  writer.byte(STRING);
  writer.varint(length);
  if (typeof value === "string") writer.text(value);
  else writer.bytes(value);
}

/** Writes an integer attribute of a span. @param value a whole number in [0, 2^53); anything else is left out */
export function writeInt(writer: ProtobufWriter, key: Key, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) return;
  const inner = 1 + varintBytes(value);
  writer.byte(ATTRIBUTES);
  writer.varint(key.length + 2 + inner);
  writer.bytes(key);
  writer.byte(VALUE);
  writer.byte(inner);
  writer.byte(INT);
  writer.varint(value);
}

/** Writes a floating-point attribute of a span. */
export function writeDouble(writer: ProtobufWriter, key: Key, value: number): void {
  writer.byte(ATTRIBUTES);
  writer.varint(key.length + 11);
  writer.bytes(key);
  writer.byte(VALUE);
  writer.byte(9);
  writer.byte(DOUBLE);
  writer.double(value);
}

/** `Span.attributes` entries, for what is encoded once and used often, or far from any request. */
export const attributeBytes = (entries: Iterable<readonly [name: string, value: FieldValue]>): Uint8Array =>
  entriesAs(ATTRIBUTES, entries);

export const eventAttributeBytes = (entries: Iterable<readonly [name: string, value: FieldValue]>): Uint8Array =>
  entriesAs(EVENT_ATTRIBUTES, entries);

export const resourceAttributeBytes = (entries: Iterable<readonly [name: string, value: FieldValue]>): Uint8Array =>
  entriesAs(RESOURCE_ATTRIBUTES, entries);

function entriesAs(tag: number, entries: Iterable<readonly [name: string, value: FieldValue]>): Uint8Array {
  const writer = new ProtobufWriter(SMALL_BYTES);
  for (const [name, value] of entries) {
    const key = keyOf(name);
    const any = anyValue(value);
    writer.byte(tag);
    writer.varint(key.length + framed(any.length));
    writer.bytes(key);
    writer.byte(VALUE);
    writer.varint(any.length);
    writer.bytes(any);
  }
  return writer.taken().slice();
}

/** Whole numbers become integers, others doubles, as OpenTelemetry's own exporters do it. */
function anyValue(value: FieldValue): Uint8Array {
  const writer = new ProtobufWriter(SMALL_BYTES);
  if (typeof value === "string") writeFramed(writer, STRING, ENCODER.encode(value));
  else if (typeof value === "boolean") {
    writer.byte(BOOL);
    writer.byte(value ? 1 : 0);
  } else if (typeof value !== "number") {
    const items = new ProtobufWriter(SMALL_BYTES);
    for (const item of value) writeFramed(items, ARRAY_VALUES, anyValue(item));
    writeFramed(writer, ARRAY, items.taken());
  } else if (Number.isSafeInteger(value) && value >= 0) {
    writer.byte(INT);
    writer.varint(value);
  } else {
    writer.byte(DOUBLE);
    writer.double(value);
  }
  return writer.taken().slice();
}

/** Writes a field whose value is a string or a message. */
export function writeFramed(writer: ProtobufWriter, tag: number, value: Uint8Array): void {
  writer.byte(tag);
  writer.varint(value.length);
  writer.bytes(value);
}
