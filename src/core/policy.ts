import { z } from "zod";
import { checks, type CheckId } from "./checks/index.ts";
import { PromptSource } from "./hub-prompt.ts";
import { Privacy, SegmentPrivacy } from "./privacy.ts";

const Id = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "use lower-case letters, digits and dashes, starting with a letter");
const Name = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, "use lower-case letters, digits and underscores");
const Share = z.number().gt(0).max(1);
const Scalar = z.union([z.string().max(256), z.number(), z.boolean()]);

/** Where a value may come from, most trusted first: a verified JWT, the API key, the request. */
export const Trust = z.enum(["claim", "key", "client"]);
export type Trust = z.infer<typeof Trust>;

export const AttributeSpec = z.strictObject({
  type: z.enum(["string", "number", "boolean"]),
  /** The least trusted source whose value is accepted. */
  trust: Trust.default("client"),
  /** For strings: the closed list of values. */
  values: z.array(z.string().max(256)).min(1).optional(),
  /** Used when a request does not carry the attribute. */
  default: Scalar.optional(),
  description: z.string().optional(),
});
export type AttributeSpec = z.infer<typeof AttributeSpec>;

/** The model that judges. Its provider is one of those that Segue is configured with. */
export const JudgeModel = z.strictObject({ provider: Id, model: z.string().min(1) });
export type JudgeModel = z.infer<typeof JudgeModel>;

/** How an outcome becomes a loss in [0,1]: 0 is perfect, 1 is worst. */
export const MetricSpec = z.discriminatedUnion("from", [
  z.strictObject({
    from: z.literal("feedback"),
    /** Whether a higher score is better; scores are in [0,1]. */
    better: z.enum(["higher", "lower"]).default("higher"),
    /** Feedback labels and the score each stands for. */
    labels: z.record(z.string(), z.number().min(0).max(1)).optional(),
    description: z.string().optional(),
  }),
  /** Loss 1 when no answer could be served, else 0. */
  z.strictObject({ from: z.literal("error"), description: z.string().optional() }),
  /** Of the time that the whole answer took: loss 1 when that was longer than `slowerThanMs`, else 0; without a limit, relative. */
  z.strictObject({
    from: z.literal("latency"),
    slowerThanMs: z.number().positive().optional(),
    description: z.string().optional(),
  }),
  /** Of the US dollars that the answer cost; always relative. */
  z.strictObject({ from: z.literal("cost"), description: z.string().optional() }),
  /** Of what a check without labels finds in the answer. */
  z.strictObject({
    from: z.literal("check"),
    check: z.enum(Object.keys(checks) as [CheckId]),
    /** Of the answers; which ones follows from their prediction ids. */
    share: Share.default(1),
    description: z.string().optional(),
  }),
  /** Of the score that a model gives the answer: loss 1 for its 0. */
  z.strictObject({
    from: z.literal("judge"),
    model: JudgeModel,
    rubric: z.string().min(20).max(8000),
    share: Share.default(0.02),
    /** For each instance: a call has a price. */
    callsPerHourMax: z.int().min(1).max(10_000).default(60),
    description: z.string().optional(),
  }),
]);
export type MetricSpec = z.infer<typeof MetricSpec>;

/** Whether a metric is reported as amounts, and each segment's own healthy amounts say what loss they are (`Reference`). */
export const isRelative = (spec: MetricSpec): boolean =>
  spec.from === "cost" || (spec.from === "latency" && spec.slowerThanMs === undefined);

export const PromptRef = z.string().regex(/^[a-z][a-z0-9-]*@[a-z0-9][a-z0-9.-]*$/, "write a prompt as name@version");

/** What a model costs, over what the price list says. */
export const Price = z.strictObject({
  inputUsdPerMillionTokens: z.number().min(0),
  outputUsdPerMillionTokens: z.number().min(0),
  /** Of input that was read from a cache; as other input when absent. */
  cachedInputUsdPerMillionTokens: z.number().min(0).optional(),
});
export type Price = z.infer<typeof Price>;

/** One provider and model that can serve a variant. */
export const Target = z.strictObject({ provider: Id, model: z.string().min(1), price: Price.optional() });
export type Target = z.infer<typeof Target>;

/** How long a variant's targets may take, in milliseconds. */
export const Timeouts = z.strictObject({
  /** Until a connection takes the request; 10 s when absent. */
  connectMs: z.int().positive().optional(),
  /** Until the first event of a stream, or the first byte of any other answer; 5 minutes when absent. */
  firstByteMs: z.int().positive().optional(),
  /** Between two pieces of an answer; 5 minutes when absent. */
  idleMs: z.int().positive().optional(),
  /** All attempts together, until the end of the answer; an hour when absent. */
  totalMs: z.int().positive().optional(),
});
export type Timeouts = z.infer<typeof Timeouts>;

export const Variant = z.strictObject({
  prompt: PromptRef.optional(),
  /** Of a prompt that was pinned from a hub. */
  promptSource: PromptSource.optional(),
  provider: Id,
  model: z.string().min(1),
  price: Price.optional(),
  /** Sent with every request of the variant, over what the client sent. */
  parameters: z.record(z.string(), z.json()).default({}),
  /** Tried in order when the first target gives no answer, before the first byte is sent. */
  failover: z.array(Target).max(4).default([]),
  /** Targets as good as the variant's own: each request goes to one that answers well and soon. */
  replicas: z.array(Target).max(8).optional(),
  /** How often all targets are asked again when none gave an answer; 0 when absent, as clients ask again by themselves. */
  retries: z.int().min(0).max(5).optional(),
  timeouts: Timeouts.optional(),
  description: z.string().optional(),
});
export type Variant = z.infer<typeof Variant>;

