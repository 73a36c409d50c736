import { z } from "zod";
import { graphqlQuestion } from "./arize-graphql.ts";
import { readMonitors } from "./arize-monitor.ts";
import { arizeDeliveryId, refuseArizeDelivery } from "./arize-signature.ts";
import {
  defineSource,
  type Delivery,
  type SourceQuestion,
  type SourceRef,
  type SourceRequest,
} from "../core/signal-source.ts";

export const ArizeSettings = z.strictObject({
  /** Without `/v2`; it differs by region. */
  baseUrl: z.url({ protocol: /^https?$/ }).default("https://api.arize.com"),
  /** A key that may read monitors, and needs no more. */
  apiKey: z.string().min(1),
  /** What a sweep is limited to. */
  projectId: z.string().min(1).optional(),
  spaceId: z.string().min(1).optional(),
  /** Asked where REST v2, which is alpha, does not have it. `url` is the whole address and differs by region. */
  graphql: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }).default("https://app.arize.com/graphql"),
      developerKey: z.string().min(1),
    })
    .optional(),
  webhook: z
    .discriminatedUnion("auth", [
      z.strictObject({
        auth: z.literal("hmac"),
        secret: z.string().min(1),
        /** Whether the `whsec_` of the secret is part of the key; Arize does not document it. */
        key: z.enum(["whole", "without-prefix"]).default("whole"),
        toleranceSeconds: z.number().positive().default(300),
      }),
      /** `secret` is the whole `Authorization` value, `Bearer ` included. */
      z.strictObject({ auth: z.literal("bearer"), secret: z.string().min(1) }),
    ])
    .optional(),
  /** A monitor is ours by its name, `seg|<policy>|<segment>|<metric>` and optionally `|<variant>` … */
  namePrefix: z.string().min(1).default("seg"),
  /** … or by its notes, `managed-by=segue; policy=…; segment=…; metric=…; variant=…`. */
  managedBy: z.string().min(1).default("segue"),
});
export type ArizeSettings = z.infer<typeof ArizeSettings>;

/**
 * Arize AX monitors. The body of its monitor webhook is not documented, so it is only searched for what it may
 * point at; the monitor itself is then read over REST v2 (alpha, read-only), or over GraphQL where there is no such thing.
 */
export const arize = defineSource<ArizeSettings>({
  id: "arize",
  settings: ArizeSettings,
  howToConfigure:
    "set SEGUE_ARIZE_API_KEY (a key that may read monitors) and SEGUE_ARIZE_WEBHOOK_SECRET, with SEGUE_ARIZE_WEBHOOK_AUTH=hmac or bearer",
  baseUrl: (settings) => settings.baseUrl,
  acceptsWebhooks: (settings) => settings.webhook !== undefined,
  refuse: refuseArizeDelivery,
  deliveryId: arizeDeliveryId,
  refsOf: (delivery, settings) => {
    const refs = monitorRefs(parse(delivery), settings.namePrefix);
    return refs.length === 0 ? [{ kind: "sweep" }] : refs;
  },
  questions: (ref, settings) => [monitorsQuestion(ref, settings, null)],
});

const Page = z.object({
  monitors: z.array(z.unknown()),
  pagination: z.object({ has_more: z.boolean().optional(), next_cursor: z.string().nullish() }).optional(),
});

function monitorsQuestion(ref: SourceRef, settings: ArizeSettings, cursor: string | null): SourceQuestion {
  const otherwise = cursor === null ? graphqlQuestion(ref, settings) : null;
  return {
    request: monitorsRequest(ref, settings, cursor),
    toReading: (json, { targets }) => {
      const page = Page.safeParse(json);
      const read = readMonitors(page.success ? page.data.monitors : [json], targets, settings);
      const reading =
        page.success || ref.kind === "id"
          ? read
          : { ...read, problem: "its answer is no list of monitors: check SEGUE_ARIZE_URL, which is without /v2" };
      const { next_cursor: next, has_more: hasMore = true } = page.data?.pagination ?? {};
      // A service that names the same page again would be read for ever.
      return !hasMore || !next || next === cursor
        ? reading
        : { ...reading, next: [monitorsQuestion(ref, settings, next)] };
    },
    ...(otherwise === null ? {} : { otherwise }),
  };
}

function monitorsRequest(
  ref: SourceRef,
  { apiKey, projectId, spaceId }: ArizeSettings,
  cursor: string | null,
): SourceRequest {
  const headers = { authorization: `Bearer ${apiKey}`, accept: "application/json" };
  if (ref.kind === "id")
    return { method: "GET", path: `/v2/monitors/${encodeURIComponent(ref.id)}`, query: {}, headers };
  const query = {
    ...(spaceId === undefined ? {} : { space_id: spaceId }),
    ...(projectId === undefined ? {} : { project_id: projectId }),
    ...(ref.kind === "name" ? { name: ref.name } : {}),
    limit: "100",
    ...(cursor === null ? {} : { cursor }),
  };
  return { method: "GET", path: "/v2/monitors", query, headers };
}

function parse({ rawBody }: Delivery): unknown {
  const text = new TextDecoder().decode(rawBody);
  try {
    return JSON.parse(text);
  } catch {
    // A body that is not JSON is still a doorbell; its text may carry a monitor's address.
    return text;
  }
}

const LIMITS = { depth: 12, values: 10_000, characters: 4096, refs: 20 } as const;
const MONITOR_URL = /\/monitors\/([A-Za-z0-9_=%+-]{1,300})/g;
/** No dots: `..` would leave the path. */
const MONITOR_ID = /^[A-Za-z0-9_=+/-]{1,200}$/;
const BASE64 = /^[A-Za-z0-9+/_-]{8,296}={0,2}$/;

/** Everything in a body that may point at a monitor: its global id, its page's address, or a name that is ours. */
export function monitorRefs(body: unknown, namePrefix: string): readonly SourceRef[] {
  const found = new Map<string, SourceRef>();
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value: body, depth: 0 }];
  for (let visited = 0; visited < LIMITS.values && found.size < LIMITS.refs; visited += 1) {
    const next = pending.shift();
    if (next === undefined) break;
    const { value, depth } = next;
    if (typeof value === "string") {
      for (const ref of refsIn(value, namePrefix)) found.set(JSON.stringify(ref), ref);
    } else if (typeof value === "object" && value !== null && depth < LIMITS.depth) {
      for (const member of Object.values(value).slice(0, LIMITS.values))
        pending.push({ value: member, depth: depth + 1 });
    }
  }
  return [...found.values()].slice(0, LIMITS.refs);
}

function refsIn(text: string, namePrefix: string): SourceRef[] {
  if (text.length > LIMITS.characters) return [];
  if (text.startsWith(`${namePrefix}|`)) return [{ kind: "name", name: text }];
  if (isMonitorId(text)) return [{ kind: "id", id: text }];
  return [...text.matchAll(MONITOR_URL)].flatMap(([, id = ""]): SourceRef[] => {
    const decoded = percentDecoded(id);
    return decoded === null || !MONITOR_ID.test(decoded) ? [] : [{ kind: "id", id: decoded }];
  });
}

function percentDecoded(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    // A stray percent sign: no address of a monitor.
    return null;
  }
}

/** True for base64 of `Monitor:<digits>:…`, the form of Arize's global ids. */
function isMonitorId(text: string): boolean {
  if (!BASE64.test(text)) return false;
  try {
    return /^Monitor:\d+:/.test(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    // Looks like base64, is not: some other word.
    return false;
  }
}
