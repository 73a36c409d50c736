import type { Score, SpanScores } from "./columns.ts";

interface KeptScore extends Score {
  readonly spanId: string;
  /** Epoch milliseconds. */
  readonly updatedAt: number;
}

export type ScoreBook = ReturnType<typeof scoreBook>;

/** Scores of spans, one per span and name; writing again changes only what is given. */
export function scoreBook(now: () => number) {
  const kept = {
    annotations: new Map<string, Map<string, KeptScore>>(),
    evaluations: new Map<string, Map<string, KeptScore>>(),
  };
  const scoresOf = (spanId: string): SpanScores => ({
    annotations: kept.annotations.get(spanId) ?? new Map<string, Score>(),
    evaluations: kept.evaluations.get(spanId) ?? new Map<string, Score>(),
  });
  const upsert = (kind: keyof typeof kept, spanId: string, score: Score): void => {
    const ofSpan = kept[kind].get(spanId) ?? new Map<string, KeptScore>();
    kept[kind].set(spanId, ofSpan);
    const given = Object.fromEntries(Object.entries(score).filter(([, value]) => value !== undefined));
    ofSpan.set(score.name, { ...ofSpan.get(score.name), ...given, name: score.name, spanId, updatedAt: now() });
  };
  return {
    scoresOf,
    upsert,
    list: (kind: keyof typeof kept): readonly KeptScore[] =>
      [...kept[kind].values()].flatMap((ofSpan) => [...ofSpan.values()]),
    ofSpan: (kind: keyof typeof kept, spanId: string): readonly KeptScore[] => [
      ...(kept[kind].get(spanId)?.values() ?? []),
    ],
  };
}
