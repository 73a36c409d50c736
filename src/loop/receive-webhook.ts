import { RouterError } from "../core/errors.ts";
import type { ConfiguredSource, SourceRef } from "../core/signal-source.ts";
import { createQueue } from "./queue.ts";
import { readSource, type ReadSourceDeps } from "./read-source.ts";

export interface WebhookCall {
  readonly source: string;
  readonly rawBody: Uint8Array;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface WebhookReceipt {
  readonly accepted: true;
  /** True when this delivery was taken before; nothing is read again. */
  readonly duplicate: boolean;
  /** Reads the source and records what it says. Never rejects: failures are logged, and the next poll heals them. */
  readonly work: Promise<void>;
}

/** A source's name, whether or not it is configured, and what to set. */
export type KnownSources = Readonly<Record<string, { readonly howToConfigure: string }>>;

export interface ReceiveWebhookDeps extends ReadSourceDeps {
  readonly known: KnownSources;
  /** Those whose settings are there. */
  readonly sources: readonly ConfiguredSource[];
  readonly limits?: { readonly deliveries?: number; readonly waiting?: number };
}

/**
 * The verb behind `POST /webhooks/:source`, with its memory of deliveries and its queue. A delivery is verified
 * and answered at once; the source is read afterwards, one reading at a time, so that a burst is no burst to it.
 * The verb throws RouterError `not_found` for a source that is unknown or not configured, `unauthenticated` for a
 * delivery that cannot be verified.
 */
export function receiveWebhook(deps: ReceiveWebhookDeps): (call: WebhookCall) => WebhookReceipt {
  const { deliveries = 10_000, waiting = 1000 } = deps.limits ?? {};
  const seen = new Set<string>();
  const enqueue = readingQueue(deps, waiting);
  return ({ source: id, rawBody, headers }) => {
    const source = sourceOf(deps, id);
    const delivery = { rawBody, headers, at: deps.clock.now() };
    const refusal = source.refuse(delivery);
    if (refusal !== null) {
      deps.counters.add("segue_webhook_refused_total", { source: id });
      throw new RouterError("unauthenticated", `The ${id} webhook was not accepted: ${refusal}.`, {
        reason: "invalid_signature",
      });
    }
    const deliveryId = `${id}:${source.deliveryId(delivery)}`;
    if (seen.has(deliveryId)) {
      deps.counters.add("segue_webhook_duplicates_total", { source: id });
      return { accepted: true, duplicate: true, work: Promise.resolve() };
    }
    seen.add(deliveryId);
    for (const oldest of seen) {
      if (seen.size <= deliveries) break;
      seen.delete(oldest);
    }
    const work = Promise.all(source.refsOf(delivery).map((ref) => enqueue(source, ref))).then((read) => {
      // Should it be delivered again, it is worth another try.
      if (read.includes(false)) seen.delete(deliveryId);
    });
    return { accepted: true, duplicate: false, work };
  };
}

function sourceOf({ sources, known }: ReceiveWebhookDeps, id: string): ConfiguredSource {
  const description = Object.hasOwn(known, id) ? known[id] : undefined;
  if (description === undefined)
    throw new RouterError("not_found", `There is no webhook source '${id}'; known: ${Object.keys(known).join(", ")}.`, {
      reason: "unknown_source",
    });
  const source = sources.find((configured) => configured.id === id);
  if (source?.acceptsWebhooks !== true)
    throw new RouterError("not_found", `The webhook source '${id}' is not configured: ${description.howToConfigure}.`, {
      reason: "source_not_configured",
    });
  return source;
}

/** Reads one reference after another. @returns whether it was read */
function readingQueue(deps: ReceiveWebhookDeps, waitingMax: number) {
  const queue = createQueue();
  /** Not begun yet, so that one reading serves every delivery that asked for it meanwhile. */
  const pending = new Map<string, Promise<boolean>>();
  return (source: ConfiguredSource, ref: SourceRef): Promise<boolean> => {
    const key = `${source.id} ${JSON.stringify(ref)}`;
    const known = pending.get(key);
    if (known !== undefined) return known;
    if (queue.waiting() >= waitingMax) {
      deps.counters.add("segue_webhook_dropped_total", { source: source.id });
      return Promise.resolve(false);
    }
    const job = queue.run(async () => {
      pending.delete(key);
      try {
        await readSource(deps, source, ref);
        return true;
      } catch (error) {
        deps.counters.add("segue_source_failures_total", { source: source.id });
        deps.log.error(`${source.id}: a webhook's reading failed`, { error: String(error) });
        return false;
      }
    });
    pending.set(key, job);
    return job;
  };
}
