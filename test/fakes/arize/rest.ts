import { json, problem, Refusal, type Reply } from "../vendor/reply.ts";
import type { VendorCall } from "../vendor/vendor-server.ts";
import { annotateSpans } from "./annotate-spans.ts";
import { createAnnotationConfig, listAnnotationConfigs } from "./annotation-configs.ts";
import { getMonitor, listMonitors } from "./monitors.ts";
import { nameFilter, pageOf } from "./page.ts";
import {
  createPrompt,
  createPromptVersion,
  deleteLabel,
  getPrompt,
  listPrompts,
  listPromptVersions,
  putLabels,
} from "./prompts.ts";
import { listSpans } from "./span-queries.ts";
import type { AxWorld } from "./world.ts";

type Handler = (world: AxWorld, call: VendorCall, ids: readonly string[]) => Reply;
const [id, name] = ["([^/]+)", "([^/]+)"];
const created = "2026-08-01T00:00:00Z";

/** The part of REST v2 that the fake has: method, path, handler. */
const routes: readonly (readonly [method: string, path: RegExp, handler: Handler])[] = (
  [
    ["GET", "/v2/monitors", (world, { url }) => listMonitors(world, url.searchParams)],
    ["GET", `/v2/monitors/${id}`, (world, _, [monitor = ""]) => getMonitor(world, monitor)],
    ["POST", "/v2/spans", (world, { body, url }) => listSpans(world, body, url.searchParams)],
    ["POST", "/v2/spans/annotate", (world, { body }) => annotateSpans(world, body)],
    ["GET", "/v2/annotation-configs", (world, { url }) => listAnnotationConfigs(world, url.searchParams)],
    ["POST", "/v2/annotation-configs", (world, { body }) => createAnnotationConfig(world, body)],
    ["GET", "/v2/spaces", (world, { url }) => listSpaces(world, url.searchParams)],
    ["GET", "/v2/projects", (world, { url }) => listProjects(world, url.searchParams)],
    ["GET", "/v2/prompts", (world, { url }) => listPrompts(world, url.searchParams)],
    ["POST", "/v2/prompts", (world, { body }) => createPrompt(world, body)],
    ["GET", `/v2/prompts/${id}`, (world, { url }, [prompt = ""]) => getPrompt(world, prompt, url.searchParams)],
    [
      "GET",
      `/v2/prompts/${id}/labels/${name}`,
      ({ hub }, _, [prompt = "", label = ""]) => json(hub.labelled(prompt, label)),
    ],
    [
      "GET",
      `/v2/prompts/${id}/versions`,
      (world, { url }, [prompt = ""]) => listPromptVersions(world, prompt, url.searchParams),
    ],
    [
      "POST",
      `/v2/prompts/${id}/versions`,
      (world, { body }, [prompt = ""]) => createPromptVersion(world, prompt, body),
    ],
    ["GET", `/v2/prompt-versions/${id}`, ({ hub }, _, [version = ""]) => json(hub.versionOf(version))],
    ["PUT", `/v2/prompt-versions/${id}/labels`, (world, { body }, [version = ""]) => putLabels(world, version, body)],
    [
      "DELETE",
      `/v2/prompt-versions/${id}/labels/${name}`,
      (world, _, [version = "", label = ""]) => deleteLabel(world, version, label),
    ],
  ] satisfies [string, string, Handler][]
).map(([method, path, handler]) => [method, new RegExp(`^${path}$`), handler]);

/** Answers REST v2: a Bearer key, RFC 9457 problems. */
export function answerRest(world: AxWorld, call: VendorCall): Reply {
  if (call.headers.authorization !== `Bearer ${world.apiKey}`)
    throw new Refusal(problem(401, "Authentication required", "You must be authenticated to access this resource."));
  const path = call.url.pathname;
  const there = routes.filter(([, pattern]) => pattern.test(path));
  const [, pattern, handler] = there.find(([method]) => method === call.method) ?? [];
  if (pattern !== undefined && handler !== undefined)
    return handler(world, call, (pattern.exec(path) ?? []).slice(1).map(decodeURIComponent));
  throw new Refusal(there.length > 0 ? problem(405, "Method Not Allowed") : problem(404, "Resource not found"));
}

function listSpaces({ space }: AxWorld, query: URLSearchParams): Reply {
  const { items, pagination } = pageOf([space].filter(nameFilter(query)), query, { max: 100, usual: 50 });
  const spaces = items.map((one) => ({
    id: one.id,
    name: one.name,
    description: "",
    created_at: created,
    is_private: false,
  }));
  return json({ spaces, pagination });
}

function listProjects({ space }: AxWorld, query: URLSearchParams): Reply {
  const isThere =
    (query.get("space_id") ?? space.id) === space.id && space.name.includes(query.get("space_name") ?? "");
  const found = isThere ? space.projects.filter(nameFilter(query)) : [];
  const { items, pagination } = pageOf(found, query, { max: 100, usual: 50 });
  return json({ projects: items.map((one) => ({ ...one, space_id: space.id, created_at: created })), pagination });
}
