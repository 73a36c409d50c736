import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import type { ConfiguredSource } from "../core/signal-source.ts";
import type { Clock, Log } from "../ports.ts";
import { checkPromptLabels, type CheckPromptLabelsDeps, type LabelFilter } from "./propose-prompt.ts";
import { createQueue } from "./queue.ts";
import type { WebhookCall, WebhookReceipt } from "./receive-webhook.ts";

export interface ReceivePromptWebhookDeps extends CheckPromptLabelsDeps {
  /** Verifies what Arize sends; null where its webhooks are not configured. */
  readonly source: Pick<ConfiguredSource, "acceptsWebhooks" | "refuse" | "deliveryId"> | null;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn" | "error">;
  readonly limits?: { readonly deliveries?: number; readonly waiting?: number };
}

/** The name of the webhook: `POST /webhooks/arize-prompts`. */
export const PROMPT_WEBHOOK = "arize-prompts";

const Envelope = z.object({ event: z.string(), data: z.object({ prompt_id: z.string().optional() }).optional() });

/**
 * The verb behind `POST /webhooks/arize-prompts`, with its memory of deliveries and its queue. A delivery is a doorbell:
 * the labels that are followed of its prompt are read of the hub afterwards, one check at a time, and what they say is
 * proposed. The verb throws RouterError `not_found` when it is not configured, `unauthenticated` for a delivery that
 * cannot be verified, of which nothing is read.
 */
export function receivePromptWebhook(
  deps: ReceivePromptWebhookDeps,
): (call: Pick<WebhookCall, "rawBody" | "headers">) => WebhookReceipt {
  const { deliveries = 10_000 } = deps.limits ?? {};
  const { counters } = deps;
  const seen = new Set<string>();
  const check = checks(deps);
  return ({ rawBody, headers }) => {
    const source = configured(deps.source);
    const delivery = { rawBody, headers, at: deps.clock.now() };
    const refusal = source.refuse(delivery);
    if (refusal !== null) {
      counters.add("segue_webhook_refused_total", { source: PROMPT_WEBHOOK });
      throw new RouterError("unauthenticated", `The ${PROMPT_WEBHOOK} webhook was not accepted: ${refusal}.`, {
        reason: "invalid_signature",
      });
    }
    const id = source.deliveryId(delivery);
    if (seen.has(id)) {
      counters.add("segue_webhook_duplicates_total", { source: PROMPT_WEBHOOK });
      return { accepted: true, duplicate: true, work: Promise.resolve() };
    }
    seen.add(id);
    for (const oldest of seen) {
      if (seen.size <= deliveries) break;
      seen.delete(oldest);
    }
    const filter = filterOf(rawBody);
    if (filter === null) {
      counters.add("segue_webhook_ignored_total", { source: PROMPT_WEBHOOK });
      return { accepted: true, duplicate: false, work: Promise.resolve() };
    }
    const work = check(filter).then((isDone) => {
      // Should it be delivered again, it is worth another try.
      if (!isDone) seen.delete(id);
    });
    return { accepted: true, duplicate: false, work };
  };
}

function configured(source: ReceivePromptWebhookDeps["source"]): NonNullable<ReceivePromptWebhookDeps["source"]> {
  if (source?.acceptsWebhooks === true) return source;
  throw new RouterError(
    "not_found",
    `The webhook '${PROMPT_WEBHOOK}' is not configured: set SEGUE_ARIZE_API_KEY and SEGUE_ARIZE_WEBHOOK_SECRET.`,
    { reason: "source_not_configured" },
  );
}

/** What to read; null for an event that is not about versions of prompts. */
function filterOf(rawBody: Uint8Array): LabelFilter | null {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(rawBody));
  } catch {
    // Not what Arize sends of prompts.
    return null;
  }
  const parsed = Envelope.safeParse(json);
  if (!parsed.success || !parsed.data.event.toLowerCase().startsWith("prompt.version.")) return null;
  return { hub: "arize", promptId: parsed.data.data?.prompt_id };
}

/** Checks one after another; one that waits serves every delivery that asked for the same meanwhile. */
function checks(deps: ReceivePromptWebhookDeps): (filter: LabelFilter) => Promise<boolean> {
  const { counters, log } = deps;
  const { waiting: waitingMax = 1000 } = deps.limits ?? {};
  const queue = createQueue();
  const pending = new Map<string, Promise<boolean>>();
  return (filter) => {
    const key = filter.promptId ?? "";
    const known = pending.get(key);
    if (known !== undefined) return known;
    if (queue.waiting() >= waitingMax) {
      counters.add("segue_webhook_dropped_total", { source: PROMPT_WEBHOOK });
      return Promise.resolve(false);
    }
    const job = queue.run(async () => {
      pending.delete(key);
      try {
        const { failed, skipped } = await checkPromptLabels(deps, filter);
        return failed + skipped === 0;
      } catch (error) {
        log.error(`${PROMPT_WEBHOOK}: a check failed`, { error: String(error) });
        return false;
      }
    });
    pending.set(key, job);
    return job;
  };
}
