import type { Blame } from "../core/blame.ts";
import { freezeKey, segmentsOf, type ControlState, type Freeze, type Incident } from "../core/state.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { SegmentStatus } from "../loop/read-status.ts";
import { addTally, newTally, type SegmentTally } from "./exposure-figures.ts";
import { readMoves } from "./ledger-moves.ts";
import type { LossTally } from "./loss-figures.ts";
import { fullHour, type Period } from "./period.ts";
import { Concern, type Group, type SegmentReport, type SegmentRow } from "./report-shape.ts";
import { timeText } from "./report-words.ts";
import { figuresOf, segmentRow, sliceReport, type SegmentFacts } from "./segment-row.ts";

/** All that a report is made of. Segments are by `policy/segment`. */
export interface ReportFacts {
  readonly now: number;
  readonly period: Period;
  readonly state: Pick<ControlState, "revision" | "head" | "policies" | "switchovers" | "freezes" | "incidents">;
  readonly isCurrent: boolean;
  /** Of the published segments. */
  readonly status: readonly SegmentStatus[];
  /** The ledger's entries of the period, oldest first; `isCut` when there were more than the last ones that were read. */
  readonly entries: { readonly list: readonly LedgerEntry[]; readonly isCut: boolean };
  readonly exposures: ReadonlyMap<string, SegmentTally>;
  /** When the oldest exposure that is kept was decided; null without any. */
  readonly exposuresSince: number | null;
  readonly losses: ReadonlyMap<string, ReadonlyMap<string, LossTally>>;
  /** Null without any label. */
  readonly lossesSince: number | null;
  /** Where a row's losses rose from `since` on, by the labelled answers that are kept; null where they are too few. Asked of few segments. */
  readonly blame: (
    row: { readonly policy: string; readonly segment: string; readonly variant: string; readonly metric: string },
    since: number,
  ) => Blame | null;
  /** Since the process started; null where the reader may not see. */
  readonly exported: readonly { readonly what: string; readonly count: number }[] | null;
}

/** Slices that are searched for a report at most, those of the worst segments first. */
export const SEARCHES_MAX = 20;

/** How each segment did in a period: the worst first, the first `top` of them in full and the rest summed up. */
export function segmentReport(facts: ReportFacts, { top }: { readonly top: number }): SegmentReport {
  const { now, period, state, isCurrent, exported } = facts;
  const rows = rowsOf(facts).sort(worstFirst);
  const shown = withSlices(rows.slice(0, top), facts);
  const rest = rows.slice(top);
  const { since, until, previousSince, bucketMs, buckets } = period;
  return {
    version: 1,
    generatedAt: now,
    period: { since, until, previousSince, bucketMs, buckets },
    revision: state.revision,
    head: { seq: state.head.seq, hash: state.head.hash },
    isCurrent,
    total: groupOf(rows, facts),
    segments: shown,
    rest: rest.length === 0 ? null : groupOf(rest, facts),
    freezes: freezesOf(facts),
    incidents: Object.entries(state.incidents).map(([id, incident]) => incidentOf(id, incident)),
    exported: exported === null ? null : exported.map(({ what, count }) => ({ what, count })),
    notes: notesOf(facts),
  };
}

/** Every published segment, the implicit ones, and those that only the measurements still know. */
function rowsOf(facts: ReportFacts): SegmentRow[] {
  const { period, status, state, exposures, losses } = facts;
  const ledger = readMoves(facts.entries.list, state.switchovers);
  const statuses = new Map(status.map((one) => [`${one.policy}/${one.segment}`, one]));
  const published = Object.values(state.policies).flatMap(({ policy }) =>
    segmentsOf(policy).map(({ id }) => `${policy.policy}/${id}`),
  );
  const keys = new Set([...published, ...exposures.keys(), ...losses.keys()]);
  return [...keys].map((key) => {
    const [policy = "", segment = ""] = key.split("/");
    const known: SegmentFacts = {
      policy,
      segment,
      published: Object.hasOwn(state.policies, policy) ? (state.policies[policy]?.policy ?? null) : null,
      status: statuses.get(key) ?? null,
      tally: exposures.get(key) ?? null,
      losses: losses.get(key) ?? new Map<string, LossTally>(),
      ledger: ledger.get(key) ?? null,
      buckets: period.buckets,
    };
    return segmentRow(known);
  });
}

const RANK = new Map(Concern.options.map((concern, place) => [concern, place]));

/** By concern; then by how many answers were worse than tolerated, or than before; then by answers and name. */
function worstFirst(a: SegmentRow, b: SegmentRow): number {
  const byConcern = (RANK.get(a.concern) ?? 0) - (RANK.get(b.concern) ?? 0);
  if (byConcern !== 0) return byConcern;
  const byHarm = harmOf(b) - harmOf(a);
  if (byHarm !== 0) return byHarm;
  const byAnswers = b.now.answers - a.now.answers;
  if (byAnswers !== 0) return byAnswers;
  return `${a.policy}/${a.segment}` < `${b.policy}/${b.segment}` ? -1 : 1;
}

