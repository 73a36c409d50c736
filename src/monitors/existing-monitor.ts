/** A monitor as Arize tells it. What it does not tell is null, and is then not compared. */
export interface ExistingMonitor {
  readonly id: string;
  readonly name: string;
  readonly notes: string | null;
  readonly aggregate: string | null;
  readonly column: string | null;
  readonly category: string | null;
  readonly operator: string | null;
  readonly threshold: { readonly value: number } | { readonly stdDevMultiplier: number | null } | "range" | null;
  readonly filters:
    | readonly {
        readonly column: string | null;
        readonly operator: string | null;
        readonly values: readonly string[];
      }[]
    | null;
  readonly windowSeconds: number | null;
  readonly cadenceSeconds: number | null;
  readonly isScheduled: boolean | null;
}
