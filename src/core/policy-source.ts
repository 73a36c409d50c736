import { byPlace, type Fault, type Finding, type Path, type Position, type Within } from "./fault.ts";
import { RouterError } from "./errors.ts";
import { sha256 } from "./digest.ts";
import type { PromptSource } from "./hub-prompt.ts";
import type { Policy, Prompt, Variant } from "./policy.ts";

/** One policy file as read: a plain value, whatever state the file was in. */
export interface PolicySource {
  /** For people: the path as they would type it. */
  readonly file: string;
  /** Null when the file holds no valid policy; `faults` then say why. */
  readonly document: Policy | null;
  readonly faults: readonly Fault[];
  /** What was found when prompts of hubs were read, by the variant that names them. */
  readonly promptFindings?: Readonly<Record<string, readonly Finding[]>>;
  /** The place of a node, or of its nearest parent that exists. */
  readonly locate: (path: Path, within?: Within) => Position;
}

export interface PromptFile {
  readonly file: string;
  readonly text: string;
}

/** Prompt texts by `name@version`. */
export type PromptFiles = Readonly<Record<string, PromptFile>>;

const START: Position = { line: 1, column: 1 };

/** A source of a policy that came without a file, such as over HTTP: every place is its start. */
export const documentSource = (policy: Policy, file: string): PolicySource => ({
  file,
  document: policy,
  faults: [],
  locate: () => START,
});

/** A file that could not be read as a policy. */
export const brokenSource = (file: string, finding: Finding): PolicySource => ({
  file,
  document: null,
  faults: [{ ...finding, file, ...START }],
  locate: () => START,
});

/** A variant whose prompt is in a hub that nobody read yet. */
export type UnpinnedVariant = Variant & { readonly promptSource: PromptSource };
export const isUnpinned = (variant: Variant): variant is UnpinnedVariant =>
  variant.promptSource !== undefined && variant.prompt === undefined;

/** A prompt version as it is published. */
export const promptOf = (text: string): Prompt => ({ text, digest: sha256(text) });

/**
 * The prompts that a policy's variants name, by `name@version`.
 * @throws RouterError `invalid_request` when one is not there
 */
export function promptsOf(
  policy: Policy,
  texts: Readonly<Record<string, { readonly text: string }>>,
): Record<string, Prompt> {
  const prompts: Record<string, Prompt> = {};
  for (const [name, variant] of Object.entries(policy.variants)) {
    if (isUnpinned(variant)) throw unpinned(policy.policy, name);
    const ref = variant.prompt;
    if (ref === undefined) continue;
    const found = Object.hasOwn(texts, ref) ? texts[ref] : undefined;
    if (found === undefined)
      throw new RouterError(
        "invalid_request",
        `Policy '${policy.policy}' uses prompt '${ref}', which has no text. Add it.`,
        {
          param: ref,
          reason: "unknown_prompt",
        },
      );
    prompts[ref] = promptOf(found.text);
  }
  return prompts;
}

const unpinned = (policy: string, variant: string): RouterError =>
  new RouterError(
    "invalid_request",
    `Variant '${variant}' of policy '${policy}' names a prompt of a hub that nobody read. Publish it with 'segue apply', which pins it.`,
    { param: variant, reason: "prompt_not_pinned" },
  );

/** What a check of one policy works on. */
export interface LintSubject {
  readonly policy: Policy;
  readonly prompts: PromptFiles;
  /** By variant. */
  readonly promptFindings: NonNullable<PolicySource["promptFindings"]>;
  readonly fault: (path: Path, finding: Finding, within?: Within) => Fault;
}

export const lintSubject = (source: PolicySource, policy: Policy, prompts: PromptFiles): LintSubject => ({
  policy,
  prompts,
  promptFindings: source.promptFindings ?? {},
  fault: (path, finding, within) => ({ ...finding, file: source.file, ...source.locate(path, within) }),
});

/** In reading order; what two policies that share a prompt both find in it is said once. */
export const sortedFaults = (faults: readonly Fault[]): Fault[] => [
  ...new Map([...faults].sort(byPlace).map((fault) => [JSON.stringify(fault), fault])).values(),
];
