import { z } from "zod";
import { Blame } from "../core/blame.ts";
import { FreezeScope } from "../core/event.ts";

const At = z.number();
const Count = z.number().nonnegative();
const Mean = z.number().nonnegative();
const Verdict = z.enum(["healthy", "degraded", "inconclusive"]);
/** A point a bucket of the period; null where there is nothing to show. */
const Series = z.array(z.number().nullable());

/** What answers came to. */
export const Figures = z.strictObject({
  answers: Count,
  /** Answers that could not be served, through no fault of the client; and their share, null without answers. */
  errors: Count,
  errorShare: z.number().min(0).max(1).nullable(),
  costUsd: Count,
  /** Answers whose cost is known; `costUsd` is theirs. */
  priced: Count,
  /** Milliseconds, within 2.5 %; null without answers. */
  latencyP50Ms: z.number().nullable(),
  latencyP95Ms: z.number().nullable(),
});
export type Figures = z.infer<typeof Figures>;

const Objective = z.strictObject({
  metric: z.string(),
  against: z.enum(["bound", "baseline", "rest"]),
  /** What `mean` is: a loss in [0,1], milliseconds or US dollars. */
  unit: z.enum(["loss", "ms", "usd"]),
  /** Labels of answers that were served in the period, whatever variant served. */
  labels: Count,
  mean: Mean.nullable(),
  /** Of a loss, at 95 %. */
  interval: z.strictObject({ low: Mean, high: Mean }).nullable(),
  /** The loss that the incumbent is tolerated now; null while it is not known what is healthy. */
  bound: Mean.nullable(),
  /** Of the incumbent, now. */
  verdict: Verdict,
  words: z.string(),
  lastHour: z.strictObject({ labels: Count, loss: Mean.nullable() }),
  before: z.strictObject({ labels: Count, mean: Mean.nullable() }),
  /** Against the period before; null where either has no labels, or the figures are amounts. */
  trend: z.enum(["better", "worse", "unclear"]).nullable(),
  series: Series,
});
export type ObjectiveReport = z.infer<typeof Objective>;

const Variant = z.strictObject({
  variant: z.string(),
  isIncumbent: z.boolean(),
  answers: Count,
  /** Of the segment's answers. */
  share: z.number().min(0).max(1),
  errors: Count,
  /** By metric: labels, and what they came to, a loss or an amount. */
  means: z.array(z.strictObject({ metric: z.string(), labels: Count, mean: Mean })),
});

const PhaseKind = z.enum([
  "proposed",
  "approved",
  "canary",
  "confirmed",
  "rejected",
  "expired",
  "rolledBack",
  "superseded",
]);

const Move = z.strictObject({
  id: z.string(),
  /** Null for a switchover that was proposed before the period and is not remembered any more. */
  from: z.string().nullable(),
  to: z.string().nullable(),
  cause: z.enum(["degraded", "recovered", "manual"]).nullable(),
  metric: z.string().nullable(),
  why: z.string(),
  /** What became of it within the period, in order. */
  phases: z.array(
    z.strictObject({
      kind: PhaseKind,
      at: At,
      by: z.string(),
      /** Of a canary. */
      share: z.number().nullable(),
      because: z.string().nullable(),
    }),
  ),
});
export type MoveReport = z.infer<typeof Move>;

/** Something else that happened to a segment. */
const Happening = z.strictObject({ at: At, by: z.string(), words: z.string() });
export type Happening = z.infer<typeof Happening>;

const Slice = z.strictObject({
  metric: z.string(),
  variant: z.string(),
  /** `alarm`: recorded with a signal of the period · `period`: found now, from labelled answers of the period and of before. */
  from: z.enum(["alarm", "period"]),
  at: At,
  blame: Blame,
  words: z.string(),
});
export type SliceReport = z.infer<typeof Slice>;

/** What waits for somebody, or holds the loop, now. */
const Pending = z.strictObject({
  approval: z
    .strictObject({ id: z.string(), from: z.string(), to: z.string(), digest: z.string(), expiresAt: At })
    .nullable(),
  /** A switchover under way that waits for nobody. */
  underWay: z.strictObject({ id: z.string(), from: z.string(), to: z.string(), phase: PhaseKind }).nullable(),
  escalation: z.string().nullable(),
  flag: z.string().nullable(),
  frozen: z.string().nullable(),
});
export type Pending = z.infer<typeof Pending>;

/** Why a segment stands where it does, the worst first. */
export const Concern = z.enum(["degraded", "waiting", "worse", "moved", "unknown", "fine", "idle"]);
export type Concern = z.infer<typeof Concern>;

const Segment = z.strictObject({
  policy: z.string(),
  segment: z.string(),
  concern: Concern,
  /** The whole row in a sentence. */
  words: z.string(),
  /** Null for the implicit segment of requests that none matched, and for one that is not published any more. */
  settings: z
    .strictObject({
      risk: z.string(),
      owner: z.string(),
      mode: z.string(),
      incumbent: z.string(),
      since: At,
      health: Verdict,
    })
    .nullable(),
  now: Figures,
  before: Figures,
  series: z.strictObject({ answers: Series, errors: Series, costUsd: Series }),
  /** Of the period, on all metrics together. */
  labels: Count,
  objectives: z.array(Objective),
  slice: Slice.nullable(),
  variants: z.array(Variant),
  moves: z.array(Move),
  happened: z.array(Happening),
  pending: Pending,
});
export type SegmentRow = z.infer<typeof Segment>;

const Group = z.strictObject({
  segments: Count,
  byConcern: z.record(Concern, Count),
  now: Figures,
  before: Figures,
  /** On all metrics together. */
  labels: Count,
  moves: Count,
});
export type Group = z.infer<typeof Group>;

/** The segment report as JSON. A field that changes its meaning raises the version; times are epoch milliseconds. */
export const SegmentReport = z.strictObject({
  version: z.literal(1),
  generatedAt: At,
  period: z.strictObject({ since: At, until: At, previousSince: At, bucketMs: Count, buckets: Count }),
  /** What the verdicts and everything under `pending` are as of. */
  revision: Count,
  head: z.strictObject({ seq: Count, hash: z.string() }),
  isCurrent: z.boolean(),
  /** Of all segments, those that are left out included. */
  total: Group,
  /** The worst first. */
  segments: z.array(Segment),
  /** Those beyond the asked number; null when all are shown. */
  rest: Group.nullable(),
  freezes: z.array(
    z.strictObject({ scope: FreezeScope, reason: z.string(), by: z.string(), at: At, until: At.nullable() }),
  ),
  incidents: z.array(
    z.strictObject({ id: z.string(), policy: z.string(), metric: z.string(), words: z.string(), at: At }),
  ),
  /** Since the process started; null where the reader may not see other policies'. */
  exported: z.array(z.strictObject({ what: z.string(), count: Count })).nullable(),
  /** What the report does not know, in sentences. */
  notes: z.array(z.string()),
});
export type SegmentReport = z.infer<typeof SegmentReport>;
