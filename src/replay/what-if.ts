import { RouterError } from "../core/errors.ts";
import { stateAfter } from "../core/plan.ts";
import { publishedOf, type Publication } from "../core/publication.ts";
import { segmentKey, type ControlState } from "../core/state.ts";
import { compileTable } from "../core/table.ts";
import { checkColumnAttributes, type ColumnAttribute } from "./column-attributes.ts";
import { forecastOf, type Forecast } from "./forecast.ts";
import { itemRoutes, type PolicyPair, type UnmappedItems } from "./item-routes.ts";
import { named } from "./outcome-columns.ts";
import type { OutcomeTable } from "./outcome-table.ts";
import { variantColumns } from "./variant-columns.ts";

/** What outcomes that were measured say of a publication: the `replay` member of `segue plan --json`. */
export interface WhatIf {
  /** How many the table holds: those with an outcome of every model of their segment. */
  readonly items: number;
  readonly policies: readonly PolicyForecast[];
  /** What the table leaves out, for people. */
  readonly notes: readonly string[];
}

export interface PolicyForecast extends Forecast {
  readonly policy: string;
  /** False for a policy of which nothing is published: then there is nothing to compare with. */
  readonly isPublished: boolean;
  /** Segments of the table that are none of the policy's. */
  readonly unmapped: readonly (UnmappedItems & { readonly share: number })[];
  readonly notes: readonly string[];
}

/**
 * What publishing the policies would do to the table's items: which are served another variant, and what their real outcomes
 * under both variants let expect. Every interval is a 95 % one by itself; of many, some miss.
 * @param attributes the columns of the table that are attributes of the policies
 * @throws RouterError `invalid_request` when the table holds nothing to compare, or a column or attribute is not there
 */
export function whatIf(
  state: ControlState,
  publications: readonly Publication[],
  { table, attributes }: { readonly table: OutcomeTable; readonly attributes: readonly ColumnAttribute[] },
): WhatIf {
  const items = table.segments.reduce((sum, segment) => sum + segment.items, 0);
  if (items === 0) throw nothingToCompare(table);
  const now = publications.flatMap(({ policy }) => publishedOf(state, policy.policy)?.policy ?? []);
  checkColumnAttributes(attributes, table, [...publications.map(({ policy }) => policy), ...now]);
  const before = compileTable(state);
  const after = compileTable(stateAfter(state, publications), { state, table: before });
  return {
    items,
    policies: publications.map(({ policy: { policy: id } }) => {
      const pair = { before: before.policies.get(id) ?? null, after: after.policies.get(id) ?? null };
      const forecast = policyForecast(pair, { table, attributes, items });
      return { policy: id, ...forecast, notes: [...inForce(state, id, pair), ...forecast.notes] };
    }),
    notes: [
      ...table.notes,
      ...table.segments.flatMap(({ id, epochs }) =>
        epochs.size === 0
          ? []
          : [
              `segment ${named(id)}: answers that were measured again later (${[...epochs.keys()].map(named).join(", ")}) are not used`,
            ],
      ),
    ],
  };
}

function policyForecast(
  pair: PolicyPair,
  {
    table,
    attributes,
    items,
  }: { readonly table: OutcomeTable; readonly attributes: readonly ColumnAttribute[]; readonly items: number },
): Omit<PolicyForecast, "policy"> {
  const columns = variantColumns({ ...pair.before?.policy.variants, ...pair.after?.policy.variants }, table);
  const { routes, unmapped, notes } = itemRoutes(pair, table, attributes);
  return {
    isPublished: pair.before !== null,
    ...forecastOf(pair, routes, { columns, items }),
    unmapped: unmapped.map((one) => ({ ...one, share: one.items / items })),
    notes: [...columns.notes, ...notes],
  };
}

/** What serves something else than the incumbent at the moment, and is left out of account. */
function inForce(state: ControlState, policy: string, { before }: PolicyPair): string[] {
  return (before?.rows ?? []).flatMap(({ segment, incumbent, canary }) => {
    const forced = state.flagEffects[segmentKey(policy, segment.id)]?.variant ?? null;
    return [
      ...(canary === null
        ? []
        : [
            `segment '${segment.id}' has a canary of '${canary.change.to}' now; it counts as served '${incumbent}' alone`,
          ]),
      ...(forced === null
        ? []
        : [`a flag forces '${forced}' on segment '${segment.id}' now; it counts as served '${incumbent}'`]),
    ];
  });
}

const nothingToCompare = ({ notes }: OutcomeTable): RouterError =>
  new RouterError(
    "invalid_request",
    ["The tables hold no item that every model of its segment was measured on.", ...notes.slice(0, 5)].join(" "),
    { reason: "no_items" },
  );
