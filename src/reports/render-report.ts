import { reportHtml } from "./report-html.ts";
import { reportMarkdown } from "./report-markdown.ts";
import type { SegmentReport } from "./report-shape.ts";

export type ReportFormat = "html" | "md" | "json";

/** The report as text, and what kind of text that is. */
export function renderReport(
  report: SegmentReport,
  format: ReportFormat,
): { readonly contentType: string; readonly text: string } {
  switch (format) {
    case "html":
      return { contentType: "text/html; charset=utf-8", text: reportHtml(report) };
    case "md":
      return { contentType: "text/markdown; charset=utf-8", text: reportMarkdown(report) };
    case "json":
      return { contentType: "application/json", text: `${JSON.stringify(report)}\n` };
  }
}
