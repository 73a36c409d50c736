import { z } from "zod";
import { blameText } from "../core/blame.ts";
import { Signal } from "../core/signal.ts";
import type { Client } from "./client.ts";

const SignalList = z.object({ signals: z.array(Signal) });

/** What the sources said last, the latest first: of all segments, or of one. */
export async function latestSignals(
  client: Client,
  about?: { readonly policy: string; readonly segment: string },
): Promise<readonly Signal[]> {
  const { policy, segment } = about ?? {};
  const query = policy === undefined || segment === undefined ? "" : `?${new URLSearchParams({ policy, segment })}`;
  return SignalList.parse(await client("GET", `/api/signals${query}`)).signals;
}

/** Which answers of a row the alarms speak of that were raised within a time, by metric; empty where none says. */
export function blamedOf(
  signals: readonly Signal[],
  row: { readonly policy: string; readonly segment: string; readonly variant: string },
  { since = 0, until = Infinity }: { readonly since?: number; readonly until?: number },
): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  for (const { policy, segment, variant, metric, status, observedAt, evidence } of signals) {
    if (policy !== row.policy || segment !== row.segment || variant !== row.variant) continue;
    if (status !== "degraded" || observedAt < since || observedAt > until || evidence.blame === undefined) continue;
    if (!words.has(metric)) words.set(metric, blameText(evidence.blame));
  }
  return words;
}
