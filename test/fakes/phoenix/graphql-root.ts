import type { StoredSpan } from "../otlp/span-shelf.ts";
import { globalId } from "../vendor/global-id.ts";
import { filterRow } from "./filter-row.ts";
import { annotationSummary, costSummary, quantile, spanCounts, tokenTotal, type Bins } from "./span-aggregates.ts";
import { compileFilter } from "./span-filter.ts";
import type { PhoenixProject, PhoenixWorld } from "./world.ts";

interface Scope {
  readonly timeRange?: { readonly start?: string | null; readonly end?: string | null } | null;
  readonly filterCondition?: string | null;
  readonly sessionFilterCondition?: string | null;
}

/** Resolves the queries of `graphql-schema.ts`. A filter that does not compile is an error of its field. */
export const phoenixRoot = (world: PhoenixWorld, role: "MEMBER" | "VIEWER") => ({
  getProjectByName: ({ name }: { name: string }) => {
    const project = world.projects.find((one) => one.name === name);
    return project === undefined ? null : projectResolvers(world, project);
  },
  projects: ({ first = 50, after }: { first?: number; after?: string | null }) => {
    const from = after ? world.projects.findIndex(({ id }) => id === after) + 1 : 0;
    const page = world.projects.slice(from, from + first);
    const [start = null, end = null] = [page[0]?.id, page.at(-1)?.id];
    return {
      edges: page.map((project) => ({ node: projectResolvers(world, project), cursor: project.id })),
      pageInfo: {
        hasNextPage: from + first < world.projects.length,
        hasPreviousPage: from > 0,
        startCursor: start,
        endCursor: end,
      },
    };
  },
  node: ({ id }: { id: string }) => {
    const project = world.projects.find((one) => one.id === id);
    if (project === undefined) throw new Error(`Unknown node: ${id}`);
    return projectResolvers(world, project);
  },
  viewer: () =>
    world.keys === null
      ? null
      : {
          __typename: "User",
          id: globalId("User", 1),
          username: "segue",
          email: null,
          role: { id: globalId("UserRole", 1), name: role },
        },
});

function projectResolvers(world: PhoenixWorld, { id, name }: PhoenixProject) {
  const spansOf = (scope: Scope) => scopedSpans(world, name, scope);
  const times = () => world.spans.readable().filter((span) => span.project === name);
  const annotationsOf = (span: StoredSpan, annotation: string) =>
    world.annotations.ofSpan(span.spanId).filter((one) => one.name === annotation);
  return {
    __typename: "Project",
    id,
    name,
    startTime: () => isoOrNull(Math.min(...times().map(({ startMs }) => startMs))),
    endTime: () => isoOrNull(Math.max(...times().map(({ endMs }) => endMs))),
    recordCount: (scope: Scope) => spansOf(scope).length,
    tokenCountTotal: (scope: Scope) => tokenTotal(spansOf(scope)),
    costSummary: (scope: Scope) => costSummary(spansOf(scope), world.prices),
    spanLatencyMsQuantile: ({ probability, ...scope }: Scope & { probability: number }) =>
      quantile(
        spansOf(scope).map(({ startMs, endMs }) => endMs - startMs),
        probability,
      ),
    spanAnnotationNames: () => [
      ...new Set(times().flatMap((span) => world.annotations.ofSpan(span.spanId).map((one) => one.name))),
    ],
    spanAnnotationSummary: ({ annotationName, ...scope }: Scope & { annotationName: string }) =>
      annotationSummary(
        annotationName,
        spansOf(scope).map((span) => annotationsOf(span, annotationName)),
      ),
    validateSpanFilterCondition: ({ condition }: { condition: string }) => validated(world, name, condition),
    spanCountTimeSeries: ({ timeBinConfig, ...scope }: Scope & { timeBinConfig?: Bins | null }) => ({
      data: spanCounts(spansOf(scope), scope.timeRange ?? {}, timeBinConfig ?? { scale: "HOUR" }, world.now()),
    }),
  };
}

const isoOrNull = (ms: number): string | null => (Number.isFinite(ms) ? new Date(ms).toISOString() : null);

function scopedSpans(world: PhoenixWorld, project: string, scope: Scope): readonly StoredSpan[] {
  if (scope.sessionFilterCondition) throw new Error("Filters of sessions are no part of this fake.");
  const start = timeOf(scope.timeRange?.start, -Infinity);
  const end = timeOf(scope.timeRange?.end, Infinity);
  const { matches } = scope.filterCondition ? compileFilter(scope.filterCondition) : { matches: () => true };
  return world.spans
    .readable()
    .filter(
      (span) =>
        span.project === project && span.startMs >= start && span.startMs < end && matches(filterRow(world, span)),
    );
}

function timeOf(time: string | null | undefined, otherwise: number): number {
  if (time === null || time === undefined) return otherwise;
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) throw new Error(`Invalid DateTime: ${time}`);
  return ms;
}

/** Compiles only: a key that no span has is as valid as any, and matches nothing. */
function validated(world: PhoenixWorld, project: string, condition: string) {
  try {
    const seen = new Set(
      world.annotations
        .list()
        .filter(({ spanId }) => world.spans.find(spanId)?.project === project)
        .map(({ name }) => name),
    );
    const warnings = compileFilter(condition)
      .annotations.filter((name) => !seen.has(name))
      .map((name) => `No annotation named '${name}' was seen in this project.`);
    return { isValid: true, errorMessage: null, warnings };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { isValid: false, errorMessage: error.message, warnings: [] };
  }
}
