import type { Outcome } from "../../src/core/outcome.ts";
import type { Switchover } from "../../src/core/switchover.ts";
import type { Accuse } from "./ledger-judge.ts";
import { type IncidentRecord, type Model, type SegmentRecord, type Written } from "./model.ts";

/** A thousand to one that a loss is spread takes five rows, however much each of them loses. */
const ROWS_MIN = 5;
/** More than is tolerated anywhere where all is well. */
const LOSS_MIN = 0.1;
/** Segments that tried another upstream in vain before the measure is blamed. */
const SCOUTS_MIN = 2;

/** An incident is found in labels of many rows; only a person says that the measure is right again. */
export function judgeIncident(
  model: Model,
  { actor, event }: Written,
  heard: readonly Outcome[],
  accuse: Accuse,
): void {
  if (event.type === "incident.resolved") {
    const incident = model.incidents.get(event.id);
    if (incident?.isOpen !== true) return accuse(14, `${event.id} is resolved and was not open`);
    if (incident.scope.kind === "evaluator" && actor.kind === "loop")
      accuse(14, `the loop itself says that the measure of ${event.id} is right again`);
  }
  if (event.type !== "incident.opened") return;
  const { id, policy, metric, scope } = event;
  if (model.incidents.has(id)) return accuse(4, `${id} is opened twice`);
  const isKnown = openOf(model, policy).some((known) => known.metric === metric && isSame(known, scope));
  if (isKnown) accuse(14, `${id} is opened while the same one is open`);
  const failing = failingRows(heard, { policy, metric }).filter(
    (variant) => scope.kind === "evaluator" || covers(model, { policy, scope }, variant),
  );
  if (failing.length < ROWS_MIN && !triedInVain(model, policy))
    accuse(9, `${id} is opened although only ${failing.length} rows lose anything`);
}

const openOf = ({ incidents }: Model, policy: string): IncidentRecord[] =>
  [...incidents.values()].filter((incident) => incident.policy === policy && incident.isOpen);

const isSame = ({ scope: a }: IncidentRecord, b: IncidentRecord["scope"]): boolean =>
  a.kind === b.kind && (a.kind !== "upstream" || b.kind !== "upstream" || a.upstream === b.upstream);

/** The variants of the rows whose last labels lost more than is tolerated anywhere. */
function failingRows(heard: readonly Outcome[], about: { readonly policy: string; readonly metric: string }): string[] {
  const rows = new Map<string, { readonly variant: string; readonly losses: number[] }>();
  for (const { policy, segment, variant, metric, loss } of heard) {
    if (policy !== about.policy || metric !== about.metric) continue;
    const key = `${segment}/${variant}`;
    const row = rows.get(key) ?? { variant, losses: [] };
    row.losses.push(loss);
    rows.set(key, row);
  }
  return [...rows.values()].filter(({ losses }) => hasRisen(losses)).map(({ variant }) => variant);
}

function hasRisen(losses: readonly number[]): boolean {
  let sum = 0;
  for (const [place, loss] of losses.toReversed().entries()) {
    sum += loss;
    if (sum / (place + 1) > LOSS_MIN) return true;
  }
  return false;
}

const triedInVain = ({ incidents, switchovers }: Model, policy: string): boolean => {
  const failed = [...switchovers.values()].filter(
    ({ change, phase }) => incidents.get(change.incident ?? "")?.policy === policy && phase === "rolledBack",
  );
  return failed.length >= SCOUTS_MIN;
};

/** Whether what a variant depends on is what fails. */
function covers(model: Model, { policy, scope }: Pick<IncidentRecord, "policy" | "scope">, variant: string): boolean {
  const known = model.policies.get(policy)?.variants[variant];
  if (scope.kind === "variant") return scope.variant === variant;
  return scope.kind === "upstream" && known !== undefined && scope.upstream === `${known.provider}/${known.model}`;
}

/** A move of an incident is about what the incident covers; and no move goes to where one is open. */
export function judgeShared(
  model: Model,
  { id, change }: Pick<Switchover, "id" | "change">,
  record: SegmentRecord,
  accuse: Accuse,
): void {
  const { policy, from, to, cause } = change;
  const refuge = openOf(model, policy).find((incident) => incident.recoveredAt === null && covers(model, incident, to));
  if (cause === "degraded" && refuge !== undefined) accuse(14, `${id} moves to ${to}, on which an incident is open`);
  if (change.incident === undefined) return;
  const incident = model.incidents.get(change.incident);
  if (incident?.isOpen !== true) return accuse(14, `${id} names ${change.incident}, which is not open`);
  const about = cause === "recovered" ? to : from;
  if (incident.policy !== policy || incident.metric !== change.metric || !covers(model, incident, about))
    accuse(14, `${id} is about ${policy}/${about}, which ${change.incident} does not cover`);
  if (cause === "recovered" && record.former?.incident !== change.incident)
    accuse(14, `${id} returns with ${change.incident}, in which ${to} was not left`);
}

/** The metric of a policy that nobody trusts at this moment, or null. */
export const doubted = (model: Model, policy: string): string | null =>
  openOf(model, policy).find(({ scope }) => scope.kind === "evaluator")?.metric ?? null;

/** After every commit: a policy whose measure is in doubt is frozen until somebody lifts it. */
export function judgeMeasures(model: Model, accuse: Accuse): void {
  for (const policy of model.policies.keys())
    if (doubted(model, policy) !== null && model.freezes.get(policy)?.until !== null)
      accuse(14, `${policy} is not frozen until somebody looks, although its ${doubted(model, policy)} is in doubt`);
}
