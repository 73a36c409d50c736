import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const DEADLINE_MS = 20_000;

/** What a command left behind. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The one JSON value on stdout; throws when stdout is anything else. */
  // What commands print is judged by the tests.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: () => any;
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface SegueServer {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it logged so far. */
  readonly log: () => string;
  readonly ask: (method: string, path: string, options?: { body?: unknown; key?: string }) => Promise<Asked>;
  /** Sends the signal and waits for the end. @returns the exit code, null after `SIGKILL` */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** A folder of its own in which `segue` runs as a user would run it, with nothing of our environment but the path. */
export interface Workspace {
  readonly path: string;
  readonly environment: Record<string, string>;
  readonly run: (...args: readonly string[]) => Promise<Ran>;
  readonly serve: (...args: readonly string[]) => Promise<SegueServer>;
  readonly write: (file: string, text: string) => void;
  readonly read: (file: string) => string;
  /** Kills what still runs and removes the folder. */
  readonly remove: () => Promise<void>;
}

export function createWorkspace(extra: Readonly<Record<string, string>> = {}): Workspace {
  const folder = temporaryFolder();
  const environment: Record<string, string> = {
    PATH: process.env.PATH ?? "",
    HOME: folder.path,
    SEGUE_TICK_MS: "20",
    SEGUE_CHECKPOINT_MS: "100",
    // No test may reach a server that runs on this machine by chance, nor the network.
    SEGUE_URL: "http://127.0.0.1:1",
    OPENAI_BASE_URL: "http://127.0.0.1:1/v1",
    ...extra,
  };
  const servers: SegueServer[] = [];
  const start = (args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [CLI, ...args], { cwd: folder.path, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  const read = (file: string): string => readFileSync(join(folder.path, file), "utf8");
  return {
    path: folder.path,
    environment,
    read,
    write: (file, text) => {
      mkdirSync(dirname(join(folder.path, file)), { recursive: true });
      writeFileSync(join(folder.path, file), text);
    },
    run: async (...args) => finished(start(args)),
    serve: async (...args) => {
      const server = await served(start(["serve", "--port", "0", "--json", ...args]), () =>
        readFileSync(resolve(folder.path, environment.SEGUE_DATA ?? ".segue", "operator.key"), "utf8"),
      );
      servers.push(server);
      environment.SEGUE_URL = server.url;
      return server;
    },
    remove: async () => {
      await Promise.all(servers.map((server) => server.stop("SIGKILL")));
      folder.remove();
    },
  };
}

async function finished(child: ChildProcess): Promise<Ran> {
  const stdout = text(child.stdout);
  const stderr = text(child.stderr);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: stdout(), stderr: stderr(), json: () => JSON.parse(stdout()) as unknown };
}

async function served(child: ChildProcess, operatorKey: () => string): Promise<SegueServer> {
  const log = text(child.stderr);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const first = createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next();
  const line = await first;
  if (line.done === true) throw new Error(`serve ended with ${await ended}: ${log()}`);
  const answer = JSON.parse(line.value) as { url?: string };
  if (answer.url === undefined) throw new Error(`serve ended with ${await ended}: ${line.value}`);
  const { url } = answer;
  return {
    url,
    process: child,
    log,
    ask: async (method, path, { body, key = operatorKey().trim() } = {}) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answered = await response.text();
      const isJson = response.headers.get("content-type")?.includes("json") === true;
      return {
        status: response.status,
        headers: response.headers,
        body: isJson ? (JSON.parse(answered) as unknown) : answered,
      };
    },
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
  };
}

function text(stream: ChildProcess["stdout"]): () => string {
  const chunks: Buffer[] = [];
  stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** Asks again until the answer is something; says what was waited for when it never is. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | null | false> | T | undefined | null | false,
): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms in vain until ${what}`);
    await pause(15);
  }
}
