import { scoreBook } from "./score-book.ts";
import { spanShelf } from "../otlp/span-shelf.ts";
import { readTraceBody, traceAccepted } from "../otlp/trace-body.ts";
import { vendorFaults, type Fault } from "../vendor/faults.ts";
import { Refusal, refusing, text, type Reply } from "../vendor/reply.ts";
import { vendorServer, type VendorCall } from "../vendor/vendor-server.ts";
import { evaluateMonitors, type MonitorChange } from "./evaluate.ts";
import { answerGraphql, graphqlLimiter, type GraphqlLimiter, type GraphqlLimits } from "./graphql.ts";
import { joinedLog, logRecord } from "./ml-log.ts";
import { MONITOR_DEFAULTS, type MonitorJson } from "./monitors.ts";
import { promptHub } from "./prompts.ts";
import { answerRest } from "./rest.ts";
import { createSpace } from "./space.ts";
import { ring, type Ringing, type WebhookAuth } from "./webhooks.ts";
import type { AxWorld } from "./world.ts";

export { monitorId, type MonitorJson } from "./monitors.ts";
export { bearerHeaders, hmacHeaders } from "./webhooks.ts";

/** The hosts of Arize AX; one server plays them all. */
export type ArizeSurface = "otlp" | "rest" | "graphql" | "log";

export interface FakeArizeOptions {
  /** Of OTLP and `/v1/log` bare, of REST as a Bearer token. */
  readonly apiKey?: string;
  /** Of GraphQL. */
  readonly developerKey?: string;
  readonly spaceId?: string;
  readonly spaceName?: string;
  /** The first has the id `TW9kZWw6MTIz`. */
  readonly projects?: readonly string[];
  /** The annotation configs that are there, freeform ones. */
  readonly annotationConfigs?: readonly string[];
  /** Monitors a page of REST, at most. */
  readonly pageSize?: number;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** Spans can be read and annotated so long after they came. */
  readonly ingestLagMs?: number;
  /** Time ranges are read so late after that; the vendor warns of six to twelve hours. Looking up a trace or span is not. */
  readonly rangeLagMs?: number;
  /** Of GraphQL, a minute by `now`; the vendor's own unless given. */
  readonly graphqlLimits?: GraphqlLimits;
  /** Where a monitor's change of status is told. */
  readonly webhook?: MonitorWebhook;
}

export interface MonitorWebhook {
  readonly url: string;
  readonly auth: WebhookAuth;
}

/** Arize AX as far as Segue uses it: OTLP in, REST v2, GraphQL, the legacy log, and a sender of webhooks. */
export async function fakeArize(options: FakeArizeOptions = {}) {
  const { now = Date.now } = options;
  const world = createWorld(options);
  const faults = vendorFaults<ArizeSurface>();
  const limiter = graphqlLimiter(now, options.graphqlLimits);
  const server = await vendorServer<ArizeSurface>({
    faults,
    surfaceOf,
    answer: (call) => refusing(() => answer(world, call, limiter)),
  });
  let { webhook } = options;
  let rung = 0;
  const ringBell = (ringing: Ringing) => ring(ringing, now, () => `whd_${(rung += 1)}`);
  /** Evaluates all monitors over the spans that can be read, and rings the webhook once for each change. */
  async function evaluate(at: number = now()): Promise<readonly MonitorChange[]> {
    const changes = evaluateMonitors(world, at);
    const told = changes.filter(({ monitor }) => monitor.notifications_enabled !== false);
    if (webhook !== undefined)
      await ringBell({
        ...webhook,
        bodies: told.map(({ monitor }) => ({ monitor_id: monitor.id, name: monitor.name })),
      });
    return changes;
  }
  return {
    ...server,
    otlpUrl: `${server.url}/v1`,
    graphqlUrl: `${server.url}/graphql`,
    logUrl: `${server.url}/v1/log`,
    fail: faults.fail,
    release: faults.release,
    /** Faults of the next REST requests, in order. */
    faults: { push: (...list: readonly Fault[]) => list.forEach((fault) => faults.fail("rest", fault, 1)) },
    space: world.space,
    /** What can be read by now. */
    spans: world.spans.readable,
    received: world.spans.received,
    annotations: () => world.scores.list("annotations"),
    /** Writes an evaluation, as one of Arize's own tasks would. */
    addEvaluation: (spanId: string, score: Parameters<typeof world.scores.upsert>[2]) =>
      world.scores.upsert("evaluations", spanId, score),
    annotationConfigs: world.configs,
    monitors: world.monitors,
    set: (monitor: MonitorJson) => world.monitors.set(monitor.id, { ...MONITOR_DEFAULTS, ...monitor }),
    prompts: world.hub,
    log: world.log,
    joinedLog: () => joinedLog(world.log),
    ring: ringBell,
    evaluate,
    /** Attaches a webhook to all monitors, as one does in the vendor's console. */
    attachWebhook: (attached: MonitorWebhook | undefined) => (webhook = attached),
  };
}

function createWorld(options: FakeArizeOptions): AxWorld {
  const { apiKey = "arize-key", developerKey = "arize-developer-key", now = Date.now, pageSize = 100 } = options;
  const {
    spaceId = "U3BhY2U6MQ==",
    spaceName = "segue-space",
    projects = ["segue"],
    ingestLagMs = 0,
    rangeLagMs = 0,
  } = options;
  const configs = (options.annotationConfigs ?? []).map((name, at) => ({
    id: btoa(`AnnotationConfig:${at + 1}:aB3d`),
    name,
    space_id: spaceId,
    type: "FREEFORM" as const,
    created_at: "2026-08-01T00:00:00Z",
  }));
  return {
    apiKey,
    developerKey,
    space: createSpace({ id: spaceId, name: spaceName, projects }),
    now,
    pageSize,
    rangeLagMs,
    spans: spanShelf(now, ingestLagMs),
    scores: scoreBook(now),
    configs,
    monitors: new Map(),
    hub: promptHub(spaceId, now),
    log: [],
  };
}

function surfaceOf(path: string): ArizeSurface {
  if (path === "/graphql") return "graphql";
  if (path === "/v1/log") return "log";
  return path.startsWith("/v1/") ? "otlp" : "rest";
}

function answer(world: AxWorld, call: VendorCall<ArizeSurface>, limiter: GraphqlLimiter): Reply | Promise<Reply> {
  switch (call.surface) {
    case "otlp":
      return takeSpans(world, call);
    case "rest":
      return answerRest(world, call);
    case "graphql":
      return answerGraphql(world, call, limiter);
    case "log":
      return logRecord(world, call);
  }
}

/** `POST /v1/traces`: the bare key, the space, and a project on every resource. */
function takeSpans(world: AxWorld, { method, url, headers, body }: VendorCall): Reply {
  if (url.pathname !== "/v1/traces" || method !== "POST") throw new Refusal(text(404, "404 page not found"));
  if (headers.authorization !== world.apiKey) throw new Refusal(text(401, "Unauthorized"));
  // Which status another space gets is not known; 403 is how the rest of the vendor's surfaces answer.
  if (headers["arize-space-id"] !== world.space.id) throw new Refusal(text(403, "Forbidden"));
  const spans = readTraceBody(headers, body);
  // A resource without a project looks like an outage: this is what the vendor answers.
  if (spans.some(({ project }) => project === null)) throw new Refusal(text(500, "Internal Server Error"));
  for (const span of spans) world.spans.add(span, world.space.projectNamed(span.project ?? "").name);
  return traceAccepted;
}
