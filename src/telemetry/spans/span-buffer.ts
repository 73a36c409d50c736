import type { HiddenValue } from "../../core/privacy.ts";
import type { ServedContent } from "../../ports.ts";
import type { WireFormat } from "../../core/wire-format.ts";

/** The content of an answer that waits to be redacted and encoded. */
export interface ContentItem {
  readonly policy: string;
  readonly segment: string;
  readonly wire: WireFormat;
  readonly content: ServedContent;
  /** Values of the request itself that must not leave with its content either. */
  readonly hidden?: readonly HiddenValue[];
}

/** Redacts and encodes content, off the path of requests. */
export interface ContentEncoder {
  /**
   * For each item `Span.attributes` entries in Protocol Buffers' wire format, or null where its content does not leave
   * or could not be redacted. Rejects only when all failed; the spans then go without content.
   */
  readonly encode: (items: readonly ContentItem[]) => Promise<readonly (Uint8Array | null)[]>;
}

/** One answer that waits to be sent. */
export interface WaitingSpan {
  readonly own: Uint8Array;
  readonly shared: Uint8Array;
  readonly attempts: readonly Uint8Array[];
  readonly content: ContentItem | null;
}

/** Holds answers until each destination has them. Bounded: the oldest make room, and are counted in `segue_spans_dropped_total`. */
export interface SpanBuffer {
  readonly add: (span: WaitingSpan) => void;
  /** Where a destination is. Asking twice for one is a bug. */
  readonly reader: (destination: string) => SpanReader;
  readonly close: () => void;
}

/** A destination's place: it takes the oldest that it has not passed, as often as it needs. */
export interface SpanReader {
  /** The oldest that wait, at least one if there are any; beyond that, within the limits. */
  readonly peek: (limits: BatchLimits) => readonly WaitingSpan[];
  /** Passes the first of those that were peeked last. */
  readonly pass: (count: number) => void;
}

export interface BatchLimits {
  readonly spansMax: number;
  readonly bytesMax: number;
}

/** Bytes of an answer that are its own; what it shares with others is counted nowhere, as it is there anyway. */
export function ownBytes({ own, attempts, content }: WaitingSpan): number {
  let bytes = own.length;
  for (const attempt of attempts) bytes += attempt.length;
  if (content === null) return bytes;
  bytes += content.content.request.length;
  for (const piece of content.content.answer) bytes += piece.length;
  return bytes;
}

/** Bytes of an answer in a request to a collector, before its content is encoded. */
export const sentBytes = (span: WaitingSpan): number => ownBytes(span) + span.shared.length;
