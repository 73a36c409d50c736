import type { Delivery } from "../ports.ts";

/** What a destination made of a batch that it takes whole or not at all. */
export type BatchAnswer<T> =
  | { readonly kind: "taken" }
  | Extract<Delivery, { readonly kind: "unavailable" }>
  /** It is known what becomes of these; the others are to be sent again. */
  | { readonly kind: "apart"; readonly deliveries: ReadonlyMap<T, Delivery> }
  /** At least one of them is at fault; `alone` is what becomes of one that was sent alone. */
  | { readonly kind: "refused"; readonly alone: Delivery };

/** One bad item among 1000 costs 21 requests. */
const REQUESTS_MAX = 64;
const SEND_MS_MAX = 60_000;
/** What a send had no requests left for waits a little, so that others of the vendor's limits are left some. */
const NEXT: Delivery = { kind: "later", problem: "its batch took too many requests", afterMs: 30_000 };

/**
 * Sends groups, halving those that are refused until the items at fault stand alone. What was not found out within
 * 64 requests or a minute has to wait. The first half of them goes to the largest groups, so that few bad items hold up
 * little; the rest to the smallest, so that some bad ones are found however many there are.
 */
export async function sendHalving<T>(
  groups: readonly (readonly T[])[],
  send: (batch: readonly T[]) => Promise<BatchAnswer<T>>,
  now: () => number,
): Promise<ReadonlyMap<T, Delivery>> {
  const deliveries = new Map<T, Delivery>();
  const settle = (batch: readonly T[], delivery: Delivery): void => {
    for (const item of batch) deliveries.set(item, delivery);
  };
  const waiting = [...groups];
  const endsAt = now() + SEND_MS_MAX;
  let requests = 0;
  const next = (): readonly T[] | undefined => {
    const sign = requests < REQUESTS_MAX / 2 ? 1 : -1;
    return waiting.sort((a, b) => sign * (a.length - b.length)).pop();
  };
  for (let batch = next(); batch !== undefined; batch = next()) {
    if (batch.length === 0) continue;
    requests += 1;
    if (requests > REQUESTS_MAX || now() > endsAt) {
      settle(batch, NEXT);
      continue;
    }
    const answer = await send(batch);
    switch (answer.kind) {
      case "taken":
        settle(batch, { kind: "done" });
        break;
      case "unavailable":
        for (const rest of [batch, ...waiting.splice(0)]) settle(rest, answer);
        break;
      case "apart":
        for (const [item, delivery] of answer.deliveries) deliveries.set(item, delivery);
        waiting.push(batch.filter((item) => !answer.deliveries.has(item)));
        break;
      case "refused": {
        const middle = Math.ceil(batch.length / 2);
        if (batch.length === 1) settle(batch, answer.alone);
        else waiting.push(batch.slice(middle), batch.slice(0, middle));
      }
    }
  }
  return deliveries;
}
