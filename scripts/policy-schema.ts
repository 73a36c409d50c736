import { z } from "zod";
import {
  AttributeSpec,
  Canary,
  Guard,
  JudgeModel,
  MetricSpec,
  Objective,
  Price,
  Rung,
  Segment,
  Shadow,
  Step,
  Target,
  Timeouts,
} from "../src/core/policy.ts";
import { ContentByRisk, IdentifierHandlings, Privacy, PrivacyPattern, SegmentPrivacy } from "../src/core/privacy.ts";
import { HubPrompt } from "../src/core/hub-prompt.ts";
import { DocumentVariant, PolicyDocument } from "../src/core/policy-document.ts";

type Texts = Readonly<Record<string, string>>;
const described = new Map<unknown, Texts>();

/** Requires a text for every key, so that a new key cannot go undescribed. */
function describe<Shape extends z.core.$ZodShape>(
  schema: z.ZodObject<Shape>,
  texts: Record<keyof Shape & string, string>,
) {
  described.set(schema, texts);
}

describe(PolicyDocument, {
  policy: "Its id: what applications send as the model.",
  description: "For people: what this application surface is.",
  attributes: "What is known of a request, by name. Predicates and prompts read these.",
  metrics: "What is measured of answers, by name. Each becomes a loss from 0 (perfect) to 1 (worst).",
  variants: "What can be served, by name. Immutable once published: give new content a new name.",
  default: "The variant that is served where no segment matches.",
  segments: "Named parts of the traffic. The first whose predicate matches serves.",
  guard: "Limits on what the loop may do.",
  canary: "How a switchover tries its candidate on a share of the traffic.",
  privacy: "What of the traffic leaves for Arize, Phoenix or a collector, and how.",
});
describe(Privacy, {
  content:
    "Whether questions and answers leave, by the risk of a segment: redacted, or off. Personal data in them is always replaced. High risk is off unless you say otherwise.",
  patterns: "Personal data that only you know of, such as customer numbers.",
  attributes:
    "What leaves of an attribute, by name: keep (as it is), redact (personal data replaced), tokenise (a keyed token, the same for the same value) or drop. drop and tokenise also take its value out of questions and answers.",
  otherAttributes:
    "Of attributes that are not named above: redact (those with a closed list of values are kept), or drop, so that the names above are all that leaves.",
  identifiers: "What leaves of who asked: tokenise, keep or drop, each of session, user and API key.",
  phoneCountries:
    "Countries, such as DE, whose phone numbers are recognised without a leading +, 00 or 0. With these always recognised, few need it.",
});
describe(ContentByRisk, {
  low: "Of segments of low risk: redacted or off.",
  medium: "Of segments of medium risk: redacted or off.",
  high: "Of segments of high risk: redacted or off; off unless you say otherwise.",
});
describe(IdentifierHandlings, {
  session: "tokenise (a keyed token, the same for the same session), keep or drop.",
  user: "tokenise (a keyed token, the same for the same user), keep or drop.",
  key: "tokenise (a keyed token, the same for the same API key), keep or drop.",
});
describe(PrivacyPattern, {
  name: "For people; a match is replaced by it in brackets and capitals.",
  pattern:
    "A JavaScript regular expression (flag u) whose repetitions all end, such as ACME-[0-9]{4,8}, without lookaround and references.",
  replacement: "What stands there instead, taken literally.",
});
describe(SegmentPrivacy, {
  content: "redacted: questions and answers leave, personal data in them replaced. off: they do not leave.",
});
describe(AttributeSpec, {
  type: "What its values are.",
  trust:
    "The least trusted source whose value is accepted: a verified token (claim), the API key (key) or the request (client).",
  values: "For strings: the closed list of values. Lets lint prove which segments can be reached.",
  default: "Used when a request does not carry the attribute. Without it, a predicate that needs it does not match.",
  description: "For people: what it means.",
});
const [feedback, failure, latency, cost, check, judge] = MetricSpec.options;
describe(feedback, {
  from: "Scores or labels sent to /v1/feedback under this metric's name.",
  better: "Whether a higher or a lower score is better.",
  labels: "The score from 0 to 1 that each feedback label stands for.",
  description: "For people: what it measures.",
});
describe(failure, {
  from: "Loss 1 when no answer could be served, else 0.",
  description: "For people: what it measures.",
});
describe(latency, {
  from: "The time from the request to the end of the answer.",
  slowerThanMs:
    "Milliseconds: loss 1 when the answer took longer, else 0. Without it the loss is relative to what is usual on the segment, learnt from its first 200 answers.",
  description: "For people: what it measures.",
});
describe(cost, {
  from: "The US dollars that the answer cost, relative to what is usual on the segment. By the usage that answers report and the price list.",
  description: "For people: what it measures.",
});
describe(check, {
  from: "What Segue itself finds in the answer; no labels are needed.",
  check:
    "refusal: the model declined. empty: nothing to read and no tool called. truncated: it stopped at a limit of tokens. invalid-json: not the JSON or schema that was asked for. language: another language than the last user message.",
  share: "The share of answers that is checked, over 0 and up to 1.",
  description: "For people: what it measures.",
});
describe(judge, {
  from: "What a model thinks of the answer. It is sent the conversation and the answer, without instructions, attributes and keys.",
  model: "The model that judges. A model prefers its own answers, so take one that serves no variant.",
  rubric: "What is good, and what a score of 1 and of 0 mean.",
  share: "The share of answers that is judged, over 0 and up to 1.",
  callsPerHourMax: "Calls that each instance may make in any hour, those that fail included.",
  description: "For people: what it measures.",
});
describe(JudgeModel, { provider: "The provider, by its id.", model: "The provider's name for the model." });
describe(HubPrompt, {
  hub: "The hub that keeps it: Arize AX or Phoenix.",
  prompt: "Its name there, or its id.",
  version: "The id of one version.",
  label: "A label, in Phoenix a tag: the version that it is on when the variant is first published is pinned.",
});
describe(DocumentVariant, {
  prompt:
    "The system prompt as name@version, from prompts/<name>/<version>.md, or one of a hub, which `segue apply` pins.",
  provider: "The provider that serves it, by its id.",
  model: "The provider's name for the model.",
  parameters: "Sent with every request, over what the client sent, such as temperature.",
  price: "What its tokens cost, where that is not, or not rightly, in the price list.",
  failover: "Tried in order when the first target gives no answer, before the first byte is sent.",
  replicas: "Targets as good as the variant's own: each request goes to one that answers well and soon.",
  retries: "How often all targets are asked again when none gave an answer; clients ask again by themselves.",
  timeouts: "How long its targets may take.",
  description: "For people; may change after publishing.",
});
describe(Target, {
  provider: "The provider, by its id.",
  model: "The provider's name for the model.",
  price: "What its tokens cost, where that is not, or not rightly, in the price list.",
});
describe(Price, {
  inputUsdPerMillionTokens: "US dollars for a million tokens of input.",
  outputUsdPerMillionTokens: "US dollars for a million tokens of output.",
  cachedInputUsdPerMillionTokens: "The same of input that was read from a cache; as other input when absent.",
});
describe(Timeouts, {
  connectMs: "Until a connection takes the request; 10 s when absent.",
  firstByteMs: "Until a stream's first event, or the first byte of any other answer; 5 minutes when absent.",
  idleMs: "Between two pieces of an answer; 5 minutes when absent.",
  totalMs: "All attempts together, until the end of the answer; an hour when absent.",
});
describe(Segment, {
  id: "Its name, unique in the policy. 'default' is reserved for requests that match nothing.",
  when: 'A CEL predicate over the attributes, such as: region == "eu" && user_tier in ["pro", "enterprise"].',
  trust: "The least trust that every attribute of 'when' must have.",
  risk: "High risk can never be 'auto': a person approves each move.",
  owner: "Who answers for this segment.",
  businessUnit: "Whom it is accounted to.",
  mode: "observe (measure), alert (tell people), approve (propose, a person applies) or auto.",
  objectives: "What the segment must hold; the loop acts when it does not.",
  ladder: "The variants it may be served, best first.",
  fallback: "What the flag value 'baseline' serves; the last rung when absent.",
  shadow: "A variant that is called in the shadow: asked what the live one was asked, for comparison alone.",
  privacy: "What of the segment's answers may leave, over what the policy says.",
  why: "Why the segment exists and is treated as it is, for whoever reads the audit.",
});
describe(Shadow, {
  variant: "A declared variant; to validate a rung, one of the ladder.",
  share: "The share of the segment's well answered requests that it is asked too, over 0 and up to 1.",
  usdPerDayMax:
    "US dollars that its calls may cost in a day (UTC) on each instance. A variant without a known price is not called.",
});
const [bound, baseline, rest] = Objective.options;
describe(bound, {
  metric: "A declared metric.",
  against: "bound: the mean loss stays at or below lossMax.",
  lossMax: "The highest mean loss that is tolerated.",
});
describe(baseline, {
  metric: "A declared metric.",
  against: "baseline: the mean loss stays near the segment's own.",
  tolerance: "How much worse than the baseline is tolerated.",
});
describe(rest, {
  metric: "A declared metric.",
  against: "rest: the mean loss stays near that of the policy's other segments over the last hour.",
  tolerance: "How much worse than the rest is tolerated.",
});
describe(Rung, {
  variant: "A declared variant.",
  validated:
    "Its offline evaluation on this segment: mean score from 0 to 1 over so many items. Without it the loop never chooses the rung.",
});
describe(Step, {
  share: "The candidate's share of the segment's traffic, over 0 and up to 1.",
  labelsMin: "Labelled outcomes of the candidate in this step before the next one.",
  secondsMin: "How long the step lasts at least.",
});
describe(Guard, {
  cooldownSeconds: "After a switchover ends, the time before the loop proposes another for that segment.",
  movesPerHour:
    "Moves of the policy's segments in any hour that may be under way or have come to nothing. A tenth of the segments, at least 6, when absent.",
  changesPerDay: "Changes of what one segment is served in any day.",
  shareInFlightMax: "The share of the policy's traffic, by the last hour, that may be in a canary at once.",
  proposalSeconds: "A proposal that nobody decides on ends after this.",
  quarantineSeconds: "A variant that was rolled back is not tried again on the segment for this long.",
  revertSeconds:
    "The least wait before the former variant is probed for recovery; the real one follows from what is at stake.",
});
describe(Canary, {
  steps: "Replaces the steps that the loop would choose by risk and severity. Shares ascend.",
  labelsMax: "Candidate labels after which a trial without gain is rolled back.",
  timeoutSeconds: "A canary that nothing can be said of is rolled back after this.",
});

/** The JSON Schema of a policy file, for editors: what may be written, before defaults are filled in. */
export function policySchemaText(): string {
  const schema = z.toJSONSchema(PolicyDocument, {
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      for (const [key, description] of Object.entries(described.get(zodSchema) ?? {})) {
        const property = jsonSchema.properties?.[key];
        if (typeof property === "object") property.description = description;
      }
    },
  });
  return `${JSON.stringify({ title: "Segue policy", ...schema }, null, 2)}\n`;
}
