import { z } from "zod";
import type { MonitorSubject } from "../core/monitor-subject.ts";

/** As REST v2 spells them; GraphQL's are brought into this form. */
export const MonitorFilters = z.array(
  z.object({
    dimension: z.object({ name: z.string().nullish() }).nullish(),
    operator: z.string().nullish(),
    values: z.array(z.string()).nullish(),
  }),
);
type Filter = z.infer<typeof MonitorFilters>[number];

/**
 * Whether a monitor looks at the answers that its name says. A copy keeps the notes and gets other filters. Where no filters
 * are told, or there are none because a custom metric has the condition, its name is all there is to go by.
 */
export function looksAt(
  filters: readonly Filter[] | null | undefined,
  { policy, segment, variant }: MonitorSubject,
): boolean {
  if (filters === null || filters === undefined || filters.length === 0) return true;
  const on = (key: string) => filters.filter(({ dimension }) => isColumnOf(dimension?.name ?? "", key));
  if (!on("segment_id").some((filter) => isEquality(filter, `${policy}|${segment}`))) return false;
  const variants = on("variant");
  // One that is limited to a variant and does not name it would hold that variant's answers against whatever serves.
  return variant === undefined ? variants.length === 0 : variants.some((filter) => isEquality(filter, variant));
}

/** How Arize spells a column of metadata is not documented; what it ends with is the key. */
const isColumnOf = (column: string, key: string): boolean => {
  const [last] = column.split(/[.[]/).slice(-1);
  return last?.replaceAll(/["'\]]/g, "") === key;
};

const isEquality = ({ operator, values }: Filter, value: string): boolean =>
  (operator ?? "equals").toUpperCase() === "EQUALS" && values?.length === 1 && values[0] === value;
