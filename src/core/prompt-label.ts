import { hubPromptName } from "./hub-prompt.ts";
import type { Variant } from "./policy.ts";

type Variants = Readonly<Record<string, Variant>>;

/** Readable lines: the labels that were on other versions when the variants of before were pinned. */
export function movedLabels(before: Variants = {}, after: Variants): string[] {
  const was = versionsByLabel(before);
  return [...versionsByLabel(after)].flatMap(([label, versions]) => {
    const known = was.get(label);
    if (known === undefined) return [];
    const added = [...versions].filter((version) => !known.has(version));
    return added.length === 0 ? [] : [`${label} moved from ${[...known].join(", ")} to ${added.join(", ")}`];
  });
}

function versionsByLabel(variants: Variants): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { promptSource: source } of Object.values(variants)) {
    if (source?.label === undefined || source.version === undefined) continue;
    const label = hubPromptName(source);
    found.set(label, (found.get(label) ?? new Set()).add(source.version));
  }
  return found;
}
