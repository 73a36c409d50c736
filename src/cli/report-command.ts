import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { RouterError } from "../core/errors.ts";
import { SegmentReport } from "../reports/report-shape.ts";
import { renderReport, type ReportFormat } from "../reports/render-report.ts";
import type { CommandContext } from "./context.ts";

interface SegmentOptions {
  since: string;
  until?: string;
  format?: ReportFormat;
  out?: string;
  all?: boolean;
  top: string;
}

/** `segue report segments`: how each segment did over a period, from a running server. */
export const reportCommand = ({ client, output }: CommandContext): Command => {
  const report = new Command("report").description("report on a period");
  report
    .command("segments")
    .description("tell how each segment did: labels, objectives, trend, worst part, cost, latency, errors, switchovers")
    .option("--since <time>", "24h, 7d or an ISO time", "24h")
    .option("--until <time>", "an ISO time; now when absent")
    .addOption(
      new Option("--format <format>", "what is written; md unless told, json with --json").choices([
        "html",
        "md",
        "json",
      ]),
    )
    .option("--out <file>", "where it is written; standard output when absent")
    .option("--top <count>", "how many segments are told in full, the worst ones", "20")
    .option("--all", "all segments in full")
    .action(async (options: SegmentOptions) => {
      const format = options.format ?? (output().json ? "json" : "md");
      const answer = SegmentReport.parse(await client()("GET", `/api/reports/segments?${queryOf(options)}`));
      const { out } = options;
      if (out !== undefined) {
        writeWhole(out, renderReport(answer, format).text);
        return output().result({ out, format }, () => `Written to ${out}.`);
      }
      // With --json standard output is one JSON object, whatever the format.
      output().result(format === "json" ? answer : { format, text: renderReport(answer, format).text }, () =>
        renderReport(answer, format).text.trimEnd(),
      );
    });
  return report;
};

function queryOf({ since, until, all, top }: SegmentOptions): URLSearchParams {
  if (!/^[1-9]\d{0,4}$/.test(top))
    throw new RouterError("invalid_request", `--top takes a number of segments from 1 on, not '${top}'.`);
  return new URLSearchParams({
    since,
    format: "json",
    ...(until === undefined ? {} : { until }),
    ...(all === true ? { all: "true" } : { top }),
  });
}

/** Whoever reads the file meanwhile sees the old one or the new one, never a part. */
function writeWhole(file: string, text: string): void {
  const draft = `${file}.${randomBytes(4).toString("hex")}.new`;
  try {
    writeFileSync(draft, text);
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}
