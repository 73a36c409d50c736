import type { AmountOutcome, Outcome } from "../core/outcome.ts";

/** Takes outcomes without waiting. */
export interface Outcomes {
  /** @returns false when this prediction already has an outcome of this metric, which is then kept */
  readonly observe: (outcome: Outcome | AmountOutcome) => boolean;
}
