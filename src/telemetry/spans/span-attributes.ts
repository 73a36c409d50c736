import {
  EMBEDDING_MODEL_NAME,
  LLM_INVOCATION_PARAMETERS,
  LLM_MODEL_NAME,
  LLM_PROVIDER,
  LLM_REQUEST_MODEL_NAME,
  LLM_SYSTEM,
  LLMSystem,
  OpenInferenceSpanKind,
  PROMPT_ID,
  PROMPT_VENDOR,
  PROMPT_TEMPLATE_TEMPLATE,
  PROMPT_TEMPLATE_VERSION,
  SemanticConventions,
} from "@arizeai/openinference-semantic-conventions";
import type { Decision } from "../../core/decision.ts";
import type { Policy, Target } from "../../core/policy.ts";
import { segmentsOf } from "../../core/state.ts";
import type { CompiledVariant } from "../../core/table.ts";
import type { WireFormat } from "../../core/wire-format.ts";
import type { FieldValue } from "./otlp-fields.ts";

/** Attributes by name, in the order in which they are written. */
export type SpanAttributes = readonly (readonly [name: string, value: FieldValue])[];

/** On whose side of a move an answer was. */
export type Arm = "incumbent" | "candidate" | "fallback";

/** Metadata keys that Segue writes itself; an attribute of such a name is exported under another (`metadataKey`). */
const OWN_KEYS: ReadonlySet<string> = new Set([
  "segment_id",
  "policy",
  "segment",
  "variant",
  "revision",
  "reason",
  "switchover",
  "business_unit",
  "owner",
  "risk",
  "key_id",
  "status",
  "error",
  "error_reason",
  "attempts",
  "latency_ms",
  "time_to_first_token_ms",
]);
const PREFIX = "attribute_";

/** The metadata key of an attribute of the request: its name, or `attribute_<name>` where that is Segue's own. No two attributes share one. */
export const metadataKey = (attribute: string): string => (isTaken(attribute) ? PREFIX + attribute : attribute);

const isTaken = (name: string): boolean =>
  OWN_KEYS.has(name) || (name.startsWith(PREFIX) && isTaken(name.slice(PREFIX.length)));

/** What is asked in OpenAI's formats is OpenAI's system, whoever serves it, unless the provider is one that OpenInference names. */
function systemOf(provider: string, wire: WireFormat): string {
  const known: readonly string[] = Object.values(LLMSystem);
  if (known.includes(provider)) return provider;
  return wire === "messages" ? LLMSystem.ANTHROPIC : LLMSystem.OPENAI;
}

function modelAttributes({ provider, model }: Target, wire: WireFormat): SpanAttributes {
  const isEmbedding = wire === "embeddings";
  const kind = isEmbedding ? OpenInferenceSpanKind.EMBEDDING : OpenInferenceSpanKind.LLM;
  return [
    [SemanticConventions.OPENINFERENCE_SPAN_KIND, kind],
    [isEmbedding ? EMBEDDING_MODEL_NAME : LLM_MODEL_NAME, model],
    [LLM_REQUEST_MODEL_NAME, model],
    [LLM_PROVIDER, provider],
    [LLM_SYSTEM, systemOf(provider, wire)],
  ];
}

/** What all answers of a variant by one target have in common. */
export function variantAttributes({ variant, prompt }: CompiledVariant, wire: WireFormat, target: Target) {
  const attributes: (readonly [string, FieldValue])[] = [...modelAttributes(target, wire)];
  if (Object.keys(variant.parameters).length > 0)
    attributes.push([LLM_INVOCATION_PARAMETERS, JSON.stringify(variant.parameters)]);
  if (prompt !== null)
    attributes.push(
      [PROMPT_TEMPLATE_TEMPLATE, prompt.text],
      [PROMPT_TEMPLATE_VERSION, prompt.ref],
      // A hub knows its prompt by its own id; of a file, the reference is the id.
      [PROMPT_ID, variant.promptSource?.promptId ?? prompt.ref],
    );
  if (prompt !== null && variant.promptSource !== undefined) attributes.push([PROMPT_VENDOR, variant.promptSource.hub]);
  return attributes satisfies SpanAttributes;
}

/** `openai/gpt-4o did not answer` as a child span says nothing of the prompt: its parent does. */
export const attemptAttributes = modelAttributes;

/** Segue's own metadata that all answers of a variant in a segment have in common. */
export function segmentMetadata(policy: Policy, segment: string, variant: string): Readonly<Record<string, string>> {
  const spec = segmentsOf(policy).find(({ id }) => id === segment);
  return {
    segment_id: `${policy.policy}|${segment}`,
    policy: policy.policy,
    segment,
    variant,
    ...(spec?.businessUnit === undefined ? {} : { business_unit: spec.businessUnit }),
    ...(spec === undefined ? {} : { owner: spec.owner, risk: spec.risk }),
  };
}

export const tagsOf = ({ segment, variant }: Decision, arm: Arm): readonly string[] => [
  `segment:${segment}`,
  `variant:${variant.id}`,
  `arm:${arm}`,
];

/** A decision says for people which side it is on (`decide`); a turn that goes on with its variant is on that variant's side only by chance, so it counts as incumbent. */
export function armOf({ reason, switchover, because }: Decision): Arm {
  if (reason === "DISABLED") return "fallback";
  return switchover !== null && because.startsWith("candidate ") ? "candidate" : "incumbent";
}

export const spanName = (wire: WireFormat, policy: string): string => `${wire} ${policy}`;
