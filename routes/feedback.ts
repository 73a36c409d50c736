import { Hono } from "hono";
import type { ApiKey } from "../src/core/api-key.ts";
import { Feedback, type FeedbackReceipt } from "../src/gateway/record-feedback.ts";
import { requires, type Authenticated } from "./auth.ts";
import { jsonBody } from "./json-body.ts";

export interface FeedbackVerbs {
  readonly recordFeedback: (input: { readonly key: ApiKey; readonly feedback: Feedback }) => FeedbackReceipt;
}

export const feedbackRoutes = ({ recordFeedback }: FeedbackVerbs) =>
  new Hono<Authenticated>().post("/", requires("serve"), async (c) =>
    c.json(recordFeedback({ key: c.var.key, feedback: await jsonBody(c, Feedback) })),
  );
