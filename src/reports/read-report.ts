import { gatherReport, type ReportDeps, type ReportRequest } from "./gather-report.ts";
import { readPeriod } from "./period.ts";
import { renderReport, type ReportFormat } from "./render-report.ts";

/** What somebody asks for. */
export interface ReportQuery extends Omit<ReportRequest, "period"> {
  /** As `readPeriod` takes them. */
  readonly since: string;
  readonly until?: string | undefined;
  readonly format: ReportFormat;
}

/**
 * The segment report that a reader asks for, written.
 * @throws RouterError `invalid_request` for a period that is none, `unavailable` when what is kept cannot be read
 */
export async function readReport(
  deps: ReportDeps,
  { since, until, format, ...request }: ReportQuery,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const period = readPeriod(since, until, deps.clock.now());
  return renderReport(await gatherReport(deps, { ...request, period }), format);
}
