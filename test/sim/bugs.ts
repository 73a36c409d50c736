import type { Decision, DecisionInput } from "../../src/core/decision.ts";
import type { Scoreboard } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import type { CompiledPolicy, PolicyTable } from "../../src/core/table.ts";
import type { ControlPlane, Ledger } from "../../src/ports.ts";

/** Places at which a bug can be planted; each stands for one that somebody could write. */
export interface Bugs {
  /** Between the control plane and the ledger. */
  readonly ledger?: (ledger: Ledger) => Ledger;
  /** The ledger's own storage. */
  readonly storage?: (ledger: Ledger) => Ledger;
  /** The state as the loop believes it to be. */
  readonly belief?: (state: ControlState) => ControlState;
  readonly control?: (control: ControlPlane) => ControlPlane;
  readonly scoreboard?: (scoreboard: Scoreboard) => Scoreboard;
  readonly table?: (table: PolicyTable, state: ControlState) => PolicyTable;
  readonly decide?: (policy: CompiledPolicy, input: DecisionInput) => Decision;
  /** The digest that an approval is checked against. */
  readonly digest?: (asked: string, state: ControlState, id: string) => string;
  readonly refusesRollBack?: (state: ControlState, id: string) => boolean;
}
