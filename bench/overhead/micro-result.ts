import type { SegmentCount } from "./policy.ts";

/** What a decision among so many segments costs. */
export interface DecisionCost {
  readonly segments: SegmentCount;
  /** Microseconds. */
  readonly us: number;
  /** Heap that a decision allocates; null where it could not be told. */
  readonly bytes: number | null;
  /** Milliseconds that compiling the table takes, the first time and for one that changed by a single event. */
  readonly compileMs: number;
}

export interface MicroResult {
  readonly decisions: readonly DecisionCost[];
  /** Microseconds of recording one exposure, its share of the write to disk included. */
  readonly exposureUs: number;
  /** CPU microseconds of a span without content, sent. */
  readonly spanUs: number;
}

export interface MicroOptions {
  readonly checkout: string;
  /** For what is written. */
  readonly folder: string;
  readonly budgetMs: number;
}
