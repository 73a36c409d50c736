import { z } from "zod";
import type { SourceQuestion, SourceReading, SourceRef } from "../core/signal-source.ts";
import type { ArizeSettings } from "./arize.ts";
import { readMonitors } from "./arize-monitor.ts";

const FIELDS = `id name notes status evaluatedAt updatedAt latestComputedValue
  threshold thresholdMode dynamicAutoThresholdEnabled
  primaryMetricWindow { windowLengthMs filters { operator dimension { name } dimensionValues { value } categoricalValues } }`;

const ONE = `query segueMonitor($id: ID!) { node(id: $id) { ... on Monitor { ${FIELDS} } } }`;

const PAGE = `{ pageInfo { hasNextPage endCursor } edges { node { ${FIELDS} } } }`;
/** "Model" is what GraphQL calls a project; only a space is known to search. Arize counts what a query may return, so a page is small. */
const MANY = `query segueMonitorsOf($id: ID!, $search: String, $after: String) { node(id: $id) {
  ... on Model { monitors(first: 20, after: $after) ${PAGE} }
  ... on Space { monitors(first: 20, after: $after, search: $search) ${PAGE} }
} }`;

/** The same over GraphQL; null without a developer key, or where it is not configured what a sweep is limited to. */
export function graphqlQuestion(
  ref: SourceRef,
  settings: ArizeSettings,
  after: string | null = null,
): SourceQuestion | null {
  const { graphql, projectId, spaceId } = settings;
  const within = ref.kind === "id" ? ref.id : (projectId ?? spaceId);
  if (graphql === undefined || within === undefined) return null;
  const { origin, pathname } = new URL(graphql.url);
  const body =
    ref.kind === "id"
      ? { operationName: "segueMonitor", query: ONE, variables: { id: within } }
      : {
          operationName: "segueMonitorsOf",
          query: MANY,
          variables: { id: within, search: ref.kind === "name" ? ref.name : null, after },
        };
  const headers = { "x-api-key": graphql.developerKey, accept: "application/json" };
  return {
    request: { method: "POST", baseUrl: origin, path: pathname, query: {}, headers, body },
    toReading: (json, { targets }) => {
      const answer = Answer.safeParse(json);
      if (!answer.success || (answer.data.errors?.length ?? 0) > 0)
        return {
          ...nothing("graphql-refused"),
          problem:
            "its GraphQL API refused to list monitors: check SEGUE_ARIZE_GRAPHQL_URL and SEGUE_ARIZE_DEVELOPER_KEY",
        };
      const node = answer.data.data?.node;
      if (node === null || node === undefined)
        return {
          ...nothing("not-found"),
          problem: `its GraphQL API knows no '${within}': check SEGUE_ARIZE_PROJECT_ID and SEGUE_ARIZE_SPACE_ID, which are global ids`,
        };
      const page = Page.safeParse(node);
      if (!page.success) return readMonitors([asRest(node)], targets, settings);
      const { edges, pageInfo } = page.data.monitors;
      const reading = readMonitors(
        edges.map((edge) => asRest(edge.node)),
        targets,
        settings,
      );
      const cursor = pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null;
      const next = cursor === null || cursor === after ? null : graphqlQuestion(ref, settings, cursor);
      return next === null ? reading : { ...reading, next: [next] };
    },
  };
}

const nothing = (reason: string): SourceReading => ({ signals: [], ignored: { [reason]: 1 } });

const Answer = z.object({
  data: z.object({ node: z.unknown().optional() }).nullish(),
  errors: z.array(z.unknown()).optional(),
});

const Page = z.object({
  monitors: z.object({
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
    edges: z.array(z.object({ node: z.unknown() })),
  }),
});

const Filter = z.object({
  operator: z.string().nullish(),
  dimension: z.object({ name: z.string().nullish() }).nullish(),
  dimensionValues: z.array(z.object({ value: z.string() })).nullish(),
  categoricalValues: z.array(z.string()).nullish(),
});

const Monitor = z.object({
  id: z.unknown().optional(),
  name: z.unknown().optional(),
  notes: z.unknown().optional(),
  status: z.unknown().optional(),
  evaluatedAt: z.unknown().optional(),
  updatedAt: z.unknown().optional(),
  latestComputedValue: z.unknown().optional(),
  threshold: z.number().nullish().catch(null),
  thresholdMode: z.unknown().optional(),
  dynamicAutoThresholdEnabled: z.unknown().optional(),
  primaryMetricWindow: z
    .object({ windowLengthMs: z.number().nullish().catch(null), filters: z.array(Filter).nullish() })
    .nullish(),
});

/** A monitor as REST spells it, whose reader judges it. */
function asRest(node: unknown): unknown {
  const parsed = Monitor.safeParse(node);
  if (!parsed.success) return node;
  const { id, name, notes, status, evaluatedAt, updatedAt, threshold, primaryMetricWindow: window } = parsed.data;
  const isFixed = parsed.data.dynamicAutoThresholdEnabled !== true && parsed.data.thresholdMode !== "range";
  return {
    id,
    name,
    notes,
    status,
    evaluated_at: evaluatedAt,
    // What was never changed may lack it; REST always has it.
    updated_at: updatedAt ?? evaluatedAt,
    filters: window?.filters?.map(filterAsRest) ?? null,
    latest_computed_value: parsed.data.latestComputedValue,
    evaluation_window_length_seconds: typeof window?.windowLengthMs === "number" ? window.windowLengthMs / 1000 : null,
    threshold: isFixed && typeof threshold === "number" ? { type: "MANUAL_SINGLE", value: threshold } : null,
  };
}

const filterAsRest = ({ operator, dimension, dimensionValues, categoricalValues }: z.infer<typeof Filter>) => ({
  operator,
  dimension,
  // One of the two is filled, by the kind of the dimension.
  values: dimensionValues?.length ? dimensionValues.map(({ value }) => value) : (categoricalValues ?? []),
});
