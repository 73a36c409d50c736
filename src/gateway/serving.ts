import { compileTable, emptyTable, type PolicyTable } from "../core/table.ts";
import type { ControlState } from "../core/state.ts";
import type { ControlPlane, Log } from "../ports.ts";

/** What is served now, in memory. */
export interface Serving {
  readonly table: () => PolicyTable;
  /** False while the table may be older than the ledger. */
  readonly isCurrent: () => boolean;
}

/**
 * The table of the control plane's state, compiled anew when the revision grows. A state that does
 * not compile leaves the last good table in service and is reported once.
 */
export function servingOf(deps: {
  readonly controlPlane: Pick<ControlPlane, "state" | "isCurrent">;
  readonly log: Log;
}): Serving {
  let compiled: { state: ControlState; table: PolicyTable } | null = null;
  let failedRevision = -1;
  const table = (): PolicyTable => {
    const state = deps.controlPlane.state();
    if (state.revision === (compiled?.state.revision ?? 0) || state.revision === failedRevision)
      return compiled?.table ?? emptyTable;
    try {
      compiled = { state, table: compileTable(state, compiled) };
    } catch (error) {
      failedRevision = state.revision;
      deps.log.error("the policy table does not compile; the last good one stays in service", {
        revision: state.revision,
        serving: compiled?.state.revision ?? 0,
        error,
      });
    }
    return compiled?.table ?? emptyTable;
  };
  return {
    table,
    isCurrent: () => deps.controlPlane.isCurrent() && failedRevision !== deps.controlPlane.state().revision,
  };
}
