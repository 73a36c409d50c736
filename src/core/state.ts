import type { ApiKey } from "./api-key.ts";
import type { Event, FreezeScope } from "./event.ts";
import type { PromptProposal } from "./prompt-proposal.ts";
import type { IncidentEvidence, IncidentScope } from "./incident.ts";
import { EMPTY, type Head } from "./ledger.ts";
import { DEFAULT_SEGMENT, type Policy, type Prompt, type Segment } from "./policy.ts";
import type { Signal } from "./signal.ts";
import type { Switchover } from "./switchover.ts";

/** The variant that a segment left because it degraded, and what was known of it then. */
export interface Former {
  readonly variant: string;
  readonly metric: string;
  readonly lossDegraded: number | null;
  readonly lossTolerated: number | null;
  /** The incident that it was left in, if many were left together. */
  readonly incident: string | null;
}

export interface SegmentState {
  /** The variant that serves all traffic outside a canary. */
  readonly incumbent: string;
  /** Epoch milliseconds since when it is the incumbent; older evidence is about something else. */
  readonly since: number;
  /** The switchover that made it the incumbent; null when a publication did, or a roll-back. */
  readonly movedBy: string | null;
  /** The open switchover's id. */
  readonly open: string | null;
  readonly endedAt: number | null;
  /** When its last canaries for a degraded variant began, newest last, without those that were confirmed: what worked out is not held against the loop. */
  readonly moves: readonly number[];
  /** When what it is served last changed, newest last. */
  readonly changes: readonly number[];
  /** Variants that were rolled back here, and when. */
  readonly quarantine: Readonly<Record<string, number>>;
  readonly former: Former | null;
  /** Probes of the former variant that failed in a row. */
  readonly revertFails: number;
}

export interface Published {
  readonly policy: Policy;
  readonly prompts: Readonly<Record<string, Prompt>>;
  /** The ledger entry that published it. */
  readonly seq: number;
  readonly at: number;
}

export interface Escalation {
  readonly variant: string;
  readonly metric: string;
  readonly reason: Extract<Event, { type: "escalation.raised" }>["reason"];
  readonly detail: string;
  readonly at: number;
}

/** Many segments that fail together, until it is over. */
export interface Incident {
  readonly policy: string;
  readonly metric: string;
  readonly scope: IncidentScope;
  readonly evidence: IncidentEvidence;
  readonly at: number;
  /** When the first of its segments came back; the others follow. */
  readonly recoveredAt: number | null;
}

export interface Freeze {
  readonly scope: FreezeScope;
  readonly reason: string;
  readonly by: string;
  readonly at: number;
  /** Epoch milliseconds, or null until it is lifted. */
  readonly until: number | null;
}

export interface FlagEffect {
  readonly flag: string;
  readonly value: string;
  /** The variant that is forced; null for a flag that changes how the loop acts, not what is served. */
  readonly variant: string | null;
  readonly since: number;
}

export interface Baseline {
  readonly lossMean: number;
  readonly labels: number;
}

/** Everything the control plane knows: a fold of the ledger, plain JSON, so that a snapshot is its text. */
export interface ControlState {
  readonly head: Head;
  /** The last entry that changed what is served; answers carry it as `x-segue-revision`. */
  readonly revision: number;
  readonly policies: Readonly<Record<string, Published>>;
  /** The digest of every prompt version ever published. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The digest of every variant ever published, by `policy/variant`: a name never comes back with other content. */
  readonly variants: Readonly<Record<string, string>>;
  /** Every `policy/segment/variant` there ever was; a row's number is its place here and never changes. */
  readonly rows: readonly string[];
  /** By `policy/segment`. */
  readonly segments: Readonly<Record<string, SegmentState>>;
  readonly switchovers: Readonly<Record<string, Switchover>>;
  /** The latest signal by `signalKey`. */
  readonly signals: Readonly<Record<string, Signal>>;
  /** Who recorded each of them, as `actorName` says it. */
  readonly signalActors: Readonly<Record<string, string>>;
  /** `source:id` of recent signals: a delivery is recorded once. */
  readonly signalIds: Readonly<Record<string, number>>;
  readonly escalations: Readonly<Record<string, Escalation>>;
  /** Those that are not over, by id. */
  readonly incidents: Readonly<Record<string, Incident>>;
  /** The entry since which a metric is measured as it is now, by `policy/metric`: set when a person says that the measure changed. */
  readonly measuredSince: Readonly<Record<string, number>>;
  readonly freezes: Readonly<Record<string, Freeze>>;
  /** By `flagEffectKey`. */
  readonly flagEffects: Readonly<Record<string, FlagEffect>>;
  /** By `policy/segment/variant/metric`. */
  readonly baselines: Readonly<Record<string, Baseline>>;
  /** Labels of prompt hubs that moved to other texts than those that are published, by `variantKey`. */
  readonly promptProposals: Readonly<Record<string, PromptProposal>>;
  readonly keys: Readonly<Record<string, ApiKey>>;
}

export const emptyState: ControlState = {
  head: EMPTY,
  revision: 0,
  policies: {},
  prompts: {},
  variants: {},
  rows: [],
  segments: {},
  switchovers: {},
  signals: {},
  signalActors: {},
  signalIds: {},
  escalations: {},
  incidents: {},
  measuredSince: {},
  freezes: {},
  flagEffects: {},
  baselines: {},
  promptProposals: {},
  keys: {},
};

export const segmentKey = (policy: string, segment: string): string => `${policy}/${segment}`;
export const variantKey = (policy: string, variant: string): string => `${policy}/${variant}`;
export const rowKey = (policy: string, segment: string, variant: string): string => `${policy}/${segment}/${variant}`;
/** The flag that forces what is served; the others change what the loop may do. */
export const FALLBACK_FLAG = "segue-fallback";
/** A forced variant is found under its segment, the effects of other flags beside it. */
export const flagEffectKey = (policy: string, segment: string, flag: string): string =>
  flag === FALLBACK_FLAG ? segmentKey(policy, segment) : `${segmentKey(policy, segment)}#${flag}`;
export const freezeKey = (scope: FreezeScope): string => `${scope.policy ?? "*"}/${scope.segment ?? "*"}`;

/** The variants that a segment may be served: its rungs and its fallback. */
export const servableVariants = ({ ladder, fallback }: Segment): ReadonlySet<string> =>
  new Set([...ladder.map(({ variant }) => variant), ...(fallback === undefined ? [] : [fallback])]);

/** The policy's segments and, last, the implicit one of requests that none of them matched. */
export const segmentsOf = (policy: Policy): readonly Segment[] => [
  ...policy.segments,
  {
    id: DEFAULT_SEGMENT,
    when: "true",
    trust: "client",
    risk: "low",
    owner: "nobody",
    mode: "observe",
    objectives: [],
    ladder: [{ variant: policy.default }],
    why: "Requests that no segment matched.",
  },
];
