import { difference } from "./difference.ts";
import { digestOf } from "./digest.ts";
import { fold } from "./fold.ts";
import type { Policy, Segment } from "./policy.ts";
import { movedLabels } from "./prompt-label.ts";
import { promptsOf, type PolicySource, type PromptFiles } from "./policy-source.ts";
import { isPublished, publicationEvents, publishedOf, supersededBy, type Publication } from "./publication.ts";
import { segmentKey, segmentsOf, type ControlState } from "./state.ts";

export interface SegmentChange {
  readonly segment: string;
  /** `move` is a new place among the others; one that also changed is a `change`. */
  readonly kind: "add" | "remove" | "change" | "move";
  /** Readable lines: what changed. */
  readonly what: readonly string[];
  /** The variant that serves it; null while there is no such segment. */
  readonly incumbentBefore: string | null;
  readonly incumbentAfter: string | null;
  /** The open switchover that publishing ends. */
  readonly supersedes: string | null;
}

/** What publishing one policy does; the lists hold readable lines. */
export interface PolicyChange {
  readonly policy: string;
  readonly kind: "create" | "update" | "none";
  readonly segments: readonly SegmentChange[];
  readonly description: readonly string[];
  readonly attributes: readonly string[];
  readonly variants: readonly string[];
  readonly prompts: readonly string[];
  readonly metrics: readonly string[];
  readonly guard: readonly string[];
  readonly canary: readonly string[];
}

export interface Plan {
  /** The policy table's revision that it was made on; publishing refuses another. */
  readonly basedOn: number;
  readonly changes: readonly PolicyChange[];
  /** Published policies that no source holds: they stay as they are. */
  readonly untouched: readonly string[];
  /** Names exactly this change of exactly this revision. */
  readonly digest: string;
}

/**
 * What publishing the sources would change, above all in what is served.
 * Sources without a document are passed over: lint first, and do not plan with errors.
 * @throws RouterError `invalid_request` when a variant names a prompt that is not there
 */
export function planPolicies(sources: readonly PolicySource[], prompts: PromptFiles, state: ControlState): Plan {
  const publications = sources.flatMap(({ document }): Publication[] =>
    document === null ? [] : [{ policy: document, prompts: promptsOf(document, prompts) }],
  );
  const after = stateAfter(state, publications);
  const planned = new Set(publications.map(({ policy }) => policy.policy));
  return {
    basedOn: state.revision,
    changes: publications.map((publication) => changeOf(publication, state, after)),
    untouched: Object.keys(state.policies).filter((policy) => !planned.has(policy)),
    digest: digestOf({ basedOn: state.revision, publications }),
  };
}

export const hasChanges = (plan: Plan): boolean => plan.changes.some(({ kind }) => kind !== "none");

/** The state as the ledger's own fold would have it, so that the plan cannot promise anything else. */
export function stateAfter(state: ControlState, publications: readonly Publication[]): ControlState {
  const entries = publicationEvents(state, publications, 0).map((event, i) => ({
    seq: state.head.seq + 1 + i,
    at: 0,
    actor: { kind: "operator" as const, id: "plan" },
    event,
    prev: "",
    hash: "",
  }));
  return fold(state, entries);
}

function changeOf(publication: Publication, state: ControlState, after: ControlState): PolicyChange {
  const { policy } = publication;
  const now = publishedOf(state, policy.policy);
  const was: Partial<Policy> = now?.policy ?? {};
  return {
    policy: policy.policy,
    kind: now === null ? "create" : isPublished(state, publication) ? "none" : "update",
    segments: segmentChanges(publication, state, after),
    description: difference({ description: was.description }, { description: policy.description }),
    attributes: namedDifference(was.attributes, policy.attributes),
    variants: namedDifference(was.variants, policy.variants),
    prompts: [
      ...namedDifference(digests(now?.prompts), digests(publication.prompts)),
      ...movedLabels(was.variants, policy.variants),
    ],
    metrics: namedDifference(was.metrics, policy.metrics),
    guard: now === null ? [] : difference(was.guard, policy.guard),
    canary: now === null ? [] : difference(was.canary, policy.canary),
  };
}

const digests = (prompts: Publication["prompts"] = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(prompts).map(([ref, { digest }]) => [ref, digest.slice(0, 12)]));

/** Whole entries as `name: added` and `name: removed`; what changed inside one, by its path. */
function namedDifference(
  before: Readonly<Record<string, unknown>> = {},
  after: Readonly<Record<string, unknown>>,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    if (!Object.hasOwn(before, name)) return [`${name}: added`];
    if (!Object.hasOwn(after, name)) return [`${name}: removed`];
    return difference(before[name], after[name], name);
  });
}

function segmentChanges(publication: Publication, state: ControlState, after: ControlState): SegmentChange[] {
  const { policy } = publication;
  const old = publishedOf(state, policy.policy)?.policy;
  const before = new Map(old === undefined ? [] : segmentsOf(old).map((segment) => [segment.id, segment]));
  const following = new Map(segmentsOf(policy).map((segment) => [segment.id, segment]));
  const superseded = new Map(supersededBy(state, publication).map((one) => [one.switchover.change.segment, one]));
  const moved = movedIds([...before.keys()], [...following.keys()]);
  return [...new Set([...following.keys(), ...before.keys()])].flatMap((id): SegmentChange[] => {
    const [was, becomes] = [before.get(id), following.get(id)];
    const ends = superseded.get(id);
    const what = was === undefined || becomes === undefined ? [] : difference(readable(was), readable(becomes));
    // A switchover can also end because of something outside of its segment, such as the metric that it was to improve.
    if (ends !== undefined && what.length === 0 && becomes !== undefined) what.push(ends.because);
    const kind = kindOf(was, becomes, { isChanged: what.length > 0, isMoved: moved.has(id) });
    if (kind === null) return [];
    const key = segmentKey(policy.policy, id);
    return [
      {
        segment: id,
        kind,
        what: moved.has(id) ? [...what, `place: ${place(before, id)} → ${place(following, id)}`] : what,
        incumbentBefore: state.segments[key]?.incumbent ?? null,
        incumbentAfter: after.segments[key]?.incumbent ?? null,
        supersedes: ends?.switchover.id ?? null,
      },
    ];
  });
}

function kindOf(
  was: Segment | undefined,
  becomes: Segment | undefined,
  { isChanged, isMoved }: { isChanged: boolean; isMoved: boolean },
): SegmentChange["kind"] | null {
  if (was === undefined) return "add";
  if (becomes === undefined) return "remove";
  if (isChanged) return "change";
  return isMoved ? "move" : null;
}

/** The ids of both lists that stand in another order relative to each other; what was added or removed moves nothing. */
function movedIds(before: readonly string[], after: readonly string[]): Set<string> {
  const common = before.filter((id) => after.includes(id));
  const order = after.filter((id) => before.includes(id));
  return new Set(order.filter((id, i) => common[i] !== id));
}

const place = (segments: ReadonlyMap<string, unknown>, id: string): number => [...segments.keys()].indexOf(id) + 1;

/** A segment with its ladder and objectives by name, so that a difference names them. */
const readable = ({ ladder, objectives, ...rest }: Segment) => ({
  ...rest,
  ladder: ladder.map(({ variant }) => variant).join(" > "),
  validated: Object.fromEntries(ladder.map(({ variant, validated }) => [variant, validated])),
  objectives: Object.fromEntries(
    objectives.map(({ metric, against, ...limit }) => [`${metric} against ${against}`, limit]),
  ),
});
