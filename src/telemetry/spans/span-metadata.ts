import type { AttributeValue } from "../../core/attributes.ts";
import type { Policy } from "../../core/policy.ts";
import type { SpanRedaction } from "../../core/privacy.ts";
import type { ServedSpan } from "../../ports.ts";
import type { ProtobufWriter } from "./protobuf-writer.ts";
import { isServiceFault } from "./span-fault.ts";
import { metadataKey, segmentMetadata } from "./span-attributes.ts";

/** Redacted values kept of one attribute; those of a closed list only. */
const VALUES_MAX = 256;

const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

const utf8 = new TextEncoder();
const json = (text: string): Uint8Array => utf8.encode(text);

/** The JSON of one attribute of a policy, redacted. */
interface AttributeJson {
  /** `"<name>":`, as a variable of a prompt. */
  readonly name: Uint8Array;
  /** The same by its key in the metadata. */
  readonly key: Uint8Array;
  readonly hasClosedList: boolean;
  readonly values: Map<AttributeValue, Uint8Array | null>;
}

/** What all answers of a variant in a segment write in common, and what those of one decision do. */
interface RowJson {
  readonly always: Uint8Array;
  revision: number;
  reason: string;
  switchover: string | null;
  decided: Uint8Array;
}

/**
 * Writes the JSON texts of a policy's spans. What has few values is redacted and encoded once: of attributes with a closed
 * list each value, of segments and variants their names.
 */
export class PolicyJson {
  readonly #policy: Policy;
  readonly #redaction: SpanRedaction;
  readonly #attributes = new Map<string, AttributeJson>();
  readonly #rows = new Map<string, Map<string, RowJson>>();

  constructor(policy: Policy, redaction: SpanRedaction) {
    this.#policy = policy;
    this.#redaction = redaction;
  }

  /** The metadata: what says of which part of the traffic an answer is, first. */
  writeMetadata(writer: ProtobufWriter, span: ServedSpan): void {
    writer.byte(OPEN);
    const { attributes } = span;
    for (const name in attributes) {
      const value = attributes[name];
      if (value !== undefined) this.#writeAttribute(writer, { name, value, isVariable: false });
    }
    const row = this.#row(span);
    writer.bytes(row.always);
    writer.bytes(row.decided);
    const keyId = span.keyId === null ? null : this.#redaction.identifier("key", span.keyId);
    if (keyId !== null) {
      writer.text('"key_id":');
      writer.json(keyId);
      writer.byte(COMMA);
    }
    writer.text(outcomeText(span));
    writer.byte(CLOSE);
  }

  /** The attributes that a prompt asks for. @returns false when there are none; nothing is written then */
  writeVariables(writer: ProtobufWriter, { attributes, decision }: ServedSpan): boolean {
    const names = decision.variant.prompt?.variables ?? [];
    let count = 0;
    for (const name of names) {
      const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
      if (value === undefined) continue;
      const before = writer.length();
      writer.byte(count === 0 ? OPEN : COMMA);
      if (this.#writeAttribute(writer, { name, value, isVariable: true })) count += 1;
      else writer.clearTo(before);
    }
    if (count > 0) writer.byte(CLOSE);
    return count > 0;
  }

  /** @returns false when redaction leaves the value out; nothing is written then */
  #writeAttribute(
    writer: ProtobufWriter,
    { name, value, isVariable }: { name: string; value: AttributeValue; isVariable: boolean },
  ): boolean {
    const attribute = this.#attributes.get(name) ?? this.#attributeJson(name);
    let encoded = attribute.values.get(value);
    if (encoded === undefined) {
      const redacted = this.#redaction.attribute(name, value);
      if (attribute.hasClosedList && attribute.values.size < VALUES_MAX) {
        encoded = redacted === null ? null : json(JSON.stringify(redacted));
        attribute.values.set(value, encoded);
      } else if (redacted !== null) {
        writer.bytes(isVariable ? attribute.name : attribute.key);
        if (typeof redacted === "string") writer.json(redacted);
        else writer.text(JSON.stringify(redacted));
        if (!isVariable) writer.byte(COMMA);
        return true;
      }
    }
    if (encoded === undefined || encoded === null) return false;
    writer.bytes(isVariable ? attribute.name : attribute.key);
    writer.bytes(encoded);
    if (!isVariable) writer.byte(COMMA);
    return true;
  }

  #attributeJson(name: string): AttributeJson {
    const spec = Object.hasOwn(this.#policy.attributes, name) ? this.#policy.attributes[name] : undefined;
    const attribute: AttributeJson = {
      name: json(`${JSON.stringify(name)}:`),
      key: json(`${JSON.stringify(metadataKey(name))}:`),
      hasClosedList: spec?.values !== undefined || spec?.type === "boolean",
      values: new Map(),
    };
    // What a policy does not declare cannot be asked for; were it, each would stay in memory.
    if (spec !== undefined) this.#attributes.set(name, attribute);
    return attribute;
  }

  #row({ decision }: ServedSpan): RowJson {
    const { segment, variant, revision, reason, switchover } = decision;
    let rows = this.#rows.get(segment);
    if (rows === undefined) this.#rows.set(segment, (rows = new Map<string, RowJson>()));
    let row = rows.get(variant.id);
    if (row === undefined) {
      const members = JSON.stringify(segmentMetadata(this.#policy, segment, variant.id));
      const always = json(`${members.slice(1, -1)},`);
      rows.set(variant.id, (row = { always, revision: NaN, reason, switchover, decided: always }));
    }
    if (row.revision !== revision || row.reason !== reason || row.switchover !== switchover) {
      const members = JSON.stringify({ revision, reason, ...(switchover === null ? {} : { switchover }) });
      Object.assign(row, { revision, reason, switchover, decided: json(`${members.slice(1, -1)},`) });
    }
    return row;
  }
}

/** Ends the metadata. Whose doing a failure was follows from the status; what is not the service's is no error of the segment. */
function outcomeText({ status, error, answered, startedAt, endedAt }: ServedSpan): string {
  const answer =
    answered === null
      ? ""
      : `"attempts":${numberText(answered.attempts)},"time_to_first_token_ms":${numberText(answered.firstByteMs)},`;
  const outcome =
    error === null
      ? '"error":0'
      : `${isServiceFault({ status, error }) ? '"error":1,' : ""}"error_reason":${JSON.stringify(error)}`;
  return `"status":${numberText(status)},"latency_ms":${numberText(Math.max(0, endedAt - startedAt))},${answer}${outcome}`;
}

const numberText = (value: number): string => (Number.isFinite(value) ? `${value}` : "null");
