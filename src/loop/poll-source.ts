import type { ConfiguredSource } from "../core/signal-source.ts";
import { readSource, type ReadSourceDeps, type SourceRead } from "./read-source.ts";

/**
 * Reads everything that a source has, whatever its state: this heals lost deliveries and notices what no
 * webhook tells, such as a monitor that has no data any more. Never rejects, because it is called by a timer.
 * @returns null when the source could not be read, which is logged and counted
 */
export async function pollSource(deps: ReadSourceDeps, source: ConfiguredSource): Promise<SourceRead | null> {
  try {
    return await readSource(deps, source, { kind: "sweep" });
  } catch (error) {
    deps.counters.add("segue_source_failures_total", { source: source.id });
    deps.log.error(`${source.id}: the poll failed`, { error: String(error) });
    return null;
  }
}
