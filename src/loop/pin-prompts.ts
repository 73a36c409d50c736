import { canonicalJson } from "../core/digest.ts";
import { RouterError } from "../core/errors.ts";
import { error, warning, type Finding } from "../core/fault.ts";
import {
  hubOf,
  hubPromptName,
  pinnedRef,
  type PromptHubs,
  type PromptSource,
  type ResolvedPrompt,
} from "../core/hub-prompt.ts";
import type { Policy, Prompt, Variant } from "../core/policy.ts";
import {
  isUnpinned,
  promptOf,
  type PolicySource,
  type PromptFile,
  type UnpinnedVariant,
} from "../core/policy-source.ts";
import { publishedOf } from "../core/publication.ts";
import type { ControlState } from "../core/state.ts";
import { settingsFinding } from "./prompt-settings.ts";

/** Policies as read, with the texts of their prompts. */
export interface PromptedPolicies {
  readonly sources: readonly PolicySource[];
  readonly prompts: Readonly<Record<string, PromptFile>>;
}

export interface PinPromptsDeps {
  /** Null asks none: what is published already is kept, and nothing else can be pinned. */
  readonly hubs: PromptHubs | null;
  /** What is published; null where that is not looked at. */
  readonly state: ControlState | null;
}

/** True when a variant names a prompt of a hub, so that `pinPrompts` has something to do. */
export const hasHubPrompts = ({ sources }: PromptedPolicies): boolean =>
  sources.some(({ document }) => document !== null && Object.values(document.variants).some(isUnpinned));

/**
 * Reads the prompts that variants name in hubs, each once, and pins them, so that nothing is asked when they are served.
 * A variant that is published keeps the version that it was published with, wherever its label is by now: its content
 * never changes. What another policy says is a hub's text is never taken for it: others may publish that one. Never rejects because of a hub: what is wrong becomes a finding of the variant.
 */
export async function pinPrompts(deps: PinPromptsDeps, policies: PromptedPolicies): Promise<PromptedPolicies> {
  const read = reader(deps.hubs);
  const prompts: Record<string, PromptFile> = { ...policies.prompts };
  const sources: PolicySource[] = [];
  for (const source of policies.sources) {
    const { document } = source;
    if (document === null) {
      sources.push(source);
      continue;
    }
    const variants: Record<string, Variant> = {};
    const promptFindings: Record<string, readonly Finding[]> = {};
    for (const [name, variant] of Object.entries(document.variants)) {
      variants[name] = variant;
      if (!isUnpinned(variant)) continue;
      const pin = await pinOf({ ...deps, read }, { policy: document, name, variant });
      promptFindings[name] = pin.findings;
      if (pin.pinned === null) continue;
      const { ref, file, text, source: promptSource } = pin.pinned;
      if (Object.hasOwn(policies.prompts, ref))
        promptFindings[name] = [...pin.findings, nameTaken(policies.prompts, ref)];
      else if (prompts[ref] !== undefined && prompts[ref].text !== text) {
        promptFindings[name] = [...pin.findings, otherText(ref, "is pinned with another text by a variant before")];
        continue;
      }
      prompts[ref] ??= { file, text };
      variants[name] = { ...variant, prompt: ref, promptSource };
    }
    sources.push({ ...source, document: { ...document, variants }, promptFindings });
  }
  return { sources, prompts };
}

const nameTaken = (files: PromptedPolicies["prompts"], ref: string): Finding =>
  error(
    "prompt-name",
    `the file '${files[ref]?.file}' has the name '${ref}', which belongs to a prompt of a hub`,
    "Rename the file's folder to one that does not begin with 'hub-'.",
  );

const otherText = (ref: string, problem: string): Finding =>
  error(
    "prompt-changed",
    `the prompt '${ref}' ${problem}, and a hub's version has one text only`,
    "Find out in the ledger who published the other text, and whether the hub is to be trusted. To go on, make a new version in the hub.",
  );

interface Pinned extends PromptFile {
  readonly ref: string;
  readonly source: PromptSource;
}

interface Pin {
  /** Null when there is no text to publish; `findings` then say why. */
  readonly pinned: Pinned | null;
  readonly findings: readonly Finding[];
}

type Read = (place: PromptSource) => Promise<ResolvedPrompt | RouterError>;

/** Asks for each prompt once, whoever needs it. */
function reader(hubs: PromptHubs | null): Read {
  const known = new Map<string, Promise<ResolvedPrompt | RouterError>>();
  const ask = async (place: PromptSource): Promise<ResolvedPrompt | RouterError> => {
    try {
      return await hubOf(hubs ?? {}, place.hub).resolve(place);
    } catch (thrown) {
      if (thrown instanceof RouterError) return thrown;
      throw thrown;
    }
  };
  return (place) => {
    const key = canonicalJson(place);
    const asked = known.get(key) ?? ask(place);
    known.set(key, asked);
    return asked;
  };
}

interface PinSubject {
  readonly policy: Policy;
  readonly name: string;
  readonly variant: UnpinnedVariant;
}

