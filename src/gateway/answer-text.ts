import { decodedAnswer, eachEventValue, jsonValue } from "../core/answer-values.ts";
import type { AnswerText } from "../core/checks/checked-answer.ts";
import type { WireFormat } from "../core/wire-format.ts";
import { answerReader } from "./answer-reader.ts";

/** An answer as the upstream sent it, or as much of it as was kept. */
export interface AnswerBytes {
  readonly wire: WireFormat;
  /** In order; cut anywhere. Not compressed. */
  readonly chunks: readonly Uint8Array[];
  /** Server-sent events; else one JSON body. */
  readonly isEventStream: boolean;
}

/** What is read of an answer; a JSON body that is longer is not read at all. */
const BYTES_MAX = 4 * 1024 * 1024;

/**
 * What an answer says, as far as its bytes are understood: events that are none are passed over, and one that breaks off
 * says what it said until then. Null when nothing in it is an answer of its wire format.
 */
export function answerText({ wire, chunks, isEventStream }: AnswerBytes, bytesMax = BYTES_MAX): AnswerText | null {
  const reader = answerReader(wire);
  if (reader === null) return null;
  const { text, isWhole } = decodedAnswer(chunks, bytesMax);
  if (isEventStream) eachEventValue(text, reader.event);
  else if (isWhole) jsonValue(text, reader.body);
  const answer = reader.result();
  return answer === null || isWhole ? answer : { ...answer, isWhole };
}
