import { METADATA } from "@arizeai/openinference-semantic-conventions";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import type { ServedSpan } from "../../ports.ts";
import { attributeBytes } from "./otlp-fields.ts";
import type { ProtobufWriter } from "./protobuf-writer.ts";
import { attemptAttributes } from "./span-attributes.ts";
import { writeException, writeFlags, writeIds, writeNameAndKind, writeStatus, writeTimes } from "./span-fields.ts";

/** The id of an answer's failed attempt, which follows from the answer's own, so that sending it again makes no other span. */
export function attemptSpanId(spanId: string, index: number): string {
  const bytes = new Uint8Array(9);
  bytes.set(hexToBytes(spanId));
  bytes[8] = index;
  return bytesToHex(sha256(bytes).subarray(0, 8));
}

/**
 * The span of a target that was asked and gave no answer: a child of the answer's. Its segment has a key of its own in the
 * metadata, because what filters by `segment_id` counts answers, and an answer that another target gave is no failure.
 */
export function encodeAttempt(writer: ProtobufWriter, span: ServedSpan, index: number): Uint8Array {
  const attempt = span.failedAttempts[index];
  writer.begin();
  if (attempt === undefined) return writer.taken();
  const { target, startedAt, endedAt, status, error } = attempt;
  const { traceId, spanId, policy, decision, wire } = span;
  writeIds(writer, { traceId, spanId: attemptSpanId(spanId, index), parentSpanId: spanId });
  writeNameAndKind(writer, `attempt ${target.provider}/${target.model}`, "client");
  writeTimes(writer, startedAt, endedAt);
  writeFlags(writer, false);
  const metadata = {
    attempt_segment_id: `${policy.policy}|${decision.segment}`,
    attempt_variant: decision.variant.id,
    attempt: index + 1,
    attempt_error: error,
    ...(status === null ? {} : { attempt_status: status }),
  };
  writer.bytes(attributeBytes([[METADATA, JSON.stringify(metadata)], ...attemptAttributes(target, wire)]));
  writeStatus(writer, { code: "error", message: error });
  const message = status === null ? "No answer came" : `Status ${status}`;
  writeException(writer, { at: endedAt, type: error, message });
  return writer.taken();
}