export const Objective = z.discriminatedUnion("against", [
  /** The mean loss stays at or below `lossMax`. */
  z.strictObject({ metric: Name, against: z.literal("bound"), lossMax: z.number().gt(0).lt(1) }),
  /** The mean loss stays within `tolerance` of the segment's own baseline. */
  z.strictObject({
    metric: Name,
    against: z.literal("baseline"),
    tolerance: z.number().min(0).max(0.5).default(0.01),
  }),
  /** The mean loss stays within `tolerance` of the policy's other segments, over the last hour. */
  z.strictObject({
    metric: Name,
    against: z.literal("rest"),
    tolerance: z.number().min(0).max(0.5).default(0.05),
  }),
]);
export type Objective = z.infer<typeof Objective>;

export const Rung = z.strictObject({
  variant: Id,
  /** Offline validation on this segment: mean score (1 is best) over `items`. Without it the loop never chooses the rung. */
  validated: z
    .strictObject({ score: z.number().min(0).max(1), items: z.int().positive(), source: z.string().optional() })
    .optional(),
});
export type Rung = z.infer<typeof Rung>;

export const Mode = z.enum(["observe", "alert", "approve", "auto"]);
export type Mode = z.infer<typeof Mode>;

export const Step = z.strictObject({
  share: Share,
  /** Labelled outcomes of the candidate in this step before the next step. */
  labelsMin: z.int().min(0).default(10),
  secondsMin: z.number().min(0).default(0),
});
export type Step = z.infer<typeof Step>;

/** A variant that is asked what the live one was asked, where nobody waits for it. */
export const Shadow = z.strictObject({
  variant: Id,
  /** Of the segment's well answered requests; which ones follows from their prediction ids. */
  share: Share,
  /** What its calls may cost in a day (UTC), for each instance. Judging its answers is not part of it. */
  usdPerDayMax: z.number().positive(),
});
export type Shadow = z.infer<typeof Shadow>;

export const Segment = z.strictObject({
  id: Id,
  /** A CEL predicate over the policy's attributes. */
  when: z.string().min(1).max(2048),
  /** The least trust an attribute of `when` may have. */
  trust: Trust.default("client"),
  risk: z.enum(["low", "medium", "high"]).default("medium"),
  owner: z.string().min(1),
  businessUnit: z.string().min(1).optional(),
  mode: Mode.default("observe"),
  objectives: z.array(Objective).default([]),
  ladder: z.array(Rung).min(1),
  /** What `segue-fallback: baseline` serves; the last rung when absent. */
  fallback: Id.optional(),
  /** Nothing is called in the shadow when absent. */
  shadow: Shadow.optional(),
  /** Over what the policy says of segments of its risk. */
  privacy: SegmentPrivacy.optional(),
  why: z.string().min(10),
});
export type Segment = z.infer<typeof Segment>;

export const Guard = z.strictObject({
  /** After a switchover ends, the time before the loop proposes another for that segment. */
  cooldownSeconds: z.number().min(0).default(60),
  /**
   * Moves of the policy's segments in any hour that may be under way or have come to nothing; what was confirmed is not
   * held against the loop, and an incident that many segments share is one move. A tenth of the segments, at least 6, when absent.
   */
  movesPerHour: z.int().min(0).optional(),
  /** Changes of what one segment is served in any day. */
  changesPerDay: z.int().min(1).default(6),
  /** Share of the policy's traffic, by the last hour, that may be in a canary at once. */
  shareInFlightMax: Share.default(0.5),
  /** A proposal that nobody decides on ends after this. */
  proposalSeconds: z.number().positive().default(86_400),
  /** A variant that was rolled back is not tried again on the segment for this long. */
  quarantineSeconds: z.number().min(0).default(21_600),
  /** The least wait before the former variant is probed for recovery. How long it really is follows from what a probe costs and what a return would win. */
  revertSeconds: z.number().positive().default(60),
});
export type Guard = z.infer<typeof Guard>;

export const Canary = z.strictObject({
  /** Replaces the steps that the loop would choose by risk and severity. */
  steps: z.array(Step).min(1).max(10).optional(),
  /** Candidate labels after which a trial without gain is rolled back. */
  labelsMax: z.int().positive().default(200),
  /** A canary that nothing can be said of is rolled back after this. */
  timeoutSeconds: z.number().positive().default(86_400),
});
export type Canary = z.infer<typeof Canary>;

/** One application surface as code: `policies/<policy>.yaml`. */
export const Policy = z.strictObject({
  policy: Id,
  description: z.string().optional(),
  attributes: z.record(Name, AttributeSpec).default({}),
  metrics: z.record(Name, MetricSpec).default({}),
  variants: z.record(Id, Variant),
  /** Served where no segment matches. */
  default: Id,
  /** First match in this order serves. */
  segments: z.array(Segment).default([]),
  guard: Guard.default(Guard.parse({})),
  canary: Canary.default(Canary.parse({})),
  privacy: Privacy.optional(),
});
export type Policy = z.infer<typeof Policy>;

/** The id of the implicit segment of requests that no segment matched. */
export const DEFAULT_SEGMENT = "default";

/** A prompt version as published: its template text and the digest that pins it. */
export const Prompt = z.strictObject({ text: z.string(), digest: z.string() });
export type Prompt = z.infer<typeof Prompt>;
