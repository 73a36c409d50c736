import { createServer, type RequestListener, type Server } from "node:http";
import type { Config } from "./config.ts";
import { RouterError } from "./core/errors.ts";
import { HEADER_BYTES_MAX } from "./node-providers.ts";
import type { Log } from "./ports.ts";

/** Longer than the minute for which load balancers keep idle connections, so that none is closed as it is used. */
const KEEP_ALIVE_MS = 65_000;

/** @throws RouterError `unavailable` for an address that cannot be listened on */
export async function listen(listener: RequestListener, config: Config): Promise<Server> {
  const { SEGUE_HOST: hostname, SEGUE_PORT: port } = config;
  const server = createServer(
    {
      headersTimeout: config.SEGUE_HEADERS_TIMEOUT_MS,
      requestTimeout: config.SEGUE_REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: Math.min(5000, config.SEGUE_HEADERS_TIMEOUT_MS),
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    listener,
  );
  server.listen(port, hostname);
  return new Promise((resolve, reject) => {
    server.once("listening", () => resolve(server));
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      const problem = isTaken
        ? "something listens there already. Stop it, or choose another port with --port or SEGUE_PORT."
        : error.message;
      const reason = isTaken ? "port_in_use" : "cannot_listen";
      reject(
        new RouterError("unavailable", `Cannot listen on ${hostname}:${port}: ${problem}`, { reason, cause: error }),
      );
    });
  });
}

/** Lets running requests end, and cuts off those that have not after `drainMs`. */
export async function drain(server: Server, drainMs: number, log: Log): Promise<void> {
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => {
      log.warn("running requests are cut off", { drainMs });
      server.closeAllConnections();
    }, drainMs);
    // A connection whose request ends from now on would otherwise be kept alive for seconds.
    const sweep = setInterval(() => server.closeIdleConnections(), 50);
    server.close(() => {
      clearTimeout(deadline);
      clearInterval(sweep);
      resolve();
    });
  });
}
