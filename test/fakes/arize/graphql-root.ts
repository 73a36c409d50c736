import { GraphQLError } from "graphql";
import { metadataOf } from "./columns.ts";
import { monitorFields, type MonitorInput } from "./monitor-input.ts";
import { monitorNode } from "./monitor-node.ts";
import { monitorId, type MonitorJson } from "./monitors.ts";
import type { Project } from "./space.ts";
import type { AxWorld } from "./world.ts";

interface PageArguments {
  readonly first: number;
  readonly after?: string | null;
}
interface MonitorArguments extends PageArguments {
  readonly search?: string | null;
  readonly modelName?: string | null;
  readonly monitorCategory?: string | null;
}

/** Resolves the queries and mutations of `graphql-schema.ts`. */
export function arizeRoot(world: AxWorld) {
  const change = (category: "dataQuality" | "performance") => ({
    create: ({ input }: { input: MonitorInput }) => ({ monitor: nodeOf(world, createMonitor(world, category, input)) }),
    patch: ({ input }: { input: { monitorId: string; set: MonitorInput } }) => {
      const before = existing(world, input.monitorId, category);
      const monitor = { ...before, ...monitorFields(input.set, before), updated_at: iso(world) };
      world.monitors.set(monitor.id, monitor);
      return { monitor: nodeOf(world, monitor) };
    },
  });
  const [quality, performance] = [change("dataQuality"), change("performance")];
  return {
    node: ({ id }: { id: string }) => {
      if (id === world.space.id) return spaceNode(world);
      const project = world.space.projectById(id);
      if (project !== undefined) return modelNode(world, project);
      const monitor = world.monitors.get(id);
      return monitor === undefined ? null : nodeOf(world, monitor);
    },
    rateLimit: () => ({ limit: 1000, cost: 1, remaining: 999, resetAt: iso(world) }),
    createDataQualityMonitor: quality.create,
    patchDataQualityMonitor: quality.patch,
    createPerformanceMonitor: performance.create,
    patchPerformanceMonitor: performance.patch,
    deleteMonitor: ({ input }: { input: { monitorId: string } }) => {
      const monitor = existing(world, input.monitorId, null);
      world.monitors.delete(monitor.id);
      return { monitor: nodeOf(world, monitor) };
    },
  };
}

const iso = ({ now }: AxWorld): string => new Date(now()).toISOString();

function existing({ monitors }: AxWorld, id: string, category: string | null): MonitorJson {
  const monitor = monitors.get(id);
  if (monitor === undefined) throw new GraphQLError(`Monitor ${id} was not found`);
  const isPerformance = monitor.type === "PERFORMANCE" || monitor.type === "CUSTOM_METRIC";
  if (category !== null && isPerformance !== (category === "performance"))
    throw new GraphQLError(`Monitor ${id} is of another category`);
  return monitor;
}

function createMonitor(world: AxWorld, category: "dataQuality" | "performance", input: MonitorInput): MonitorJson {
  const project = projectFor(world, input);
  if (!input.name) throw new GraphQLError("name is required");
  if (category === "dataQuality" && (!input.dataQualityMetric || !input.dimensionName))
    throw new GraphQLError("dataQualityMetric and dimensionName are required");
  if (category === "performance" && !input.performanceMetric && !input.customMetricId)
    throw new GraphQLError("performanceMetric or customMetricId is required");
  const isTracing = input.modelEnvironmentName === "tracing";
  const id = monitorId(nextNumber(world));
  const monitor: MonitorJson = {
    id,
    name: input.name,
    type: category === "performance" ? "PERFORMANCE" : isTracing ? "TRACING" : "DATA_QUALITY",
    project_id: project.id,
    uri: `https://app.arize.com/organizations/T3JnOjE=/spaces/${world.space.id}/monitors/${encodeURIComponent(id)}`,
    status: "NO_DATA",
    filters: [],
    notifications_enabled: true,
    manual_evaluation_enabled: false,
    created_by_user_id: "VXNlcjox",
    created_at: iso(world),
    updated_at: iso(world),
    evaluated_at: null,
    latest_computed_value: null,
    ...monitorFields(input, null),
  };
  if (monitor.threshold === undefined) throw new GraphQLError("threshold or dynamicAutoThreshold is required");
  world.monitors.set(id, monitor);
  return monitor;
}

