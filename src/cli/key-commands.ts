import { Command, Option } from "commander";
import { z } from "zod";
import { ApiKey, Scope } from "../core/api-key.ts";
import { RouterError } from "../core/errors.ts";
import { createKey, defaultScopes, revokeKey } from "../loop/manage-keys.ts";
import { nodeRandom } from "../node-random.ts";
import type { CommandContext } from "./context.ts";
import { operator, publishedState, withLedger } from "./local.ts";
import { textTable } from "./output.ts";

interface CreateOptions {
  machine?: string;
  person?: string;
  scopes?: string;
  attributes?: string;
  policy: string[];
  expires?: string;
}

const DAY_MS = 86_400_000;

/** `segue keys create|list|revoke`: works on the data directory, so that the first key needs no key. */
export const keysCommand = ({ config, output }: CommandContext): Command => {
  const keys = new Command("keys").description("create, list and revoke API keys");
  keys
    .command("create")
    .description("create a key; its text is shown once")
    .addOption(new Option("--machine <name>", "the application that will use it").conflicts("person"))
    .option("--person <name>", "the person who will use it; only a person's key may approve")
    .option("--scopes <list>", `comma-separated, of: ${Scope.options.join(", ")}`)
    .option("--attributes <json>", 'attributes that the key vouches for, such as \'{"region":"eu"}\'')
    .option("--policy <id>", "limit it to a policy; may be repeated", (id: string, all: string[]) => [...all, id], [])
    .option("--expires <days>", "days until it expires; never when absent")
    .action(async (options: CreateOptions) => {
      const { text, key } = await withLedger(config(), ({ controlPlane }) =>
        createKey({ controlPlane, random: nodeRandom }, { ...newKey(options), actor: operator() }),
      );
      output().result(
        { key: text, ...shown(key) },
        () => `${text}\n\nShown this once. Scopes: ${key.scopes.join(", ")}.`,
      );
    });
  keys
    .command("list")
    .description("list the keys, without their texts")
    .action(async () => {
      const all = Object.values((await publishedState(config())).keys);
      output().result({ keys: all.map(shown) }, () =>
        textTable(
          ["id", "holder", "scopes", "policies", "attributes", "expires"],
          all.map(({ id, holder, scopes, policies, attributes, expiresAt }) => [
            id,
            `${holder.kind}:${holder.name}`,
            scopes.join(","),
            policies.join(",") || "all",
            JSON.stringify(attributes),
            expiresAt === null ? "never" : new Date(expiresAt).toISOString(),
          ]),
        ),
      );
    });
  keys
    .command("export")
    .description("print the keys as JSON for a Worker's SEGUE_KEYS: digests, no texts")
    .action(async () => {
      const all = Object.values((await publishedState(config())).keys);
      process.stdout.write(`${JSON.stringify(all)}\n`);
    });
  keys
    .command("revoke")
    .description("end a key at once")
    .argument("<id>")
    .requiredOption("--reason <text>", "why, for the audit log")
    .action(async (id: string, { reason }: { reason: string }) => {
      await withLedger(config(), ({ controlPlane }) => revokeKey({ controlPlane }, { id, reason, actor: operator() }));
      output().result({ revoked: id }, () => `Revoked ${id}.`);
    });
  return keys;
};

function newKey({ machine, person, scopes, attributes, policy, expires }: CreateOptions) {
  const name = person ?? machine;
  if (name === undefined || name.trim() === "") throw refuse("Say whose key it is: --machine NAME or --person NAME.");
  const kind = person === undefined ? ("machine" as const) : ("person" as const);
  const days = expires === undefined ? null : Number(expires);
  if (days !== null && !(days > 0)) throw refuse(`--expires takes a number of days, not '${expires}'.`);
  return {
    holder: { kind, name },
    scopes: scopes === undefined ? defaultScopes[kind] : parse(z.array(Scope), scopes.split(","), "--scopes"),
    attributes: attributes === undefined ? {} : parse(ApiKey.shape.attributes, jsonOf(attributes), "--attributes"),
    policies: policy,
    expiresAt: days === null ? null : Date.now() + days * DAY_MS,
  };
}

const refuse = (message: string): RouterError => new RouterError("invalid_request", message);

function parse<T>(schema: z.ZodType<T>, value: unknown, option: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw refuse(
    `${option}: ${result.error.issues.map(({ path, message }) => [...path, message].join(": ")).join("; ")}`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`--attributes is not valid JSON: ${String(error)}`);
  }
}

const shown = ({ hash: _hash, ...key }: ApiKey): Omit<ApiKey, "hash"> => key;
