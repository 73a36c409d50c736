import { z } from "zod";
import { quote } from "../core/quote.ts";
import { fail, ok, skipped, warn, type Check, type Found } from "./finding.ts";
import { unreachable, type ProbeAnswer, type Prober } from "./probe.ts";

export interface ArizeApiSettings {
  /** Without `/v2`. */
  readonly url: string;
  readonly apiKey: string;
  readonly spaceId: string | null;
  /** The project's global id. */
  readonly projectId: string | null;
  readonly graphqlUrl: string;
  readonly developerKey: string | null;
  readonly hasWebhookSecret: boolean;
}

/** Whether Arize AX lets us read monitors, write feedback and manage monitors, and can call us. */
export const arizeApiChecks = (prober: Prober, settings: ArizeApiSettings): readonly Check[] => [
  {
    id: "arize-monitors",
    title: "Arize: monitors over REST",
    run: () => restCheck(prober, settings, { path: "/v2/monitors", permission: "MONITOR_READ", read: monitorsFound }),
  },
  {
    id: "arize-annotation-configs",
    title: "Arize: annotation configs",
    run: () =>
      restCheck(prober, settings, {
        path: "/v2/annotation-configs",
        permission: "to read annotation configs",
        read: () => ok("annotation configs can be read: feedback finds or makes its own"),
      }),
  },
  { id: "arize-graphql", title: "Arize: GraphQL", run: () => graphqlCheck(prober, settings) },
  { id: "arize-webhook", title: "Arize: webhook", run: () => Promise.resolve(webhookFound(settings)) },
];

const webhookFound = ({ hasWebhookSecret }: ArizeApiSettings): Found =>
  hasWebhookSecret
    ? ok("a webhook secret is set; deliveries go to POST /webhooks/arize")
    : warn(
        "no webhook secret is set, so deliveries are refused and monitors are only polled",
        "Set SEGUE_ARIZE_WEBHOOK_SECRET to the secret of the webhook in Arize, and SEGUE_ARIZE_WEBHOOK_AUTH to hmac or bearer.",
      );

interface RestQuestion {
  readonly path: string;
  readonly permission: string;
  readonly read: (json: unknown) => Found;
}

async function restCheck(prober: Prober, settings: ArizeApiSettings, { path, permission, read }: RestQuestion) {
  const { apiKey, spaceId, projectId } = settings;
  const url = new URL(`${settings.url.replace(/\/+$/, "")}${path}`);
  if (spaceId !== null) url.searchParams.set("space_id", spaceId);
  if (projectId !== null && path === "/v2/monitors") url.searchParams.set("project_id", projectId);
  url.searchParams.set("limit", "100");
  const headers = { authorization: `Bearer ${apiKey}`, accept: "application/json" };
  const answer = await prober.ask({ method: "GET", url: url.href, headers });
  if (answer.kind === "unreached") return unreachable(answer, url.href, "SEGUE_ARIZE_URL");
  const at = `${url.origin}${path}`;
  switch (answer.status) {
    case 200:
      return read(answer.json);
    case 401:
      return fail(
        `${at} does not know the key (401)`,
        "Set SEGUE_ARIZE_API_KEY to a key of the same region as SEGUE_ARIZE_URL.",
      );
    case 403:
      return fail(`${at} does not let this key in (403)`, `Give the key's role the permission ${permission}.`);
    case 404:
      return fail(
        `there is nothing at ${at} (404)`,
        "Correct SEGUE_ARIZE_URL (without /v2), SEGUE_ARIZE_SPACE_ID and SEGUE_ARIZE_PROJECT_ID; some accounts lack this API while it is alpha.",
      );
    case 400:
    case 422:
      return fail(
        `${at} does not understand the space or the project (${answer.status})`,
        "SEGUE_ARIZE_SPACE_ID and SEGUE_ARIZE_PROJECT_ID take the global ids of Arize's pages, not names.",
      );
    case 429:
      return warn(`${at} was asked too often (429)`, "Try again later; give Segue a key of its own.");
    default:
      return fail(`${at} answered ${answer.status}`, "Try again later, and see Arize's status page.");
  }
}

