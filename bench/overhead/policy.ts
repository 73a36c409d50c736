import type { z } from "zod";
import type { Policy } from "../../src/core/policy.ts";

export const POLICY = "bench";
export const PROMPT = "assistant@v1";
export const PROMPT_TEXT =
  "You answer customers of a service in {{region}} who are on plan {{user_tier}}. They ask about {{query_intent}}. " +
  "Answer in their language, in at most five sentences, and say so where you do not know.";

/** Regions, tiers and intents whose product is that many segments. */
const shapes = { 10: [5, 2, 1], 1000: [10, 10, 10], 10_000: [20, 20, 25] } as const;
/** How many segments the benchmark's policies have. */
export type SegmentCount = keyof typeof shapes;

const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, k) => `${prefix}-${k}`);

/** What a request says of itself to be in a segment. */
export interface Place {
  readonly segment: string;
  readonly region: string;
  readonly user_tier: string;
  readonly query_intent: string;
}

/** Every segment, in policy order: region by region, so that one key's segments lie together. */
export function placesOf(count: SegmentCount): readonly Place[] {
  const [regions, tiers, intents] = shapes[count];
  return names("region", regions).flatMap((region) =>
    names("tier", tiers).flatMap((user_tier) =>
      names("intent", intents).map((query_intent) => ({
        segment: `${region}-${user_tier}-${query_intent}`,
        region,
        user_tier,
        query_intent,
      })),
    ),
  );
}

/**
 * A policy with every feature of the hot path: an attribute of the key and two of the request, a segment for each
 * combination, a prompt that names the attributes, and objectives on metrics that each answer counts towards.
 * @param content whether spans have what was asked and answered
 */
export function benchPolicy(
  count: SegmentCount,
  { content = false }: { readonly content?: boolean } = {},
): z.input<typeof Policy> {
  const places = placesOf(count);
  const valuesOf = (name: "region" | "user_tier" | "query_intent"): string[] => [
    ...new Set(places.map((place) => place[name])),
  ];
  return {
    policy: POLICY,
    attributes: {
      region: { type: "string", trust: "key", values: valuesOf("region") },
      user_tier: { type: "string", values: valuesOf("user_tier") },
      query_intent: { type: "string", values: valuesOf("query_intent") },
    },
    privacy: { content: { low: content ? "redacted" : "off" } },
    metrics: { failure: { from: "error" }, slow: { from: "latency", slowerThanMs: 8000 } },
    variants: {
      large: { prompt: PROMPT, provider: "openai", model: "gpt-4o-2024-08-06", parameters: { temperature: 0.2 } },
      small: { prompt: PROMPT, provider: "openai", model: "gpt-4o-mini-2024-07-18", parameters: { temperature: 0.2 } },
    },
    default: "small",
    segments: places.map(({ segment, region, user_tier, query_intent }) => ({
      id: segment,
      when: `region == "${region}" && user_tier == "${user_tier}" && query_intent == "${query_intent}"`,
      owner: "bench",
      risk: "low",
      mode: "auto",
      objectives: [
        { metric: "failure", against: "bound", lossMax: 0.05 },
        { metric: "slow", against: "bound", lossMax: 0.1 },
      ],
      ladder: [
        { variant: "large", validated: { score: 0.95, items: 300 } },
        { variant: "small", validated: { score: 0.9, items: 300 } },
      ],
      why: "A segment of the benchmark.",
    })),
    // So that the canaries neither end nor fail while the benchmark runs.
    canary: { labelsMax: 1_000_000_000, timeoutSeconds: 1_000_000 },
  };
}
