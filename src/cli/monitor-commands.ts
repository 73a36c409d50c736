import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { z } from "zod";
import { arizeMonitors, type ProjectRef } from "../arize/arize-monitors.ts";
import { createAskArize } from "../arize/graphql.ts";
import type { Config } from "../config.ts";
import { RouterError } from "../core/errors.ts";
import type { Policy } from "../core/policy.ts";
import { applyMonitors, type MonitorStore } from "../monitors/apply-monitors.ts";
import { monitorPlanText } from "../monitors/monitor-plan-text.ts";
import { ColumnName, Contacts, EmailContact, MonitorSettings } from "../monitors/monitor-settings.ts";
import { allowedSteps, hasDrift, planMonitors, type MonitorPlan } from "../monitors/plan-monitors.ts";
import { wantedMonitors, type WantedMonitors } from "../monitors/wanted-monitors.ts";
import { nodeRandom } from "../node-random.ts";
import { readPolicyFiles } from "../stores/policy-files.ts";
import { memoryCounters } from "../telemetry/counters.ts";
import type { CommandContext } from "./context.ts";

interface MonitorOptions {
  policies: string;
  prune?: boolean;
  replace?: boolean;
  adopt?: boolean;
  perVariant?: boolean;
  forget?: readonly string[];
  dimension?: readonly string[];
  metadataPrefix?: string;
  annotationCategory?: string;
  windowSeconds?: string;
  delaySeconds?: string;
  cadenceSeconds?: string;
  stdDevMultiplier?: string;
  contacts?: string;
  email?: readonly string[];
  max: string;
}

/** An option that may be given several times. */
const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `segue monitors plan|apply`: the alarms of Arize AX, one for each segment and objective, as code. */
export const monitorsCommand = (context: CommandContext): Command => {
  const { config, output } = context;
  const monitors = new Command("monitors").description("keep Arize's monitors as the policies' objectives say");
  withOptions(monitors.command("plan"), config())
    .description("show what 'monitors apply' would change; exit 0 no change, 1 error, 2 changes")
    .action(async (options: MonitorOptions) => {
      const { plan, wanted } = await planned(options, config());
      output().result({ plan, ...told(wanted) }, () => monitorPlanText(plan, wanted));
      if (hasDrift(plan)) process.exitCode = 2;
    });
  withOptions(monitors.command("apply"), config())
    .description("create, change and, where allowed, delete monitors; may be run again at any time")
    .action(async (options: MonitorOptions) => {
      const { plan, wanted, store } = await planned(options, config());
      const { progress, result } = output();
      progress(monitorPlanText(plan, wanted));
      const applied = await applyMonitors({ store, progress }, plan);
      const withheld = plan.steps.length - allowedSteps(plan).length;
      result({ applied, withheld, plan, ...told(wanted) }, () =>
        [
          `${applied.create} created, ${applied.patch} patched, ${applied.replace} made anew, ${applied.delete} deleted, ${plan.unchanged.length} unchanged.`,
          ...(withheld === 0
            ? []
            : [`${withheld} change(s) wait for --prune or --replace; 'segue monitors plan' shows them.`]),
        ].join("\n"),
      );
    });
  return monitors;
};

const told = ({ unmonitorable, warnings }: WantedMonitors) => ({ unmonitorable, warnings });

const withOptions = (command: Command, config: Config): Command =>
  command
    .option("--policies <dir>", "the directory of the policies", config.SEGUE_POLICIES)
    .option("--prune", "delete our monitors that no objective asks for")
    .option("--replace", "make monitors anew that measure something else; their history goes")
    .option("--adopt", "take over monitors that have our names but were made by hand, where a patch is enough")
    .option("--forget <policy>", "a policy that is gone: its monitors are ours too; may be repeated", collect)
    .option("--dimension <metric=column>", "the column that holds a metric; may be repeated", collect)
    .option("--metadata-prefix <prefix>", "what Arize writes before a metadata key; found by itself where it can be")
    .option("--annotation-category <name>", "annotation or userAnnotation: Arize's word for feedback")
    .option("--per-variant", "one monitor for each variant of a segment")
    .option("--window-seconds <number>", "of answers that an evaluation looks at; 3600")
    .option("--delay-seconds <number>", "that answers are given until their scores are there; 0")
    .option("--cadence-seconds <number>", "between evaluations; 300")
    .option("--std-dev-multiplier <number>", "where an objective has no fixed bound; 2")
    .option("--contacts <file>", "JSON list of contacts of new monitors, sent to Arize as it is")
    .option("--email <address>", "who is written to about alarms of new monitors; may be repeated", collect)
    .option("--max <number>", "refuse to plan more monitors than this", "200");

interface Planned {
  readonly plan: MonitorPlan;
  readonly wanted: WantedMonitors;
  readonly store: MonitorStore;
}

