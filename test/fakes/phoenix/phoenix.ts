import { spanShelf } from "../otlp/span-shelf.ts";
import { readTraceBody, traceAccepted } from "../otlp/trace-body.ts";
import { vendorFaults } from "../vendor/faults.ts";
import { answerQuestion, questionOf } from "../vendor/graphql-reply.ts";
import { json, Refusal, refusing, text, type Reply } from "../vendor/reply.ts";
import { vendorServer, type VendorCall } from "../vendor/vendor-server.ts";
import { phoenixRoot } from "./graphql-root.ts";
import { phoenixSchema } from "./graphql-schema.ts";
import { listAnnotations } from "./list-annotations.ts";
import { foundProject, listSpans } from "./list-spans.ts";
import { answerPrompts, phoenixPrompts } from "./prompts.ts";
import { annotationShelf, postSpanAnnotations } from "./span-annotations.ts";
import { ensureProject, type PhoenixWorld, type TokenPrice } from "./world.ts";

export type PhoenixSurface = "otlp" | "rest" | "graphql";

export interface FakePhoenixOptions {
  /** Of a member, who may write; null switches authentication off, as it is unless a server is told. */
  readonly apiKey?: string | null;
  /** Of a viewer, whose writes are refused with 403. */
  readonly viewerKey?: string;
  readonly version?: string;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** Spans can be read and annotated so long after they came. */
  readonly ingestLagMs?: number;
  /** Above so many spans that wait, ingestion answers 503. */
  readonly queueMax?: number;
  /** The projects that are there; `default` always is. */
  readonly projects?: readonly string[];
  /** By the name of the model. */
  readonly prices?: Readonly<Record<string, TokenPrice>>;
}

/** Phoenix as far as Segue uses it: OTLP in, REST, and GraphQL's aggregates. */
export async function fakePhoenix(options: FakePhoenixOptions = {}) {
  const world = createWorld(options);
  const faults = vendorFaults<PhoenixSurface>();
  const server = await vendorServer<PhoenixSurface>({
    faults,
    surfaceOf: (path) => (path === "/graphql" ? "graphql" : path === "/v1/traces" ? "otlp" : "rest"),
    answer: async (call) => {
      const reply = await refusing(() => answer(world, call));
      return { ...reply, headers: { "x-phoenix-server-version": world.version, ...reply.headers } };
    },
  });
  return {
    ...server,
    otlpUrl: `${server.url}/v1`,
    graphqlUrl: `${server.url}/graphql`,
    fail: faults.fail,
    release: faults.release,
    /** What can be read by now. */
    spans: world.spans.readable,
    received: world.spans.received,
    annotations: world.annotations.list,
    /** Annotations that were accepted and are gone, because their spans never came. */
    droppedAnnotations: world.annotations.dropped,
    projects: world.projects,
    prompts: world.prompts,
  };
}

function createWorld(options: FakePhoenixOptions): PhoenixWorld {
  const { apiKey = "phoenix-key", viewerKey = "phoenix-viewer-key", version = "20.3.0", now = Date.now } = options;
  const { ingestLagMs = 0, queueMax = 20_000, projects = [], prices = {} } = options;
  const spans = spanShelf(now, ingestLagMs, "first");
  const world: PhoenixWorld = {
    now,
    version,
    keys: apiKey === null ? null : { member: apiKey, viewer: viewerKey },
    spans,
    annotations: annotationShelf(spans, now),
    projects: [],
    prompts: phoenixPrompts(),
    prices,
    queueMax,
  };
  for (const name of ["default", ...projects]) ensureProject(world, name);
  return world;
}

async function answer(world: PhoenixWorld, call: VendorCall<PhoenixSurface>): Promise<Reply> {
  if (call.url.pathname === "/arize_phoenix_version") return text(200, world.version);
  const role = roleOf(world, call);
  if (call.surface === "graphql") {
    if (call.method !== "POST") throw new Refusal(text(405, "Method Not Allowed"));
    return answerQuestion(phoenixSchema, phoenixRoot(world, role), questionOf(call.body));
  }
  if (role === "VIEWER" && call.method !== "GET") throw new Refusal(text(403, "Viewers cannot perform this action"));
  return call.surface === "otlp" ? takeSpans(world, call) : answerRest(world, call);
}

function roleOf({ keys }: PhoenixWorld, { headers }: VendorCall): "MEMBER" | "VIEWER" {
  if (keys === null || headers.authorization === `Bearer ${keys.member}`) return "MEMBER";
  if (headers.authorization === `Bearer ${keys.viewer}`) return "VIEWER";
  throw new Refusal(text(401, "Invalid token"));
}

/** `POST /v1/traces`: a resource without a project goes to `default`. */
function takeSpans(world: PhoenixWorld, { method, headers, body }: VendorCall): Reply {
  if (method !== "POST") throw new Refusal(text(405, "Method Not Allowed"));
  if (world.spans.waiting() >= world.queueMax)
    throw new Refusal(text(503, "Server is at capacity and cannot process more requests"));
  for (const span of readTraceBody(headers, body))
    world.spans.add(span, ensureProject(world, span.project ?? "default").name);
  return traceAccepted;
}

function answerRest(world: PhoenixWorld, { method, url, body }: VendorCall): Reply {
  const { pathname, searchParams } = url;
  if (method === "POST" && pathname === "/v1/span_annotations") return postSpanAnnotations(world, body, searchParams);
  const prompts = answerPrompts(world.prompts, method, pathname, body);
  if (prompts !== null) return prompts;
  if (method !== "GET") throw new Refusal(json({ detail: "Not Found" }, 404));
  if (pathname === "/v1/projects") return json({ data: world.projects.map(projectJson), next_cursor: null });
  const [, project = "", list] = /^\/v1\/projects\/([^/]+)(?:\/(spans|span_annotations))?$/.exec(pathname) ?? [];
  const identifier = decodeURIComponent(project);
  if (identifier === "") throw new Refusal(json({ detail: "Not Found" }, 404));
  if (list === "spans") return listSpans(world, identifier, searchParams);
  if (list === "span_annotations") return listAnnotations(world, identifier, searchParams);
  return json({ data: projectJson(foundProject(world, identifier)) });
}

const projectJson = ({ id, name }: { id: string; name: string }) => ({ id, name, description: null });
