import type { Mode, Segment } from "../core/policy.ts";

/** A flag may lower or raise a mode, but a high-risk segment never moves without a person. */
export function effectiveMode(segment: Segment, override: Mode | null): Mode {
  const mode = override ?? segment.mode;
  return mode === "auto" && segment.risk === "high" ? "approve" : mode;
}
