import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A monitor as REST v2 answers it; only what a test cares about has to be given. */
export interface MonitorJson {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly evaluated_at?: string | null;
  readonly [other: string]: unknown;
}

/** How the next request is answered instead of honestly. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | "hang"
  | "cut";

/** Arize's global ids are base64 of `Kind:number:random`. */
export const monitorId = (number: number): string => btoa(`Monitor:${number}:aB3d`);

const DEFAULTS = {
  type: "TRACING",
  project_id: "TW9kZWw6MTIz",
  threshold: { type: "MANUAL_SINGLE", operator: "LESS_THAN", value: 0.8 },
  notifications_enabled: true,
  manual_evaluation_enabled: false,
  created_by_user_id: "VXNlcjox",
  created_at: "2026-08-01T00:00:00Z",
  updated_at: "2026-08-01T00:00:00Z",
  evaluation_window_length_seconds: 3600,
  delay_seconds: 0,
};

/** Arize AX as far as Segue reads it: monitors over REST v2, with its errors, and a sender of webhooks. */
export async function fakeArize({ apiKey = "arize-key", pageSize = 100 } = {}) {
  const monitors = new Map<string, object>();
  const faults: Fault[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    const fault = faults.shift();
    if (fault === "hang") return undefined;
    if (fault === "cut") return request.socket.destroy();
    if (fault !== undefined) return response.writeHead(fault.status, { ...fault.headers }).end(fault.body ?? "{}");
    return answer(request, response);
  });

  function answer(request: IncomingMessage, response: ServerResponse) {
    if (request.headers.authorization !== `Bearer ${apiKey}`) return problem(response, 401, "Unauthorized");
    const url = new URL(request.url ?? "", "http://arize.test");
    if (request.method !== "GET") return problem(response, 405, "Method Not Allowed");
    const one = /^\/v2\/monitors\/([^/]+)$/.exec(url.pathname)?.[1];
    if (one !== undefined) {
      const monitor = monitors.get(decodeURIComponent(one));
      return monitor === undefined ? problem(response, 404, "Not Found") : json(response, monitor);
    }
    if (url.pathname !== "/v2/monitors") return problem(response, 404, "Not Found");
    const wanted = ["project_id", "name", "status"].filter((name) => url.searchParams.has(name));
    const matching = [...monitors.values()].filter((monitor) =>
      wanted.every((name) => (monitor as Record<string, unknown>)[name] === url.searchParams.get(name)),
    );
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const to = from + Math.min(pageSize, Number(url.searchParams.get("limit") ?? 50));
    const more = to < matching.length;
    const pagination = { has_more: more, ...(more ? { next_cursor: String(to) } : {}) };
    return json(response, { monitors: matching.slice(from, to), pagination });
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    faults,
    set: (monitor: MonitorJson) => monitors.set(monitor.id, { ...DEFAULTS, ...monitor }),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const json = (response: ServerResponse, value: unknown) =>
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
const problem = (response: ServerResponse, status: number, title: string) =>
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify({ status, title }));

export interface WebhookOptions {
  /** Epoch seconds. */
  readonly timestamp: number;
  readonly key: string;
  readonly id?: string;
}

/** Headers of an HMAC_SHA256 webhook. */
export const hmacHeaders = (body: string, { timestamp, key, id }: WebhookOptions): Record<string, string> => ({
  "content-type": "application/json",
  "x-arize-webhook-timestamp": String(timestamp),
  "x-arize-webhook-signature": `v1=${createHmac("sha256", key).update(`${timestamp}.${body}`).digest("hex")}`,
  ...(id === undefined ? {} : { "x-arize-webhook-id": id }),
});

/** Headers of a BEARER webhook: the token is sent as it was given. */
export const bearerHeaders = (token: string, id?: string): Record<string, string> => ({
  "content-type": "application/json",
  authorization: token,
  ...(id === undefined ? {} : { "x-arize-webhook-id": id }),
});
