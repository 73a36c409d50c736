import type { Log } from "../../ports.ts";
import type { ExportResult } from "./export-result.ts";
import type { SpanDestination } from "./span-destinations.ts";

/** Tells people when a destination stops taking spans and when it takes them again, once each. */
export function exportTeller(log: Log, { name }: SpanDestination) {
  let trouble: ExportResult["kind"] | null = null;
  let hasRefused = false;
  return {
    failed: ({ kind, problem, fix }: Extract<ExportResult, { kind: "later" | "blocked" }>): void => {
      if (trouble === kind) return;
      trouble = kind;
      if (kind === "blocked")
        log.error("a collector will not take spans until a setting is changed", { destination: name, problem, fix });
      else log.warn("a collector does not take spans", { destination: name, problem, fix });
    },
    refused: (problem: string, spans: number): void => {
      if (!hasRefused) log.warn("a collector refuses spans, which are dropped", { destination: name, problem, spans });
      hasRefused = true;
    },
    taken: (rejected: number): void => {
      if (trouble !== null) log.info("a collector takes spans again", { destination: name });
      trouble = null;
      if (rejected > 0 && !hasRefused)
        log.warn("a collector took a batch but rejected spans of it", { destination: name, spans: rejected });
      hasRefused = rejected > 0;
    },
  };
}
