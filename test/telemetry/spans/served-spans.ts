import { Policy } from "../../../src/core/policy.ts";
import type { ContentRedaction } from "../../../src/core/privacy.ts";
import type { CompiledVariant } from "../../../src/core/table.ts";
import type { ServedSpan } from "../../../src/ports.ts";

export const START = 1_750_000_000_000;

export const policy = Policy.parse({
  policy: "support-chat",
  attributes: {
    region: { type: "string", values: ["eu", "us"] },
    user_tier: { type: "string", values: ["gold", "free"] },
    product_line: { type: "string", values: ["cards", "loans"] },
    query_intent: { type: "string", values: ["refund", "other"] },
    city: { type: "string" },
    seats: { type: "number" },
    beta: { type: "boolean" },
  },
  variants: {
    warm: {
      provider: "openai",
      model: "gpt-4o-mini",
      prompt: "greet@1",
      parameters: { temperature: 0.25, stop: ["…"] },
      failover: [{ provider: "spare", model: "model-spare" }],
    },
  },
  default: "warm",
  segments: [
    {
      id: "eu",
      when: "region == 'eu'",
      owner: "team-eu",
      businessUnit: "retail",
      risk: "low",
      ladder: [{ variant: "warm" }],
      why: "People in the EU are greeted warmly.",
    },
  ],
});

export const variant: CompiledVariant = {
  id: "warm",
  variant: policy.variants.warm!,
  render: null,
  prompt: {
    ref: "greet@1",
    text: "Greet people of {{region}} in {{city}} warmly – “{{beta}}”.",
    variables: ["region", "city", "beta"],
  },
};

export const decision: ServedSpan["decision"] = {
  policy: "support-chat",
  segment: "eu",
  variant,
  reason: "SPLIT",
  because: "candidate of switchover sw-7",
  revision: 42,
  row: 3,
  switchover: "sw-7",
};

/** One answer; the same ids for the same number. */
export const servedSpan = (number: number, differences: Partial<ServedSpan> = {}): ServedSpan => ({
  traceId: number.toString(16).padStart(32, "a"),
  spanId: `bbbbbbbb${number.toString(16).padStart(8, "0")}`,
  parentSpanId: null,
  wire: "chat",
  policy,
  decision,
  attributes: {
    region: "eu",
    user_tier: "gold",
    product_line: "cards",
    query_intent: "refund",
    city: "Köln",
    seats: 3,
    beta: true,
  },
  session: `session-${number}`,
  user: `user-${number % 1000}`,
  keyId: "0123456789ab",
  startedAt: START + number,
  endedAt: START + number + 612,
  status: 200,
  error: null,
  answered: {
    target: { provider: "openai", model: "gpt-4o-mini" },
    attempts: 1,
    firstByteMs: 210.5,
    usage: { inputTokens: 412, cachedTokens: 256, cacheWriteTokens: 12, outputTokens: 38 },
    costUsd: 0.000_065_7,
  },
  failedAttempts: [],
  content: null,
  ...differences,
});

/** Lets everything pass. */
export const plainRedaction: ContentRedaction = {
  attribute: (_name, value) => value,
  identifier: (_kind, value) => value,
  text: (value) => value,
  hidden: () => [],
};
