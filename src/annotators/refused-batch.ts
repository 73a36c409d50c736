import type { Annotation } from "../core/annotation.ts";
import type { Delivery } from "../ports.ts";
import type { Answer } from "./ask.ts";
import type { BatchAnswer } from "./halving.ts";

/** How long nobody asks again whom a refusal of the settings' doing is about. */
const UNPROVEN_MS = 10 * 60_000;

/**
 * What a refusal means for a batch: 404 that a span of it is unknown, else that an annotation of it is at fault. Spans
 * that it names are taken out at once.
 * @param isProven whether this destination ever took something. Until then a refusal may be the settings' fault, such
 *   as a wrong path, and nothing is given up
 */
export function refusedBatch(
  batch: readonly Annotation[],
  { status, problem, says }: Extract<Answer, { readonly kind: "refused" }>,
  isProven: boolean,
): BatchAnswer<Annotation> {
  const later: Delivery = { kind: "later", problem, afterMs: UNPROVEN_MS };
  if (status !== 404) return { kind: "refused", alone: isProven ? { kind: "never", problem } : later };
  const alone: Delivery = isProven || /span|record/i.test(says) ? { kind: "absent", problem } : later;
  const named = namedIn(batch, says);
  if (named.length === 0) return { kind: "refused", alone };
  return { kind: "apart", deliveries: new Map(named.map((one) => [one, alone])) };
}

/** Empty where all are named: the refusal may just repeat what was asked. */
function namedIn(batch: readonly Annotation[], says: string): readonly Annotation[] {
  const ids = new Set(says.match(/[0-9a-f]{16}/g));
  const named = batch.filter(({ spanId }) => ids.has(spanId));
  return named.length < batch.length ? named : [];
}
