import { canonicalJson } from "./digest.ts";
import type { Policy, Segment } from "./policy.ts";

/**
 * The same once a person said that the measure itself changed.
 * @param measuredSince the ledger's entries at which that was said, by `policy/metric`
 */
export function measuredMeaning(
  meaning: string,
  measuredSince: Readonly<Record<string, number>>,
  policy: string,
  metric: string,
): string {
  const seq = measuredSince[`${policy}/${metric}`];
  return seq === undefined ? meaning : `${meaning}@${seq}`;
}

/** What a loss on a metric of a segment is about: who is in it, and how the loss is made. */
export const meaningOf = ({ metrics }: Policy, { when }: Pick<Segment, "when">, metric: string): string =>
  canonicalJson({ when, metric: { ...metrics[metric], description: undefined } });
