import type { ControlPlaneVerbs } from "../routes/control-plane.ts";
import { isOpen } from "./core/switchover.ts";
import { approveSwitchover, findSwitchover, rejectSwitchover, rollBackSwitchover } from "./loop/decide-switchover.ts";
import { freeze, listFreezes, unfreeze } from "./loop/freeze.ts";
import { publishPolicies } from "./loop/publish-policy.ts";
import { readStatus } from "./loop/read-status.ts";
import { recordSignal } from "./loop/record-signal.ts";
import type { ControlPlane, Ledger } from "./ports.ts";
import type { ReportDeps } from "./reports/gather-report.ts";
import { readReport } from "./reports/read-report.ts";

/** What `/api` calls. */
export function controlVerbs(
  deps: Parameters<typeof readStatus>[0] & {
    readonly controlPlane: ControlPlane;
    readonly ledger: Ledger;
    readonly reportDeps: ReportDeps;
  },
): ControlPlaneVerbs {
  const { controlPlane, ledger } = deps;
  return {
    freezes: {
      list: () => listFreezes(deps),
      freeze: (input) => freeze(deps, input),
      unfreeze: (input) => unfreeze(deps, input),
    },
    ledger: { head: () => controlPlane.state().head, read: ledger.read },
    policies: {
      list: () => {
        const { revision, policies, promptProposals } = controlPlane.state();
        return { revision, policies: Object.values(policies), promptProposals: Object.values(promptProposals) };
      },
      publish: (input) => publishPolicies(deps, input),
    },
    reports: { segments: (query) => readReport(deps.reportDeps, query) },
    signals: {
      state: controlPlane.state,
      now: deps.clock.now,
      record: (input) => recordSignal(deps, input),
    },
    switchovers: {
      list: ({ all }) => Object.values(controlPlane.state().switchovers).filter((one) => all || isOpen(one)),
      read: (id) => findSwitchover(controlPlane.state(), id),
      approve: (input) => approveSwitchover(deps, input),
      reject: (input) => rejectSwitchover(deps, input),
      rollBack: (input) => rollBackSwitchover(deps, input),
    },
    table: { status: () => readStatus(deps) },
  };
}
