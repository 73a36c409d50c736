import { arch, cpus, loadavg, platform, totalmem } from "node:os";
import type { Cores } from "./child.ts";
import type { Measurement } from "./measurement.ts";
import type { MicroResult } from "./micro-result.ts";
import { ratiosOf, rounded, rowsOf, type Ratios, type Row } from "./results.ts";

/** Where it was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  /** Whether gateways had a core for themselves. */
  readonly pinned: boolean;
  /** Of the last minute, before the benchmark began. */
  readonly loadBefore: number;
}

/** What `--json` prints. */
export interface Report {
  readonly machine: Machine;
  readonly rows: readonly Row[];
  readonly ratios: Ratios;
  /** By the number of segments. */
  readonly decisionUs: Readonly<Record<string, number | null>>;
  /** Of Segue's CPU a request, JSON at 32 connections: what recording exposures takes. */
  readonly telemetryShare: number | null;
}

export const describeMachine = (cores: Cores | null): Machine => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${arch()}`,
  node: process.version,
  pinned: cores !== null,
  loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
});

export function reportOf(
  machine: Machine,
  measurements: readonly Measurement[],
  micro: MicroResult | null,
): { readonly report: Report; readonly refused: readonly string[] } {
  const rows = rowsOf(measurements);
  const { ratios, refused } = ratiosOf(measurements);
  const segue = rows.find(({ name, mode, load }) => name === "segue" && mode === "json" && load === "c32");
  const cpu = segue?.cpuUsPerRequest ?? null;
  const report = {
    machine,
    rows,
    ratios,
    decisionUs: Object.fromEntries((micro?.decisions ?? []).map(({ segments, us }) => [String(segments), rounded(us)])),
    telemetryShare: micro === null || cpu === null ? null : rounded((micro.exposureUs + micro.spanUs) / cpu),
  };
  return { report, refused };
}

/** What of the gate is not met; a ratio that is missing does not meet it. */
export const gateFailures = (
  { ratios: { cpuVsRaw } }: Report,
  gate: number,
  modes: readonly string[],
): readonly string[] =>
  (["json", "stream"] as const).flatMap((mode) => {
    if (!modes.includes(mode)) return [];
    const ratio = cpuVsRaw[mode];
    if (ratio !== null && ratio <= gate) return [];
    return [`cpuVsRaw.${mode} is ${ratio ?? "missing"}, and must not be above ${gate}.`];
  });
