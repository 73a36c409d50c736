import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ServedSpan } from "../../../src/ports.ts";

type ReadableSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

/**
 * The span that OpenTelemetry's SDK would hold for an answer of `served-spans.ts`, written down by hand from
 * OpenInference's specification: what Segue's own bytes must say too.
 */
export function readableSpan(span: ServedSpan): ReadableSpan {
  const { answered, decision, attributes } = span;
  const isFault = span.error !== null && (span.status < 400 || span.status >= 500);
  const target = answered?.target ?? decision.variant.variant;
  const usage = answered?.usage;
  const isEmbedding = span.wire === "embeddings";
  const variables = { region: attributes.region, city: attributes.city, beta: attributes.beta };
  return {
    name: `${span.wire} support-chat`,
    // SERVER, as the API counts.
    kind: 1,
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: 1 }),
    ...(span.parentSpanId === null
      ? {}
      : { parentSpanContext: { traceId: span.traceId, spanId: span.parentSpanId, traceFlags: 1, isRemote: true } }),
    startTime: hrTime(span.startedAt),
    endTime: hrTime(span.endedAt),
    duration: hrTime(span.endedAt - span.startedAt),
    status: span.error === null ? { code: 1 } : isFault ? { code: 2, message: span.error } : { code: 0 },
    attributes: {
      metadata: JSON.stringify(metadataOf(span, isFault)),
      "tag.tags": ["segment:eu", "variant:warm", "arm:candidate"],
      "llm.prompt_template.variables": JSON.stringify(variables),
      ...(span.session === null ? {} : { "session.id": span.session }),
      ...(span.user === null ? {} : { "user.id": span.user }),
      ...(usage === null || usage === undefined
        ? {}
        : {
            "llm.token_count.prompt": usage.inputTokens,
            "llm.token_count.completion": usage.outputTokens,
            "llm.token_count.total": usage.inputTokens + usage.outputTokens,
            "llm.token_count.prompt_details.cache_read": usage.cachedTokens,
            "llm.token_count.prompt_details.cache_write": usage.cacheWriteTokens,
          }),
      ...(typeof answered?.costUsd === "number" ? { "llm.cost.total": answered.costUsd } : {}),
      "openinference.span.kind": isEmbedding ? "EMBEDDING" : "LLM",
      [isEmbedding ? "embedding.model_name" : "llm.model_name"]: target.model,
      "llm.request.model_name": target.model,
      "llm.provider": target.provider,
      "llm.system": systemOf(target.provider, span.wire),
      "llm.invocation_parameters": '{"temperature":0.25,"stop":["…"]}',
      "llm.prompt_template.template": "Greet people of {{region}} in {{city}} warmly – “{{beta}}”.",
      "llm.prompt_template.version": "greet@1",
      "prompt.id": "greet@1",
    },
    links: [],
    events: [
      ...(answered === null ? [] : [{ name: "first token", time: hrTime(span.startedAt + answered.firstByteMs) }]),
      ...(isFault
        ? [
            {
              name: "exception",
              time: hrTime(span.endedAt),
              attributes: { "exception.type": span.error, "exception.message": `Status ${span.status}` },
            },
          ]
        : []),
    ],
    ended: true,
    resource: resourceFromAttributes({
      "openinference.project.name": "support",
      "service.name": "segue",
      "service.version": "1.2.3",
      "segue.instance": "test",
    }),
    instrumentationScope: { name: "segue", version: "1.2.3" },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function systemOf(provider: string, wire: string): string {
  if (provider === "openai" || provider === "anthropic") return provider;
  return wire === "messages" ? "anthropic" : "openai";
}

const metadataOf = (
  { answered, attributes, keyId, status, error, startedAt, endedAt }: ServedSpan,
  isFault: boolean,
) => ({
  ...attributes,
  segment_id: "support-chat|eu",
  policy: "support-chat",
  segment: "eu",
  variant: "warm",
  business_unit: "retail",
  owner: "team-eu",
  risk: "low",
  revision: 42,
  reason: "SPLIT",
  switchover: "sw-7",
  ...(keyId === null ? {} : { key_id: keyId }),
  status,
  latency_ms: endedAt - startedAt,
  ...(answered === null ? {} : { attempts: answered.attempts, time_to_first_token_ms: answered.firstByteMs }),
  ...(error === null ? { error: 0 } : { ...(isFault ? { error: 1 } : {}), error_reason: error }),
});

/** Whole and half milliseconds are exact. */
function hrTime(ms: number): [number, number] {
  const nanos = BigInt(Math.round(ms * 2)) * 500_000n;
  return [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)];
}
