import type { ApiKey } from "../../src/core/api-key.ts";
import { delta, events, json, openaiFault, type Reply } from "../fakes/openai-upstream.ts";

/** What both hosts serve: two segments and a failover, and a policy whose provider no host has. */
export const policyFiles: Readonly<Record<string, string>> = {
  "helpdesk.yaml": `
policy: helpdesk
attributes:
  region: { type: string, values: [eu, us] }
  seats: { type: number }
  tier: { type: string, trust: key }
variants:
  warm: { prompt: greet@v1, provider: openai, model: model-warm, parameters: { temperature: 0.25 } }
  quick: { provider: openai, model: model-quick, failover: [{ provider: spare, model: model-spare }] }
default: quick
segments:
  - id: eu
    when: region == "eu"
    owner: support
    ladder: [{ variant: warm }, { variant: quick }]
    why: Answers in the EU are warm.
  - id: large
    when: seats >= 100 || tier == "gold"
    owner: support
    ladder: [{ variant: warm }]
    why: Large customers are served warmly.
`,
  "orders.yaml": `
policy: orders
variants:
  only: { provider: absent, model: model-absent }
default: only
`,
  "prompts/greet/v1.md": "You serve {{region}}.",
};

/** The keys that callers hold; nobody holds the text of `none`, `wrong` and `shapeless`. */
export const keyHolders = {
  serving: {},
  gold: { attributes: { tier: "gold" } },
  limited: { policies: ["orders"] },
  reader: { scopes: ["read"] },
  expired: { expiresAt: 1 },
} as const satisfies Record<string, Partial<ApiKey>>;
export type Caller = keyof typeof keyHolders | "none" | "wrong" | "shapeless";

export interface SameRequest {
  readonly says: string;
  readonly path: string;
  /** Sent by POST, text as it is; without one it is a GET. */
  readonly body?: unknown;
  /** Sends the body in chunks, without a length. */
  readonly chunked?: true;
  /** Says that the body has this many bytes, and sends only the beginning. */
  readonly claims?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly caller?: Caller;
  /** What the upstream does, instead of answering. */
  readonly replies?: readonly Reply[];
  readonly expect: {
    readonly status: number;
    /** Segment, variant and reason, from the headers; absent, none may be there. */
    readonly decision?: readonly [segment: string, variant: string, reason: string];
    readonly code?: string;
    /** The models that the upstream was asked for, in order; absent, none. */
    readonly asked?: readonly string[];
    /** True where the message may differ, because each host words its own part of it. */
    readonly ownWords?: true;
    /** Part of the answer's text. */
    readonly holds?: string;
    readonly lacks?: string;
  };
}

const messages = [{ role: "user", content: "hello" }];
const chat = (rest: object = {}) => ({ path: "/v1/chat/completions", body: { model: "helpdesk", messages, ...rest } });
const decision = (rest: object) => ({ path: "/v1/decisions", body: { model: "helpdesk", ...rest } });
const stated = (attributes: object) => ({ "x-segue-attributes": JSON.stringify(attributes) });
const eu = stated({ region: "eu" });
const WARM = ["eu", "warm", "TARGETING_MATCH"] as const;
const QUICK = ["default", "quick", "DEFAULT"] as const;
const LIMIT = 10 * 1024 * 1024;
const TOO_LARGE = `{"model":"helpdesk","messages":[],"x":"${"y".repeat(LIMIT)}"}`;

const reads: readonly SameRequest[] = [
  { says: "health needs no key", path: "/healthz", caller: "none", expect: { status: 200, holds: '"ok"' } },
  { says: "readiness needs no key", path: "/readyz", caller: "none", expect: { status: 200, holds: '"ready":true' } },
  { says: "models are the policies", path: "/v1/models", expect: { status: 200, holds: '"id":"orders"' } },
  {
    says: "models are those the key may use",
    path: "/v1/models",
    caller: "limited",
    expect: { status: 200, holds: "orders", lacks: "helpdesk" },
  },
  { says: "one model", path: "/v1/models/helpdesk", expect: { status: 200, holds: '"owned_by":"segue"' } },
  { says: "an unknown model", path: "/v1/models/nobody", expect: { status: 404, code: "model_not_found" } },
  { says: "an unknown URL", path: "/v1/nothing", expect: { status: 404, code: "unknown_url" } },
  { says: "a wrong method", path: "/v1/chat/completions", expect: { status: 405, code: "method_not_allowed" } },
  {
    says: "a decision with its reasons",
    ...decision({ attributes: { region: "eu" } }),
    expect: { status: 200, holds: '"because":"matched segment' },
  },
  {
    says: "a decision by number",
    ...decision({ attributes: { seats: 100 } }),
    expect: { status: 200, holds: '"segment":"large"' },
  },
  {
    says: "a decision by the key's attribute",
    ...decision({}),
    caller: "gold",
    expect: { status: 200, holds: '"segment":"large"' },
  },
  { says: "a decision by default", ...decision({}), expect: { status: 200, holds: '"reason":"DEFAULT"' } },
  {
    says: "a decision on an unknown field",
    ...decision({ odd: 1 }),
    expect: { status: 400, code: "invalid_field" },
  },
];

