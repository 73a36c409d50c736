import { sha256 } from "./digest.ts";
import { error, warning, type Fault } from "./fault.ts";
import { isUnpinned, type LintSubject, type PolicySource, type PromptFiles } from "./policy-source.ts";
import type { ControlState } from "./state.ts";
import { variantDigest } from "./variant-digest.ts";

/** Prompt versions whose text is not the one that was published. Exposures name them, so they must stay what they were. */
export const lintPublishedPrompts = (prompts: PromptFiles, state: ControlState): Fault[] =>
  Object.entries(prompts).flatMap(([ref, { file, text }]) => {
    const published = Object.hasOwn(state.prompts, ref) ? state.prompts[ref] : undefined;
    if (published === undefined || published === sha256(text)) return [];
    const found = error(
      "prompt-changed",
      `the prompt '${ref}' was published with another text, and a published version never changes`,
      "Restore the text, and write the new one as a new version.",
    );
    return [{ ...found, file, line: 1, column: 1 }];
  });

/** Variants whose content is not the one that was published under that name. */
export function lintPublishedVariants({ policy, fault }: LintSubject, state: ControlState): Fault[] {
  return Object.entries(policy.variants).flatMap(([name, variant]) => {
    const before = state.variants[`${policy.policy}/${name}`];
    // What nobody read cannot be compared.
    if (before === undefined || isUnpinned(variant) || before === variantDigest(variant)) return [];
    const found = error(
      "variant-changed",
      `the variant '${name}' was published with other content, and a published variant never changes`,
      "Restore it, and give the new content a new name.",
    );
    return [fault(["variants", name], found, { key: true })];
  });
}

/** Published policies that no file holds. While a file cannot be read, its policy may be any of them. */
export function lintMissingPolicies(sources: readonly PolicySource[], state: ControlState): Fault[] {
  if (sources.some(({ document }) => document === null)) return [];
  const present = new Set(sources.map(({ document }) => document?.policy));
  return Object.entries(state.policies).flatMap(([policy, { seq }]) => {
    if (present.has(policy)) return [];
    const found = warning(
      "missing-policy",
      `policy '${policy}', published by ledger entry ${seq}, is in no file: it stays published`,
      `Restore its file, or publish it with no segments but its default to stop routing by it.`,
    );
    return [{ ...found, file: "ledger", line: 1, column: 1 }];
  });
}
