import type { Counters } from "../ports.ts";

/** Distinct label sets kept per process; more are added to `segue_counters_dropped_total`. */
const SERIES_MAX = 10_000;

/** Counters in memory, printed in Prometheus' text format 0.0.4. */
export function memoryCounters(): Counters & { readonly print: () => string; readonly read: (name: string) => number } {
  const series = new Map<string, number>();
  const add = (key: string, by: number): void => {
    const known = series.get(key);
    if (known === undefined && series.size >= SERIES_MAX) return add("segue_counters_dropped_total", by);
    series.set(key, (known ?? 0) + by);
  };
  return {
    add: (name, labels, by = 1) => add(`${name}${printLabels(labels)}`, by),
    read: (name) =>
      [...series].reduce((sum, [key, value]) => sum + (key === name || key.startsWith(`${name}{`) ? value : 0), 0),
    print: () => {
      const lines: string[] = [];
      let family = "";
      for (const [key, value] of [...series].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const name = key.split("{", 1)[0] ?? key;
        if (name !== family) lines.push(`# TYPE ${name} counter`);
        family = name;
        lines.push(`${key} ${value}`);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function printLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {});
  if (pairs.length === 0) return "";
  const printed = pairs.map(
    ([name, value]) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
  );
  return `{${printed.join(",")}}`;
}
