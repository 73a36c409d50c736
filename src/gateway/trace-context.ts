import { bytesToHex } from "@noble/hashes/utils.js";
import type { Random } from "../ports.ts";

/** Where a request stands in a distributed trace. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: our own span, new for every request. */
  readonly spanId: string;
  /** The client's own span, where it is tracing. */
  readonly parentSpanId: string | null;
  /** What to send upstream as `traceparent`, or null when the client is not tracing. */
  readonly traceparent: string | null;
}

/** W3C Trace Context, level 1: version 00 is exactly four fields, later versions may append some, ff is invalid. */
const shape = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Continues the client's trace when its `traceparent` is valid, else starts one. */
export function traceContext(traceparent: string | null, random: Random): TraceContext {
  const ids = bytesToHex(random.bytes(24));
  const spanId = ids.slice(32);
  const [, version, traceId, parentSpanId = null, flags, more] = shape.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || (version === "00" && more !== undefined))
    return { traceId: ids.slice(0, 32), spanId, parentSpanId: null, traceparent: null };
  return { traceId, spanId, parentSpanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}