async function pinOf({ hubs, state, read }: PinPromptsDeps & { read: Read }, subject: PinSubject): Promise<Pin> {
  const { variant, name } = subject;
  const { promptSource: place } = variant;
  const kept = state === null ? null : publishedPin(state, subject);
  // A version never changes, so what is published of it needs no hub.
  if (kept !== null && place.label === undefined) return { pinned: kept, findings: [] };
  if (hubs === null) return { pinned: kept, findings: [unasked(name, place, { state, kept })] };
  const resolved = await read(place);
  if (resolved instanceof RouterError) {
    // What the hub says of the label now is no reason to change what is published, nor to hold up other changes.
    const pinned = hasAnswered(resolved) ? kept : null;
    return { pinned, findings: [unread(name, place, { cause: resolved, kept, pinned })] };
  }
  if (kept !== null && kept.source.version !== resolved.version) {
    const moved =
      promptOf(resolved.text).digest === promptOf(kept.text).digest ? [] : [movedOn(subject, kept, resolved)];
    return { pinned: kept, findings: moved };
  }
  const pinned = kept ?? newPin(place, resolved);
  const squatter = kept === null && state !== null ? otherPublisher(state, pinned) : null;
  if (squatter !== null)
    return { pinned: null, findings: [otherText(pinned.ref, `was published with another text by ${squatter}`)] };
  const settings = settingsFinding(subject, resolved);
  return { pinned, findings: settings === null ? [] : [settings] };
}

/** Whether the hub was there, and what it said is what is wrong. */
const hasAnswered = ({ code, reason }: RouterError): boolean =>
  code !== "upstream_unavailable" && reason !== "hub_not_configured";

const newPin = (place: PromptSource, resolved: ResolvedPrompt): Pinned => ({
  ref: pinnedRef(place.hub, resolved),
  file: `${place.hub} prompt ${resolved.name} version ${resolved.version}`,
  text: resolved.text,
  source: { ...place, version: resolved.version, promptId: resolved.promptId },
});

/** Who published another text under the name, for people; null where nobody did. */
function otherPublisher({ prompts, policies }: ControlState, { ref, text }: Pinned): string | null {
  const digest = prompts[ref];
  if (digest === undefined || digest === promptOf(text).digest) return null;
  const found = Object.values(policies).find((published) => published.prompts[ref]?.digest === digest);
  return found === undefined ? "an earlier publication" : `policy '${found.policy.policy}'`;
}

/** What is published of the variant itself; of a version, what any variant of its policy has. */
function publishedPin(
  state: ControlState,
  { policy, name, variant: { promptSource: place } }: PinSubject,
): Pinned | null {
  const own = publishedOf(state, policy.policy);
  if (own === null) return null;
  const { variants } = own.policy;
  for (const variant of [variants[name], ...(place.label === undefined ? Object.values(variants) : [])]) {
    const pin = pinnedAs(variant, own.prompts, place);
    if (pin !== null) return pin;
  }
  return null;
}

function pinnedAs(
  variant: Variant | undefined,
  prompts: Readonly<Record<string, Prompt>>,
  place: PromptSource,
): Pinned | null {
  const { prompt: ref, promptSource: source } = variant ?? {};
  const text = ref === undefined ? undefined : prompts[ref]?.text;
  if (ref === undefined || source === undefined || text === undefined) return null;
  if (source.hub !== place.hub || source.prompt !== place.prompt) return null;
  const file = `prompt ${ref}`;
  if (place.label !== undefined) return source.label === place.label ? { ref, file, text, source } : null;
  if (source.version !== place.version) return null;
  // What was published by its label may be named by its version now: the text is the same.
  return { ref, file, text, source: { ...place, promptId: source.promptId } };
}

function unasked(
  variant: string,
  place: PromptSource,
  { state, kept }: Pick<PinPromptsDeps, "state"> & { readonly kept: Pinned | null },
): Finding {
  if (kept !== null)
    return warning(
      "prompt-hub",
      `variant '${variant}' keeps version '${kept.source.version}' as published: ${place.hub} was not asked where label '${place.label}' is`,
      "Run it without --offline to see whether the label moved.",
    );
  const message = `variant '${variant}' uses ${hubPromptName(place)}, and ${place.hub} was not asked`;
  return state === null
    ? warning("prompt-hub", message, "Run it without --offline to check the prompt.")
    : error(
        "prompt-hub",
        `${message}; nothing of it is published in this policy`,
        "Run it without --offline, so that it is read.",
      );
}

function unread(
  variant: string,
  place: PromptSource,
  {
    cause,
    kept,
    pinned,
  }: { readonly cause: RouterError; readonly kept: Pinned | null; readonly pinned: Pinned | null },
): Finding {
  if (pinned !== null)
    return warning(
      "prompt-moved",
      `${hubPromptName(place)} can no longer be taken: ${cause.message} The published variant '${variant}' stays what it is`,
      `To settle it, name version '${pinned.source.version}' in it.`,
    );
  const keep = kept === null ? "" : ` Or keep version '${kept.source.version}', as published, with --offline.`;
  return error(
    "prompt-hub",
    `variant '${variant}' uses ${hubPromptName(place)}, which could not be taken: ${cause.message}`,
    `Then run it again.${keep}`,
  );
}

const movedOn = ({ name, variant: { promptSource: place } }: PinSubject, kept: Pinned, now: ResolvedPrompt): Finding =>
  warning(
    "prompt-moved",
    `${hubPromptName(place)} moved from version '${kept.source.version}' to '${now.version}'; the published variant '${name}' stays what it is`,
    `To try the new text, add a variant with version '${now.version}' and put it on the ladders. To settle this one, name version '${kept.source.version}' in it.`,
  );
