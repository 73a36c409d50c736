import { Command } from "commander";
import { z } from "zod";
import { HubPrompt, hubPromptName } from "../core/hub-prompt.ts";
import { RouterError } from "../core/errors.ts";
import type { Signal } from "../core/signal.ts";
import { blamedOf, latestSignals } from "./alarms.ts";
import type { CommandContext } from "./context.ts";
import { textTable } from "./output.ts";
import { Shadow, shadowText } from "./shadow-text.ts";

const Objective = z.object({
  metric: z.string(),
  against: z.string(),
  verdict: z.string(),
  lossMean: z.number().nullable(),
  labels: z.number(),
  lossTolerated: z.number().nullable(),
});
const Status = z.looseObject({
  revision: z.number(),
  isCurrent: z.boolean(),
  segments: z.array(
    z.looseObject({
      policy: z.string(),
      segment: z.string(),
      risk: z.string(),
      mode: z.string(),
      incumbent: z.string(),
      since: z.number(),
      health: z.string(),
      trafficShare: z.number(),
      objectives: z.array(Objective),
      open: z.looseObject({ id: z.string(), phase: z.looseObject({ kind: z.string() }) }).nullable(),
      escalation: z.looseObject({ detail: z.string() }).nullable(),
      flag: z.looseObject({ value: z.string(), variant: z.string() }).nullable(),
      frozen: z.string().nullable(),
      // Older servers do not say.
      shadow: Shadow.nullish(),
    }),
  ),
  // Nor do they of these.
  promptProposals: z
    .array(z.looseObject({ policy: z.string(), variant: z.string(), ...HubPrompt.shape, version: z.string() }))
    .default([]),
});
type Status = z.infer<typeof Status>;

/** `segue status`: what each segment is served, and how it does. */
export const statusCommand = ({ client, output }: CommandContext): Command =>
  new Command("status").description("show what each segment is served now, and how it does").action(async () => {
    const status = Status.parse(await client()("GET", "/api/table"));
    const signals = output().json ? [] : await latestSignals(client());
    output().result(status, () => statusText(status, signals));
  });

function statusText({ revision, isCurrent, segments, promptProposals }: Status, signals: readonly Signal[]): string {
  const rows = segments.map((row) => [
    `${row.policy}/${row.segment}`,
    row.health,
    row.incumbent,
    `${(row.trafficShare * 100).toFixed(1)} %`,
    row.mode,
    row.risk,
    row.objectives
      .map(({ metric, lossMean, lossTolerated, labels }) =>
        lossMean === null
          ? `${metric} no labels`
          : `${metric} loss ${lossMean.toFixed(3)} of ${lossTolerated?.toFixed(3) ?? "?"} (${labels})`,
      )
      .join(", "),
    notes(row, signals),
  ]);
  const stale = isCurrent ? "" : ", STALE: the ledger cannot be reached";
  const table = textTable(
    ["segment", "health", "serving", "traffic", "mode", "risk", "objectives (last hour)", "notes"],
    rows,
  );
  const shadows = segments.flatMap(({ policy, segment, shadow }) =>
    shadow === null || shadow === undefined ? [] : [shadowText(`${policy}/${segment}`, shadow)],
  );
  const proposed = promptProposals.map(
    ({ policy, variant, version, ...place }) =>
      `${policy}: ${hubPromptName(place)} moved to version '${version}', which is not published; variant '${variant}' serves what it did`,
  );
  return [`revision ${revision}${stale}`, table, ...shadows, ...proposed].join("\n");
}

function notes(row: Status["segments"][number], signals: readonly Signal[]): string {
  const { open, escalation, flag, frozen } = row;
  const blamed = blamedOf(signals, { ...row, variant: row.incumbent }, { since: row.since });
  return [
    open === null ? "" : `${open.id} ${open.phase.kind}`,
    flag === null ? "" : `flag forces ${flag.variant}`,
    frozen === null ? "" : `frozen: ${frozen}`,
    escalation === null ? "" : escalation.detail,
    ...[...blamed].map(([metric, where]) => `${metric} degraded, ${where}`),
  ]
    .filter((note) => note !== "")
    .join("; ");
}

const Explained = z.looseObject({
  segment: z.string(),
  variant: z.looseObject({ id: z.string(), provider: z.string(), model: z.string(), prompt: z.string().nullable() }),
  reason: z.string(),
  because: z.string(),
  revision: z.number(),
  tried: z.array(z.object({ segment: z.string(), when: z.string(), matched: z.boolean() })),
});

/** `segue explain`: what a request with these attributes would be served, and why. */
export const explainCommand = ({ client, output }: CommandContext): Command =>
  new Command("explain")
    .description("show what a request would be served and why; no model is called")
    .option("--policy <id>", "the policy; may be left out while there is only one")
    .option("--attributes <json>", 'such as \'{"region":"eu"}\'', "{}")
    .option("--session <id>", "who asks: decides the side of a canary")
    .action(async (options: { policy?: string; attributes: string; session?: string }) => {
      const model = options.policy ?? (await onlyPolicy(client));
      const body = { model, attributes: attributesOf(options.attributes), session: options.session };
      const explained = Explained.parse(await client()("POST", "/v1/decisions", body));
      output().result(explained, () => explainText(explained));
    });

const Policies = z.object({ policies: z.array(z.looseObject({ policy: z.looseObject({ policy: z.string() }) })) });

async function onlyPolicy(client: CommandContext["client"]): Promise<string> {
  const { policies } = Policies.parse(await client()("GET", "/api/policies"));
  const [first, ...others] = policies.map(({ policy }) => policy.policy);
  if (first === undefined)
    throw new RouterError("not_found", "No policy is published. Publish the ones in policies/ with 'segue apply'.");
  if (others.length > 0)
    throw new RouterError("invalid_request", `Say which policy: --policy ${[first, ...others].join(" | ")}.`);
  return first;
}

function attributesOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RouterError("invalid_request", `--attributes is not valid JSON: ${String(error)}`);
  }
}

function explainText({ segment, variant, reason, because, revision, tried }: z.infer<typeof Explained>): string {
  const prompt = variant.prompt === null ? "no prompt" : `prompt ${variant.prompt}`;
  return [
    `segment   ${segment}`,
    `variant   ${variant.id} (${variant.provider}/${variant.model}, ${prompt})`,
    `reason    ${reason}: ${because}`,
    `revision  ${revision}`,
    "tried     " +
      tried.map(({ segment: id, when, matched }) => `${matched ? "✓" : "✗"} ${id}: ${when}`).join("\n          "),
  ].join("\n");
}
