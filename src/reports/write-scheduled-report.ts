import { z } from "zod";
import type { Checkpoints, Clock, Counters, Lease, Log } from "../ports.ts";
import { HOUR_MS, PERIOD_MS_MAX, periodOf, type Period } from "./period.ts";
import { renderReport } from "./render-report.ts";
import type { SegmentReport } from "./report-shape.ts";

/** Where scheduled reports lie. */
export interface ReportFiles {
  /** The names of all files there. */
  readonly list: () => Promise<readonly string[]>;
  /** Writes a whole file under a name, or nothing when there is one. @returns false when there was */
  readonly write: (name: string, text: string) => Promise<boolean>;
  readonly remove: (name: string) => Promise<void>;
}

export interface ScheduleOptions {
  readonly instance: string;
  /** A report is due whenever so many hours are over, counted from 1970 in UTC. */
  readonly everyHours: number;
  /** Reports kept; the oldest go first. */
  readonly keep: number;
  /** Segments that are told in full. */
  readonly top?: number;
}

export interface ScheduleDeps {
  readonly report: (request: { readonly period: Period; readonly top: number }) => Promise<SegmentReport>;
  readonly files: ReportFiles;
  readonly checkpoints: Checkpoints;
  readonly lease: Pick<Lease, "acquire">;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

const CHECKPOINT = "segment-report";
/** As long as the loop takes it for: whoever acts also reports. */
const LEASE_MS = 10_000;
const TOP = 20;

const Saved = z.strictObject({ until: z.number() }).nullish();

/** What came of a call: the file that was written, or why none was. */
export type ScheduledReport =
  | { readonly kind: "written"; readonly name: string; readonly period: Period }
  | { readonly kind: "not-due" | "not-ours" };

/**
 * Writes the segment report of each period once, by whichever instance holds the loop's lease. A report is about what no report
 * was about yet, so that what was missed while nobody ran is caught up by one; it says when it was written. Call it every minute or so: while nothing is due it only looks at the clock.
 * A crash between the file and its note is noticed by the file's name.
 */
export function scheduledReports(
  deps: ScheduleDeps,
  { instance, everyHours, keep, top = TOP }: ScheduleOptions,
): { readonly writeScheduledReport: () => Promise<ScheduledReport> } {
  const { clock, lease, files, checkpoints, counters, log } = deps;
  const everyMs = everyHours * HOUR_MS;
  /** Until when reports were written, as far as is known here. */
  let written = -Infinity;
  return {
    writeScheduledReport: async () => {
      const due = Math.floor(clock.now() / everyMs) * everyMs;
      if (due <= written) return { kind: "not-due" };
      if ((await lease.acquire(instance, LEASE_MS, clock.now())) === null) return { kind: "not-ours" };
      const names = (await files.list()).filter((name) => endOf(name) !== null).sort();
      const saved = Saved.safeParse(await checkpoints.load(CHECKPOINT)).data?.until ?? -Infinity;
      written = Math.max(written, saved, endOf(names.at(-1) ?? "") ?? -Infinity);
      if (due <= written) return { kind: "not-due" };
      const since = written === -Infinity ? due - everyMs : Math.max(written, due - PERIOD_MS_MAX);
      const period = periodOf(since, due);
      const { text } = renderReport(await deps.report({ period, top }), "html");
      // It may have taken long: another instance may act by now.
      if ((await lease.acquire(instance, LEASE_MS, clock.now())) === null) return { kind: "not-ours" };
      const name = nameOf(due);
      const isNew = await files.write(name, text);
      await checkpoints.save(CHECKPOINT, { until: due });
      written = due;
      if (!isNew) return { kind: "not-due" };
      counters.add("segue_reports_written_total");
      log.info("the segment report was written", { file: name });
      for (const old of [...names, name].slice(0, -keep)) await files.remove(old);
      return { kind: "written", name, period };
    },
  };
}

/** By the end of the period, so that names are in the order of time. */
const nameOf = (until: number): string =>
  `segments-${new Date(until).toISOString().slice(0, 13).replaceAll("-", "")}Z.html`;

/** @returns null for a file that is not ours */
function endOf(name: string): number | null {
  const [, year, month, day, hour] = /^segments-(\d{4})(\d\d)(\d\d)T(\d\d)Z\.html$/.exec(name) ?? [];
  const end = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`);
  return Number.isNaN(end) ? null : end;
}
