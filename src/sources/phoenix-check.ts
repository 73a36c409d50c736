import { z } from "zod";
import type { SourceAnswer, SourceCheck, SourceRequest } from "../core/signal-source.ts";
import { quote } from "../core/quote.ts";
import { ANNOTATED, annotationSummary, ANSWERS, FAILED, readProject } from "./phoenix-query.ts";
import type { PhoenixSettings } from "./phoenix.ts";

/** Every kind of clause that is asked for later, in one filter. */
const SAMPLE =
  `${ANSWERS} and metadata['segment_id'] == 'policy|segment' and metadata['policy'] != 'policy' and ` +
  `metadata['variant'] == 'variant' and ${FAILED.fault} and ${FAILED.counted} and latency_ms > 1000 and (${ANNOTATED})`;

const QUERY =
  "query SegueCheck($project: String!, $range: TimeRange!, $filter: String!, $name: String!) { " +
  "getProjectByName(name: $project) { validateSpanFilterCondition(condition: $filter) { isValid errorMessage } " +
  `answers: recordCount(timeRange: $range, filterCondition: $filter) summary: ${annotationSummary("$name")} } }`;

const Checked = z.object({
  validateSpanFilterCondition: z.object({ isValid: z.boolean(), errorMessage: z.string().nullish() }),
});

/** Whether the project is there and this version of Phoenix answers what the sweeps ask. */
export const phoenixChecks = (settings: PhoenixSettings): readonly SourceCheck[] => [
  {
    request: graphqlRequest(settings, {
      operationName: "SegueCheck",
      query: QUERY,
      variables: {
        project: settings.project,
        // A minute long ago, which costs the database nothing.
        range: { start: "2020-01-01T00:00:00.000Z", end: "2020-01-01T00:01:00.000Z" },
        filter: SAMPLE,
        name: "segue",
      },
    }),
    problemOf: (answer) => {
      const problem = problemIn(answer.json, settings);
      return problem === null ? null : `${nameOf(answer)}: ${problem}`;
    },
  },
];

function problemIn(json: unknown, { project }: PhoenixSettings): string | null {
  const found = readProject(json, project);
  if (typeof found === "string") return found;
  const checked = Checked.safeParse(found);
  if (!checked.success) return "it does not say whether a filter is valid: use a version of Phoenix that does";
  const { isValid, errorMessage } = checked.data.validateSpanFilterCondition;
  return isValid
    ? null
    : `it does not understand the filters that Segue uses (${quote(errorMessage ?? "no reason given", 300)}): use another version of Phoenix`;
}

/** A proxy may keep the version back. */
const nameOf = ({ headers }: SourceAnswer): string => {
  const version = headers.get("x-phoenix-server-version");
  return version === null ? "Phoenix (unknown version)" : `Phoenix ${quote(version, 40)}`;
};

export const graphqlRequest = ({ apiKey }: PhoenixSettings, body: object): SourceRequest => ({
  method: "POST",
  path: "/graphql",
  query: {},
  headers: { accept: "application/json", ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) },
  body,
});
