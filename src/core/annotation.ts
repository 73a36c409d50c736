import { z } from "zod";

/** Who judged: a person, a model or a program. */
export const Annotator = z.strictObject({
  kind: z.enum(["HUMAN", "LLM", "CODE"]),
  /** One annotator's later word replaces its earlier one. */
  id: z.string().min(1).max(128).optional(),
});
export type Annotator = z.infer<typeof Annotator>;

/**
 * What somebody thought of an answer, as it leaves for Arize or Phoenix: nothing in it needs redaction any more.
 * Flat, so that what waits can be merged with what comes later: members that are absent keep their value.
 */
export const Annotation = z.strictObject({
  predictionId: z.string(),
  /** 32 hex digits. */
  traceId: z.string(),
  /** 16 hex digits. */
  spanId: z.string(),
  /** When the answer was decided, epoch milliseconds. */
  at: z.number(),
  policy: z.string(),
  segment: z.string(),
  variant: z.string(),
  /** The feedback metric. */
  name: z.string(),
  /** In [0,1], as it was sent: not the loss. */
  score: z.number(),
  label: z.string().nullable(),
  comment: z.string().optional(),
  annotatorKind: Annotator.shape.kind,
  annotatorId: z.string().nullable(),
});
export type Annotation = z.infer<typeof Annotation>;

/** What became of an annotation: `replaced` one that still waited, `unchanged` since one that still waits, `full`: nobody had room for it, or `nowhere`: nobody wants it. */
export type AnnotationKept = "added" | "replaced" | "unchanged" | "full" | "nowhere";

/** Keeps annotations until they are delivered. */
export interface AnnotationQueue {
  /** They are kept when it resolves. One answer for each, in their order. */
  readonly add: (annotations: readonly Annotation[]) => Promise<readonly AnnotationKept[]>;
}

/** Of a feedback metric, as far as destinations want to know it. */
export interface AnnotatedMetric {
  readonly better: "higher" | "lower";
  /** The score that each label stands for. */
  readonly labels?: Readonly<Record<string, number>> | undefined;
}
