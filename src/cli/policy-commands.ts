import { readFile, writeFile } from "node:fs/promises";
import { Command } from "commander";
import { z } from "zod";
import type { Config } from "../config.ts";
import { RouterError } from "../core/errors.ts";
import type { Fault } from "../core/fault.ts";
import { planText } from "../core/plan-text.ts";
import { hasChanges, planPolicies, type Plan } from "../core/plan.ts";
import { promptsOf } from "../core/policy-source.ts";
import type { PromptedPolicies } from "../loop/pin-prompts.ts";
import type { Publication } from "../core/publication.ts";
import type { ControlState } from "../core/state.ts";
import { readPolicyFiles } from "../stores/policy-files.ts";
import type { CommandContext } from "./context.ts";
import type { Output } from "./output.ts";
import { operator, publishedState, withLedger } from "./local.ts";

const faultText = ({ file, line, column, severity, code, message, fix }: Fault): string =>
  `${file}:${line}:${column} ${severity} ${code}\n  ${message}\n  ${fix}`;

function lintText(faults: readonly Fault[]): string {
  const errors = faults.filter(({ severity }) => severity === "error").length;
  return [...faults.map(faultText), `${errors} error(s), ${faults.length - errors} warning(s)`].join("\n");
}

const hasErrors = (faults: readonly Fault[]): boolean => faults.some(({ severity }) => severity === "error");

/** `segue lint`: every fault of the policies, with its place and what to do. */
export const lintCommand = ({ config, output }: CommandContext): Command =>
  new Command("lint")
    .description("check the policies; exit 1 when there is an error")
    .option("--policies <dir>", "the directory of the policies", config().SEGUE_POLICIES)
    .option("--offline", "do not compare with what is published, and ask no prompt hub")
    .action(async (options: PolicyOptions) => {
      const state = options.offline === true ? null : await publishedState(config());
      const files = await readPolicies(options, config(), state);
      const faults = await lint(files, state);
      output().result({ faults }, () => lintText(faults));
      if (hasErrors(faults)) process.exitCode = 1;
    });

interface PolicyOptions {
  policies: string;
  offline?: boolean;
}

const OFFLINE = "ask no prompt hub: what is published of its prompts is kept";

/** The policies' files, with the prompts that they name in hubs pinned. */
async function readPolicies(
  { policies, offline }: PolicyOptions,
  config: Config,
  state: ControlState | null,
): Promise<PromptedPolicies> {
  const files = await readPolicyFiles(policies);
  const { hasHubPrompts, pinPrompts } = await import("../loop/pin-prompts.ts");
  if (!hasHubPrompts(files)) return files;
  const { promptHubs } = await import("../prompt-hubs/index.ts");
  const hubs = offline === true ? null : promptHubs(config, fetch);
  return pinPrompts({ hubs, state }, files);
}

interface PlanOptions extends PolicyOptions {
  out?: string;
  replay?: readonly string[];
  attribute?: readonly string[];
  ignoreColumn?: readonly string[];
}

/** An option that may be given several times. */
const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `segue plan`: what applying would change, above all in what is served. */
export const planCommand = ({ config, output }: CommandContext): Command =>
  new Command("plan")
    .description("show what 'apply' would change; exit 0 no change, 1 error, 2 changes")
    .option("--policies <dir>", "the directory of the policies", config().SEGUE_POLICIES)
    .option("--offline", OFFLINE)
    .option("--out <file>", "save the plan, for 'segue apply FILE'")
    .option("--replay <file>", "measured outcomes (CSV): what the change lets expect; may be repeated", collect)
    .option("--attribute <name>", "the attribute that --replay's segments are values of, or COLUMN=NAME", collect)
    .option("--ignore-column <name>", "a column of --replay's tables to skip; may be repeated", collect)
    .action(async (options: PlanOptions) => {
      refuseWithoutReplay(options);
      const state = await publishedState(config());
      const files = await readPolicies(options, config(), state);
      const { plan, faults } = await makePlan(files, state);
      if (plan === null) {
        refuseFaults(output(), faults);
        return;
      }
      const replay = options.replay === undefined ? null : await replayed(options, files, state);
      if (options.out !== undefined) await writeFile(options.out, `${JSON.stringify(plan, null, 2)}\n`);
      output().result(replay === null ? { plan, faults } : { plan, faults, replay: replay.forecast }, () =>
        [...faults.map(faultText), planText(plan), ...(replay === null ? [] : ["", replay.text()])].join("\n"),
      );
      if (hasChanges(plan)) process.exitCode = 2;
    });

function refuseWithoutReplay({ replay, attribute, ignoreColumn }: PlanOptions): void {
  if (replay !== undefined || (attribute ?? ignoreColumn) === undefined) return;
  const option = attribute === undefined ? "--ignore-column" : "--attribute";
  throw new RouterError("invalid_request", `${option} says how to read outcome tables. Name them: --replay FILE.`);
}