/** Answers lost beyond what is tolerated, on the metric on which they are the most. */
function harmOf({ objectives, now }: SegmentRow): number {
  const excess = objectives.map(({ mean, bound, before, unit }) =>
    unit === "loss" && mean !== null ? Math.max(0, mean - (bound ?? before.mean ?? mean)) * now.answers : 0,
  );
  return Math.max(now.errors, ...excess);
}

/** Rows that got worse without an alarm that says whom it is about, as far as a search may be afforded. */
function withSlices(rows: readonly SegmentRow[], { blame, period, now }: ReportFacts): SegmentRow[] {
  let left = SEARCHES_MAX;
  return rows.map((row) => {
    const { policy, segment, settings, objectives, slice } = row;
    const worse = objectives.find(
      ({ trend, unit, verdict }) => unit === "loss" && (trend === "worse" || verdict === "degraded"),
    );
    if (slice !== null || settings === null || worse === undefined || left === 0) return row;
    left -= 1;
    const about = { metric: worse.metric, variant: settings.incumbent };
    const found = blame({ policy, segment, ...about }, period.since);
    // Answers of a kind that there was none of before have no level to have risen from.
    if (found === null || found.lossMean <= (found.lossMeanBefore ?? -1)) return row;
    return { ...row, slice: sliceReport({ ...about, from: "period", at: now }, found) };
  });
}

function groupOf(rows: readonly SegmentRow[], { exposures }: ReportFacts): Group {
  const byConcern = Object.fromEntries(Concern.options.map((concern) => [concern, 0])) as Record<Concern, number>;
  const [now, before] = [newTally(), newTally()];
  let [labels, moves] = [0, 0];
  for (const row of rows) {
    const key = `${row.policy}/${row.segment}`;
    const tally = exposures.get(key);
    byConcern[row.concern] += 1;
    moves += row.moves.length;
    if (tally !== undefined) {
      addTally(now, tally.now);
      addTally(before, tally.before);
    }
    labels += row.labels;
  }
  return { segments: rows.length, byConcern, now: figuresOf(now), before: figuresOf(before), labels, moves };
}

const freezesOf = ({ state, now }: ReportFacts): Freeze[] =>
  Object.values(state.freezes)
    .filter(({ until }) => until === null || now < until)
    .sort((a, b) => (freezeKey(a.scope) < freezeKey(b.scope) ? -1 : 1));

function incidentOf(
  id: string,
  { policy, metric, scope, at, recoveredAt }: Incident,
): SegmentReport["incidents"][number] {
  const what = {
    upstream: () => `upstream ${"upstream" in scope ? scope.upstream : ""} got worse in many segments at once`,
    variant: () => `variant ${"variant" in scope ? scope.variant : ""} got worse in many segments at once`,
    evaluator: () => "the measure changed, not the answers: nothing moves until a person lifts the freeze",
  }[scope.kind]();
  return { id, policy, metric, words: recoveredAt === null ? what : `${what}; the first came back`, at };
}

function notesOf({ period, exposuresSince, lossesSince, entries, isCurrent, exported }: ReportFacts): string[] {
  const { previousSince, since } = period;
  const firstHour = fullHour(previousSince);
  const isKnownFrom = (what: string, from: number | null, wanted: number): string[] => {
    if (from === null) return [`No ${what} are kept yet, so nothing is said of them.`];
    if (from <= wanted) return [];
    const missing =
      from > since ? "the period's beginning and the whole period before are" : "a part of the period before is";
    return [`The ${what} that are kept begin at ${timeText(from)}: ${missing} missing.`];
  };
  return [
    ...isKnownFrom("answers, with cost, latency and errors,", exposuresSince, previousSince),
    ...isKnownFrom("labels by the hour", lossesSince, firstHour),
    ...(firstHour === previousSince
      ? []
      : [
          `The period before begins at ${timeText(previousSince)}, so that both are as long; labels are kept by the hour, and theirs at ${timeText(firstHour)}.`,
        ]),
    ...(entries.isCut
      ? ["The ledger has more entries of the period than were read: the earliest moves are left out."]
      : []),
    ...(isCurrent ? [] : ["The ledger cannot be reached: what is said of moves may be old."]),
    "Health, verdicts, tolerated losses and what waits are of the time of the report; they have no history.",
    "Labels count in the hour in which the answer was served; those that come later change a report of the same period.",
    ...(exported === null
      ? []
      : ["What was exported and dropped is counted since this process started, not for the period."]),
  ];
}
