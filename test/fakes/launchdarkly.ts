import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

/** A flag in LaunchDarkly's own format, as the stream and the flags file carry it. */
export interface FlagJson {
  readonly key: string;
  readonly version: number;
  readonly on: boolean;
  readonly variations: readonly unknown[];
  readonly fallthrough: Readonly<Record<string, unknown>>;
  readonly [other: string]: unknown;
}

/**
 * LaunchDarkly's streaming service as far as the SDK's protocol goes: `GET /all` answers a `put` of
 * everything, then `patch` events; a wrong SDK key is a 401. A patch whose version is not newer is sent
 * all the same: ignoring it is the client's part.
 */
export async function fakeLaunchDarkly({ sdkKey = "sdk-test", port = 0 } = {}) {
  const flags = new Map<string, FlagJson>();
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.headers.authorization !== sdkKey) return response.writeHead(401).end();
    if (request.method === "POST") return response.writeHead(202).end();
    if (request.url !== "/all") return response.writeHead(404).end();
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event("put", { path: "/", data: { flags: Object.fromEntries(flags), segments: {} } }));
    streams.add(response);
    return response.on("close", () => streams.delete(response));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: bound } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${bound}`;
  return {
    port: bound,
    options: { sdkKey, baseUri: url, streamUri: url, eventsUri: url },
    /** Stores a flag and patches every open stream. */
    patch: (flag: FlagJson) => {
      flags.set(flag.key, flag);
      for (const stream of streams) stream.write(event("patch", { path: `/flags/${flag.key}`, data: flag }));
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
