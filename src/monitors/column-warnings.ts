import type { SpanColumn } from "./apply-monitors.ts";
import type { DesiredMonitor } from "./desired-monitors.ts";
import { ColumnName } from "./monitor-settings.ts";

const KEY = "segment_id";
/** Where spans have their metadata, so whatever else an application calls by these names is something else. */
const USUAL = "attributes.metadata.";

/** How Arize spells the columns of metadata, as far as the spans that arrived tell; null while none of them has a segment. */
export function discoveredPrefix(columns: readonly SpanColumn[]): string | null {
  const prefixes = columns
    .map(({ name }) => name)
    .filter((name) => name === KEY || /[.[]segment_id$/.test(name))
    .map((name) => name.slice(0, -KEY.length))
    .filter((prefix) => ColumnName.safeParse(prefix).success)
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return (
    prefixes.find((prefix) => prefix === USUAL) ??
    prefixes.find((prefix) => prefix.endsWith("metadata.")) ??
    prefixes[0] ??
    null
  );
}

/** What is not there yet, so that a monitor of it has no data; only of what the columns of spans can tell. */
export function columnWarnings(desired: readonly DesiredMonitor[], columns: readonly SpanColumn[]): string[] {
  const known = new Set(columns.map(({ name }) => name));
  const filters = desired.flatMap(({ filters }) => filters.map(({ column }) => column));
  const measured = desired.filter(({ category }) => category === "spanProperty").map(({ column }) => column);
  return [...new Set([...filters, ...measured])]
    .filter((column) => !known.has(column))
    .map(
      (column) =>
        `Arize has no column '${column}' yet: no span of the last week carried it, or it is spelled differently. Until it is there, monitors of it have no data.`,
    );
}
