import type { Attributes } from "./attributes.ts";

/** Which answer an outcome is about. */
interface About {
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly metric: string;
  /** When the answer was decided, epoch milliseconds: evidence about a canary is what was served in it. */
  readonly at: number;
  readonly predictionId: string;
  /** The conversation that the answer was part of: its labels are no independent evidence, and count as one. */
  readonly session?: string | undefined;
  /** Whom the answer was for, where that is still known: without them it counts, and only cannot be sliced. */
  readonly attributes?: Attributes | undefined;
}

/** Something known about an exposure later, as a bounded loss. */
export interface Outcome extends About {
  /** In [0,1]; 0 is perfect. */
  readonly loss: number;
}

/** The same of a relative metric, as an amount: what loss it stands for, the segment's own healthy amounts say (`Reference`). */
export interface AmountOutcome extends About {
  /** Milliseconds or US dollars; finite, 0 or more. */
  readonly amount: number;
  /** Nobody knows how much it came to in the end: only that it was this or more. */
  readonly isAtLeast?: boolean;
}
