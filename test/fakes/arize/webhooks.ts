import { createHmac } from "node:crypto";

export interface WebhookOptions {
  /** Epoch seconds. */
  readonly timestamp: number;
  readonly key: string;
  readonly id?: string;
}

/** Headers of an HMAC_SHA256 webhook. */
export const hmacHeaders = (body: string, { timestamp, key, id }: WebhookOptions): Record<string, string> => ({
  "content-type": "application/json",
  "x-arize-webhook-timestamp": String(timestamp),
  "x-arize-webhook-signature": `v1=${createHmac("sha256", key).update(`${timestamp}.${body}`).digest("hex")}`,
  ...(id === undefined ? {} : { "x-arize-webhook-id": id }),
});

/** Headers of a BEARER webhook: the token is sent as it was given. */
export const bearerHeaders = (token: string, id?: string): Record<string, string> => ({
  "content-type": "application/json",
  authorization: token,
  ...(id === undefined ? {} : { "x-arize-webhook-id": id }),
});

export type WebhookAuth =
  | { readonly kind: "hmac"; readonly key: string }
  | { readonly kind: "bearer"; readonly token: string };

/** Webhooks to send; the fields that are missing are as an honest, undisturbed vendor has them. */
export interface Ringing {
  readonly url: string;
  readonly auth: WebhookAuth;
  /** One webhook each. What Arize's body is has not been seen, so any will do. */
  readonly bodies?: readonly unknown[];
  /** Each is delivered so often, under one webhook id. */
  readonly copies?: number;
  /** How long before now the sender says that it sent, in seconds. */
  readonly delayedSeconds?: number;
  readonly order?: "given" | "reversed" | { readonly seed: number };
  /** Signs with another key. */
  readonly forged?: boolean;
}

/** Sends webhooks one after another. @returns the statuses, in the order of sending; 0 where nobody answered */
export async function ring(ringing: Ringing, now: () => number, nextId: () => string): Promise<number[]> {
  const { url, bodies = [{}], copies = 1, delayedSeconds = 0, order = "given" } = ringing;
  const deliveries = bodies.flatMap((value) => {
    const body = JSON.stringify(value);
    const timestamp = Math.floor(now() / 1000) - delayedSeconds;
    const headers = headersOf(ringing, body, { timestamp, id: nextId() });
    return Array.from({ length: copies }, () => ({ body, headers }));
  });
  const statuses: number[] = [];
  for (const { body, headers } of inOrder(deliveries, order)) {
    const answer = await fetch(url, { method: "POST", headers, body }).catch(() => null);
    await answer?.body?.cancel();
    statuses.push(answer?.status ?? 0);
  }
  return statuses;
}

function headersOf(
  { auth, forged = false }: Ringing,
  body: string,
  { timestamp, id }: { timestamp: number; id: string },
) {
  if (auth.kind === "bearer") return bearerHeaders(forged ? `${auth.token}-forged` : auth.token, id);
  return hmacHeaders(body, { timestamp, key: forged ? `${auth.key}-forged` : auth.key, id });
}

function inOrder<T>(list: readonly T[], order: NonNullable<Ringing["order"]>): readonly T[] {
  if (order === "given") return list;
  if (order === "reversed") return list.toReversed();
  // Fisher–Yates with a linear congruential generator (Numerical Recipes' constants): the same seed, the same order.
  const shuffled = [...list];
  let state = order.seed >>> 0;
  for (let at = shuffled.length - 1; at > 0; at -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (at + 1);
    [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
  }
  return shuffled;
}
