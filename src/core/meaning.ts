import { canonicalJson } from "./digest.ts";
import type { Policy, Segment } from "./policy.ts";

/** What a loss on a metric of a segment is about: who is in it, and how the loss is made. */
export const meaningOf = ({ metrics }: Policy, { when }: Pick<Segment, "when">, metric: string): string =>
  canonicalJson({ when, metric: { ...metrics[metric], description: undefined } });
