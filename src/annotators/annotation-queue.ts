import type { Annotation, AnnotationKept, AnnotationQueue } from "../core/annotation.ts";
import type { Clock, Outbox, OutboxBody, OutboxItem } from "../ports.ts";

/** Where annotations go. */
export interface AnnotationDestination {
  readonly topic: string;
  /** Whether it keeps annotations as they are, comments included: only then is an annotation kept that waits for it. */
  readonly isWhole: boolean;
  /** What waits for this destination, or null where it does not take such an annotation. */
  readonly toItem: (annotation: Annotation) => Pick<OutboxItem, "id" | "body"> | null;
}

/** Whether the span of an annotation was exported, as far as that can be known now. */
export type Exported = "yes" | "hardly" | "no";

/** Answers reach a destination as spans some seconds after they were served. */
const LAG_MS = 30_000;

/** Arize AX has one annotation of a name at a span, whoever made it. */
export const arizeDestination: AnnotationDestination = {
  topic: "arize",
  isWhole: true,
  toItem: (annotation) => ({ id: `${annotation.spanId}/${annotation.name}`, body: bodyOf(annotation) }),
};

/** Phoenix has one of each annotator. */
export const phoenixDestination: AnnotationDestination = {
  topic: "phoenix",
  isWhole: true,
  toItem: (annotation) => ({
    id: `${annotation.spanId}/${annotation.name}/${annotation.annotatorId ?? ""}`,
    body: bodyOf(annotation),
  }),
};

/**
 * Keeps each annotation for every destination, durably where the outbox is.
 * @param lagMs before the first attempt; what comes meanwhile about the same is sent with it
 * @param exported what is not exported goes to no destination that is whole; what hardly is, waits apart
 */
export const createAnnotationQueue = (
  { outbox, clock }: { readonly outbox: Pick<Outbox, "add">; readonly clock: Clock },
  destinations: readonly AnnotationDestination[],
  {
    lagMs = LAG_MS,
    exported = () => "yes",
  }: { readonly lagMs?: number; readonly exported?: (annotation: Annotation) => Exported } = {},
): AnnotationQueue => ({
  add: async (annotations) => {
    const now = clock.now();
    const owners: (number | null)[] = [];
    const items = annotations.flatMap((annotation, owner) => {
      const likely = exported(annotation);
      return destinations.flatMap(({ topic, isWhole, toItem }) => {
        const item = isWhole && likely === "no" ? null : toItem(annotation);
        if (item === null) return [];
        owners.push(isWhole ? owner : null);
        const doubt = isWhole && likely === "hardly" ? { isDoubtful: true } : {};
        return [{ topic, ...item, ...doubt, readyAt: now + lagMs }];
      });
    });
    const added = items.length === 0 ? [] : await outbox.add(items, now);
    const kept = annotations.map((): AnnotationKept => "nowhere");
    added.forEach((one, index) => {
      const owner = owners[index] ?? null;
      if (owner !== null) kept[owner] = stronger(kept[owner] ?? "nowhere", one);
    });
    return kept;
  },
});

const order: readonly AnnotationKept[] = ["nowhere", "full", "unchanged", "added", "replaced"];

/** Of what became of it at several destinations, what changed most: kept by one is kept. */
const stronger = (a: AnnotationKept, b: AnnotationKept): AnnotationKept =>
  order.indexOf(a) < order.indexOf(b) ? b : a;

function bodyOf({ comment, ...rest }: Annotation): OutboxBody {
  return comment === undefined ? rest : { ...rest, comment };
}
