import { decodedAnswer, eachEventValue, jsonValue } from "../../core/answer-values.ts";
import type { HiddenValue, Privacy } from "../../core/privacy.ts";
import type { WireFormat } from "../../core/wire-format.ts";
import type { ServedContent } from "../../ports.ts";
import { textRedactor, type RedactText } from "../../privacy/redact-text.ts";
import { attributeBytes } from "../spans/otlp-fields.ts";
import { saidReader } from "./answer-messages.ts";
import { contentAttributes, type Content } from "./content-attributes.ts";
import { askedOf } from "./request-messages.ts";

/** What is read of an answer, and of a question: a longer one says that it is there, no more. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** What a policy says of texts. */
export type TextPrivacy = Pick<Privacy, "patterns" | "phoneCountries">;

/** Content with all that is needed to redact it, as plain values that may go to another thread. */
export interface ContentTask {
  readonly wire: WireFormat;
  readonly content: ServedContent;
  readonly hidden: readonly HiddenValue[];
  /** An index into the job's `privacies`. */
  readonly privacy: number;
}

export interface ContentJob {
  readonly privacies: readonly TextPrivacy[];
  readonly tasks: readonly ContentTask[];
}

/** For each task `Span.attributes` entries in Protocol Buffers' wire format, or null where it could not be encoded: then it does not leave. */
export type EncodedContent = readonly (Uint8Array<ArrayBuffer> | null)[];

export function encodeContent({ privacies, tasks }: ContentJob): EncodedContent {
  const redactors = privacies.map(textRedactor);
  return tasks.map((task) => {
    const redact = redactors[task.privacy];
    if (redact === undefined) return null;
    try {
      return encodeTask(task, redact);
    } catch {
      // Whatever is wrong with one answer, the others can leave. What was thrown may quote it, so it is not kept.
      return null;
    }
  });
}

function encodeTask({ wire, content, hidden }: ContentTask, redactText: RedactText): Uint8Array<ArrayBuffer> {
  const entries = contentAttributes(contentOf(wire, content), (text) => redactText(text, hidden));
  return new Uint8Array(attributeBytes(entries));
}

/** Reads what was asked and answered. */
export function contentOf(wire: WireFormat, { request, answer, isEventStream, isComplete }: ServedContent): Content {
  let asked = askedOf(wire, null);
  if (request.length <= REQUEST_BYTES_MAX)
    jsonValue(new TextDecoder().decode(request), (body) => (asked = askedOf(wire, body)));
  const reader = saidReader(wire);
  const { text, isWhole } = decodedAnswer(answer, ANSWER_BYTES_MAX);
  if (isEventStream) eachEventValue(text, reader.event);
  else if (isWhole) jsonValue(text, reader.body);
  return { wire, asked, said: reader.result(), isComplete: isComplete && isWhole };
}
