import { canonicalJson, digestOf } from "./digest.ts";
import type { Event } from "./event.ts";
import type { Policy, Prompt, Segment, Variant } from "./policy.ts";
import { segmentsOf, type ControlState, type Published } from "./state.ts";
import { isOpen, type Switchover } from "./switchover.ts";

/** A policy with the prompts that its variants name. */
export interface Publication {
  readonly policy: Policy;
  readonly prompts: Readonly<Record<string, Prompt>>;
}

/** What is published of a policy now. */
export const publishedOf = (state: ControlState, policy: string): Published | null =>
  Object.hasOwn(state.policies, policy) ? (state.policies[policy] ?? null) : null;

export const isPublished = (state: ControlState, { policy, prompts }: Publication): boolean => {
  const now = publishedOf(state, policy.policy);
  return now !== null && digestOf({ policy: now.policy, prompts: now.prompts }) === digestOf({ policy, prompts });
};

/** An open switchover that a publication ends. */
export interface Supersession {
  readonly switchover: Switchover;
  readonly because: string;
}

/** The open switchovers of the policy that were planned on something which the publication changes. */
export function supersededBy(state: ControlState, { policy }: Publication): Supersession[] {
  const before = publishedOf(state, policy.policy)?.policy;
  if (before === undefined) return [];
  return Object.values(state.switchovers).flatMap((switchover) => {
    if (switchover.change.policy !== policy.policy || !isOpen(switchover)) return [];
    const because = reasonToEnd(switchover, before, policy);
    return because === null ? [] : [{ switchover, because }];
  });
}

function reasonToEnd({ change }: Switchover, before: Policy, after: Policy): string | null {
  const { segment: id, metric } = change;
  const segment = segmentOf(after, id);
  if (segment === undefined) return `segment '${id}' is no longer in the policy`;
  if (changed(definition(segmentOf(before, id)), definition(segment)))
    return `the definition of segment '${id}' changed`;
  if (changed(reach(before, id), reach(after, id))) return `who reaches segment '${id}' changed`;
  if (changed(before.canary, after.canary)) return "how canaries are run changed";
  const variant = [change.from, change.to].find((name) =>
    changed(withoutSource(own(before.variants, name)), withoutSource(own(after.variants, name))),
  );
  if (variant !== undefined) return `the variant '${variant}' changed`;
  return changed(own(before.metrics, metric), own(after.metrics, metric)) ? `the metric '${metric}' changed` : null;
}

const segmentOf = (policy: Policy, id: string): Segment | undefined =>
  segmentsOf(policy).find((segment) => segment.id === id);

/** What decides who reaches a segment beside its own predicate: the attributes, and the segments that are tried before it. */
const reach = ({ attributes, segments }: Policy, id: string) => ({
  attributes: Object.entries(attributes).map(([name, spec]) => [name, { ...spec, description: undefined }]),
  before: segments
    .slice(
      0,
      Math.max(
        0,
        segments.findIndex((segment) => segment.id === id),
      ),
    )
    .map(({ when }) => when),
});

/** Without what is written for people: correcting a typing error must not end a canary. */
const definition = (segment: Segment | undefined) =>
  segment === undefined ? undefined : { ...segment, why: undefined, businessUnit: undefined };

/** The label that led to a prompt may be another one; the prompt itself is pinned. */
const withoutSource = (variant: Variant | undefined) =>
  variant === undefined ? undefined : { ...variant, promptSource: undefined };

const changed = (before: unknown, after: unknown): boolean =>
  canonicalJson(before ?? null) !== canonicalJson(after ?? null);

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/**
 * The events that publish the policies, none for a policy that is published as it is. A switchover ends before the
 * policy that it was planned on does.
 * @param now epoch milliseconds
 */
export const publicationEvents = (state: ControlState, publications: readonly Publication[], now: number): Event[] =>
  publications.flatMap((publication): Event[] => {
    if (isPublished(state, publication)) return [];
    const ended = supersededBy(state, publication).map(({ switchover, because }): Event => ({
      type: "switchover.moved",
      id: switchover.id,
      phase: { kind: "superseded", since: now, because },
    }));
    return [...ended, { type: "policy.published", policy: publication.policy, prompts: { ...publication.prompts } }];
  });
