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

/** On every answer's way, and few values have anything to escape. */
function printLabels(labels: Readonly<Record<string, string>> | undefined): string {
  let printed = "";
  for (const name in labels) {
    const value = labels[name] ?? "";
    printed += `${printed === "" ? "{" : ","}${name}="${/[\\"\n]/.test(value) ? escaped(value) : value}"`;
  }
  return printed === "" ? "" : `${printed}}`;
}

const escaped = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
