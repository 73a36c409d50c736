import type { Event } from "./event.ts";
import type { HubId, HubPrompt } from "./hub-prompt.ts";
import { variantKey, type ControlState, type Published } from "./state.ts";

/** A label that is on another text than the one that it was published with: something for people to decide on. */
export interface PromptProposal {
  readonly policy: string;
  readonly variant: string;
  readonly hub: HubId;
  readonly prompt: string;
  readonly label: string;
  /** The version that the label is on. */
  readonly version: string;
  /** Of that version's text. */
  readonly digest: string;
  /** Epoch milliseconds at which it was noticed. */
  readonly at: number;
}

/** A variant that is served the text which a label was on when it was published. */
export interface FollowedLabel {
  readonly policy: string;
  readonly variant: string;
  readonly place: HubPrompt & { readonly label: string };
  readonly promptId: string | null;
  /** Of the text that is served. */
  readonly digest: string;
}

/** The labels that published variants were pinned by. */
export const followedLabels = ({ policies }: Pick<ControlState, "policies">): FollowedLabel[] =>
  Object.values(policies).flatMap(({ policy, prompts }) =>
    Object.entries(policy.variants).flatMap(([variant, { prompt: ref, promptSource: source }]): FollowedLabel[] => {
      const digest = ref === undefined ? undefined : prompts[ref]?.digest;
      if (source?.label === undefined || digest === undefined) return [];
      const { hub, prompt, label, promptId = null } = source;
      return [{ policy: policy.policy, variant, place: { hub, prompt, label }, promptId, digest }];
    }),
  );

/** What a label was on when its hub was asked. */
export interface LabelReading {
  readonly version: string;
  readonly digest: string;
}

/**
 * The events that say what readings of labels mean for what is published now; none where that is known.
 * @param readingOf what the hub said of a label; undefined where it was not asked, or gave no answer
 */
export const proposalEvents = (
  state: Pick<ControlState, "policies" | "promptProposals">,
  readingOf: (place: FollowedLabel["place"]) => LabelReading | undefined,
): Event[] =>
  followedLabels(state).flatMap(({ policy, variant, place, digest }): Event[] => {
    const reading = readingOf(place);
    const published = state.policies[policy];
    if (reading === undefined || published === undefined) return [];
    const open = state.promptProposals[variantKey(policy, variant)];
    if (reading.digest === digest || isPinned(reading.digest, published)) {
      const because = `the label '${place.label}' is on a text that is published`;
      return open === undefined ? [] : [{ type: "prompt.withdrawn", policy, variant, because }];
    }
    if (open?.version === reading.version && open.digest === reading.digest) return [];
    const { hub, prompt, label } = place;
    return [{ type: "prompt.proposed", policy, variant, hub, prompt, label, ...reading }];
  });

type Proposals = ControlState["promptProposals"];

/** The open proposals after an event about one. */
export function afterProposal(
  proposals: Proposals,
  event: Extract<Event, { type: "prompt.proposed" | "prompt.withdrawn" }>,
  at: number,
): Record<string, PromptProposal> {
  const { [variantKey(event.policy, event.variant)]: _former, ...others } = proposals;
  if (event.type === "prompt.withdrawn") return others;
  const { type: _type, ...proposed } = event;
  return { ...others, [variantKey(event.policy, event.variant)]: { ...proposed, at } };
}

/** The proposals that are open after a publication. */
export const openProposals = (
  proposals: Proposals,
  published: Pick<Published, "policy" | "prompts">,
): Record<string, PromptProposal> =>
  Object.fromEntries(
    Object.entries(proposals).filter(
      ([, proposal]) => proposal.policy !== published.policy.policy || !isSettled(proposal, published),
    ),
  );

/** Whether a proposal has nothing left to decide: its text is pinned, or its variant no longer follows the label. */
function isSettled(
  { variant, hub, prompt, label, digest }: PromptProposal,
  published: Pick<Published, "policy" | "prompts">,
): boolean {
  const source = published.policy.variants[variant]?.promptSource;
  const follows = source?.hub === hub && source.prompt === prompt && source.label === label;
  return !follows || isPinned(digest, published);
}

const isPinned = (digest: string, { prompts }: Pick<Published, "prompts">): boolean =>
  Object.values(prompts).some((prompt) => prompt.digest === digest);
