import { Command } from "commander";
import { RouterError } from "../core/errors.ts";
import { jsonLog } from "../telemetry/log.ts";
import type { CommandContext } from "./context.ts";

/** `segue serve`: the server. Prints where it listens on stdout, logs on stderr, and ends on SIGTERM or SIGINT. */
export const serveCommand = ({ config, output }: CommandContext): Command =>
  new Command("serve")
    .description("serve the published policies; binds loopback unless told otherwise")
    .option("--host <address>", "the address to bind", config().SEGUE_HOST)
    .option("--port <number>", "0 takes a free one", `${config().SEGUE_PORT}`)
    .action(async ({ host, port }: { host: string; port: string }) => {
      // Loaded here, so that the other commands start without the server's packages.
      const { startNode } = await import("../node.ts");
      const log = jsonLog(
        (line) => process.stderr.write(line),
        () => Date.now(),
      );
      const server = await startNode({ ...config(), SEGUE_HOST: host, SEGUE_PORT: portOf(port) }, log);
      const stop = (signal: NodeJS.Signals): void => {
        log.info("stopping", { signal });
        server.close().then(
          () => process.exit(0),
          (error: unknown) => {
            log.error("did not stop cleanly", { error });
            process.exit(1);
          },
        );
      };
      process.once("SIGTERM", stop);
      process.once("SIGINT", stop);
      // Said last: whoever reads it may send the signal at once.
      output().result({ url: server.url }, () => `Segue listens on ${server.url} (OpenAI base URL ${server.url}/v1)`);
    });

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new RouterError("invalid_request", `--port takes a number from 0 to 65535, not '${text}'.`);
}
