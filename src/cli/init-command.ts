import { cp, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { userInfo } from "node:os";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createKey, defaultScopes } from "../loop/manage-keys.ts";
import { nodeRandom } from "../node-random.ts";
import { operatorKeyFile } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { operator, withLedger } from "./local.ts";

const starterPolicies = fileURLToPath(new URL("../../policies", import.meta.url));

/** Flags in LaunchDarkly's own format. To force a segment's fallback, put its id into `values`. */
const starterFlags = {
  flags: {
    "segue-fallback": {
      key: "segue-fallback",
      version: 1,
      on: true,
      variations: ["", "baseline"],
      fallthrough: { variation: 0 },
      offVariation: 0,
      contextTargets: [{ contextKind: "segment", values: [], variation: 1 }],
      targets: [],
      rules: [],
      prerequisites: [],
      salt: "segue-fallback",
    },
  },
  flagValues: { "segue-automation": true, "segue-mode": "" },
};

/** `segue init`: a starter policy, a flags file, the ledger, and the first two keys. Overwrites nothing. */
export const initCommand = ({ config, output }: CommandContext): Command =>
  new Command("init")
    .description("write a starter policy, a flags file, and the first keys")
    .option("--name <person>", "whose operator key it is", userInfo().username)
    .action(async ({ name }: { name: string }) => {
      const { SEGUE_DATA: data, SEGUE_POLICIES: policies, SEGUE_FLAGS: flags } = config();
      const written: string[] = [];
      if (!(await exists(policies))) {
        await cp(starterPolicies, policies, { recursive: true });
        written.push(policies);
      }
      if (!(await exists(flags))) {
        await writeFile(flags, `${JSON.stringify(starterFlags, null, 2)}\n`);
        written.push(flags);
      }
      await mkdir(data, { recursive: true, mode: 0o700 });
      const ignore = join(data, ".gitignore");
      if (!(await exists(ignore))) await writeFile(ignore, "*\n");
      const keys = await firstKeys({ config, name });
      output().result({ written, ...keys, data }, () => initText({ written, ...keys, data, policies, flags }));
    });

interface FirstKeys {
  /** Null when keys exist already. */
  readonly applicationKey: string | null;
  readonly operatorKeyFile: string;
}

async function firstKeys({ config, name }: { config: CommandContext["config"]; name: string }): Promise<FirstKeys> {
  const file = operatorKeyFile(config());
  return withLedger(config(), async ({ controlPlane }) => {
    if (Object.keys(controlPlane.state().keys).length > 0) return { applicationKey: null, operatorKeyFile: file };
    const base = { attributes: {}, policies: [], expiresAt: null, actor: operator() };
    const deps = { controlPlane, random: nodeRandom };
    const application = await createKey(deps, {
      ...base,
      holder: { kind: "machine", name: "application" },
      scopes: defaultScopes.machine,
    });
    const person = await createKey(deps, {
      ...base,
      holder: { kind: "person", name },
      scopes: [...defaultScopes.person, "serve", "admin"],
    });
    await writeFile(file, `${person.text}\n`, { mode: 0o600 });
    return { applicationKey: application.text, operatorKeyFile: file };
  });
}

function initText(
  made: FirstKeys & { written: readonly string[]; data: string; policies: string; flags: string },
): string {
  const { applicationKey, operatorKeyFile: file, written, data, policies, flags } = made;
  const lines = [
    `Written: ${written.length === 0 ? "nothing, it was all there" : written.join(", ")}. Data: ${data}`,
    applicationKey === null
      ? "Keys exist already; list them with 'segue keys list'."
      : `The application's key, shown this once:\n\n  ${applicationKey}\n\nThe operator's key is in ${file}; the CLI finds it there.`,
    "",
    "Next:",
    `  segue plan     what publishing ${policies} would change`,
    "  segue apply    publish it",
    "  segue serve    serve it; OPENAI_API_KEY is read from the environment",
    `  ${flags} holds the flags: add a segment's id under contextTargets to force its fallback`,
  ];
  return lines.join("\n");
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
