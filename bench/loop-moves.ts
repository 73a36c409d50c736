import type { TimedEntry } from "../src/replay/explain-segment.ts";
import type { ReplayedPolicy } from "../src/replay/replayed-policy.ts";
import type { Change } from "../src/core/switchover.ts";

/** A switchover of a replay, by place of its segment and places of its models; moments are requests. */
export interface Move {
  readonly place: number;
  readonly from: number;
  readonly to: number;
  readonly cause: Change["cause"];
  readonly incident: string | null;
  /** When its canary began; null when it never did. */
  began: number | null;
  confirmed: number | null;
  rolledBack: number | null;
}

/** The switchovers of a replay in the order of their proposals. */
export function movesOf(
  entries: readonly TimedEntry[],
  { segmentIds, variantIds }: Pick<ReplayedPolicy, "segmentIds" | "variantIds">,
): readonly Move[] {
  const moves = new Map<string, Move>();
  for (const { entry, request } of entries) {
    const { event } = entry;
    if (event.type === "switchover.proposed") {
      const { id, change } = event.switchover;
      const place = segmentIds.indexOf(change.segment);
      const modelOf = (variant: string): number => variantIds[place]?.indexOf(variant) ?? -1;
      const models = { from: modelOf(change.from), to: modelOf(change.to) };
      const { cause, incident = null } = change;
      moves.set(id, { place, ...models, cause, incident, began: null, confirmed: null, rolledBack: null });
    }
    if (event.type !== "switchover.moved") continue;
    const move = moves.get(event.id);
    if (move === undefined) continue;
    if (event.phase.kind === "canary") move.began ??= request;
    if (event.phase.kind === "confirmed") move.confirmed = request;
    if (event.phase.kind === "rolledBack") move.rolledBack = request;
  }
  return [...moves.values()];
}
