import type { Actor } from "../core/actor.ts";
import { forcedVariant } from "../core/decision.ts";
import type { Event } from "../core/event.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { segmentKey, type ControlState } from "../core/state.ts";
import type { PolicyTable } from "../core/table.ts";
import type { ControlPlane, Flags } from "../ports.ts";

const FLAG = "segue-fallback";
const actor: Actor = { kind: "flag", flag: FLAG };

/**
 * Records where `segue-fallback` has begun or ceased to force a variant, for segments as a whole: rules on
 * single units or requests are not evaluated here. Compares what is with what was recorded, so it may run at
 * any time and any number of times; writes nothing when nothing changed.
 */
export function recordFlagEffects(deps: {
  readonly controlPlane: Pick<ControlPlane, "commit">;
  readonly flags: Pick<Flags, "fallback">;
  readonly table: () => PolicyTable;
}): Promise<readonly LedgerEntry[]> {
  return deps.controlPlane.commit(actor, (state) => {
    const wanted = effectsOf(deps.table(), deps.flags, state);
    const ended = Object.entries(state.flagEffects).flatMap(([key, effect]): Event[] => {
      const now = wanted.get(key);
      if (now?.value === effect.value && now.variant === effect.variant) {
        wanted.delete(key);
        return [];
      }
      const [policy = "", segment = ""] = key.split("/");
      return [{ type: "flag.effect-ended", policy, segment, flag: effect.flag }];
    });
    return [...ended, ...wanted.values()];
  });
}

type Started = Extract<Event, { type: "flag.effect-started" }>;

/** What is forced now, by `policy/segment`. Segments that the ledger no longer has are left out, though an older table may still serve them. */
function effectsOf(table: PolicyTable, flags: Pick<Flags, "fallback">, state: ControlState): Map<string, Started> {
  const effects = new Map<string, Started>();
  for (const [policy, compiled] of table.policies) {
    for (const row of compiled.rows) {
      const segment = row.segment.id;
      const key = segmentKey(policy, segment);
      const { value, reason } = flags.fallback({ policy, segment, unit: null, attributes: {} });
      const variant = value === "" ? null : forcedVariant(compiled, row, value);
      if (variant !== null && state.segments[key] !== undefined)
        effects.set(key, { type: "flag.effect-started", policy, segment, flag: FLAG, variant, value, reason });
    }
  }
  return effects;
}
