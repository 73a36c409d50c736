import { mkdir, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { dirname, join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { keyText, type ApiKey } from "../../src/core/api-key.ts";
import { createControlPlane } from "../../src/loop/control-plane.ts";
import { createKey } from "../../src/loop/manage-keys.ts";
import { nodeRandom } from "../../src/node-random.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import type { OpenaiUpstream } from "../fakes/openai-upstream.ts";
import { keyHolders, policyFiles, type Caller, type SameRequest } from "./same-requests.ts";

export const SECRET = "the secret that both hosts sign with";
export const PROVIDER_KEYS = { MAIN_API_KEY: "sk-main-0123456789", SPARE_API_KEY: "sk-spare-0123456789" } as const;

/** A running Segue with an upstream of its own. */
export interface Host {
  readonly origin: string;
  readonly upstream: OpenaiUpstream;
  readonly close: () => Promise<void>;
}

export const providersAt = ({ baseUrl }: OpenaiUpstream) => ({
  openai: { kind: "openai" as const, baseUrl, apiKeyEnv: "MAIN_API_KEY" as const },
  spare: { baseUrl, apiKeyEnv: "SPARE_API_KEY" as const },
});

export interface Keys {
  readonly stored: readonly ApiKey[];
  readonly texts: Readonly<Record<Caller, string | null>>;
}

/** The keys of the callers, made by the code that makes an operator's. */
export async function createKeys(): Promise<Keys> {
  const clock = { now: () => Date.now() };
  const ledger = createMemoryLedger();
  const controlPlane = await createControlPlane({ ledger, clock, log: silentLog, counters: memoryCounters() });
  const stored: ApiKey[] = [];
  const texts: Partial<Record<Caller, string>> = {};
  for (const [caller, rest] of Object.entries(keyHolders)) {
    const { key, text } = await createKey(
      { controlPlane, random: nodeRandom },
      {
        holder: { kind: "machine", name: caller },
        scopes: ["serve"],
        attributes: {},
        policies: [],
        expiresAt: null,
        actor: { kind: "operator", id: "test" },
      },
    );
    stored.push({ ...key, ...(rest as Partial<ApiKey>) });
    texts[caller as Caller] = text;
  }
  await controlPlane.close();
  const wrong = keyText(stored[0]!.id, "0".repeat(48));
  return { stored, texts: { ...(texts as Record<Caller, string>), none: null, wrong, shapeless: "sk-somebody-else" } };
}

export async function writePolicies(directory: string): Promise<void> {
  for (const [name, text] of Object.entries(policyFiles)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
}

/** What a host's answer comes to, without what differs from one request to the next. */
export async function ask(host: Host, keys: Keys, request: SameRequest) {
  const { upstream } = host;
  const before = upstream.requests.length;
  upstream.reply(...(request.replies ?? []));
  const response = await send(host, keys, request);
  const text = await response.text();
  const asked = upstream.requests.slice(before);
  const shown = [...response.headers].filter(([name]) => SHOWN.has(name));
  return {
    status: response.status,
    headers: Object.fromEntries(shown),
    named: ["x-segue-request-id", "x-segue-prediction-id"].map((name) => response.headers.has(name)),
    text: text.replaceAll(/"created":\d+/g, '"created":0').replaceAll(/,"(ledger|flags)":\{[^}]*\}/g, ""),
    asked: asked.map(({ path, body, headers: { authorization, accept } }) => ({ path, body, authorization, accept })),
  };
}

function send({ origin }: Host, { texts }: Keys, request: SameRequest): Promise<Response> {
  const { path, body, chunked, claims, caller = "serving" } = request;
  const key = texts[caller];
  const headers = {
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    "content-type": "application/json",
    ...request.headers,
  };
  const url = `${origin}${path}`;
  if (body === undefined) return fetch(url, { headers });
  const text = typeof body === "string" ? body : JSON.stringify(body);
  if (claims !== undefined) return begin(url, { ...headers, "content-length": String(claims) }, text);
  const sent = chunked === true ? { body: new Blob([text]).stream(), duplex: "half" as const } : { body: text };
  return fetch(url, { method: "POST", headers, ...sent });
}

/** Sends a request that is never finished. */
function begin(url: string, headers: Record<string, string>, text: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: "POST", headers, agent: false }, (incoming) => {
      const { statusCode = 0, headersDistinct } = incoming;
      const pairs = Object.entries(headersDistinct).map(([name, values = []]): [string, string] => [
        name,
        values.join(),
      ]);
      void readText(incoming).then((whole) => {
        request.destroy();
        resolve(new Response(whole, { status: statusCode, headers: pairs }));
      }, reject);
    });
    request.on("error", reject);
    request.write(text);
  });
}

const SHOWN = new Set([
  "content-type",
  "allow",
  "retry-after",
  "www-authenticate",
  "x-should-retry",
  "x-segue-segment",
  "x-segue-variant",
  "x-segue-reason",
  "x-segue-revision",
]);