async function planned(options: MonitorOptions, config: Config): Promise<Planned> {
  const settings = settingsOf(options);
  const policies = await readPolicies(options.policies);
  const store = storeOf(config, await contactsOf(options));
  const givenPrefix = options.metadataPrefix;
  const wanted = wantedMonitors(policies, settings, { columns: await columnsOf(store), givenPrefix });
  const plan = planMonitors({
    desired: wanted.monitors,
    existing: await store.list(),
    policies: new Set([...policies.map(({ policy }) => policy), ...(options.forget ?? [])]),
    marks: settings,
    mayDelete: options.prune === true,
    mayReplace: options.replace === true,
    mayAdopt: options.adopt === true,
    monitorsMax: parsed(z.coerce.number().int().positive(), options.max, "--max"),
  });
  return { plan, wanted, store };
}

function settingsOf(options: MonitorOptions): MonitorSettings {
  const { dimension = [], metadataPrefix, annotationCategory, perVariant = false } = options;
  const numbers = (["windowSeconds", "delaySeconds", "cadenceSeconds", "stdDevMultiplier"] as const).flatMap((name) =>
    options[name] === undefined ? [] : [[name, Number(options[name])] as const],
  );
  return parsed(
    MonitorSettings,
    {
      dimensions: Object.fromEntries(dimension.map(dimensionOf)),
      perVariant,
      ...(metadataPrefix === undefined ? {} : { metadataPrefix }),
      ...(annotationCategory === undefined ? {} : { annotationCategory }),
      ...Object.fromEntries(numbers),
    },
    "The options",
  );
}

function dimensionOf(option: string): readonly [string, string] {
  const at = option.indexOf("=");
  const column = ColumnName.safeParse(option.slice(at + 1));
  if (at > 0 && column.success) return [option.slice(0, at), column.data];
  throw new RouterError(
    "invalid_request",
    `--dimension takes METRIC=COLUMN, such as resolution=eval.Correctness.score, not '${option}'.`,
    { param: "dimension" },
  );
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => [path.join("."), message].filter(Boolean).join(": "));
  throw new RouterError("invalid_request", `${what} cannot be used: ${faults.join("; ")}.`, { reason: "bad_options" });
}

async function readPolicies(directory: string): Promise<Policy[]> {
  const { sources } = await readPolicyFiles(directory);
  const broken = sources.find(({ document }) => document === null);
  if (broken === undefined) return sources.flatMap(({ document }) => (document === null ? [] : [document]));
  const fault = broken.faults[0];
  throw new RouterError(
    "invalid_request",
    `The policies have errors, the first at ${broken.file}:${fault?.line}: ${fault?.message}. 'segue lint' shows all.`,
    { reason: "policy_faults" },
  );
}

async function contactsOf({ contacts, email = [] }: MonitorOptions): Promise<Contacts> {
  const mails = email.map((address) => parsed(EmailContact, address, `--email ${address}`));
  if (contacts === undefined) return mails;
  const text = await readFile(contacts, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new RouterError("invalid_request", `${contacts} is not JSON: ${String(cause)}.`, { cause });
  }
  return [...parsed(Contacts, json, contacts), ...mails];
}

/** The columns say how Arize spells things; a plan can do without. */
async function columnsOf(store: MonitorStore) {
  try {
    return await store.columns();
  } catch (error) {
    if (error instanceof RouterError && ["arize_refused", "unexpected_answer"].includes(error.reason)) return null;
    throw error;
  }
}

/** What of the configuration says where Arize is. */
function storeOf(config: Config, contacts: Contacts): MonitorStore {
  const { SEGUE_ARIZE_GRAPHQL_URL: url, SEGUE_ARIZE_DEVELOPER_KEY: key } = config;
  if (key === undefined)
    throw new RouterError(
      "unauthenticated",
      "Set SEGUE_ARIZE_DEVELOPER_KEY: monitors are made by GraphQL, which takes a developer key of a user who may create, change and delete monitors.",
      { reason: "no_arize_key" },
    );
  const clock = { now: () => Date.now() };
  const deps = { clock, random: nodeRandom, sleep: (ms: number) => sleep(ms), counters: memoryCounters() };
  const ask = createAskArize({ url, developerKey: key, fetch, ...deps });
  return arizeMonitors(ask, { project: projectOf(config), contacts, now: clock.now() });
}

function projectOf(config: Config): ProjectRef {
  const { SEGUE_ARIZE_PROJECT_ID: id, SEGUE_ARIZE_SPACE_ID: spaceId, SEGUE_ARIZE_PROJECT: name } = config;
  if (id !== undefined) return { id };
  if (spaceId !== undefined) return { spaceId, name };
  throw new RouterError(
    "invalid_request",
    "Set SEGUE_ARIZE_PROJECT_ID, or SEGUE_ARIZE_SPACE_ID with SEGUE_ARIZE_PROJECT: monitors belong to a project.",
    { reason: "no_arize_project" },
  );
}
