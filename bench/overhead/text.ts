import { textTable } from "../../src/cli/output.ts";
import type { Report } from "./report.ts";
import type { SoakResult } from "./soak.ts";

const NOTHING = "–";

const number = (value: number | null, digits = 0): string => (value === null ? NOTHING : value.toFixed(digits));

/** The report for a terminal. */
export function reportText({ rows, ratios, decisionUs, telemetryShare }: Report): string {
  const measured = textTable(
    [
      "variant",
      "mode",
      "load",
      "CPU µs a request",
      "requests/s",
      "added ms p50",
      "p99",
      "added ms to first byte",
      "RSS MB",
      "errors",
    ],
    rows.map(({ name, mode, load, cpuUsPerRequest, rps, addedMsP50, addedMsP99, ttftAddedMsP50, rssMb, errors }) => [
      name,
      mode,
      load,
      number(cpuUsPerRequest),
      number(rps),
      number(addedMsP50, 2),
      number(addedMsP99, 2),
      number(ttftAddedMsP50, 2),
      number(rssMb),
      String(errors),
    ]),
  );
  const compared = textTable(
    ["figure", "", "measured"],
    [
      ...Object.entries(ratios.cpuVsRaw).map(([mode, ratio]) => ["CPU of Segue over raw", mode, number(ratio, 2)]),
      ...Object.entries(ratios.cpuVsPortkey).map(([mode, ratio]) => [
        "CPU of Portkey over Segue",
        mode,
        number(ratio, 2),
      ]),
      ...Object.entries(decisionUs).map(([count, us]) => ["a decision, µs", `${count} segments`, number(us, 2)]),
      [
        "exposures' and spans' share of CPU",
        "json",
        telemetryShare === null ? NOTHING : `${number(telemetryShare * 100, 1)} %`,
      ],
    ],
  );
  return `${measured}\n\n${compared}`;
}

export function soakText({ requests, errors, samples, rssMbMax, isFlat }: SoakResult): string {
  const table = textTable(
    ["minutes", "RSS MB", "heap MB", "external MB"],
    samples.map(({ minutes, rssMb, heapMb, externalMb }) => [
      minutes.toFixed(1),
      ...[rssMb, heapMb, externalMb].map(String),
    ]),
  );
  const verdict = isFlat === null ? "too short to say whether it is flat" : isFlat ? "flat" : "NOT flat";
  return `${table}\n\n${Math.round(requests)} requests, ${errors} failed; at most ${number(rssMbMax)} MB, ${verdict}`;
}
