import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Event } from "../../src/core/event.ts";
import { nodeCommand } from "./child.ts";
import { importFrom } from "./import-from.ts";
import { benchPolicy, POLICY, PROMPT, PROMPT_TEXT } from "./policy.ts";
import { KEY_REGION, servedPlaces } from "./wire.ts";

const run = promisify(execFile);

/** What a user of Segue would have before `segue serve`. */
export interface SegueWorkspace {
  readonly environment: Readonly<Record<string, string>>;
  /** The application's key. */
  readonly key: string;
  /** A copy for one start, so that none finds what another wrote. @returns its folder */
  readonly copy: () => Promise<string>;
}

/** The server's CLI in a checkout of Segue. */
export const cliOf = (checkout: string): string => join(checkout, "src/cli.ts");

/**
 * Makes a workspace with the checkout's own commands: `init`, a policy of a thousand segments, `apply`, a key that vouches
 * for the region. Canaries cannot be asked for, so their events are committed to the ledger as the loop would write them.
 */
export async function createSegueWorkspace(
  checkout: string,
  {
    folder,
    upstreamPort,
    core,
    content = false,
  }: {
    readonly folder: string;
    readonly upstreamPort: number;
    readonly core: number | null;
    /** Whether spans have what was asked and answered. */
    readonly content?: boolean;
  },
): Promise<SegueWorkspace> {
  const original = join(folder, "workspace");
  const environment = {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    SEGUE_PROVIDERS: JSON.stringify({
      openai: { baseUrl: `http://127.0.0.1:${upstreamPort}/v1`, apiKeyEnv: "BENCH_UPSTREAM_KEY" },
    }),
    BENCH_UPSTREAM_KEY: "upstream",
    SEGUE_OTLP_URL: `http://127.0.0.1:${upstreamPort}`,
    // No command may reach a server that runs on this machine by chance.
    SEGUE_URL: "http://127.0.0.1:1",
  };
  await write(join(original, "policies", `${POLICY}.yaml`), JSON.stringify(benchPolicy(1000, { content })));
  await write(join(original, "policies/prompts", `${PROMPT.replace("@", "/")}.md`), PROMPT_TEXT);
  const segue = async (...args: readonly string[]): Promise<unknown> => {
    const [command = "", ...rest] = nodeCommand([cliOf(checkout), ...args, "--json"], core);
    const { stdout } = await run(command, rest, {
      cwd: original,
      env: environment,
      maxBuffer: 2 ** 26,
    });
    return JSON.parse(stdout);
  };
  await segue("init", "--name", "bench");
  await segue("apply");
  const made = (await segue(
    "keys",
    "create",
    "--machine",
    "bench",
    "--attributes",
    JSON.stringify({ region: KEY_REGION }),
  )) as {
    readonly key: string;
  };
  await openCanaries(checkout, { ...environment, SEGUE_DATA: join(original, ".segue") });
  return {
    environment,
    key: made.key,
    copy: async () => {
      const copy = await mkdtemp(join(folder, "segue-"));
      await rm(copy, { recursive: true });
      await cp(original, copy, { recursive: true });
      return copy;
    },
  };
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

async function openCanaries(checkout: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const { readConfig } = await importFrom(checkout, "config.ts");
  const { withLedger } = await importFrom(checkout, "cli/local.ts");
  const { changeDigest } = await importFrom(checkout, "core/switchover.ts");
  await withLedger(readConfig(environment), ({ controlPlane }) =>
    controlPlane.commit({ kind: "loop", instance: "bench" }, (state, now) =>
      servedPlaces.flatMap(({ segment }, k): Event[] => {
        const id = `canary-${k}`;
        const change = {
          policy: POLICY,
          segment,
          from: "large",
          to: "small",
          cause: "manual" as const,
          metric: "failure",
          // Never over while the benchmark runs.
          steps: [{ share: 0.25, labelsMin: 1_000_000_000, secondsMin: 1_000_000 }],
          basedOn: state.revision,
          evidence: {},
        };
        const proposed = { kind: "proposed" as const, since: now, expiresAt: now + 60_000 };
        const proposedBy = { kind: "loop" as const, instance: "bench" };
        return [
          {
            type: "switchover.proposed",
            switchover: { id, change, digest: changeDigest(change), gate: "none", proposedBy, phase: proposed },
          },
          {
            type: "switchover.moved",
            id,
            phase: { kind: "canary", step: 0, share: 0.25, since: now, startedAt: now },
          },
        ];
      }),
    ),
  );
}
