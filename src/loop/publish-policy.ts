import type { Actor } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import type { Event } from "../core/event.ts";
import { hubPromptName, isPinnedRef } from "../core/hub-prompt.ts";
import { lint } from "../core/lint.ts";
import { documentSource, promptOf, promptsOf, type PromptFile } from "../core/policy-source.ts";
import { publicationEvents, type Publication } from "../core/publication.ts";
import type { ControlState } from "../core/state.ts";
import type { ControlPlane } from "../ports.ts";

export interface PublishInput {
  readonly policies: readonly Publication[];
  /** The revision that the plan was made on; null publishes on whatever is there. */
  readonly expectedRevision: number | null;
  readonly actor: Actor;
}

export interface PublishResult {
  /** The policies that were published, without those that already were as they are. */
  readonly published: readonly string[];
  readonly unchanged: readonly string[];
  /** The switchovers that were ended because what they were planned on changed. */
  readonly superseded: readonly string[];
  /** The policy table's revision afterwards. */
  readonly revision: number;
}

/**
 * Publishes policies, all or none, in one commit. Publishing what is published appends nothing.
 * @throws RouterError `invalid_request` for a policy with a fault that `lint` calls an error, `conflict` when the table
 *   has another revision than the plan
 */
export async function publishPolicies(
  deps: { readonly controlPlane: Pick<ControlPlane, "commit"> },
  { policies, expectedRevision, actor }: PublishInput,
): Promise<PublishResult> {
  const publications = policies.map(withOwnPrompts);
  let events: readonly Event[] = [];
  let revision = 0;
  const entries = await deps.controlPlane.commit(actor, (state, now) => {
    refuseFaults(publications, state);
    events = publicationEvents(state, publications, now);
    if (events.length > 0) refuseOtherRevision(state, expectedRevision);
    revision = state.revision;
    return events;
  });
  const published = events.flatMap((event) => (event.type === "policy.published" ? [event.policy.policy] : []));
  const last = entries.findLast(({ event }) => event.type === "policy.published");
  return {
    published,
    unchanged: publications.map(({ policy }) => policy.policy).filter((policy) => !published.includes(policy)),
    superseded: events.flatMap((event) => (event.type === "switchover.moved" ? [event.id] : [])),
    revision: last?.seq ?? revision,
  };
}

/** Keeps only the prompts that the policy names, and checks their digests: they are what later versions are held to. */
function withOwnPrompts({ policy, prompts }: Publication): Publication {
  for (const [ref, prompt] of Object.entries(prompts)) {
    if (promptOf(prompt.text).digest === prompt.digest) continue;
    throw new RouterError(
      "invalid_request",
      `The digest of prompt '${ref}' is not that of its text. Send the SHA-256 of the text.`,
      {
        param: ref,
        reason: "prompt_digest",
      },
    );
  }
  refuseOtherPins(policy);
  return { policy, prompts: promptsOf(policy, prompts) };
}

/** Where a prompt is said to be from has to fit its name: later variants of the policy take the text by what is said. */
function refuseOtherPins({ policy, variants }: Publication["policy"]): void {
  for (const [name, { prompt: ref, promptSource: source }] of Object.entries(variants)) {
    // Without a prompt it was not pinned, which is refused with its own words.
    if (ref === undefined || source === undefined || isPinnedRef(ref, source)) continue;
    throw new RouterError(
      "invalid_request",
      `Prompt '${ref}' of variant '${name}' of policy '${policy}' is not what ${hubPromptName(source)} is pinned as. ` +
        "Publish it with 'segue apply', which pins it, or leave 'promptSource' out.",
      { param: name, reason: "prompt_source" },
    );
  }
}

function refuseFaults(publications: readonly Publication[], state: ControlState): void {
  const sources = publications.map(({ policy }) => documentSource(policy, `policy ${policy.policy}`));
  const errors = lint(sources, promptFiles(publications), state).filter(({ severity }) => severity === "error");
  const [first, ...others] = errors;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : ` (And ${others.length} more: run \`segue lint\`.)`;
  throw new RouterError("invalid_request", `In ${first.file}: ${first.message}. ${first.fix}${more}`, {
    param: first.file,
    reason: first.code.replaceAll("-", "_"),
  });
}

/** The prompts of all publications; a version can have one text only. */
function promptFiles(publications: readonly Publication[]): Record<string, PromptFile> {
  const files: Record<string, PromptFile> = {};
  for (const [ref, { text }] of publications.flatMap(({ prompts }) => Object.entries(prompts))) {
    if (files[ref] !== undefined && files[ref].text !== text)
      throw new RouterError(
        "invalid_request",
        `Two policies bring different texts for prompt '${ref}'. Give one of them a new version.`,
        {
          param: ref,
          reason: "prompt_changed",
        },
      );
    files[ref] = { file: `prompt ${ref}`, text };
  }
  return files;
}

function refuseOtherRevision({ revision }: ControlState, expected: number | null): void {
  if (expected === null || expected === revision) return;
  throw new RouterError(
    "conflict",
    `The plan was made on revision ${expected}, but the policy table is at revision ${revision}. Plan again and look at what it says now.`,
    { param: "expectedRevision", reason: "plan_outdated" },
  );
}
