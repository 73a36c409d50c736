import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { WIRE_FORMATS } from "../../core/wire-format.ts";
import type { ContentItem, WaitingSpan } from "./span-buffer.ts";

/** What a record begins with: the length of the rest, and its CRC-32. */
export const FRAME_BYTES = 8;
const HEAD_LENGTH_BYTES = 4;

const Length = z.int().min(0);
const Head = z.strictObject({
  span: Length,
  attempts: z.array(Length),
  content: z
    .strictObject({
      policy: z.string(),
      segment: z.string(),
      wire: z.enum(WIRE_FORMATS),
      isEventStream: z.boolean(),
      isComplete: z.boolean(),
      request: Length,
      answer: z.array(Length),
      hidden: z.array(z.strictObject({ value: z.string(), shown: z.string() })),
    })
    .nullable(),
});
type Head = z.infer<typeof Head>;

const NOTHING = new Uint8Array(0);

const headOf = ({ own, shared, attempts, content }: WaitingSpan): Head => ({
  span: own.length + shared.length,
  attempts: attempts.map(({ length }) => length),
  content: content === null ? null : contentHead(content),
});

const contentHead = ({ policy, segment, wire, content, hidden = [] }: ContentItem): Head["content"] => ({
  policy,
  segment,
  wire,
  isEventStream: content.isEventStream,
  isComplete: content.isComplete,
  request: content.request.length,
  answer: content.answer.map(({ length }) => length),
  hidden: [...hidden],
});

/** An answer as a record of a spool's file, in pieces that are written one after another. */
export function recordPieces(span: WaitingSpan): readonly Uint8Array[] {
  const head = Buffer.from(JSON.stringify(headOf(span)));
  const start = Buffer.allocUnsafe(FRAME_BYTES + HEAD_LENGTH_BYTES + head.length);
  start.writeUInt32LE(head.length, FRAME_BYTES);
  start.set(head, FRAME_BYTES + HEAD_LENGTH_BYTES);
  const { content } = span;
  const kept = content === null ? [] : [content.content.request, ...content.content.answer];
  const rest = [span.own, span.shared, ...span.attempts, ...kept];
  let length = start.length - FRAME_BYTES;
  let sum = crc32(start.subarray(FRAME_BYTES));
  for (const piece of rest) {
    length += piece.length;
    sum = crc32(piece, sum);
  }
  start.writeUInt32LE(length, 0);
  start.writeUInt32LE(sum, 4);
  return [start, ...rest];
}

/** Bytes of the record that begins with this frame. */
export const recordBytes = (frame: Buffer): number => FRAME_BYTES + frame.readUInt32LE(0);

/** What the JSON of every record's head begins with. */
export const HEAD_START = '{"span":';

/** Whether the bytes of a record are those that were written. */
export const isIntact = (record: Buffer): boolean =>
  record.length >= FRAME_BYTES + HEAD_LENGTH_BYTES && crc32(record.subarray(FRAME_BYTES)) === record.readUInt32LE(4);

/** Reads a record that is there in full. @returns null where its bytes are not those that were written, or of another version */
export function readRecord(record: Buffer): WaitingSpan | null {
  if (!isIntact(record)) return null;
  const body = record.subarray(FRAME_BYTES);
  let at = HEAD_LENGTH_BYTES;
  const next = (length: number): Buffer => body.subarray(at, (at += length));
  // The sum says that these are our own bytes; another version may have written them.
  const head = Head.safeParse(JSON.parse(next(body.readUInt32LE(0)).toString()));
  if (!head.success) return null;
  const { span, attempts, content } = head.data;
  return {
    own: next(span),
    shared: NOTHING,
    attempts: attempts.map(next),
    content: content === null ? null : contentOf(content, next),
  };
}

const contentOf = (
  { policy, segment, wire, isEventStream, isComplete, request, answer, hidden }: NonNullable<Head["content"]>,
  next: (length: number) => Buffer,
): ContentItem => ({
  policy,
  segment,
  wire,
  content: { request: next(request), answer: answer.map(next), isEventStream, isComplete },
  hidden,
});