function projectFor({ space }: AxWorld, { spaceId, modelName, modelId }: MonitorInput): Project {
  const project = modelId
    ? space.projectById(modelId)
    : spaceId === space.id && space.projects.find(({ name }) => name === modelName);
  if (!project) throw new GraphQLError("The model was not found: give modelId, or spaceId and modelName");
  return project;
}

/** Above every number in use, so that ids do not come back. */
function nextNumber({ monitors }: AxWorld): number {
  const used = [...monitors.keys()].map((id) => Number(/^Monitor:(\d+)/.exec(atob(id))?.[1] ?? 0));
  return Math.max(1000, ...used) + 1;
}

const nodeOf = (world: AxWorld, monitor: MonitorJson) =>
  monitorNode(monitor, () => {
    const project = world.space.projectById(String(monitor.project_id));
    return project === undefined ? null : modelNode(world, project);
  });

const spaceNode = (world: AxWorld) => ({
  __typename: "Space",
  id: world.space.id,
  name: world.space.name,
  monitors: (page: MonitorArguments) => monitorPage(world, page, null),
  models: (page: PageArguments & { search?: string | null }) =>
    connection(
      world.space.projects
        .filter(({ name }) => name.includes(page.search ?? ""))
        .map((project) => modelNode(world, project)),
      page,
    ),
});

interface ModelNode extends Project {
  readonly __typename: "Model";
  readonly monitors: (page: MonitorArguments) => unknown;
  readonly tracingSchema: (range: { startTime: string; endTime: string }) => unknown;
}

function modelNode(world: AxWorld, project: Project): ModelNode {
  return {
    __typename: "Model",
    id: project.id,
    name: project.name,
    monitors: (page) => monitorPage(world, page, project.id),
    tracingSchema: (range) => tracingSchema(world, project, range),
  };
}

function monitorPage(
  world: AxWorld,
  { search, modelName, monitorCategory, ...page }: MonitorArguments,
  projectId: string | null,
) {
  const wanted = modelName ? world.space.projects.find(({ name }) => name === modelName)?.id : projectId;
  const found = [...world.monitors.values()]
    .filter((monitor) => (wanted === null || monitor.project_id === wanted) && monitor.name.includes(search ?? ""))
    .map((monitor) => nodeOf(world, monitor))
    .filter((node) => !monitorCategory || node.monitorCategory === monitorCategory);
  return connection(found, page);
}

/** The columns that spans of the range have; one that no span had yet is not there. */
function tracingSchema(
  world: AxWorld,
  project: Project,
  { startTime, endTime }: { startTime: string; endTime: string },
) {
  const [from, to] = [Date.parse(startTime), Date.parse(endTime)];
  const spans = world.spans
    .readable()
    .filter((span) => span.project === project.name && span.startMs >= from && span.startMs < to);
  const names = (columns: readonly string[], category: string) => (page: PageArguments) =>
    connection(
      [...new Set(columns)]
        .toSorted()
        .map((name) => ({ id: name, dimension: { id: name, name, dataType: "STRING", category } })),
      page,
    );
  const scored = (kind: "annotations" | "evaluations", prefix: string) =>
    spans.flatMap((span) =>
      world.scores
        .ofSpan(kind, span.spanId)
        .flatMap(({ name }) => [`${prefix}.${name}.score`, `${prefix}.${name}.label`]),
    );
  return {
    spanProperties: names(
      spans.flatMap((span) => [
        ...Object.keys(span.attributes).map((key) => `attributes.${key}`),
        ...Object.keys(metadataOf(span)).map((key) => `attributes.metadata.${key}`),
      ]),
      "spanProperty",
    ),
    llmEvals: names(scored("evaluations", "eval"), "llmEval"),
    annotations: names(scored("annotations", "annotation"), "annotation"),
  };
}

function connection<T extends { readonly id: string }>(list: readonly T[], { first, after }: PageArguments) {
  if (first < 1) throw new GraphQLError("first must be positive");
  const from = after ? list.findIndex(({ id }) => id === after) + 1 : 0;
  const page = list.slice(from, from + first);
  return {
    pageInfo: { hasNextPage: from + first < list.length, endCursor: page.at(-1)?.id ?? null },
    edges: page.map((node) => ({ node, cursor: node.id })),
  };
}
