import { error, type Fault } from "./fault.ts";
import { lintPolicy } from "./lint-policy.ts";
import { lintPrompts } from "./lint-prompts.ts";
import { lintMissingPolicies, lintPublishedPrompts, lintPublishedVariants } from "./lint-published.ts";
import { lintSegments } from "./lint-segments.ts";
import { lintSubject, sortedFaults, type PolicySource, type PromptFiles } from "./policy-source.ts";
import type { ControlState } from "./state.ts";

/**
 * Every fault of policies as code, in reading order: what reading them found, and what they say.
 * @param state what is published, or null to judge the files alone
 */
export function lint(sources: readonly PolicySource[], prompts: PromptFiles, state: ControlState | null): Fault[] {
  const faults = sources.flatMap((source) => {
    if (source.document === null) return source.faults;
    const subject = lintSubject(source, source.document, prompts);
    return [
      ...source.faults,
      ...lintPolicy(subject),
      ...lintSegments(subject),
      ...lintPrompts(subject),
      ...(state === null ? [] : lintPublishedVariants(subject, state)),
    ];
  });
  const published =
    state === null ? [] : [...lintPublishedPrompts(prompts, state), ...lintMissingPolicies(sources, state)];
  return sortedFaults([...faults, ...duplicatePolicies(sources), ...published]);
}

function duplicatePolicies(sources: readonly PolicySource[]): Fault[] {
  const files = new Map<string, string>();
  return sources.flatMap(({ file, document, locate }) => {
    if (document === null) return [];
    const first = files.get(document.policy);
    if (first === undefined) {
      files.set(document.policy, file);
      return [];
    }
    const found = error(
      "duplicate-policy",
      `policy '${document.policy}' is in '${first}' already`,
      "Rename one of the two.",
    );
    return [{ ...found, file, ...locate(["policy"]) }];
  });
}
