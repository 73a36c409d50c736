import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import type { MetricSpec, Policy } from "../core/policy.ts";
import { quote } from "../core/quote.ts";
import type { Subject, Window } from "./phoenix-subject.ts";
import type { Measured } from "./phoenix-verdict.ts";

/** Answers of models; the rest of a trace belongs to the application. */
export const ANSWERS = "(span_kind == 'LLM' or span_kind == 'EMBEDDING')";
/**
 * Segue says in the metadata whose doing a failure was: that of a client that asked wrongly is no error of the segment. Spans
 * without the key are not counted at all, or spans that somebody else sent would pass for answers without errors.
 */
export const FAILED = { counted: "metadata['error'] >= 0", fault: "metadata['error'] == 1" } as const;
/** What names may be made of that are put into a filter, so that none can change what it says. */
const NAME = /^[A-Za-z0-9_|-]{1,300}$/;

const filterable = (name: string): string => {
  if (NAME.test(name)) return name;
  throw new RouterError("invalid_request", `The name ${quote(name)} cannot be put into a Phoenix filter.`);
};

const equals = (key: string, value: string, operator: "==" | "!=" = "=="): string =>
  `metadata['${key}'] ${operator} '${filterable(value)}'`;

/** A subject's own answers. A misspelt key matches nothing, which is then no data and never healthy. */
export const ownAnswers = ({ policy, segment, variant }: Subject): string =>
  [ANSWERS, equals("segment_id", `${policy.policy}|${segment.id}`), equals("variant", variant)].join(" and ");

/** The answers of the policy's other segments. */
export const otherAnswers = ({ policy, segment }: Subject): string =>
  [ANSWERS, equals("policy", policy.policy), equals("segment_id", `${policy.policy}|${segment.id}`, "!=")].join(
    " and ",
  );

/** Which answers count for a metric, all when absent, and which of them are bad; null for one that annotations judge. */
function faultOf(spec: MetricSpec): { readonly counted?: string; readonly fault: string } | null {
  if (spec.from === "error") return FAILED;
  if (spec.from === "latency" && spec.slowerThanMs !== undefined) return { fault: `latency_ms > ${spec.slowerThanMs}` };
  return null;
}

/** Whether aggregates of spans tell a metric: relative amounts and checks of the answer's text do not. */
export const isMeasurable = (spec: MetricSpec): boolean =>
  spec.from === "feedback" || spec.from === "judge" || faultOf(spec) !== null;

/** Loss of a score in [0,1], as feedback sends it. */
const lossOf = (score: number, spec: MetricSpec): number =>
  spec.from === "judge" || (spec.from === "feedback" && spec.better === "higher") ? 1 - score : score;

export interface AggregateQuery {
  /** The body of a GraphQL request. */
  readonly body: { readonly operationName: string; readonly query: string; readonly variables: object };
  /**
   * @returns by metric, or why it cannot be read
   * @throws RouterError `upstream_unavailable` when the answer is no answer to this query
   */
  readonly read: (json: unknown) => Readonly<Record<string, Measured | string>>;
}

/** One GraphQL query for the aggregates of all `metrics` over the answers of one filter and window. */
export function aggregateQuery(
  policy: Policy,
  metrics: readonly string[],
  { project, filter, window }: { readonly project: string; readonly filter: string; readonly window: Window },
): AggregateQuery {
  const parts = metrics.flatMap((metric, index) => {
    const spec = policy.metrics[metric];
    return spec === undefined || !isMeasurable(spec) ? [] : [partOf(metric, spec, { alias: `m${index}`, filter })];
  });
  const own = Object.assign({}, ...parts.map((part) => part.variables)) as Readonly<Record<string, string>>;
  const declared = ["$project: String!", "$range: TimeRange!", "$filter: String!"];
  for (const name of Object.keys(own)) declared.push(`$${name}: String!`);
  const fields = [counted("answers", "filter"), ...parts.map((part) => part.asks)].join(" ");
  const range = { start: new Date(window.start).toISOString(), end: new Date(window.end).toISOString() };
  return {
    body: {
      operationName: "SegueSegment",
      query: `query SegueSegment(${declared.join(", ")}) { getProjectByName(name: $project) { ${fields} } }`,
      variables: { project, range, filter, ...own },
    },
    read: (json) => {
      const aggregates = readProject(json, project);
      if (typeof aggregates === "string") throw unusable(aggregates);
      const answers = Count.safeParse(aggregates.answers);
      if (!answers.success) throw unusable("its count of spans is no number");
      return Object.fromEntries(parts.map(({ metric, reads }) => [metric, reads(aggregates, answers.data)]));
    },
  };
}

const Count = z.int().min(0);
type Aggregates = Readonly<Record<string, unknown>>;

interface Part {
  readonly metric: string;
  /** By the name of the GraphQL variable. */
  readonly variables: Readonly<Record<string, string>>;
  readonly asks: string;
  readonly reads: (aggregates: Aggregates, answers: number) => Measured | string;
}

const counted = (alias: string, filter: string): string =>
  `${alias}: recordCount(timeRange: $range, filterCondition: $${filter})`;

