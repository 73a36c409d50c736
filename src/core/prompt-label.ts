import { canonicalJson } from "./digest.ts";
import { hubPromptName } from "./hub-prompt.ts";
import type { Variant } from "./policy.ts";

type Variants = Readonly<Record<string, Variant>>;

/** Readable lines: the labels that were on other versions when the variants of before were pinned. */
export function movedLabels(before: Variants = {}, after: Variants): string[] {
  const was = versionsByLabel(before);
  return [...versionsByLabel(after)].flatMap(([key, { label, versions }]) => {
    const known = was.get(key)?.versions;
    if (known === undefined) return [];
    const added = [...versions].filter((version) => !known.has(version));
    return added.length === 0 ? [] : [`${label} moved from ${[...known].join(", ")} to ${added.join(", ")}`];
  });
}

interface LabelVersions {
  /** For people. */
  readonly label: string;
  readonly versions: Set<string>;
}

function versionsByLabel(variants: Variants): Map<string, LabelVersions> {
  const found = new Map<string, LabelVersions>();
  for (const { promptSource: source } of Object.values(variants)) {
    if (source?.label === undefined || source.version === undefined) continue;
    const { hub, prompt, label } = source;
    const key = canonicalJson({ hub, prompt, label });
    const known = found.get(key) ?? { label: hubPromptName(source), versions: new Set() };
    known.versions.add(source.version);
    found.set(key, known);
  }
  return found;
}
