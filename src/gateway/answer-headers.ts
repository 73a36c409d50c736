import type { Decision } from "../core/decision.ts";

/** Hop-by-hop headers (RFC 9110 §7.6.1), what no longer holds for the body we send, and what speaks for the upstream's own site. */
const DROPPED = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
  "content-encoding",
  "set-cookie",
  "set-cookie2",
  "date",
  "server",
  "location",
  "www-authenticate",
  "alt-svc",
  "strict-transport-security",
  "content-security-policy",
  "clear-site-data",
  "nel",
  "report-to",
  // They name the account that Segue has with the upstream.
  "openai-organization",
  "openai-project",
]);

/** The upstream's headers that its client may see. */
export function answerHeaders(upstream: Headers): Headers {
  const named = (upstream.get("connection") ?? "").toLowerCase().split(/\s*,\s*/);
  const headers = new Headers();
  for (const [name, value] of upstream) {
    if (DROPPED.has(name) || named.includes(name)) continue;
    if (name.startsWith("x-segue-") || name.startsWith("access-control-")) continue;
    headers.set(name, value);
  }
  return headers;
}

/** What was decided, on every answer, whether good or not. */
export function decisionHeaders({ segment, variant, reason, revision }: Decision, predictionId: string): Headers {
  return new Headers({
    "x-segue-prediction-id": predictionId,
    "x-segue-segment": segment,
    "x-segue-variant": variant.id,
    "x-segue-reason": reason,
    "x-segue-revision": String(revision),
  });
}

/** On an answer whose label would decide something now: the ones to label first. */
export const FEEDBACK_WANTED = ["x-segue-feedback", "wanted"] as const;

/**
 * The client's headers that go upstream. Everything else, its key above all, ends here. Its idempotency key
 * would stand for different bodies upstream, one per target, and for those of other clients too.
 */
const FORWARDED = ["openai-beta", "x-client-request-id", "user-agent"] as const;

export function upstreamHeaders(client: Headers, traceparent: string | null): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of FORWARDED) {
    const value = client.get(name);
    if (value !== null) headers[name] = value;
  }
  if (traceparent === null) return headers;
  headers.traceparent = traceparent;
  const tracestate = client.get("tracestate");
  if (tracestate !== null) headers.tracestate = tracestate;
  return headers;
}
