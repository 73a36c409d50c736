import { Command } from "commander";
import { z } from "zod";
import { actorName } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import { FreezeScope } from "../core/event.ts";
import type { Signal } from "../core/signal.ts";
import { Switchover } from "../core/switchover.ts";
import { blamedOf, latestSignals } from "./alarms.ts";
import type { CommandContext } from "./context.ts";
import { textTable } from "./output.ts";

const SwitchoverList = z.object({ switchovers: z.array(Switchover) });

/** `segue switchovers`: what is planned or under way. */
export const switchoversCommand = ({ client, output }: CommandContext): Command =>
  new Command("switchovers")
    .description("list open switchovers, or show one")
    .argument("[id]")
    .option("--all", "ended ones too")
    .action(async (id: string | undefined, { all }: { all?: boolean }) => {
      if (id !== undefined) {
        const switchover = Switchover.parse(await client()("GET", `/api/switchovers/${encodeURIComponent(id)}`));
        const signals = output().json ? [] : await latestSignals(client(), switchover.change);
        output().result(switchover, () => switchoverText(switchover, signals));
        return;
      }
      const { switchovers } = SwitchoverList.parse(await client()("GET", `/api/switchovers?all=${all === true}`));
      output().result({ switchovers }, () =>
        switchovers.length === 0
          ? "No switchover is open."
          : textTable(
              ["id", "policy", "segment", "from → to", "cause", "phase", "gate", "digest"],
              switchovers.map(({ id, change, phase, gate, digest }) => [
                id,
                change.policy,
                change.segment,
                `${change.from} → ${change.to}`,
                change.cause,
                phase.kind === "canary" ? `canary ${phase.share * 100} %` : phase.kind,
                gate,
                digest.slice(0, 12),
              ]),
            ),
      );
    });

/** `segue approve`: the digest defaults to what the switchover is now, and is shown. */
export const approveCommand = ({ client, output }: CommandContext): Command =>
  new Command("approve")
    .description("approve a proposed switchover; needs a person's key other than the proposer's")
    .argument("<id>")
    .option("--digest <digest>", "refuse unless the change is exactly this one")
    .option("--reason <text>", "why, for the audit log")
    .action(async (id: string, { digest, reason }: { digest?: string; reason?: string }) => {
      const path = `/api/switchovers/${encodeURIComponent(id)}`;
      const seen = digest ?? Switchover.parse(await client()("GET", path)).digest;
      const approved = Switchover.parse(await client()("POST", `${path}/approve`, { digest: seen, reason }));
      output().result(approved, () => switchoverText(approved));
    });

/** `segue reject` and `segue roll-back`. */
const decideCommand = (
  { client, output }: CommandContext,
  verb: "reject" | "roll-back",
  description: string,
): Command =>
  new Command(verb)
    .description(description)
    .argument("<id>")
    .requiredOption("--reason <text>", "why, for the audit log")
    .action(async (id: string, { reason }: { reason: string }) => {
      const decided = Switchover.parse(
        await client()("POST", `/api/switchovers/${encodeURIComponent(id)}/${verb}`, { reason }),
      );
      output().result(decided, () => switchoverText(decided));
    });

export const rejectCommand = (context: CommandContext): Command =>
  decideCommand(context, "reject", "reject a proposed switchover");
export const rollBackCommand = (context: CommandContext): Command =>
  decideCommand(context, "roll-back", "move a segment back: from a canary or its latest confirmed switchover");

interface ScopeOptions {
  policy?: string;
  segment?: string;
  reason: string;
  for?: string;
}

const Frozen = z.object({ scope: FreezeScope, until: z.number().nullable() });

export const freezeCommand = ({ client, output }: CommandContext): Command =>
  new Command("freeze")
    .description("stop the loop from moving anything forward: everywhere, in a policy or in a segment")
    .option("--policy <id>")
    .option("--segment <id>")
    .option("--for <seconds>", "until then; until it is lifted when absent")
    .requiredOption("--reason <text>", "why, for the audit log")
    .action(async (options: ScopeOptions) => {
      const body = {
        scope: scopeOf(options),
        reason: options.reason,
        for_seconds: options.for === undefined ? null : secondsOf(options.for),
      };
      const frozen = Frozen.parse(await client()("POST", "/api/freeze", body));
      const until = frozen.until === null ? "until it is lifted" : `until ${new Date(frozen.until).toISOString()}`;
      output().result(frozen, () => `Frozen ${until}.`);
    });

/** What is no number must be refused here: as JSON it would be null, which freezes for good. */
function secondsOf(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && Number.isFinite(seconds)) return seconds;
  throw new RouterError("invalid_request", `--for takes a number of seconds, not '${text}'.`);
}

export const unfreezeCommand = ({ client, output }: CommandContext): Command =>
  new Command("unfreeze")
    .description("lift a freeze of exactly this scope")
    .option("--policy <id>")
    .option("--segment <id>")
    .requiredOption("--reason <text>", "why, for the audit log")
    .action(async (options: ScopeOptions) => {
      const lifted = await client()("POST", "/api/freeze/lift", { scope: scopeOf(options), reason: options.reason });
      output().result(lifted, () => "Lifted.");
    });

const scopeOf = ({ policy, segment }: ScopeOptions): FreezeScope => ({
  ...(policy === undefined ? {} : { policy }),
  ...(segment === undefined ? {} : { segment }),
});

function switchoverText(switchover: Switchover, signals: readonly Signal[] = []): string {
  const { id, change, phase, gate, digest, proposedBy } = switchover;
  const { lossMean, lossTolerated, labels, note } = change.evidence;
  const lines = [
    `${id}: ${change.policy}/${change.segment}, ${change.from} → ${change.to} (${change.cause}, ${change.metric})`,
    `phase     ${phase.kind === "canary" ? `canary at ${phase.share * 100} %` : phase.kind}${"because" in phase ? `: ${phase.because}` : ""}`,
    `gate      ${gate}, proposed by ${actorName(proposedBy)} on revision ${change.basedOn}`,
    `steps     ${change.steps.map(({ share }) => `${share * 100} %`).join(" → ")}`,
    `digest    ${digest}`,
  ];
  if (lossMean !== undefined)
    lines.push(`evidence  mean loss ${lossMean} over ${labels ?? "?"} labels, tolerated ${lossTolerated ?? "?"}`);
  const where = blamedOf(signals, { ...change, variant: change.from }, { until: phase.since }).get(change.metric);
  if (where !== undefined) lines.push(`where     ${where}`);
  if (note !== undefined) lines.push(`note      ${note}`);
  if (phase.kind === "proposed") {
    lines.push(`expires   ${new Date(phase.expiresAt).toISOString()}`);
    if (gate === "approval") lines.push(`approve   segue approve ${id} --digest ${digest}`);
  }
  return lines.join("\n");
}
