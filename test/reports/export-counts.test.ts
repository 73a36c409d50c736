import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exportCounts } from "../../src/reports/export-counts.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";

test("what left and what was dropped is summed over destinations", () => {
  const counters = memoryCounters();
  counters.add("segue_spans_dropped_total", { reason: "full" }, 2);
  counters.add("segue_spans_dropped_total", { reason: "refused" }, 3);
  const counts = exportCounts(counters.read);
  expect(counts.find(({ what }) => what === "spans dropped")?.count).toBe(5);
  expect(counts.filter(({ count }) => count > 0)).toHaveLength(1);
});

test("every counter that the report reads is one that something counts", () => {
  const names: string[] = [];
  exportCounts((name) => names.push(name));
  const sources = globSync("src/**/*.ts", { cwd: process.cwd() })
    .filter((file) => !file.endsWith("export-counts.ts"))
    .map((file) => readFileSync(file, "utf8"));
  for (const name of names) expect([name, sources.some((text) => text.includes(`"${name}"`))]).toEqual([name, true]);
});
