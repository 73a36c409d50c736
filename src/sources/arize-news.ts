import { sha256 } from "../core/digest.ts";
import { signalKey, supersedes, type Signal } from "../core/signal.ts";
import type { SignalTargets } from "../core/signal-source.ts";
import { segmentKey } from "../core/state.ts";

const DAY_MS = 86_400_000;
/** Longer than the day after which a monitor repeats its word: one that has not is gone. */
const GONE_MS = 2 * DAY_MS;
const SOURCE = "arize";

/** The latest signal of a key: of this page, or recorded. */
export type Latest = (key: string) => Signal | undefined;

/**
 * Under which source a monitor speaks. Signals of one source replace each other, so of several monitors on one subject the
 * first is `arize` and each other one has a source of its own: what one takes back, another may still say.
 * @param signal but for its source; its id begins with the monitor's
 */
export function sourceOf(
  monitorId: string,
  signal: Omit<Signal, "source">,
  { targets, latest }: { readonly targets: SignalTargets; readonly latest: Latest },
): string {
  const own = `${SOURCE}:${sha256(monitorId).slice(0, 12)}`;
  // An alarm is taken back where it was raised.
  if (latest(signalKey({ ...signal, source: own }))?.status === "degraded") return own;
  const said = latest(signalKey({ ...signal, source: SOURCE }));
  const isFree =
    said === undefined ||
    said.id.startsWith(`${monitorId}@`) ||
    said.status === "inconclusive" ||
    // Said before what serves now: the loop does not hold it against it any more.
    said.observedAt <= (servedNewsSince(signal, targets) ?? 0) ||
    // Such as one that was made anew: its successor has to be able to take its alarm back.
    signal.observedAt - said.observedAt > GONE_MS;
  return isFree ? SOURCE : own;
}

/**
 * Whether a signal says anything new. A monitor evaluates every few minutes, and each signal is an entry that the ledger
 * keeps: what has not changed is said again once a day, or when the loop has to hear it of what it serves now.
 */
export function isNews(signal: Signal, targets: SignalTargets, latest: Latest): boolean {
  const said = latest(signalKey(signal));
  if (said === undefined) return true;
  // What is older than the latest changes nothing; no data takes nothing back, and would be news at every evaluation.
  if (signal.status === "inconclusive" || !supersedes(signal, said)) return false;
  return (
    said.status !== signal.status ||
    said.observedAt <= newsSince(signal, targets) ||
    signal.observedAt - said.observedAt >= DAY_MS
  );
}

type About = Pick<Signal, "policy" | "segment" | "variant">;

/** What was said until then, this time included, the loop does not hold against what it serves now; epoch milliseconds. */
function newsSince(about: About, targets: SignalTargets): number {
  const current = targets.segments[segmentKey(about.policy, about.segment)];
  // Of a variant that was left it asks whether it is well since the last attempt.
  return servedNewsSince(about, targets) ?? (current === undefined ? 0 : (current.endedAt ?? current.since) - 1);
}

/** The same of a variant that is served now, else null. */
function servedNewsSince({ policy, segment, variant }: About, { segments, switchovers }: SignalTargets): number | null {
  const current = segments[segmentKey(policy, segment)];
  if (current === undefined) return null;
  const open = current.open === null ? undefined : switchovers[current.open];
  // Of a canary it asks once a step what others say.
  if (open?.phase.kind === "canary" && open.change.to === variant) return open.phase.since;
  return variant === current.incumbent ? current.since - 1 : null;
}
