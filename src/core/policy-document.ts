import { z } from "zod";
import { HubPrompt } from "./hub-prompt.ts";
import { Policy, PromptRef, Variant } from "./policy.ts";

/** A variant as a policy file has it: its prompt may be one of a hub. */
export const DocumentVariant = Variant.omit({ promptSource: true }).extend({
  prompt: z.union([PromptRef, HubPrompt]).optional(),
});
type DocumentVariant = z.infer<typeof DocumentVariant>;

/** A policy as its file has it: `policies/<policy>.yaml`. */
export const PolicyDocument = Policy.extend({
  variants: z.record(Policy.shape.variants.keyType, DocumentVariant),
});
export type PolicyDocument = z.infer<typeof PolicyDocument>;

/** The policy of a document. A prompt of a hub becomes the variant's source, which is still to be pinned. */
export const policyOfDocument = (document: PolicyDocument): Policy => ({
  ...document,
  variants: Object.fromEntries(Object.entries(document.variants).map(([id, variant]) => [id, variantOf(variant)])),
});

function variantOf({ prompt, ...rest }: DocumentVariant): Variant {
  if (prompt === undefined) return rest;
  return typeof prompt === "string" ? { prompt, ...rest } : { promptSource: prompt, ...rest };
}