const answers: readonly SameRequest[] = [
  { says: "a completion", ...chat(), expect: { status: 200, decision: QUICK, asked: ["model-quick"] } },
  {
    says: "a completion of a segment",
    ...chat(),
    headers: eu,
    expect: { status: 200, decision: WARM, asked: ["model-warm"], holds: "answer 0 of model-warm" },
  },
  {
    says: "a completion by metadata",
    ...chat({ metadata: { seats: "250", other: "kept" }, n: 2, odd: { x: [1, null] } }),
    expect: { status: 200, decision: ["large", "warm", "TARGETING_MATCH"], asked: ["model-warm"], holds: "answer 1" },
  },
  {
    says: "a stream",
    ...chat({ stream: true }),
    headers: eu,
    expect: { status: 200, decision: WARM, asked: ["model-warm"], holds: "data: [DONE]\n\n" },
  },
  {
    says: "failover before the first byte",
    ...chat(),
    replies: [openaiFault(503, "down")],
    expect: { status: 200, decision: QUICK, asked: ["model-quick", "model-spare"], holds: "model-spare" },
  },
  {
    says: "failover of a stream, from a connection that broke",
    ...chat({ stream: true }),
    replies: [{ headless: true, ending: "cut" }],
    expect: { status: 200, decision: QUICK, asked: ["model-quick", "model-spare"], holds: "[DONE]" },
  },
  {
    says: "the last target's fault as it came",
    ...chat(),
    replies: [openaiFault(500, "down"), openaiFault(429, "spare_busy", { "retry-after": "3" })],
    expect: { status: 429, decision: QUICK, code: "spare_busy", asked: ["model-quick", "model-spare"] },
  },
  {
    says: "a fault about the request as it came",
    ...chat(),
    replies: [openaiFault(400, "context_length_exceeded")],
    expect: { status: 400, decision: QUICK, code: "context_length_exceeded", asked: ["model-quick"] },
  },
  {
    says: "a stream that was cut",
    ...chat({ stream: true }),
    headers: eu,
    replies: [events([delta("m", { role: "assistant", content: "hel" })], { ending: "cut" })],
    expect: { status: 200, decision: WARM, asked: ["model-warm"], holds: '"code":"upstream_cut"', lacks: "[DONE]" },
  },
  {
    says: "a stream that ended without [DONE]",
    ...chat({ stream: true }),
    headers: eu,
    replies: [{ headers: { "content-type": "text/event-stream" }, chunks: ['data: {"choices":[]}\n\n'] }],
    expect: { status: 200, decision: WARM, asked: ["model-warm"], holds: '"code":"upstream_cut"', lacks: "[DONE]" },
  },
  {
    says: "an answer that was cut",
    ...chat(),
    headers: eu,
    replies: [{ chunks: ['{"choices":['], ending: "cut" }],
    expect: { status: 502, decision: WARM, code: "upstream_cut", asked: ["model-warm"] },
  },
  {
    says: "an upstream that cannot be reached",
    ...chat(),
    headers: eu,
    replies: [{ headless: true, ending: "cut" }],
    expect: { status: 502, decision: WARM, code: "upstream_unavailable", asked: ["model-warm"], ownWords: true },
  },
  {
    says: "an upstream that refuses our key",
    ...chat(),
    headers: eu,
    replies: [json({ error: { message: "no", code: "invalid_api_key" } }, { status: 401 })],
    expect: { status: 502, decision: WARM, code: "upstream_auth", asked: ["model-warm"] },
  },
  {
    says: "an upstream that points elsewhere",
    ...chat(),
    headers: eu,
    replies: [{ status: 307, headers: { location: "/v1/elsewhere" } }],
    expect: { status: 502, decision: WARM, code: "upstream_status", asked: ["model-warm"] },
  },
  {
    says: "a provider that this host does not have",
    ...chat({ model: "orders" }),
    expect: { status: 502, decision: ["default", "only", "DEFAULT"], code: "provider_not_configured" },
  },
];

const refusals: readonly SameRequest[] = [
  ...(["none", "wrong", "shapeless", "expired"] as const).map((caller) => ({
    says: `a caller with the key '${caller}'`,
    ...chat(),
    caller,
    expect: { status: 401, code: "invalid_api_key" },
  })),
  { says: "a key without the scope", ...chat(), caller: "reader", expect: { status: 403, code: "missing_scope" } },
  {
    says: "a key of another policy",
    ...chat(),
    caller: "limited",
    expect: { status: 403, code: "policy_not_allowed" },
  },
  { says: "a model that is no policy", ...chat({ model: "gpt-4o" }), expect: { status: 404, code: "model_not_found" } },
  ...["", "{", '{"model":"helpdesk",}', "[1]", "null"].map((body) => ({
    says: `the body ${JSON.stringify(body)}`,
    path: "/v1/chat/completions",
    body,
    expect: { status: 400, code: "invalid_json" },
  })),
  { says: "messages that are no list", ...chat({ messages: "hi" }), expect: { status: 400, code: "invalid_field" } },
  {
    says: "an unknown attribute",
    ...chat(),
    headers: stated({ planet: "mars" }),
    expect: { status: 400, code: "unknown_attribute" },
  },
  {
    says: "a value outside the list",
    ...chat(),
    headers: stated({ region: "mars" }),
    expect: { status: 400, code: "invalid_attribute" },
  },
  {
    says: "a text where a number belongs",
    ...decision({ attributes: { seats: "many" } }),
    expect: { status: 400, code: "invalid_attribute" },
  },
  {
    says: "an attribute that only the key may set",
    ...chat(),
    headers: stated({ tier: "gold" }),
    expect: { status: 403, code: "untrusted_attribute" },
  },
  {
    says: "a body that is to be larger than the limit, before it is sent",
    ...chat(),
    claims: LIMIT + 1,
    expect: { status: 413, code: "request_too_large" },
  },
  {
    says: "a body beyond the limit, of unknown length",
    path: "/v1/chat/completions",
    body: TOO_LARGE,
    chunked: true,
    expect: { status: 413, code: "request_too_large" },
  },
];

/** Requests, and what each must be answered wherever Segue runs. */
export const sameRequests = { reads, answers, refusals };
