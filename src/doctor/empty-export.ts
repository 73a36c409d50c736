const PROJECT_NAME = "openinference.project.name";

/**
 * An OTLP `ExportTraceServiceRequest` that has a resource with the project's name and no span. The field numbers are those
 * of opentelemetry/proto/collector/trace/v1 and common/v1.
 */
export function emptyExport(project: string): Uint8Array<ArrayBuffer> {
  const value = field(1, utf8(project));
  const attribute = concat(field(1, utf8(PROJECT_NAME)), field(2, value));
  const resource = field(1, attribute);
  return field(1, field(1, resource));
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A length-delimited field of a protobuf message. */
function field(number: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return concat(Uint8Array.of((number << 3) | 2, ...length, rest), content);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
