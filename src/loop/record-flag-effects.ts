import type { Actor } from "../core/actor.ts";
import { forcedVariant } from "../core/decision.ts";
import type { Event } from "../core/event.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Segment } from "../core/policy.ts";
import { FALLBACK_FLAG, flagEffectKey, segmentKey, type ControlState } from "../core/state.ts";
import type { CompiledPolicy, PolicyTable, TableRow } from "../core/table.ts";
import type { ControlPlane, Flags } from "../ports.ts";

const FLAGS = [FALLBACK_FLAG, "segue-automation", "segue-mode"] as const;

type EffectFlags = Pick<Flags, "fallback" | "automation" | "mode">;

/**
 * Records where flags have begun or ceased to have an effect: to force a variant, to stop the loop, or to put another mode
 * in place of the policy's. For segments as a whole: rules on single units or requests are not evaluated here. Compares
 * what is with what was recorded, so it may run at any time and any number of times; writes nothing when nothing changed.
 */
export async function recordFlagEffects(deps: {
  readonly controlPlane: Pick<ControlPlane, "commit">;
  readonly flags: EffectFlags;
  readonly table: () => PolicyTable;
}): Promise<readonly LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for (const flag of FLAGS) {
    const actor: Actor = { kind: "flag", flag };
    entries.push(...(await deps.controlPlane.commit(actor, (state) => changesOf(flag, deps, state))));
  }
  return entries;
}

function changesOf(
  flag: string,
  { table, flags }: { readonly table: () => PolicyTable; readonly flags: EffectFlags },
  state: ControlState,
): Event[] {
  const wanted = effectsOf(flag, table(), flags, state);
  const ended = Object.entries(state.flagEffects).flatMap(([key, effect]): Event[] => {
    if (effect.flag !== flag) return [];
    const now = wanted.get(key);
    if (now?.value === effect.value && now.variant === effect.variant) {
      wanted.delete(key);
      return [];
    }
    const [policy = "", segment = ""] = (key.split("#", 1)[0] ?? "").split("/");
    return [{ type: "flag.effect-ended", policy, segment, flag }];
  });
  return [...ended, ...wanted.values()];
}

type Started = Extract<Event, { type: "flag.effect-started" }>;

/** What a flag does now, by `flagEffectKey`. Segments that the ledger no longer has are left out, though an older table may still serve them. */
function effectsOf(flag: string, table: PolicyTable, flags: EffectFlags, state: ControlState): Map<string, Started> {
  const effects = new Map<string, Started>();
  for (const [policy, compiled] of table.policies)
    for (const row of compiled.rows) {
      const segment = row.segment.id;
      if (state.segments[segmentKey(policy, segment)] === undefined) continue;
      const effect =
        flag === FALLBACK_FLAG ? forced(policy, compiled, row, flags) : onTheLoop(flag, policy, row.segment, flags);
      if (effect !== null) effects.set(flagEffectKey(policy, segment, flag), effect);
    }
  return effects;
}

function forced(policy: string, compiled: CompiledPolicy, row: TableRow, flags: EffectFlags): Started | null {
  const segment = row.segment.id;
  const { value, reason } = flags.fallback({ policy, segment, unit: null, attributes: {} });
  const variant = value === "" ? null : forcedVariant(compiled, row, value);
  if (variant === null) return null;
  return { type: "flag.effect-started", policy, segment, flag: FALLBACK_FLAG, variant, value, reason };
}

function onTheLoop(flag: string, policy: string, { id: segment, mode }: Segment, flags: EffectFlags): Started | null {
  const effect = { type: "flag.effect-started" as const, policy, segment, flag, variant: null };
  if (flag === "segue-automation") {
    const { value, reason } = flags.automation(policy, segment);
    return value ? null : { ...effect, value: "false", reason };
  }
  const { value, reason } = flags.mode(policy, segment);
  return value === "" || value === mode ? null : { ...effect, value, reason };
}
