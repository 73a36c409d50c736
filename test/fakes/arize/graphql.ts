import { getOperationAST, parse } from "graphql";
import { answerQuestion, questionOf, type Question } from "../vendor/graphql-reply.ts";
import { json, Refusal, type Reply } from "../vendor/reply.ts";
import type { VendorCall } from "../vendor/vendor-server.ts";
import { arizeRoot } from "./graphql-root.ts";
import { arizeSchema } from "./graphql-schema.ts";
import type { AxWorld } from "./world.ts";

/** What the vendor's documentation says. */
const LIMITS = { queriesPerMinute: 100, mutationsPerMinute: 300 };
export type GraphqlLimits = Partial<typeof LIMITS>;
export type GraphqlLimiter = ReturnType<typeof graphqlLimiter>;

/** Counts questions a minute, by the injected clock. */
export function graphqlLimiter(now: () => number, limits: GraphqlLimits = {}) {
  const { queriesPerMinute, mutationsPerMinute } = { ...LIMITS, ...limits };
  const asked: { readonly at: number; readonly isMutation: boolean }[] = [];
  /** @returns the seconds to wait, or null where the question may be asked */
  return (isMutation: boolean): number | null => {
    const since = now() - 60_000;
    while ((asked[0]?.at ?? Infinity) <= since) asked.shift();
    const same = asked.filter((one) => one.isMutation === isMutation);
    if (same.length >= (isMutation ? mutationsPerMinute : queriesPerMinute))
      return Math.max(1, Math.ceil(((same[0]?.at ?? 0) - since) / 1000));
    asked.push({ at: now(), isMutation });
    return null;
  };
}

/** `POST /graphql` with a developer key. */
export async function answerGraphql(world: AxWorld, call: VendorCall, limiter: GraphqlLimiter): Promise<Reply> {
  if (call.method !== "POST") throw new Refusal(json({ errors: [{ message: "Use POST." }] }, 405));
  if (call.headers["x-api-key"] !== world.developerKey)
    throw new Refusal(json({ errors: [{ message: "Unauthorized" }] }, 401));
  const question = questionOf(call.body);
  const waitS = limiter(isMutation(question));
  if (waitS === null) return answerQuestion(arizeSchema, arizeRoot(world), question);
  const refused = json({ errors: [{ message: "Rate limit exceeded" }] }, 429);
  return { ...refused, headers: { ...refused.headers, "retry-after": String(waitS) } };
}

function isMutation(question: Question | null): boolean {
  try {
    const document = parse(question?.query ?? "");
    return getOperationAST(document, question?.operationName ?? undefined)?.operation === "mutation";
  } catch {
    return false; // What cannot be parsed is refused later, with the reason; it counts as a query.
  }
}
