import { graphql, type GraphQLSchema } from "graphql";
import { z } from "zod";
import { json, type Reply } from "./reply.ts";

const Question = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().nullish(),
});
export type Question = z.infer<typeof Question>;

/** What a GraphQL client posted, or null where it is no question. */
export function questionOf(body: Buffer): Question | null {
  try {
    return Question.parse(JSON.parse(body.toString("utf8")));
  } catch {
    return null; // Whatever is wrong with it, the answer is the same 400.
  }
}

/** Answers as GraphQL does: errors of syntax, validation and resolvers travel in the body of a 200. */
export async function answerQuestion(
  schema: GraphQLSchema,
  rootValue: object,
  question: Question | null,
): Promise<Reply> {
  if (question === null) return json({ errors: [{ message: "Must provide a query." }] }, 400);
  const result = await graphql({
    schema,
    rootValue,
    source: question.query,
    variableValues: question.variables ?? {},
    operationName: question.operationName ?? undefined,
  });
  return json(result);
}
