import { meaningOf } from "./meaning.ts";
import type { Policy } from "./policy.ts";
import type { ControlState, Incident } from "./state.ts";

/** What of a state that is being folded says what is healthy, and what failed together. */
interface MeasuresDraft {
  readonly incidents: Record<string, Incident>;
  readonly measuredSince: Record<string, number>;
  readonly baselines: Record<string, ControlState["baselines"][string]>;
  readonly signals: Record<string, ControlState["signals"][string]>;
}

/** The measure changed: what was healthy by the old one says nothing. */
export function measureAnew(draft: MeasuresDraft, { policy, metric }: Incident, seq: number): void {
  draft.measuredSince[`${policy}/${metric}`] = seq;
  for (const key of Object.keys(draft.baselines))
    if (key.startsWith(`${policy}/`) && key.endsWith(`/${metric}`)) delete draft.baselines[key];
  // So does an alarm of our own by the old one; other sources take back theirs themselves.
  for (const [key, signal] of Object.entries(draft.signals))
    if (signal.policy === policy && signal.metric === metric && signal.source.startsWith("detector:"))
      delete draft.signals[key];
}

/** The first segment that came back says that the others may. */
export function noteRecovery(draft: MeasuresDraft, id: string, at: number): void {
  const incident = draft.incidents[id];
  if (incident !== undefined) draft.incidents[id] = { ...incident, recoveredAt: incident.recoveredAt ?? at };
}

/** A baseline of a segment or metric that means something else by now says nothing about it. */
export function forgetBaselines(
  draft: Pick<MeasuresDraft, "baselines">,
  before: Policy | undefined,
  after: Policy,
): void {
  if (before === undefined) return;
  const byId = ({ segments }: Policy) => new Map(segments.map((segment) => [segment.id, segment]));
  const [old, current] = [byId(before), byId(after)];
  for (const key of Object.keys(draft.baselines)) {
    const [policy, id = "", , metric = ""] = key.split("/");
    const [was, becomes] = [old.get(id), current.get(id)];
    if (policy !== after.policy || was === undefined) continue;
    if (becomes === undefined || meaningOf(before, was, metric) !== meaningOf(after, becomes, metric))
      delete draft.baselines[key];
  }
}
