import { Hono } from "hono";
import type { Answer } from "../src/gateway/answer-of.ts";
import { ChatRequest, type CompleteInput } from "../src/gateway/complete.ts";
import type { Clock } from "../src/ports.ts";
import { requires, type Authenticated } from "./auth.ts";
import { errorResponse } from "./error-response.ts";
import { jsonObject, parsed } from "./json-body.ts";

export interface ChatVerbs {
  readonly complete: (input: CompleteInput) => Promise<Answer>;
}

export const chatCompletionRoutes = (
  { complete }: ChatVerbs,
  { clock, bodyBytesMax }: { readonly clock: Clock; readonly bodyBytesMax: number },
) =>
  new Hono<Authenticated>().post("/", requires("serve"), async (c) => {
    const receivedAt = clock.now();
    const body = await jsonObject(c, bodyBytesMax);
    parsed(ChatRequest, body);
    const { headers, signal } = c.req.raw;
    const answer = await complete({ key: c.var.key, body: body as ChatRequest, headers, signal, receivedAt });
    return answer.kind === "failure" ? errorResponse(answer.error, answer.headers) : responseOf(answer);
  });

/** Statuses that may not carry a body, not even an empty one (Fetch Standard, "null body status"). */
const NULL_BODY = new Set([204, 205, 304]);

const responseOf = ({ status, headers, body }: Extract<Answer, { kind: "answer" }>): Response =>
  new Response(NULL_BODY.has(status) ? null : body, { status, headers });