const Monitors = z.object({ monitors: z.array(z.object({ name: z.string(), notes: z.string().nullish() })) });

function monitorsFound(json: unknown): Found {
  const page = Monitors.safeParse(json);
  if (!page.success)
    return fail(
      "the list of monitors is not what is expected",
      "Correct SEGUE_ARIZE_URL: something else answers there.",
    );
  const { monitors } = page.data;
  const ours = monitors.filter(
    ({ name, notes }) => name.startsWith("seg|") || notes?.includes("managed-by=segue") === true,
  );
  const among = `${ours.length} of the first ${monitors.length} monitors are Segue's`;
  return ours.length > 0
    ? ok(among)
    : warn(
        `none of the first ${monitors.length} monitors is Segue's`,
        "Create them with 'segue monitors apply', or name them seg|policy|segment|metric.",
      );
}

const GraphqlAnswer = z.object({
  data: z.object({ node: z.object({ id: z.string(), __typename: z.string() }).nullish() }).nullish(),
  errors: z.array(z.object({ message: z.string() })).nullish(),
});

async function graphqlCheck(prober: Prober, settings: ArizeApiSettings): Promise<Found> {
  const { graphqlUrl, developerKey, spaceId } = settings;
  if (developerKey === null)
    return skipped(
      "no developer key is set: 'segue monitors' needs one, and without it monitors are not read where REST does not have them",
      "To use it, set SEGUE_ARIZE_DEVELOPER_KEY.",
    );
  const query =
    spaceId === null
      ? "query SegueDoctor { __typename }"
      : "query SegueDoctor($id: ID!) { node(id: $id) { id __typename } }";
  const answer = await prober.ask({
    method: "POST",
    url: graphqlUrl,
    headers: { "content-type": "application/json", "x-api-key": developerKey },
    body: JSON.stringify({
      operationName: "SegueDoctor",
      query,
      ...(spaceId === null ? {} : { variables: { id: spaceId } }),
    }),
  });
  return answer.kind === "unreached"
    ? unreachable(answer, graphqlUrl, "SEGUE_ARIZE_GRAPHQL_URL")
    : graphqlFound(answer, settings);
}

function graphqlFound({ status, json }: ProbeAnswer, { graphqlUrl, spaceId }: ArizeApiSettings): Found {
  if (status === 401 || status === 403)
    return fail(
      `${graphqlUrl} does not know the key (${status})`,
      "Set SEGUE_ARIZE_DEVELOPER_KEY to a developer key; the key of the REST API is another one.",
    );
  if (status === 429) return warn(`${graphqlUrl} was asked too often (429)`, "Try again in a minute.");
  const answer = GraphqlAnswer.safeParse(json);
  if (!answer.success)
    return fail(
      `${graphqlUrl} answered ${status} and no GraphQL`,
      "Correct SEGUE_ARIZE_GRAPHQL_URL; it ends in /graphql.",
    );
  const [error] = answer.data.errors ?? [];
  const noAccess =
    "Correct SEGUE_ARIZE_SPACE_ID (the global id), or give the developer key's owner access to the space.";
  if (error !== undefined)
    return fail(`${graphqlUrl} refused to show the space: ${quote(error.message, 300)}`, noAccess);
  if (spaceId === null)
    return warn(
      "the developer key is known, but no space is named",
      "Set SEGUE_ARIZE_SPACE_ID: monitors are made in a space.",
    );
  const node = answer.data.data?.node ?? null;
  if (node === null) return fail(`${graphqlUrl} knows no space '${spaceId}' for this key`, noAccess);
  // Ids of other things, such as of a project, lead somewhere as well.
  return node.__typename === "Space"
    ? ok("the developer key sees the space")
    : fail(`the id of the space is that of something else (${quote(node.__typename, 60)})`, noAccess);
}
