import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { Log, LogLevel, Miniflare } from "miniflare";
import { startOpenaiUpstream } from "../fakes/openai-upstream.ts";
import { PROVIDER_KEYS, providersAt, SECRET, type Host, type Keys } from "./host.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const environment = {
  ...process.env,
  // The build calls `node` by name, and it has to be the one that runs the tests.
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
};

/** Runs the build's own step. Rejects with `stderr` when a policy has an error. */
export const bundlePolicies = (policies: string, bundle: string) =>
  run(process.execPath, ["scripts/bundle-policies.ts"], {
    cwd: root,
    env: { ...environment, SEGUE_POLICIES: policies, SEGUE_BUNDLE: bundle },
  });

/** The Worker as it would be deployed, but of these policies. @returns the module's text */
export async function buildWorker(directory: string, policies: string): Promise<string> {
  const bundle = join(directory, "policies.bundle.json");
  const options = ["--dry-run", "--outdir", directory, "--alias", `../dist/policies.bundle.json:${bundle}`];
  await run(process.execPath, ["node_modules/wrangler/bin/wrangler.js", "deploy", ...options], {
    cwd: root,
    env: { ...environment, WRANGLER_LOG_PATH: directory, SEGUE_POLICIES: policies, SEGUE_BUNDLE: bundle },
  });
  return readFile(join(directory, "worker.js"), "utf8");
}

export type Bindings = Readonly<Record<string, string>>;

export interface WorkerHost extends Host {
  readonly bindings: Bindings;
  /** What it logged. */
  readonly logged: readonly string[];
  /** The next line of its log that holds a text. */
  readonly logs: (text: string) => Promise<string>;
  /** Deploys it again with other bindings. Its origin may be another then, so it is asked by `get`. */
  readonly rebind: (bindings: Bindings) => Promise<void>;
  readonly get: (path: string) => Promise<{ readonly status: number; readonly text: () => Promise<string> }>;
}

/** The built Worker in workerd, with the compatibility that `wrangler.toml` names. */
export async function startWorkerHost({ keys, script }: { keys: Keys; script: string }): Promise<WorkerHost> {
  const upstream = await startOpenaiUpstream();
  const bindings = {
    SEGUE_SECRET: SECRET,
    SEGUE_KEYS: JSON.stringify(keys.stored),
    SEGUE_PROVIDERS: JSON.stringify(providersAt(upstream)),
    ...PROVIDER_KEYS,
  };
  const logged: string[] = [];
  const listeners = new Set<(line: string) => void>();
  const hear = (line: string): void => {
    logged.push(line);
    for (const listener of listeners) listener(line);
  };
  const toml = await readFile(join(root, "wrangler.toml"), "utf8");
  const setting = (pattern: RegExp): string => pattern.exec(toml)?.[1] ?? "";
  const config = {
    name: "segue",
    compatibilityDate: setting(/^compatibility_date = "(.+)"$/m),
    compatibilityFlags: JSON.parse(setting(/^compatibility_flags = (\[.+\])$/m)) as string[],
    manifest: { mainModule: "worker.js", modules: { "worker.js": { type: "esm" as const, contents: script } } },
  };
  const options = (bound: Bindings) => ({
    host: "127.0.0.1",
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.NONE),
    handleStructuredLogs: ({ message }: { readonly message: string }) => hear(message),
    workers: [
      {
        config: {
          ...config,
          env: Object.fromEntries(
            Object.entries(bound).map(([name, value]) => [name, { type: "text" as const, value }]),
          ),
        },
      },
    ],
  });
  const miniflare = new Miniflare(options(bindings));
  const { origin } = await miniflare.ready;
  return {
    origin,
    upstream,
    bindings,
    logged,
    logs: (text) =>
      new Promise((found) => {
        const listener = (line: string): void => {
          if (!line.includes(text)) return;
          listeners.delete(listener);
          found(line);
        };
        listeners.add(listener);
      }),
    rebind: async (bound) => {
      await miniflare.setOptions(options(bound));
    },
    get: (path) => miniflare.dispatchFetch(`http://segue.test${path}`),
    close: async () => {
      await miniflare.dispose();
      await upstream.close();
    },
  };
}
