import { byPlace, type Fault, type Finding, type Path, type Position, type Within } from "./fault.ts";
import { RouterError } from "./errors.ts";
import { sha256 } from "./digest.ts";
import type { Policy, Prompt } from "./policy.ts";

/** One policy file as read: a plain value, whatever state the file was in. */
export interface PolicySource {
  /** For people: the path as they would type it. */
  readonly file: string;
  /** Null when the file holds no valid policy; `faults` then say why. */
  readonly document: Policy | null;
  readonly faults: readonly Fault[];
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
  for (const { prompt: ref } of Object.values(policy.variants)) {
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

/** What a check of one policy works on. */
export interface LintSubject {
  readonly policy: Policy;
  readonly prompts: PromptFiles;
  readonly fault: (path: Path, finding: Finding, within?: Within) => Fault;
}

export const lintSubject = (source: PolicySource, policy: Policy, prompts: PromptFiles): LintSubject => ({
  policy,
  prompts,
  fault: (path, finding, within) => ({ ...finding, file: source.file, ...source.locate(path, within) }),
});

/** In reading order; what two policies that share a prompt both find in it is said once. */
export const sortedFaults = (faults: readonly Fault[]): Fault[] => [
  ...new Map([...faults].sort(byPlace).map((fault) => [JSON.stringify(fault), fault])).values(),
];
