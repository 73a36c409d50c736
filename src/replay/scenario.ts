import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import { readJson } from "./json-document.ts";
import { scenarioIssues } from "./scenario-issue.ts";

const TEXT_MAX = 1024 * 1024;
const PROBLEMS_MAX = 20;

/** A strict object whose unknown-key issues list the keys that it knows, as `scenarioIssues` expects. */
const closed = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: ({ code }) => (code === "unrecognized_keys" ? Object.keys(shape).join(", ") : undefined),
  });

const Name = z.string().min(1);
const Share = z.number().min(0).max(1);
const Factor = z.number().min(0);
/** See `matchesGlob`. */
const Globs = z.array(Name).min(1);

/** A fraction of the run, or a range to draw one from. */
const Moment = z.union(
  [
    Share,
    z.tuple([Share, Share]).refine(([low, high]) => low <= high, { error: "the first must not be above the second" }),
  ],
  { error: "a fraction of the run in [0,1], or a range [low, high] of such" },
);

const Hit = z.union(
  [
    z.literal("all"),
    /** The first n suitable ones of a seeded order, of those with this primary where one is named. */
    closed({ random: z.int().min(1), primary: Name.optional() }),
    closed({ only: Globs }),
    /** `busiest` stands for the model that is the primary of most segments. */
    closed({ primary: Name }),
    /** The n segments whose primaries score lowest, or highest. */
    closed({ lowest: z.int().min(1) }),
    closed({ highest: z.int().min(1) }),
  ],
  { error: '"all", {"random": n}, {"only": [globs]}, {"primary": "MODEL"}, {"lowest": n} or {"highest": n}' },
);

const placed = {
  /** Which segments it hits. */
  segments: Hit.default("all"),
  start: Moment.default([0.25, 0.5]),
  /** Null: it never heals. */
  end: Moment.nullable().default(null),
  /** Requests over which it grows from 0 to 1. */
  ramp: z.int().min(0).default(0),
};

const Fault = z
  .discriminatedUnion("kind", [
    closed({
      kind: z.literal("replace"),
      ...placed,
      /** Whose outcomes the faulty variant takes on: a weaker or stronger variant of the segment, a model, or its own in another epoch. */
      with: z
        .union([Name, closed({ epoch: Name })], { error: '"weaker", "stronger", a model, or {"epoch": "NAME"}' })
        .default("weaker"),
    }),
    closed({
      kind: z.literal("scale"),
      ...placed,
      /** Of scores, latency and cost. */
      factor: Factor.default(1),
      latency: Factor.default(1),
      cost: Factor.default(1),
    }),
    /** The segments' share of the traffic is multiplied by `weight`. */
    closed({ kind: z.literal("mix"), ...placed, weight: Factor }),
    /** All scores are multiplied: whoever judges has changed, not what is judged. */
    closed({ kind: z.literal("evaluator"), ...placed, factor: Factor }),
    /** Labels come at another rate; 0: none. */
    closed({ kind: z.literal("labels"), ...placed, rate: Share }),
    /** The next rung is worse than the degraded primary. */
    closed({ kind: z.literal("candidate"), ...placed }),
    /** The next rung's answers are worth nothing, yet this share of them is judged good. */
    closed({ kind: z.literal("hack"), ...placed, score: Share.default(1) }),
  ])
  .refine(({ start, end }) => end === null || latest(end) > earliest(start), {
    path: ["end"],
    error: "must be after the start",
  });
export type Fault = z.infer<typeof Fault>;

const earliest = (moment: z.infer<typeof Moment>): number => (typeof moment === "number" ? moment : moment[0]);
const latest = (moment: z.infer<typeof Moment>): number => (typeof moment === "number" ? moment : moment[1]);

const Traffic = closed({
  /** How the segments share the traffic: by rank, all alike, or by their number of items. */
  law: z.enum(["zipf", "uniform", "items"]).default("zipf"),
  /** Of the zipf law only; 0 makes it uniform. */
  exponent: z.number().min(0).optional(),
  /** Requests. */
  perSecond: z.number().positive().default(50),
  session: closed({
    /** Mean number of requests. */
    length: z.number().min(1).default(1),
    /** Probability that an item repeats the session's previous item. */
    correlation: Share.default(0),
    /** How many sessions run side by side. */
    concurrent: z.int().min(1).max(1_000_000).default(32),
  }).prefault({}),
})
  .refine(({ law, exponent }) => law === "zipf" || exponent === undefined, {
    path: ["exponent"],
    error: 'only the law "zipf" has an exponent',
  })
  .transform(({ exponent = 0.9, ...traffic }) => ({ ...traffic, exponent }));

/** What a replay does to the outcomes of a table. */
const Scenario = closed({
  id: Name,
  requests: z.int().min(1).max(1e9),
  traffic: Traffic.prefault({}),
  /** Segments with fewer variants, or without one that scores this well, take no part. */
  segments: closed({
    minVariants: z.int().min(1).default(2),
    minMean: Share.default(0.5),
    only: Globs.default(["*"]),
  }).prefault({}),
  /** What serves each segment at first: the best, a model, or a model by segment. */
  primary: z
    .union([Name, z.record(Name, Name)], { error: '"best", a model, or a map from segment to model' })
    .default("best"),
  ladder: closed({
    /** By the mean of `items` random items, or as listed. */
    order: z
      .union([z.literal("validation"), z.array(Name).min(1)], { error: '"validation" or a list of models' })
      .default("validation"),
    items: z.int().min(1).default(60),
  }).prefault({}),
  labels: closed({
    /** The share of answers that are labelled, at least. */
    rate: Share.default(0.2),
    /** Requests between an answer and its label. */
    delay: z.int().min(0).max(10_000_000).default(2000),
    /** The share that are labelled while the detector is suspicious. */
    onSuspicion: Share.default(1),
  }).prefault({}),
  risk: closed({
    /** Segments that need a person's approval. */
    high: z.array(Name).default([]),
    /** Requests between asking for an approval and its answer. */
    approvalDelay: z.int().min(0).default(0),
  }).prefault({}),
  faults: z.array(Fault).default([]),
});
export type Scenario = z.infer<typeof Scenario>;

/**
 * A scenario from the text of its JSON file, with defaults where keys are absent.
 * @param name the file's name, for messages
 * @throws RouterError `invalid_request`: one problem a line, each with the line and column on which it stands
 */
export function parseScenario(text: string, name: string): Scenario {
  if (text.length > TEXT_MAX) throw refuse([`${name}: a scenario has at most ${TEXT_MAX} characters.`]);
  const { value, faults, locate } = readJson(text);
  if (faults.length > 0)
    throw refuse(faults.map(({ line, column, message }) => `${name}:${line}:${column}: ${message}.`));
  const parsed = Scenario.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .flatMap((issue) => scenarioIssues(value, issue))
    .map(({ path, problem }) => ({ ...locate(path), problem }))
    .sort((a, b) => a.line - b.line || a.column - b.column);
  throw refuse(problems.map(({ line, column, problem }) => `${name}:${line}:${column}: ${problem}`));
}

const refuse = (problems: readonly string[]): RouterError =>
  new RouterError("invalid_request", problems.slice(0, PROBLEMS_MAX).join("\n"));
