import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import { error, type Fault, type Finding } from "../core/fault.ts";
import { policyIssues } from "../core/policy-issue.ts";
import { PolicyDocument, policyOfDocument } from "../core/policy-document.ts";
import { PromptRef } from "../core/policy.ts";
import { brokenSource, type PolicySource, type PromptFile } from "../core/policy-source.ts";
import { readYaml } from "./yaml-document.ts";

const BYTES_MAX = 1024 * 1024;
const FAULTS_MAX = 100;

export interface PolicyFiles {
  /** One per policy file; a prompt or directory that could not be read is a source without a document. */
  readonly sources: readonly PolicySource[];
  /** By `name@version`. */
  readonly prompts: Readonly<Record<string, PromptFile>>;
}

/**
 * Reads `*.yaml` and `*.yml` of a directory, and `prompts/<name>/<version>.md` below it. Never rejects because of what
 * is there: whatever is wrong becomes a fault. Files that lead out of the directory are not read.
 *
 * A prompt's text has line ends as `\n` and no white space at its end, so that neither an editor nor a checkout on
 * another system changes its digest.
 */
export async function readPolicyFiles(directory: string): Promise<PolicyFiles> {
  let root: string;
  let entries: string[];
  try {
    root = await realpath(directory);
    entries = await readdir(root);
  } catch (thrown) {
    const found = error(
      "missing-directory",
      `there is no readable directory '${directory}': ${reasonOf(thrown)}`,
      "Name the directory that holds your policies, or start one with `segue init`.",
    );
    return { sources: [brokenSource(directory, found)], prompts: {} };
  }
  const sources: PolicySource[] = [];
  for (const name of entries.filter((entry) => /^[^.].*\.ya?ml$/.test(entry)).sort()) {
    const file = join(directory, name);
    const read = await readText(root, file);
    sources.push("finding" in read ? brokenSource(file, read.finding) : policySource(file, read.text));
  }
  if (sources.length === 0) {
    const found = error(
      "no-policies",
      `no policy (*.yaml) is in '${directory}'`,
      "Add one, or name the directory that holds them.",
    );
    sources.push(brokenSource(directory, found));
  }
  const { broken, prompts } = await readPrompts(root, directory);
  return { sources: [...sources, ...broken], prompts };
}

/** The source that a file's text makes. Never throws. */
export function policySource(file: string, text: string): PolicySource {
  const { value, faults, locate } = readYaml(file, text);
  if (faults.length > 0) return { file, document: null, faults: faults.slice(0, FAULTS_MAX), locate };
  const parsed = PolicyDocument.safeParse(value);
  if (parsed.success) return { file, document: policyOfDocument(parsed.data), faults: [], locate };
  const issues = policyIssues(value, parsed.error.issues).slice(0, FAULTS_MAX);
  const found = issues.map(({ path, within, finding }): Fault => ({ ...finding, file, ...locate(path, within) }));
  return { file, document: null, faults: found, locate };
}

async function readPrompts(root: string, directory: string) {
  const prompts: Record<string, PromptFile> = {};
  const broken: PolicySource[] = [];
  const folder = join(directory, "prompts");
  for (const name of await visible(folder, broken)) {
    for (const version of await visible(join(folder, name), broken)) {
      if (!version.endsWith(".md")) continue;
      const file = join(folder, name, version);
      const ref = `${name}@${basename(version, ".md")}`;
      const read = PromptRef.safeParse(ref).success ? await readText(root, file) : { finding: badPromptName(ref) };
      if ("finding" in read) broken.push(brokenSource(file, read.finding));
      else prompts[ref] = { file, text: read.text.trimEnd() };
    }
  }
  return { prompts, broken };
}

const badPromptName = (ref: string): Finding =>
  error(
    "prompt-name",
    `no variant can name the prompt '${ref}'`,
    "Rename the folder to lower-case letters, digits and dashes, and the file to lower-case letters, digits, dots and dashes.",
  );

/** What a folder holds, sorted; nothing when it is not a folder. A policy may do without prompts. */
async function visible(folder: string, broken: PolicySource[]): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((entry) => !entry.startsWith(".")).sort();
  } catch (thrown) {
    const isAbsent = ["ENOENT", "ENOTDIR"].includes((thrown as NodeJS.ErrnoException).code ?? "");
    if (!isAbsent) broken.push(brokenSource(folder, unreadable(folder, thrown)));
    return [];
  }
}

async function readText(
  root: string,
  file: string,
): Promise<{ readonly text: string } | { readonly finding: Finding }> {
  try {
    const path = await realpath(file);
    if (!path.startsWith(root + sep))
      return {
        finding: error(
          "outside-directory",
          `'${file}' leads out of the directory, to '${path}'`,
          "Put a copy of the file here instead of the link.",
        ),
      };
    const { size, isRegular } = await stat(path).then((found) => ({ size: found.size, isRegular: found.isFile() }));
    if (!isRegular)
      return { finding: error("unreadable-file", `'${file}' is not a regular file`, "Remove or rename it.") };
    if (size > BYTES_MAX)
      return {
        finding: error(
          "file-too-large",
          `'${file}' has ${size} bytes, over 1 MiB`,
          "Split it, or take out what is not policy.",
        ),
      };
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
    return { text: text.replaceAll("\r\n", "\n") };
  } catch (thrown) {
    if (thrown instanceof TypeError)
      return { finding: error("not-utf8", `'${file}' is not UTF-8 text`, "Save it as UTF-8.") };
    return { finding: unreadable(file, thrown) };
  }
}

const unreadable = (file: string, thrown: unknown): Finding =>
  error("unreadable-file", `'${file}' cannot be read: ${reasonOf(thrown)}`, "Make it readable, or remove it.");

const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
