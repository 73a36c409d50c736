/** No data is `inconclusive`, never `healthy`. */
export type Verdict = "healthy" | "degraded" | "inconclusive";