function partOf(
  metric: string,
  spec: MetricSpec,
  { alias, filter }: { readonly alias: string; readonly filter: string },
): Part {
  const counts = faultOf(spec);
  if (counts === null) return annotationPart(metric, spec, { alias, filter });
  const of = counts.counted === undefined ? null : `${alias}of`;
  return {
    metric,
    variables: {
      [alias]: `${filter} and ${counts.fault}`,
      ...(of === null ? {} : { [of]: `${filter} and ${counts.counted}` }),
    },
    asks: of === null ? counted(alias, alias) : `${counted(alias, alias)} ${counted(of, of)}`,
    reads: (aggregates, answers) => {
      const bad = Count.safeParse(aggregates[alias]);
      const all = Count.safeParse(of === null ? answers : aggregates[of]);
      if (!bad.success || !all.success) return "unreadable";
      // Both are counted at their own moment, and spans may arrive in between.
      return { labels: all.data, lossMean: all.data === 0 ? 0 : Math.min(1, bad.data / all.data) };
    },
  };
}

/**
 * Which answers have an annotation of a name with what is judged by. Comparisons, because no others are documented; they match
 * nothing where there is no such annotation.
 */
const annotated = (name: string, by: "score" | "label"): string =>
  `annotations['${filterable(name)}'].${by} ${by === "label" ? "!= ''" : ">= 0"}`;

/** Clauses of both kinds, for the check of what this version of Phoenix understands. */
export const ANNOTATED = `${annotated("segue", "score")} or ${annotated("segue", "label")}`;

/** Asks how many answers are annotated as well, because the summary counts each annotator of the same answer. */
function annotationPart(
  metric: string,
  spec: MetricSpec,
  { alias, filter }: { readonly alias: string; readonly filter: string },
): Part {
  const [scored, labelled] = [`${alias}scored`, `${alias}labelled`];
  const scores = spec.from === "feedback" ? spec.labels : undefined;
  return {
    metric,
    variables: {
      [alias]: metric,
      [scored]: `${filter} and ${annotated(metric, "score")}`,
      ...(scores === undefined ? {} : { [labelled]: `${filter} and ${annotated(metric, "label")}` }),
    },
    asks: [
      `${alias}: ${annotationSummary(`$${alias}`)}`,
      counted(scored, scored),
      ...(scores === undefined ? [] : [counted(labelled, labelled)]),
    ].join(" "),
    reads: (aggregates, answers) =>
      summaryOf(aggregates[alias], spec, {
        // Where a version of Phoenix counts an answer once for each annotator here too, there are at least no more than answers.
        scored: Math.min(answers, countOf(aggregates[scored])),
        labelled: scores === undefined ? 0 : Math.min(answers, countOf(aggregates[labelled])),
      }),
  };
}

/** What is no count is none: too little to judge by. */
const countOf = (value: unknown): number => Count.safeParse(value).data ?? 0;

/** The aggregate of one annotation. @param name a GraphQL variable */
export const annotationSummary = (name: string): string =>
  `spanAnnotationSummary(annotationName: ${name}, timeRange: $range, filterCondition: $filter) ` +
  "{ meanScore scoreCount labelCount labelFractions { label fraction } }";

const Summary = z.object({
  meanScore: z.number().nullish(),
  scoreCount: z.int().min(0),
  labelCount: z.int().min(0),
  labelFractions: z.array(z.object({ label: z.string(), fraction: z.number().min(0).max(1.000_001) })),
});

/** By scores, or where fewer answers have them than labels, by what the metric says that its labels stand for. */
function summaryOf(
  value: unknown,
  spec: MetricSpec,
  annotatedAnswers: { readonly scored: number; readonly labelled: number },
): Measured | string {
  if (value === null || value === undefined) return { labels: 0, lossMean: 0 };
  const summary = Summary.safeParse(value);
  if (!summary.success) return "unreadable";
  const { meanScore, scoreCount, labelCount, labelFractions } = summary.data;
  const scores = spec.from === "feedback" ? spec.labels : undefined;
  const byLabel = labelCount > scoreCount && scores !== undefined;
  const score = byLabel ? scoreOfLabels(labelFractions, scores) : scoreCount === 0 ? 0 : (meanScore ?? null);
  if (score === null) return byLabel ? "unknown-label" : "unreadable";
  const labels = byLabel
    ? Math.min(labelCount, annotatedAnswers.labelled)
    : Math.min(scoreCount, annotatedAnswers.scored);
  if (labels === 0) return { labels: 0, lossMean: 0 };
  return score < 0 || score > 1 ? "score-out-of-range" : { labels, lossMean: lossOf(score, spec) };
}

/** @returns null where a label stands for no score */
function scoreOfLabels(
  fractions: readonly { readonly label: string; readonly fraction: number }[],
  scores: Readonly<Record<string, number>>,
): number | null {
  let [sum, whole] = [0, 0];
  for (const { label, fraction } of fractions) {
    const score = Object.hasOwn(scores, label) ? scores[label] : undefined;
    if (score === undefined) return null;
    sum += fraction * score;
    whole += fraction;
  }
  return whole === 0 ? 0 : sum / whole;
}

const Answer = z.object({
  data: z.object({ getProjectByName: z.record(z.string(), z.unknown()).nullish() }).nullish(),
  errors: z.array(z.object({ message: z.string() })).nullish(),
});

/** What an answer holds of a project, or what is wrong with it and what to do. */
export function readProject(json: unknown, project: string): Readonly<Record<string, unknown>> | string {
  const answer = Answer.safeParse(json);
  if (!answer.success) return "its answer is not one to a GraphQL query: check the base URL";
  const [error] = answer.data.errors ?? [];
  if (error !== undefined) return `it refused the query: ${quote(error.message, 500)}`;
  return (
    answer.data.data?.getProjectByName ??
    `it has no project '${project}'. A project appears with its first span: send some traffic, or correct SEGUE_PHOENIX_PROJECT`
  );
}

const unusable = (problem: string): RouterError =>
  new RouterError("upstream_unavailable", `phoenix could not be read: ${problem}.`, { reason: "source_unavailable" });
