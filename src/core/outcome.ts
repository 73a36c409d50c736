/** Something known about an exposure later, as a bounded loss. */
export interface Outcome {
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly metric: string;
  /** In [0,1]; 0 is perfect. */
  readonly loss: number;
  /** When the answer was decided, epoch milliseconds: evidence about a canary is what was served in it. */
  readonly at: number;
  readonly predictionId: string;
}
