import { error, warning, type Fault, type Finding, type Position } from "./fault.ts";
import { hubPromptName } from "./hub-prompt.ts";
import { suggest } from "./nearest-name.ts";
import type { Policy } from "./policy.ts";
import { isUnpinned, type LintSubject, type PromptFile, type UnpinnedVariant } from "./policy-source.ts";
import { promptVariables } from "./prompt.ts";
import { promptTags } from "./prompt-tags.ts";
import { quote } from "./quote.ts";

/** Faults of the prompts that a policy's variants name, and of the names themselves. */
export function lintPrompts(subject: LintSubject): Fault[] {
  const { policy, prompts, fault } = subject;
  const faults = lintHubPrompts(subject);
  const checked = new Set<string>();
  for (const [variant, { prompt: ref }] of Object.entries(policy.variants)) {
    if (ref === undefined || checked.has(ref)) continue;
    const prompt = Object.hasOwn(prompts, ref) ? prompts[ref] : undefined;
    if (prompt === undefined) {
      const [name, version] = ref.split("@");
      const found = error(
        "unknown-prompt",
        `variant '${variant}' uses the prompt '${ref}', which does not exist`,
        `Write it to prompts/${name}/${version}.md. ${suggest(ref, Object.keys(prompts), "prompts")}`,
      );
      faults.push(fault(["variants", variant, "prompt"], found));
      continue;
    }
    checked.add(ref);
    faults.push(...lintPrompt(policy, ref, prompt));
  }
  return faults;
}

/** What reading hubs found, and variants whose prompt nobody read. */
function lintHubPrompts({ policy, promptFindings, fault }: LintSubject): Fault[] {
  return Object.entries(policy.variants).flatMap(([name, variant]) => {
    const findings = Object.hasOwn(promptFindings, name) ? (promptFindings[name] ?? []) : [];
    const unread = isUnpinned(variant) && findings.length === 0 ? [unreadPrompt(name, variant)] : [];
    return [...findings, ...unread].map((found) => fault(["variants", name, "prompt"], found));
  });
}

const unreadPrompt = (name: string, { promptSource }: UnpinnedVariant): Finding =>
  error(
    "prompt-hub",
    `variant '${name}' uses ${hubPromptName(promptSource)}, which was not read`,
    "Publish with `segue apply`, which reads the hub and pins the prompt, or write the prompt to a file.",
  );

function lintPrompt(policy: Policy, ref: string, { file, text }: PromptFile): Fault[] {
  const placed = (finding: Finding, offset: number): Fault => ({ ...finding, file, ...placeOf(text, offset) });
  try {
    promptVariables(text);
  } catch (thrown) {
    const problem = (thrown instanceof Error ? thrown.message : String(thrown)).split("\n")[0] ?? "";
    const found = error("prompt-template", `the prompt '${ref}' is malformed: ${problem}`, "Close every {{ with }}.");
    return [placed(found, Number(/ at (\d+)$/.exec(problem)?.[1] ?? 0))];
  }
  return promptTags(text).flatMap(({ sigil, name, offset }) => {
    const found = tagFinding(policy, ref, sigil, name);
    return found === null ? [] : [placed(found, offset)];
  });
}

function tagFinding(policy: Policy, ref: string, sigil: string, name: string): Finding | null {
  if (sigil !== "" || !/^\w+$/.test(name))
    return error(
      "prompt-template",
      `the prompt '${ref}' has the tag ${quote(`{{${sigil}${name}}}`, 80)}`,
      "Use plain {{attribute}} tags only; where prompts differ by more than a value, write two and give each its segment.",
    );
  const spec = Object.hasOwn(policy.attributes, name) ? policy.attributes[name] : undefined;
  if (spec === undefined)
    return error(
      "prompt-variable",
      `the prompt '${ref}' uses {{${name}}}, which policy '${policy.policy}' does not declare`,
      suggest(name, Object.keys(policy.attributes), "attributes"),
    );
  if (spec.type !== "string" || spec.trust !== "client" || spec.values !== undefined) return null;
  return warning(
    "prompt-injection",
    `callers can write any text into the system prompt '${ref}' through {{${name}}}`,
    `Give '${name}' a closed list of 'values' in policy '${policy.policy}', or raise its trust to 'key'.`,
  );
}

function placeOf(text: string, offset: number): Position {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
