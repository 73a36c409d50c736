import type { Switchover } from "../core/switchover.ts";
import { actorName } from "../core/actor.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { TASKS, type Task } from "./llmdrift.ts";
import type { GradedAnswer, SentLabel } from "./traffic.ts";

export interface SegmentResult {
  readonly id: Task;
  readonly risk: string;
  readonly before: { readonly variant: string; readonly mean: number };
  readonly during: { readonly mean: number };
  readonly after: { readonly variant: string; readonly mean: number };
  /** Labels of answers given since the drift, until the detector's signal; null when it never spoke. */
  readonly labelsToDetect: number | null;
  /** Answers of the segment since the drift, until the switchover was confirmed. */
  readonly requestsToRecover: number | null;
  readonly switchover: { readonly id: string; readonly phase: string; readonly approvedBy: string | null } | null;
  readonly held: string | null;
}

export interface DemoResult {
  readonly requests: number;
  readonly aggregate: { readonly before: number; readonly during: number; readonly after: number };
  readonly segments: readonly SegmentResult[];
  readonly wrongSwitchovers: number;
  readonly ledger: { readonly entries: number; readonly verified: boolean };
  readonly wallMs: number;
}

export interface DemoRecord {
  readonly answers: readonly GradedAnswer[];
  readonly labels: readonly SentLabel[];
  readonly entries: readonly LedgerEntry[];
  /** Epoch milliseconds at which the model silently changed. */
  readonly driftedAt: number;
  readonly primary: string;
  readonly risks: Readonly<Record<string, string>>;
  readonly shares: Readonly<Record<Task, number>>;
  /** True when the candidate is truly better than what the segment would be left on. */
  readonly isRight: (task: Task, to: string) => boolean;
}

/** What happened, from the answers that were graded and the ledger alone. */
export function reportSegments(record: DemoRecord): Omit<DemoResult, "ledger" | "wallMs"> {
  const segments = TASKS.map((task) => reportSegment(record, task));
  const overall = (pick: (segment: SegmentResult) => number): number =>
    rounded(segments.reduce((sum, segment) => sum + record.shares[segment.id] * pick(segment), 0));
  const begun = switchoversOf(record.entries).filter(({ hasBegun }) => hasBegun);
  return {
    requests: record.answers.length,
    aggregate: {
      before: overall(({ before }) => before.mean),
      during: overall(({ during }) => during.mean),
      after: overall(({ after }) => after.mean),
    },
    segments,
    wrongSwitchovers: begun.filter(({ switchover: { change } }) => !record.isRight(change.segment as Task, change.to))
      .length,
  };
}

interface History {
  readonly switchover: Switchover;
  readonly hasBegun: boolean;
  readonly canaryAt: number | null;
  readonly confirmedAt: number | null;
  readonly approvedBy: string | null;
}

function switchoversOf(entries: readonly LedgerEntry[]): History[] {
  const found = new Map<string, History>();
  for (const { event } of entries) {
    if (event.type === "switchover.proposed")
      found.set(event.switchover.id, {
        switchover: event.switchover,
        hasBegun: false,
        canaryAt: null,
        confirmedAt: null,
        approvedBy: null,
      });
    if (event.type !== "switchover.moved") continue;
    const known = found.get(event.id);
    if (known === undefined) continue;
    const { phase } = event;
    found.set(event.id, {
      switchover: { ...known.switchover, phase },
      hasBegun: known.hasBegun || phase.kind === "canary",
      canaryAt: known.canaryAt ?? (phase.kind === "canary" ? phase.since : null),
      confirmedAt: phase.kind === "confirmed" ? phase.since : known.confirmedAt,
      approvedBy: phase.kind === "approved" ? actorName(phase.by) : known.approvedBy,
    });
  }
  return [...found.values()];
}

function reportSegment(record: DemoRecord, task: Task): SegmentResult {
  const { answers, labels, entries, driftedAt, primary } = record;
  const own = answers.filter((answer) => answer.task === task);
  const move = switchoversOf(entries).findLast(({ switchover }) => switchover.change.segment === task);
  const confirmedAt = move?.confirmedAt ?? null;
  const noticed = entries.find(
    ({ event }) =>
      event.type === "signal.recorded" && event.signal.segment === task && event.signal.status === "degraded",
  );
  const held = entries.findLast(({ event }) => event.type === "escalation.raised" && event.segment === task);
  const isHeld = held !== undefined && held.event.type === "escalation.raised" && confirmedAt === null;
  const served = confirmedAt === null ? primary : (move?.switchover.change.to ?? primary);
  return {
    id: task,
    risk: record.risks[task] ?? "",
    before: { variant: primary, mean: meanOf(own.filter(({ askedAt }) => askedAt < driftedAt)) },
    during: { mean: meanOf(own.filter(({ askedAt, variant }) => askedAt >= driftedAt && variant === primary)) },
    after: {
      variant: served,
      mean: meanOf(
        own.filter(({ askedAt, variant }) => askedAt >= (move?.canaryAt ?? driftedAt) && variant === served),
      ),
    },
    labelsToDetect:
      noticed === undefined
        ? null
        : labels.filter((label) => label.task === task && label.askedAt >= driftedAt && label.sentAt <= noticed.at)
            .length,
    requestsToRecover:
      confirmedAt === null ? null : own.filter(({ askedAt }) => askedAt >= driftedAt && askedAt < confirmedAt).length,
    switchover:
      move === undefined
        ? null
        : { id: move.switchover.id, phase: move.switchover.phase.kind, approvedBy: move.approvedBy },
    held: isHeld && held.event.type === "escalation.raised" ? held.event.detail : null,
  };
}

const meanOf = (answers: readonly GradedAnswer[]): number =>
  answers.length === 0 ? 0 : rounded(answers.filter(({ right }) => right).length / answers.length);

const rounded = (value: number): number => Number(value.toFixed(4));
