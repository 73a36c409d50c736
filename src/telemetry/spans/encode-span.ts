import {
  LLM_COST_TOTAL,
  LLM_TOKEN_COUNT_COMPLETION,
  LLM_TOKEN_COUNT_PROMPT,
  LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ,
  LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE,
  LLM_TOKEN_COUNT_TOTAL,
  METADATA,
  PROMPT_TEMPLATE_VARIABLES,
  SESSION_ID,
  TAG_TAGS,
  USER_ID,
} from "@arizeai/openinference-semantic-conventions";
import type { Policy, Target } from "../../core/policy.ts";
import type { SpanRedaction } from "../../core/privacy.ts";
import type { CompiledVariant } from "../../core/table.ts";
import type { WireFormat } from "../../core/wire-format.ts";
import type { Answered, ServedSpan } from "../../ports.ts";
import { encodeAttempt } from "./encode-attempt.ts";
import { attributeBytes, keyOf, writeDouble, writeInt, writeString } from "./otlp-fields.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";
import { armOf, spanName, tagsOf, variantAttributes, type Arm } from "./span-attributes.ts";
import {
  writeException,
  writeFirstToken,
  writeFlags,
  writeIds,
  writeNameAndKind,
  writeStatus,
  writeTimes,
} from "./span-fields.ts";
import { isServiceFault } from "./span-fault.ts";
import { PolicyJson } from "./span-metadata.ts";

/** A span's fields in Protocol Buffers' wire format, without tag and length. They may be put together in any order. */
export interface EncodedSpan {
  /** What this answer alone says; its segment first. */
  readonly own: Uint8Array;
  /** What all answers of the variant say, such as the prompt: the same array for all of them. */
  readonly shared: Uint8Array;
  /** The spans of its failed attempts, whole. */
  readonly attempts: readonly Uint8Array[];
}

const SLAB_BYTES = 256 * 1024;
const JSON_BYTES = 16 * 1024;
/** Sets of attributes kept of one variant: one a wire format, target, segment and arm. */
const SETS_MAX = 10_000;

const keys = {
  metadata: keyOf(METADATA),
  variables: keyOf(PROMPT_TEMPLATE_VARIABLES),
  session: keyOf(SESSION_ID),
  user: keyOf(USER_ID),
  prompt: keyOf(LLM_TOKEN_COUNT_PROMPT),
  completion: keyOf(LLM_TOKEN_COUNT_COMPLETION),
  total: keyOf(LLM_TOKEN_COUNT_TOTAL),
  cacheRead: keyOf(LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ),
  cacheWrite: keyOf(LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE),
  cost: keyOf(LLM_COST_TOTAL),
};

/** What was encoded of a variant. A handful at most of each, so they are found by looking at one after another. */
interface VariantBytes {
  readonly served: { readonly wire: WireFormat; readonly target: Target; readonly bytes: Uint8Array }[];
  readonly tags: Map<string, Partial<Record<Arm, Uint8Array>>>;
}

/**
 * Encodes answers as OpenInference spans of OTLP, straight to bytes. What answers have in common is encoded once and kept
 * as long as the policy is: an answer costs what it alone says.
 * @param redactionOf what every value of a policy's spans passes through
 */
export function createSpanEncoder(redactionOf: (policy: Policy) => SpanRedaction): (span: ServedSpan) => EncodedSpan {
  const writer = new ProtobufWriter(SLAB_BYTES);
  const json = new ProtobufWriter(JSON_BYTES);
  const policies = new WeakMap<Policy, { readonly redaction: SpanRedaction; readonly json: PolicyJson }>();
  const variants = new WeakMap<CompiledVariant, VariantBytes>();
  const ofPolicy = (policy: Policy) => {
    let known = policies.get(policy);
    if (known === undefined) {
      const redaction = redactionOf(policy);
      policies.set(policy, (known = { redaction, json: new PolicyJson(policy, redaction) }));
    }
    return known;
  };
  const ofVariant = (variant: CompiledVariant): VariantBytes => {
    let known = variants.get(variant);
    if (known === undefined) variants.set(variant, (known = { served: [], tags: new Map() }));
    return known;
  };
  return (span) => {
    const { decision, policy, wire } = span;
    const { redaction, json: texts } = ofPolicy(policy);
    const variant = ofVariant(decision.variant);
    writer.begin();
    writeIds(writer, span);
    writeTimes(writer, span.startedAt, span.endedAt);
    writeFlags(writer, span.parentSpanId !== null);
    json.clear();
    texts.writeMetadata(json, span);
    writeString(writer, keys.metadata, json.taken());
    writer.bytes(tagBytes(variant, span));
    json.clear();
    if (texts.writeVariables(json, span)) writeString(writer, keys.variables, json.taken());
    const session = span.session === null ? null : redaction.identifier("session", span.session);
    if (session !== null) writeString(writer, keys.session, session);
    const user = span.user === null ? null : redaction.identifier("user", span.user);
    if (user !== null) writeString(writer, keys.user, user);
    if (span.answered !== null) writeAnswered(writer, span.answered, span.startedAt);
    writeOutcome(writer, span);
    const own = writer.taken();
    const shared = sharedBytes(variant, { span, wire });
    const attempts = span.failedAttempts.map((_, index) => encodeAttempt(writer, span, index));
    return { own, shared, attempts };
  };
}

function writeAnswered(writer: ProtobufWriter, { usage, costUsd, firstByteMs }: Answered, startedAt: number): void {
  if (usage !== null) {
    writeInt(writer, keys.prompt, usage.inputTokens);
    writeInt(writer, keys.completion, usage.outputTokens);
    writeInt(writer, keys.total, usage.inputTokens + usage.outputTokens);
    writeInt(writer, keys.cacheRead, usage.cachedTokens);
    writeInt(writer, keys.cacheWrite, usage.cacheWriteTokens);
  }
  if (costUsd !== null) writeDouble(writer, keys.cost, costUsd);
  writeFirstToken(writer, startedAt + firstByteMs);
}

/** What a client did wrong, and that it left, is in the metadata: it is no error of the segment. */
function writeOutcome(writer: ProtobufWriter, { status, error, endedAt }: ServedSpan): void {
  if (error === null) return writeStatus(writer, { code: "ok" });
  if (!isServiceFault({ status, error })) return;
  writeStatus(writer, { code: "error", message: error });
  writeException(writer, { at: endedAt, type: error, message: `Status ${status}` });
}

function sharedBytes({ served }: VariantBytes, { span, wire }: { span: ServedSpan; wire: WireFormat }): Uint8Array {
  const { decision, answered, policy } = span;
  const target = answered?.target ?? decision.variant.variant;
  for (const known of served)
    if (known.wire === wire && known.target.model === target.model && known.target.provider === target.provider)
      return known.bytes;
  const writer = new ProtobufWriter(JSON_BYTES);
  writeNameAndKind(writer, spanName(wire, policy.policy), "server");
  writer.bytes(attributeBytes(variantAttributes(decision.variant, wire, target)));
  const bytes = writer.taken().slice();
  if (served.length >= SETS_MAX) served.length = 0;
  served.push({ wire, target, bytes });
  return bytes;
}

function tagBytes({ tags }: VariantBytes, { decision }: ServedSpan): Uint8Array {
  const arm = armOf(decision);
  let ofSegment = tags.get(decision.segment);
  if (ofSegment === undefined) {
    if (tags.size >= SETS_MAX) tags.clear();
    tags.set(decision.segment, (ofSegment = {}));
  }
  return (ofSegment[arm] ??= attributeBytes([[TAG_TAGS, tagsOf(decision, arm)]]));
}
