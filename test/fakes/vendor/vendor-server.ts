import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Fault, Faults } from "./faults.ts";
import { problem, type Reply } from "./reply.ts";

/** A request that was read to its end. */
export interface VendorCall<Surface extends string = string> {
  readonly surface: Surface;
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a vendor's host is made of: several surfaces, each with its own authentication and faults. */
export interface VendorHost<Surface extends string> {
  readonly surfaceOf: (path: string) => Surface;
  readonly faults: Faults<Surface>;
  readonly answer: (call: VendorCall<Surface>) => Reply | Promise<Reply>;
}

/** A real HTTP server on a free port that keeps the calls it got. */
export async function vendorServer<Surface extends string>(host: VendorHost<Surface>) {
  const calls: VendorCall<Surface>[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    // A client that went away while it was answered is what several tests are about.
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return response.destroy();
      return send(response, problem(500, "Internal Server Error", String(error)));
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse) {
    const url = new URL(request.url ?? "", "http://vendor.test");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", headers } = request;
    const call = { surface: host.surfaceOf(url.pathname), method, url, headers, body: Buffer.concat(chunks) };
    calls.push(call);
    const fault = host.faults.take(call);
    if (fault === "hang") return undefined;
    if (fault === "cut") return request.socket.destroy();
    if (fault === "slow") await host.faults.held();
    if (typeof fault === "object") return send(response, faulty(fault));
    const reply = await host.answer(call);
    return fault === "lost" ? request.socket.destroy() : send(response, reply);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Everything that was asked, read to its end. */
    calls,
    /** The paths of everything that was asked, with their queries. */
    requests,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const titles: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  429: "Too Many Requests",
};

function faulty({ status, headers, body }: Exclude<Fault, string>): Reply {
  const plain = problem(status, titles[status] ?? "Server Error", "The fake was told to fail.");
  return { ...plain, headers: { ...plain.headers, ...headers }, body: body ?? plain.body };
}

function send(response: ServerResponse, { status, headers = {}, body = "" }: Reply) {
  return response.writeHead(status, headers).end(body);
}
