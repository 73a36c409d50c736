import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { RouterError } from "../src/core/errors.ts";
import type { WebhookCall, WebhookReceipt } from "../src/loop/receive-webhook.ts";

export interface WebhookVerbs {
  readonly receive: (call: WebhookCall) => WebhookReceipt;
  /** Keeps the host alive until the work is done, where hosts need that: `waitUntil` on Workers. */
  readonly background?: (work: Promise<void>, c: Context) => void;
}

const BYTES_MAX = 1024 * 1024;

/** `POST /webhooks/:source`: answers at once and lets the work run on. Deliveries verify themselves, so no API key is asked for. */
export const webhookRoutes = ({ receive, background }: WebhookVerbs) =>
  new Hono().post("/:source", bodyLimit({ maxSize: BYTES_MAX, onError: tooLarge }), async (c) => {
    // The signature is over the bytes as sent, so the body is read before anything looks into it.
    const rawBody = await c.req.arrayBuffer().then((buffer) => new Uint8Array(buffer), brokenOff);
    const { accepted, duplicate, work } = receive({ source: c.req.param("source"), rawBody, headers: c.req.header() });
    background?.(work, c);
    return c.json({ accepted, duplicate });
  });

function brokenOff(cause: unknown): never {
  throw new RouterError("invalid_request", "The request body broke off.", { reason: "body_incomplete", cause });
}

function tooLarge(): never {
  throw new RouterError("payload_too_large", `A webhook's body may have at most ${BYTES_MAX} bytes.`);
}
