import { newWeights, type Weights } from "./detector.ts";
import { HOUR_NUMBERS } from "./hour.ts";
import type { Segment } from "./policy.ts";
import { POOL_NUMBERS, type Pool } from "./pool.ts";
import type { Reference } from "./reference.ts";
import { createSlab, type Numbers, type Slab } from "./slab.ts";
import { segmentKey, type ControlState, type Published, type SegmentState } from "./state.ts";
import { newStream, STREAM_NUMBERS, WATCH_NUMBERS, type Stream, type Watch } from "./stream.ts";
import type { Switchover } from "./switchover.ts";
import type { Together, TrialState } from "./trial.ts";

/** An open canary and what came of it; kept, so that a restart loses none of its labels. */
export interface Canary extends Pick<Switchover, "id" | "change"> {
  readonly trial: TrialState;
}

/** What is measured of one segment, with the state that it was calibrated with. */
export interface SegmentBoard {
  readonly policy: PolicyBoard;
  readonly id: string;
  /** `policy/segment`. */
  readonly key: string;
  readonly streams: Stream[];
  /** What amounts are usual here, of the metrics that are reported as amounts. */
  readonly references: Reference[];
  /** Its exposures of about the last hour; null while there were none. */
  exposures: Numbers | null;
  canary: Canary | null;
  /** As published; null for a segment that is not. */
  segment: Segment | null;
  current: SegmentState | null;
  open: Switchover | null;
}

/** A sum of losses. */
export interface Sum {
  readonly labels: number;
  readonly lossSum: number;
}

/** What the incumbents of a policy were served in about the last hour on one metric. */
export interface Served {
  readonly whole: Sum;
  readonly own: ReadonlyMap<SegmentBoard, Sum>;
}

export interface PolicyBoard {
  readonly id: string;
  readonly segments: Map<string, SegmentBoard>;
  published: Published | null;
  /** Since when its metrics are measured as they are now (`ControlState.measuredSince`). */
  measuredSince: ControlState["measuredSince"];
  /** The published segments in policy order, the implicit one last. */
  order: readonly SegmentBoard[];
  exposures: Numbers | null;
  /** By metric, for those with an objective against the rest; null until they are summed after a publication. */
  served: ReadonlyMap<string, Served> | null;
  /** By `metric/pool`. */
  readonly pools: Map<string, Pool>;
  /** The pools of a variant's losses by `metric/variant`, found once. */
  readonly poolsOfVariant: Map<string, readonly Pool[]>;
}

/** Everything that is measured: boards by policy and segment, whose numbers lie in slabs. */
export interface Boards {
  readonly policies: Map<string, PolicyBoard>;
  readonly slabs: { readonly streams: Slab; readonly watches: Slab; readonly pools: Slab; readonly exposures: Slab };
  /** The recorded alarm that a watch answers for, by its signal's id, while the ledger says so. */
  readonly alarms: Map<Watch, string>;
  /** What the canaries of an incident show together, by `incident/cause`. Not kept over a restart: then each shows it for itself. */
  readonly together: Map<string, Together>;
  /** The segments, and `policy/*` for a policy's pools, of which something changed that the loop may act on. */
  news: Set<string>;
  /** Of the loss that was weighed last. */
  readonly weights: Weights;
}

export const createBoards = (): Boards => ({
  policies: new Map(),
  slabs: {
    streams: createSlab(STREAM_NUMBERS),
    watches: createSlab(WATCH_NUMBERS),
    pools: createSlab(POOL_NUMBERS),
    exposures: createSlab(HOUR_NUMBERS),
  },
  alarms: new Map(),
  together: new Map(),
  news: new Set(),
  weights: newWeights(),
});

/** The policy's board, made when there is none. */
export function policyBoard(boards: Boards, id: string): PolicyBoard {
  const known = boards.policies.get(id);
  if (known !== undefined) return known;
  const made: PolicyBoard = {
    id,
    segments: new Map(),
    published: null,
    measuredSince: {},
    order: [],
    exposures: null,
    served: null,
    pools: new Map(),
    poolsOfVariant: new Map(),
  };
  boards.policies.set(id, made);
  return made;
}

/** The segment's board, made when there is none. */
export function segmentBoard(boards: Boards, policyId: string, id: string): SegmentBoard {
  const policy = policyBoard(boards, policyId);
  const known = policy.segments.get(id);
  if (known !== undefined) return known;
  const made: SegmentBoard = {
    policy,
    id,
    key: segmentKey(policyId, id),
    streams: [],
    references: [],
    exposures: null,
    canary: null,
    segment: null,
    current: null,
    open: null,
  };
  policy.segments.set(id, made);
  return made;
}

/** A segment has few streams, so they are searched and not indexed. */
export function findStream({ streams }: SegmentBoard, variant: string, metric: string): Stream | undefined {
  for (const stream of streams) if (stream.variant === variant && stream.metric === metric) return stream;
  return undefined;
}

export function addStream({ slabs }: Boards, board: SegmentBoard, variant: string, metric: string): Stream {
  const stream = newStream(variant, metric, slabs.streams.take());
  board.streams.push(stream);
  return stream;
}
