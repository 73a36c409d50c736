import { Annotation } from "../core/annotation.ts";
import type { Delivery, OutboxSender } from "../ports.ts";

/** Takes annotations to a destination; one answer for each, in their order. */
export type Annotate = (annotations: readonly Annotation[]) => Promise<ReadonlyMap<Annotation, Delivery>>;

/** What waits in the outbox, as annotations. What is none, as another version may have written it, is never sent. */
export const annotationSender = (annotate: Annotate): OutboxSender => ({
  send: async (entries) => {
    const read = entries.map(({ body }) => Annotation.safeParse(body));
    const deliveries = await annotate(read.flatMap(({ data }) => data ?? []));
    return read.map(({ data }) => {
      if (data === undefined) return { kind: "never", problem: "it is no annotation that this version of Segue knows" };
      return deliveries.get(data) ?? { kind: "later", problem: "the annotator said nothing of it", afterMs: 60_000 };
    });
  },
});