/** Loaded when it is wanted: a plan without outcomes needs no CSV parser. */
async function replayed(
  { replay = [], attribute = [], ignoreColumn = [] }: PlanOptions,
  files: PromptedPolicies,
  state: ControlState,
): Promise<{ readonly forecast: unknown; readonly text: () => string }> {
  const [{ readOutcomeTables }, { columnAttributes }, { whatIf }, { whatIfText }] = await Promise.all([
    import("../replay/outcome-table.ts"),
    import("../replay/column-attributes.ts"),
    import("../replay/what-if.ts"),
    import("../replay/what-if-text.ts"),
  ]);
  const attributes = columnAttributes(attribute);
  const table = await readOutcomeTables(replay, { ignoreColumns: ignoreColumn });
  const forecast = whatIf(state, publicationsOf(files), { table, attributes });
  return { forecast, text: () => whatIfText(forecast) };
}

const publicationsOf = ({ sources, prompts }: PromptedPolicies): Publication[] =>
  sources.flatMap(({ document }) =>
    document === null ? [] : [{ policy: document, prompts: promptsOf(document, prompts) }],
  );

/** The faults are the answer to `lint`, but to whoever wanted a plan they are a failure. */
function refuseFaults(output: Output, faults: readonly Fault[]): void {
  const first = faults.find(({ severity }) => severity === "error");
  const message = `The policies have errors, the first at ${first?.file}:${first?.line}: ${first?.message}`;
  output.result({ error: { code: "policy_faults", message }, faults }, () => lintText(faults));
  process.exitCode = 1;
}

const SavedPlan = z.object({ basedOn: z.int().nonnegative(), digest: z.string().length(64) });

/** `segue apply`: publishes the policies to the ledger, on exactly the revision that was planned on. */
export const applyCommand = ({ config, output }: CommandContext): Command =>
  new Command("apply")
    .description("publish the policies; a plan made on an older revision is refused")
    .argument("[plan]", "a plan saved by 'segue plan --out'")
    .option("--policies <dir>", "the directory of the policies", config().SEGUE_POLICIES)
    .option("--offline", OFFLINE)
    .action(async (file: string | undefined, options: PolicyOptions) => {
      const saved = file === undefined ? null : await readPlan(file);
      await withLedger(config(), async ({ controlPlane }) => {
        const state = controlPlane.state();
        const files = await readPolicies(options, config(), state);
        const { plan, faults } = await makePlan(files, state);
        if (plan === null) {
          refuseFaults(output(), faults);
          return;
        }
        if (saved !== null) refuseOther(saved, plan);
        const policies = publicationsOf(files);
        output().progress([...faults.map(faultText), planText(plan)].join("\n"));
        const { publishPolicies } = await import("../loop/publish-policy.ts");
        const result = await publishPolicies(
          { controlPlane },
          { policies, expectedRevision: plan.basedOn, actor: operator() },
        );
        output().result({ ...result, plan }, () =>
          result.published.length === 0
            ? `Nothing to publish: revision ${result.revision} is up to date.`
            : `Published ${result.published.join(", ")} at revision ${result.revision}.`,
        );
      });
    });

async function readPlan(file: string): Promise<z.infer<typeof SavedPlan>> {
  try {
    return SavedPlan.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    throw new RouterError("invalid_request", `${file} is not a plan that 'segue plan --out' saved.`, {
      reason: "not_a_plan",
      cause,
    });
  }
}

function refuseOther(saved: z.infer<typeof SavedPlan>, plan: Plan): void {
  if (saved.basedOn !== plan.basedOn)
    throw new RouterError(
      "conflict",
      `The plan was made on revision ${saved.basedOn}, and the table is at ${plan.basedOn} by now. Run 'segue plan' again and look at it.`,
      { reason: "stale_plan" },
    );
  if (saved.digest !== plan.digest)
    throw new RouterError(
      "conflict",
      "The policy files, or a label that they name, changed since the plan was made. Run 'segue plan' again.",
      {
        reason: "other_plan",
      },
    );
}

/** Loaded when it is wanted, so that the other commands start without the prompt templates' package. */
async function lint({ sources, prompts }: PromptedPolicies, state: ControlState | null): Promise<readonly Fault[]> {
  const { lint: lintSources } = await import("../core/lint.ts");
  return lintSources(sources, prompts, state);
}

async function makePlan(
  files: PromptedPolicies,
  state: ControlState,
): Promise<{ readonly plan: Plan | null; readonly faults: readonly Fault[] }> {
  const faults = await lint(files, state);
  return { plan: hasErrors(faults) ? null : planPolicies(files.sources, files.prompts, state), faults };
}
