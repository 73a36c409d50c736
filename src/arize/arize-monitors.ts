import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import type { MonitorStore, SpanColumn } from "../monitors/apply-monitors.ts";
import type { Contacts } from "../monitors/monitor-settings.ts";
import type { AskArize, GraphqlOperation } from "./graphql.ts";
import { ListedMonitor, MONITOR_FIELDS, toExisting } from "./listed-monitor.ts";
import { createInput, createMutation, deleteMutation, patchMutation } from "./monitor-mutations.ts";

/** A project by its global id, or by its name in a space. */
export type ProjectRef = { readonly id: string } | { readonly spaceId: string; readonly name: string };

export interface ArizeMonitorsOptions {
  readonly project: ProjectRef;
  /** Sent when a monitor is created. Those that exist keep theirs: a patch would replace a webhook that was attached by hand. */
  readonly contacts: Contacts;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A page of monitors costs of a query's complexity, of which Arize allows 1000. */
const PAGE = { monitors: 20, columns: 100 } as const;
const PAGES_MAX = 200;
const COLUMNS_SINCE_MS = 7 * 86_400_000;

/** The monitors of one project of Arize AX, by GraphQL: REST v2 only reads them. */
export function arizeMonitors(ask: AskArize, { project, contacts, now }: ArizeMonitorsOptions): MonitorStore {
  let found: Promise<string> | null = null;
  const projectId = (): Promise<string> => (found ??= findProject(ask, project));
  return {
    list: async () => {
      const id = await projectId();
      return pages(async (after) => {
        const { node } = await ask(monitorsQuery, { project: id, after });
        return pageOf(node?.monitors, id, toExisting);
      });
    },
    columns: async () => {
      const id = await projectId();
      const window = { startTime: iso(now - COLUMNS_SINCE_MS), endTime: iso(now) };
      return pages(async (after) => {
        const { node } = await ask(columnsQuery, { project: id, ...window, after });
        return pageOf(node?.tracingSchema?.spanProperties, id, toColumn);
      });
    },
    create: async (monitor) => {
      await ask(createMutation, { input: { modelId: await projectId(), ...createInput(monitor, contacts) } });
    },
    patch: async (id, monitor, differences) => {
      const { operation, variables } = patchMutation(id, monitor, differences);
      await ask(operation, variables);
    },
    remove: async (id) => {
      try {
        await ask(deleteMutation, { input: { monitorId: id } });
      } catch (error) {
        // How Arize tells that there is none any more is not documented, so it is looked up.
        if (!(error instanceof RouterError) || error.reason !== "arize_refused") throw error;
        const { node } = await ask(existsQuery, { id });
        if (node !== null && node !== undefined) throw error;
      }
    },
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

async function pages<T>(read: (after: string | null) => Promise<Page<T>>): Promise<readonly T[]> {
  const all: T[] = [];
  let after: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { items, next }: Page<T> = await read(after);
    all.push(...items);
    if (next === null || next === after) return all;
    after = next;
  }
  throw new RouterError("invalid_request", `Arize has more than ${PAGES_MAX} pages of it: name a smaller project.`, {
    reason: "too_many_pages",
  });
}

const connection = <T extends z.ZodType>(node: T) =>
  z.object({
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
    edges: z.array(z.object({ node })),
  });

interface Connection<N> {
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor?: string | null | undefined };
  readonly edges: readonly { readonly node: N }[];
}

function pageOf<N, T>(found: Connection<N> | null | undefined, id: string, to: (node: N) => T): Page<T> {
  if (found === null || found === undefined) throw noProject(`the id '${id}'`);
  const { pageInfo, edges } = found;
  return {
    items: edges.map(({ node }) => to(node)),
    next: pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null,
  };
}

const noProject = (what: string): RouterError =>
  new RouterError(
    "not_found",
    `Arize shows this key no project with ${what}: check SEGUE_ARIZE_PROJECT_ID, or SEGUE_ARIZE_SPACE_ID with SEGUE_ARIZE_PROJECT. A project is there once its first span has arrived.`,
    { reason: "no_arize_project" },
  );

async function findProject(ask: AskArize, project: ProjectRef): Promise<string> {
  if ("id" in project) return project.id;
  const { node } = await ask(projectQuery, { space: project.spaceId, name: project.name });
  const match = node?.models?.edges.find((edge) => edge.node.name === project.name);
  if (match === undefined) throw noProject(`the name '${project.name}' in the space '${project.spaceId}'`);
  return match.node.id;
}

/** "Model" is what Arize's GraphQL calls a project. */
const projectQuery = query(
  "segueProject",
  `query segueProject($space: ID!, $name: String!) {
    node(id: $space) { ... on Space { models(first: 50, search: $name) {
      edges { node { id name } }
    } } }
  }`,
  z.object({
    node: z
      .object({
        models: z
          .object({ edges: z.array(z.object({ node: z.object({ id: z.string(), name: z.string() }) })) })
          .nullish(),
      })
      .nullish(),
  }),
);

const monitorsQuery = query(
  "segueMonitors",
  `query segueMonitors($project: ID!, $after: String) {
    node(id: $project) { ... on Model { monitors(first: ${PAGE.monitors}, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { node { ${MONITOR_FIELDS} } }
    } } }
  }`,
  z.object({ node: z.object({ monitors: connection(ListedMonitor).nullish() }).nullish() }),
);

const Column = z.object({ dimension: z.object({ name: z.string(), category: z.string().nullish() }) });
const toColumn = ({ dimension: { name, category } }: z.infer<typeof Column>): SpanColumn => ({
  name,
  category: category ?? null,
});

const columnsQuery = query(
  "segueSpanColumns",
  `query segueSpanColumns($project: ID!, $startTime: DateTime!, $endTime: DateTime!, $after: String) {
    node(id: $project) { ... on Model { tracingSchema(startTime: $startTime, endTime: $endTime) {
      spanProperties(first: ${PAGE.columns}, after: $after) {
        pageInfo { hasNextPage endCursor }
        edges { node { dimension { name category } } }
      }
    } } }
  }`,
  z.object({
    node: z.object({ tracingSchema: z.object({ spanProperties: connection(Column).nullish() }).nullish() }).nullish(),
  }),
);

const existsQuery = query(
  "segueMonitorExists",
  "query segueMonitorExists($id: ID!) { node(id: $id) { id } }",
  z.object({ node: z.object({ id: z.string() }).nullish() }),
);

function query<T>(name: string, text: string, answer: z.ZodType<T>): GraphqlOperation<T> {
  return { name, kind: "query", text, answer, isRepeatable: true };
}
