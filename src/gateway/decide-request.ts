import type { ApiKey } from "../core/api-key.ts";
import { isTrustedAs, resolveAttributes, type Attributes } from "../core/attributes.ts";
import { decide, type Decision } from "../core/decision.ts";
import type { AttributeSpec } from "../core/policy.ts";
import type { CompiledPolicy, PolicyTable } from "../core/table.ts";
import type { Flags } from "../ports.ts";
import { requirePolicy } from "./authenticate.ts";
import { clientAttributes, type ClientAttributes } from "./client-attributes.ts";
import { unknownModel } from "./list-models.ts";
import type { Serving } from "./serving.ts";

export interface DecideDeps {
  readonly serving: Serving;
  readonly flags: Pick<Flags, "fallback">;
}

export interface DecideInput {
  readonly key: ApiKey;
  /** The policy, as the client names it. */
  readonly model: string;
  /** Attributes that the request states as such. */
  readonly stated: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>> | null | undefined;
  /** Who stays on one side of a canary, or null when the request names nobody. */
  readonly unit: string | null;
  readonly traceId: string;
  /** Asks "what if": stated attributes count whoever states them, over the key's own. Nothing may be served by the answer. */
  readonly isHypothetical?: boolean;
}

export interface RequestDecision {
  readonly policy: CompiledPolicy;
  readonly decision: Decision;
  readonly attributes: Attributes;
  readonly metadata: ClientAttributes["metadata"];
}

/** Longer ones are cut, so that a unit cannot fill the buffers it is kept in. */
const UNIT_LENGTH_MAX = 256;

/**
 * Answers what a request is served. Waits for nothing.
 * @throws RouterError `not_found` for an unknown policy, `forbidden` for one the key may not use, and what `resolveAttributes` throws
 */
export function decideRequest({ serving, flags }: DecideDeps, input: DecideInput): RequestDecision {
  const table = serving.table();
  const policy = policyOf(table, input.model, input.key);
  const specs = input.isHypothetical === true ? trustingAll(policy.policy.attributes) : policy.policy.attributes;
  const { client, metadata } = clientAttributes(specs, input.stated, input.metadata);
  const key =
    input.isHypothetical === true
      ? unstated(policy.policy.attributes, input.key.attributes, client)
      : input.key.attributes;
  const attributes = resolveAttributes(specs, { client, key });
  const decision = decide(policy, {
    revision: table.revision,
    attributes,
    unit: input.unit ?? input.traceId,
    isCurrent: serving.isCurrent(),
    fallbackFor: (segment) => flags.fallback({ policy: input.model, segment, unit: input.unit, attributes }),
  });
  return { policy, decision, attributes, metadata };
}

/** The first of these that says who is asking: the session header, `metadata.session_id`, OpenAI's `user`. */
export function unitOf(...candidates: readonly unknown[]): string | null {
  const unit = candidates.find((candidate) => typeof candidate === "string" && candidate !== "");
  return typeof unit === "string" ? unit.slice(0, UNIT_LENGTH_MAX) : null;
}

type Specs = Readonly<Record<string, AttributeSpec>>;

const trustingAll = (specs: Specs): Specs =>
  Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { ...spec, trust: "client" as const }]));

/** What a completion with the key would take from it, but for what the query states otherwise. */
const unstated = (specs: Specs, key: Attributes, stated: Readonly<Record<string, unknown>>): Attributes =>
  Object.fromEntries(
    Object.entries(key).filter(([name]) => {
      const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
      return spec !== undefined && isTrustedAs("key", spec.trust) && !Object.hasOwn(stated, name);
    }),
  );

function policyOf(table: PolicyTable, model: string, key: ApiKey): CompiledPolicy {
  const policy = table.policies.get(model);
  if (policy === undefined) throw unknownModel(model, table.policies.keys(), key);
  requirePolicy(key, model, "model");
  return policy;
}
