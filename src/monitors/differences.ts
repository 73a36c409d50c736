import { subjectKey, subjectOfNotes } from "../core/monitor-subject.ts";
import type { DesiredMonitor, MonitorFilter } from "./desired-monitors.ts";
import type { ExistingMonitor } from "./existing-monitor.ts";

export type MonitorField =
  | "name"
  | "notes"
  | "aggregate"
  | "column"
  | "category"
  | "filters"
  | "operator"
  | "threshold"
  | "window"
  | "cadence";

/** A field in which Arize and the code differ, as people read it. */
export interface Difference {
  readonly field: MonitorField;
  readonly arize: string;
  readonly code: string;
}

/** What a monitor measures. Arize documents no patch of it, so such a monitor is made anew. */
const identity: ReadonlySet<MonitorField> = new Set(["aggregate", "column", "category", "filters"]);

export const needsReplacement = (differences: readonly Difference[]): boolean =>
  differences.some(({ field }) => identity.has(field));

/** What Arize tells of no monitor. */
export const NEVER_TOLD = ["delay", "contacts"] as const;

/** What else Arize does not tell of this one, so that it may differ. */
export function untoldOf(existing: ExistingMonitor): MonitorField[] {
  const told: readonly (readonly [MonitorField, unknown])[] = [
    ["aggregate", existing.aggregate],
    ["column", existing.column],
    ["category", existing.category],
    ["filters", existing.filters],
    ["operator", existing.operator],
    ["window", existing.windowSeconds],
    ["cadence", cadenceOf(existing)],
  ];
  return told.flatMap(([field, value]) => (value === null ? [field] : []));
}

/** Whether a monitor's notes say that it is ours; a name alone may have been given by hand. */
export const isMarked = ({ notes }: Pick<ExistingMonitor, "notes">, managedBy: string): boolean =>
  subjectOfNotes(notes ?? "", managedBy) !== null;

/** Our mark, below what people wrote. */
const markedNotes = (notes: string | null, { notes: mark }: DesiredMonitor): string =>
  notes === null || notes.trim() === "" ? mark : `${notes}\n${mark}`;

/** The monitor as a patch of this one sets it: people's notes stay. */
export const patchedOver = (desired: DesiredMonitor, { notes }: ExistingMonitor): DesiredMonitor => ({
  ...desired,
  notes: markedNotes(notes, desired),
});

/** Field by field; what Arize does not tell is no difference. */
export function differencesOf(desired: DesiredMonitor, existing: ExistingMonitor, managedBy: string): Difference[] {
  const { notes } = existing;
  const said = notes === null ? null : subjectOfNotes(notes, managedBy);
  const isOurs = said !== null && subjectKey(said) === subjectKey(desired.subject);
  return [
    differs("name", existing.name, desired.name),
    // People may add lines of their own; only what makes it ours is compared.
    isOurs ? null : { field: "notes" as const, arize: notes ?? "none", code: markedNotes(notes, desired) },
    differs("aggregate", existing.aggregate, desired.aggregate),
    differs("column", existing.column, desired.column),
    differs("category", categoryText(existing.category), categoryText(desired.category)),
    differs("filters", existing.filters === null ? null : filtersText(existing.filters), filtersText(desired.filters)),
    differs("operator", existing.operator, desired.operator),
    differs("threshold", thresholdText(existing.threshold, desired), thresholdText(desired.threshold, desired)),
    differs("window", seconds(existing.windowSeconds), seconds(desired.windowSeconds)),
    differs("cadence", cadenceOf(existing), seconds(desired.cadenceSeconds)),
  ].filter((difference) => difference !== null);
}

const differs = (field: MonitorField, arize: string | null, code: string | null): Difference | null =>
  arize === null || code === null || arize === code ? null : { field, arize, code };

/** Arize has two words for annotations, and may answer with the other one. */
const categoryText = (category: string | null): string | null =>
  category === "userAnnotation" ? "annotation" : category;

const seconds = (value: number | null): string | null => (value === null ? null : `${value} s`);

const cadenceOf = ({ isScheduled, cadenceSeconds }: ExistingMonitor): string | null =>
  isScheduled === false ? "none" : seconds(cadenceSeconds);

/** The same text for the same filters in any order. */
const filtersText = (filters: readonly (MonitorFilter | NonNullable<ExistingMonitor["filters"]>[number])[]): string =>
  filters
    .map((filter) => {
      const operator = "operator" in filter ? (filter.operator ?? "equals") : "equals";
      return `${filter.column ?? "?"} ${operator} ${filter.values.toSorted().join(" or ")}`;
    })
    .sort()
    .join(", ") || "none";

/** Thresholds come back as doubles; what differs in the tenth digit is the same. */
function thresholdText(threshold: ExistingMonitor["threshold"], desired: DesiredMonitor): string | null {
  if (threshold === null) return "none";
  if (threshold === "range") return "a range";
  if ("value" in threshold) return String(Number(threshold.value.toFixed(9)));
  const multiplier =
    threshold.stdDevMultiplier ?? ("stdDevMultiplier" in desired.threshold ? desired.threshold.stdDevMultiplier : null);
  return multiplier === null ? "dynamic" : `dynamic, ${multiplier} standard deviations`;
}
