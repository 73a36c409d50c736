import type { Annotation } from "../../src/core/annotation.ts";

export const SERVED = Date.parse("2026-09-01T10:00:00Z");

/** Feedback of an answer by its number, each a second after the one before. */
export const numberedFeedback = (number: number, rest: Partial<Annotation> = {}): Annotation => ({
  predictionId: `prediction-${number}`,
  traceId: `a${number.toString(16).padStart(31, "0")}`,
  spanId: `b${number.toString(16).padStart(15, "0")}`,
  at: SERVED + number * 1000,
  policy: "support-chat",
  segment: "eu",
  variant: "warm",
  name: "thumbs",
  score: 1,
  label: null,
  annotatorKind: "HUMAN",
  annotatorId: null,
  ...rest,
});
