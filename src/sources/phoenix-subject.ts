import type { SignalTargets, SourceContext } from "../core/signal-source.ts";
import type { Policy, Segment } from "../core/policy.ts";
import { segmentKey } from "../core/state.ts";

/** A segment's variant whose answers are looked at: what serves it, or what is tried on it. */
export interface Subject {
  readonly policy: Policy;
  readonly segment: Segment;
  readonly variant: string;
  /** Answers from before are about another incumbency, or another canary; epoch milliseconds. */
  readonly since: number;
  /** What was said until then, this time included, was said of less than what it serves now; epoch milliseconds. */
  readonly newsSince: number;
}

/** Start inclusive, end exclusive, epoch milliseconds. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

/** Everything that has objectives and is served now. */
export function subjectsOf(targets: SignalTargets): readonly Subject[] {
  return Object.values(targets.policies).flatMap(({ policy }) =>
    policy.segments
      .filter(({ objectives }) => objectives.length > 0)
      .flatMap((segment) => servedOf(policy, segment, targets)),
  );
}

function servedOf(policy: Policy, segment: Segment, { segments, switchovers }: SignalTargets): readonly Subject[] {
  const current = segments[segmentKey(policy.policy, segment.id)];
  if (current === undefined) return [];
  const { incumbent, since } = current;
  const subjects: Subject[] = [{ policy, segment, variant: incumbent, since, newsSince: since - 1 }];
  const open = current.open === null ? undefined : switchovers[current.open];
  // The loop asks of a canary once a step what others say, so each step is news.
  if (open?.phase.kind === "canary")
    subjects.push({
      policy,
      segment,
      variant: open.change.to,
      since: open.phase.startedAt,
      newsSince: open.phase.since,
    });
  return subjects;
}

/** Whether what was asked about is still what is served. */
export function isServedStill({ policy, segment, variant, since }: Subject, { targets }: SourceContext): boolean {
  const published = Object.hasOwn(targets.policies, policy.policy)
    ? targets.policies[policy.policy]?.policy
    : undefined;
  const now = published?.segments.find(({ id }) => id === segment.id);
  if (published === undefined || now === undefined) return false;
  return servedOf(published, now, targets).some((served) => served.variant === variant && served.since === since);
}

export interface WindowSettings {
  readonly windowMinutes: number;
  readonly pollSeconds: number;
  readonly settleSeconds: number;
}

/**
 * The time to judge a subject by. Its end is rounded to the poll period, so that everybody who asks in the same period
 * asks the same, and lies a little back, because the answers that took long arrive last. Never longer ago than `since`.
 * @returns null while there is no time to judge
 */
export function windowOf(
  { since }: Pick<Subject, "since">,
  now: number,
  { windowMinutes, pollSeconds, settleSeconds }: WindowSettings,
): Window | null {
  const period = pollSeconds * 1000;
  const end = Math.floor((now - settleSeconds * 1000) / period) * period;
  const start = Math.max(since, end - windowMinutes * 60_000);
  return start < end ? { start, end } : null;
}

/** The time before a window that it is compared with, of the same incumbency; null while there is none. */
export function referenceOf({ since }: Pick<Subject, "since">, { start }: Window, hours: number): Window | null {
  const from = Math.max(since, start - hours * 3_600_000);
  return from < start ? { start: from, end: start } : null;
}
