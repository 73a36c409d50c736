import type { Outcome } from "../../src/core/outcome.ts";
import { createScoreboard, type Scoreboard } from "../../src/core/scoreboard.ts";
import type { ControlState } from "../../src/core/state.ts";
import type { PolicyTable } from "../../src/core/table.ts";
import { servingOf, type Serving } from "../../src/gateway/serving.ts";
import { createControlPlane } from "../../src/loop/control-plane.ts";
import type { Clock, ControlPlane, Ledger } from "../../src/ports.ts";
import type { Line } from "./faulty-ledger.ts";

/** What an instance keeps over a crash, and which labels it rests on. */
export interface Kept {
  readonly scoreboard: unknown;
  readonly heard: readonly Outcome[];
}

/** One process of the fleet: control plane, scoreboard and serving. */
export interface Instance {
  readonly name: string;
  readonly line: Line;
  readonly control: ControlPlane;
  readonly scoreboard: Scoreboard;
  readonly serving: Serving;
  /** The labels that its scoreboard knows of. */
  readonly heard: Outcome[];
  /** The tick that is paused, if one is. */
  paused: Promise<unknown> | null;
  readonly checkpoint: () => Kept;
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startInstance(
  deps: { readonly ledger: Ledger; readonly clock: Clock; readonly line: Line },
  input: {
    readonly name: string;
    readonly kept: Kept | null;
    readonly table: (table: PolicyTable, state: ControlState) => PolicyTable;
  },
): Promise<Instance> {
  const control = await createControlPlane(
    { ledger: deps.ledger, clock: deps.clock, log: quiet, counters: { add: () => undefined } },
    { snapshotEvery: 15 },
  );
  const scoreboard = createScoreboard(input.kept?.scoreboard);
  const heard = [...(input.kept?.heard ?? [])];
  const serving = servingOf({ controlPlane: control, log: quiet });
  return {
    name: input.name,
    line: deps.line,
    control,
    scoreboard,
    serving: { isCurrent: serving.isCurrent, table: () => input.table(serving.table(), control.state()) },
    heard,
    paused: null,
    checkpoint: () => ({ scoreboard: scoreboard.save(), heard: [...heard] }),
  };
}
