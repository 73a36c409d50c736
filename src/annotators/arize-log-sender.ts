import { z } from "zod";
import type { Delivery, OutboxEntry, OutboxSender } from "../ports.ts";
import { LoggedPart } from "./arize-log.ts";
import { ask, parsedJson, type AskDeps } from "./ask.ts";

export interface ArizeLogSenderOptions {
  /** Whole, such as https://api.arize.com/v1/log. */
  readonly url: string;
  readonly apiKey: string;
  readonly spaceId: string;
}

const AT_ONCE = 8;
const SEND_MS_MAX = 60_000;
const FORBIDDEN_MS = 60_000;
const UNPROVEN_MS = 10 * 60_000;

const Part = z.record(z.string(), z.unknown());

/** Sends records to Arize's legacy log, which takes one a request: a protobuf in JSON, with headers of gRPC's gateway. */
export function arizeLogSender(deps: AskDeps, { url, apiKey, spaceId }: ArizeLogSenderOptions): OutboxSender {
  const headers = {
    authorization: apiKey,
    "grpc-metadata-arize-space-id": spaceId,
    "grpc-metadata-arize-interface": "stream",
  };
  // Until something was taken, a refusal may be the settings' fault, and buries nothing.
  let isProven = false;

  const sendOne = async (entry: OutboxEntry): Promise<Delivery> => {
    const body = recordOf(entry);
    if (body === null) return { kind: "never", problem: "it is no record that this version of Segue knows" };
    const answer = await ask(deps, { method: "POST", url, headers, body });
    switch (answer.kind) {
      case "answered":
        isProven = true;
        return { kind: "done" };
      case "unavailable":
        return answer;
      case "forbidden": {
        const todo = "check SEGUE_ARIZE_API_KEY and SEGUE_ARIZE_SPACE_ID";
        return { kind: "unavailable", problem: `${answer.problem}: ${todo}`, afterMs: FORBIDDEN_MS };
      }
      case "refused": {
        const { problem } = answer;
        return isProven ? { kind: "never", problem } : { kind: "later", problem, afterMs: UNPROVEN_MS };
      }
    }
  };
  return {
    send: async (entries) => {
      const deliveries: Delivery[] = [];
      const endsAt = deps.clock.now() + SEND_MS_MAX;
      while (deliveries.length < entries.length) {
        const down = deliveries.findLast(({ kind }) => kind === "unavailable" || (kind === "later" && !isProven));
        const next = entries.slice(deliveries.length, deliveries.length + AT_ONCE);
        if (down !== undefined) deliveries.push(...next.map(() => down));
        else if (deps.clock.now() > endsAt) deliveries.push(...next.map(() => tooMany));
        else deliveries.push(...(await Promise.all(next.map(sendOne))));
      }
      return deliveries;
    },
  };
}

const tooMany: Delivery = { kind: "later", problem: "its batch took too long", afterMs: 1000 };

/** An actual is of the time at which it was said. */
function recordOf({ body, addedAt }: OutboxEntry): object | null {
  const logged = LoggedPart.safeParse(body);
  const part = Part.safeParse(parsedJson(logged.data?.part ?? ""));
  if (!logged.success || !part.success) return null;
  const { model, prediction, kind } = logged.data;
  return {
    model_id: model,
    prediction_id: prediction,
    [kind]: { timestamp: new Date(addedAt).toISOString(), ...part.data },
    environment_params: { production: {} },
  };
}
