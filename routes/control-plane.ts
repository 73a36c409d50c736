import { Hono } from "hono";
import type { Authenticated } from "./auth.ts";
import { freezeRoutes, type FreezeVerbs } from "./freeze.ts";
import { ledgerRoutes, type LedgerVerbs } from "./ledger.ts";
import { policyRoutes, type PolicyVerbs } from "./policies.ts";
import { reportRoutes, type ReportVerbs } from "./reports.ts";
import { signalRoutes, type SignalVerbs } from "./signals.ts";
import { switchoverRoutes, type SwitchoverVerbs } from "./switchovers.ts";
import { segmentRoutes, tableRoutes, type TableVerbs } from "./table.ts";

export interface ControlPlaneVerbs {
  readonly freezes: FreezeVerbs;
  readonly ledger: LedgerVerbs;
  readonly policies: PolicyVerbs;
  readonly reports: ReportVerbs;
  readonly signals: SignalVerbs;
  readonly switchovers: SwitchoverVerbs;
  readonly table: TableVerbs;
}

/** Everything under `/api`. */
export const controlPlaneRoutes = (verbs: ControlPlaneVerbs) =>
  new Hono<Authenticated>()
    .route("/freeze", freezeRoutes(verbs.freezes))
    .route("/ledger", ledgerRoutes(verbs.ledger))
    .route("/policies", policyRoutes(verbs.policies))
    .route("/reports", reportRoutes(verbs.reports))
    .route("/signals", signalRoutes(verbs.signals))
    .route("/switchovers", switchoverRoutes(verbs.switchovers))
    .route("/table", tableRoutes(verbs.table))
    .route("/segments", segmentRoutes(verbs.table));
