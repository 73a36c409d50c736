import { Hono } from "hono";
import { z } from "zod";
import type { ApiKey } from "../src/core/api-key.ts";
import { RouterError } from "../src/core/errors.ts";
import { openaiError, openaiErrorType, statusOf } from "../src/gateway/openai-error.ts";
import { parsed } from "../src/gateway/parsed.ts";
import type { FeedbackReceipt } from "../src/gateway/record-feedback.ts";
import { requires, type Authenticated } from "./auth.ts";
import { jsonObject } from "./json-body.ts";

export interface FeedbackVerbs {
  readonly recordFeedback: (input: {
    readonly key: ApiKey;
    readonly feedback: readonly unknown[];
  }) => Promise<readonly (FeedbackReceipt | RouterError)[]>;
}

/** Its items are read one by one, so that a wrong one is answered alone. */
const FeedbackBatch = z.strictObject({ feedback: z.array(z.unknown()).min(1).max(1000) });

/** One, or many as `{ "feedback": [...] }`: answered 207 where some were not understood, which `errors` counts. */
export const feedbackRoutes = ({ recordFeedback }: FeedbackVerbs) =>
  new Hono<Authenticated>().post("/", requires("serve"), async (c) => {
    const body = await jsonObject(c);
    const { key } = c.var;
    if (!Object.hasOwn(body, "feedback")) {
      const [receipt] = await recordFeedback({ key, feedback: [body] });
      if (receipt instanceof RouterError) throw receipt;
      return c.json(receipt);
    }
    const results = await recordFeedback({ key, feedback: parsed(FeedbackBatch, body).feedback });
    const errors = results.filter((result) => result instanceof RouterError).length;
    return c.json({ feedback: results.map(shown), errors }, errors === 0 ? 200 : 207);
  });

/** An error has the shape that it has when it is answered alone. */
const shown = (result: FeedbackReceipt | RouterError) =>
  result instanceof RouterError
    ? openaiError(openaiErrorType(statusOf[result.code]), result.reason, result.message, result.param)
    : result;
