/** `greaterThan` as REST v2 writes it: `GREATER_THAN`. */
export const toRest = (graphql: string): string => graphql.replaceAll(/(?<=[a-z0-9])[A-Z]/g, "_$&").toUpperCase();
/** `GREATER_THAN` as GraphQL writes it: `greaterThan`. Digits keep their underscore, as in `p99_9`. */
export const toGraphql = (rest: string): string =>
  rest.toLowerCase().replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Categories of dimensions and filters have names of their own on each side. */
const CATEGORIES = [
  ["featureLabel", "FEATURE_LABEL"],
  ["tag", "TAG"],
  ["tagLabel", "TAG"],
  ["modelVersion", "MODEL_VERSION"],
  ["batchId", "BATCH_ID"],
  ["spanProperty", "SPAN_ATTRIBUTE"],
  ["llmEval", "LLM_EVAL"],
  ["userAnnotation", "USER_ANNOTATION"],
  ["annotation", "USER_ANNOTATION"],
  ["actuals", "ACTUALS"],
  ["actualScore", "ACTUALS_SCORE"],
  ["actualLabel", "ACTUALS_CLASS"],
  ["prediction", "PREDICTIONS"],
  ["predictionValue", "PREDICTIONS"],
  ["predictionScore", "PREDICTIONS_SCORE"],
  ["predictionClass", "PREDICTIONS_CLASS"],
] as const;

export const categoryToRest = (graphql: string): string =>
  CATEGORIES.find(([name]) => name === graphql)?.[1] ?? toRest(graphql);
/** @param use some categories are called otherwise where they filter */
export function categoryToGraphql(rest: string, use: "dimension" | "filter"): string {
  const names = CATEGORIES.filter(([, name]) => name === rest).map(([name]) => name);
  return (use === "filter" ? names.at(-1) : names[0]) ?? toGraphql(rest);
}
