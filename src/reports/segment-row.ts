import { blameText, type Blame } from "../core/blame.ts";
import { DEFAULT_SEGMENT, isRelative, type MetricSpec, type Policy } from "../core/policy.ts";
import type { ObjectiveStatus, SegmentStatus } from "../loop/read-status.ts";
import { latencyAt, newTally, type SegmentTally, type Tally } from "./exposure-figures.ts";
import type { LedgerOfSegment } from "./ledger-moves.ts";
import type { LossTally } from "./loss-figures.ts";
import { lossBounds, lossTrend, type Sum } from "./loss-interval.ts";
import type { Figures, ObjectiveReport, Pending, SegmentRow, SliceReport } from "./report-shape.ts";
import { lossText, PHASES, shareText } from "./report-words.ts";

/** All that is known of one segment. */
export interface SegmentFacts {
  readonly policy: string;
  readonly segment: string;
  /** Null for a policy that is not published any more. */
  readonly published: Policy | null;
  /** Null for the implicit segment, and for one that is not published any more. */
  readonly status: SegmentStatus | null;
  readonly tally: SegmentTally | null;
  /** By metric. */
  readonly losses: ReadonlyMap<string, LossTally>;
  readonly ledger: LedgerOfSegment | null;
  readonly buckets: number;
}

/** A segment's row, without the slice that somebody must search for. */
export function segmentRow(facts: SegmentFacts): SegmentRow {
  const { policy, segment, status, tally, losses, ledger, published } = facts;
  const objectives = (status?.objectives ?? []).map((one) =>
    objectiveReport(one, {
      spec: published?.metrics[one.metric],
      tally: losses.get(one.metric),
      buckets: facts.buckets,
    }),
  );
  const row: Omit<SegmentRow, "concern" | "words"> = {
    policy,
    segment,
    settings:
      status === null
        ? null
        : {
            risk: status.risk,
            owner: status.owner,
            mode: status.mode,
            incumbent: status.incumbent,
            since: status.since,
            health: status.health,
          },
    now: figuresOf(tally?.now ?? newTally()),
    before: figuresOf(tally?.before ?? newTally()),
    series: seriesOf(tally, facts.buckets),
    labels: [...losses.values()].reduce((sum, each) => sum + each.now.labels, 0),
    objectives,
    slice: recordedSlice(facts),
    variants: variantsOf(facts),
    moves: [...(ledger?.moves ?? [])],
    happened: [...(ledger?.happened ?? [])],
    pending: pendingOf(status),
  };
  return { ...row, ...judged(row) };
}

/** What a tally comes to. */
export const figuresOf = (tally: Tally): Figures => ({
  answers: tally.answers,
  errors: tally.errors,
  errorShare: tally.answers === 0 ? null : tally.errors / tally.answers,
  costUsd: tally.costUsd,
  priced: tally.priced,
  latencyP50Ms: latencyAt(tally, 0.5),
  latencyP95Ms: latencyAt(tally, 0.95),
});

function seriesOf(tally: SegmentTally | null, buckets: number): SegmentRow["series"] {
  const points = tally?.series ?? Array.from({ length: buckets }, () => null);
  return {
    answers: points.map((point) => point?.answers ?? 0),
    errors: points.map((point) => point?.errors ?? 0),
    costUsd: points.map((point) => point?.costUsd ?? 0),
  };
}

const unitOf = (spec: MetricSpec | undefined): ObjectiveReport["unit"] =>
  spec === undefined || !isRelative(spec) ? "loss" : spec.from === "cost" ? "usd" : "ms";

function objectiveReport(
  { metric, against, verdict, lossMean, labels: labelsOfHour, lossTolerated }: ObjectiveStatus,
  facts: { readonly spec: MetricSpec | undefined; readonly tally: LossTally | undefined; readonly buckets: number },
): ObjectiveReport {
  const { spec, tally, buckets } = facts;
  const unit = unitOf(spec);
  const now = tally?.now ?? { labels: 0, sum: 0 };
  const before = tally?.before ?? { labels: 0, sum: 0 };
  const isLoss = unit === "loss";
  const known = {
    metric,
    against,
    unit,
    labels: now.labels,
    mean: meanOf(now),
    interval: isLoss && now.labels > 0 ? lossBounds(now) : null,
    bound: lossTolerated,
    verdict,
    lastHour: { labels: labelsOfHour, loss: lossMean },
    before: { labels: before.labels, mean: meanOf(before) },
    trend: isLoss && now.labels > 0 && before.labels > 0 ? lossTrend(now, before) : null,
    series: (tally?.series ?? Array.from({ length: buckets }, () => null)).map((sum) =>
      sum === null ? null : meanOf(sum),
    ),
  };
  return { ...known, words: verdictWords(known) };
}

const meanOf = ({ labels, sum }: Sum): number | null => (labels === 0 ? null : sum / labels);

function verdictWords({ verdict, bound, lastHour, unit }: Omit<ObjectiveReport, "words">): string {
  const last =
    lastHour.loss === null
      ? "no labels in the last hour"
      : `loss ${lossText(lastHour.loss)} over ${lastHour.labels} labels in the last hour`;
  const tolerated = bound === null ? "what is healthy is not known yet" : `${lossText(bound)} tolerated`;
  const figures = unit === "loss" ? `${last}, ${tolerated}` : `${last} (of what is usual here), ${tolerated}`;
  switch (verdict) {
    case "healthy":
      return `within its objective: ${figures}`;
    case "degraded":
      return `misses its objective: ${figures}`;
    case "inconclusive":
      return `cannot be said: ${figures}`;
  }
}

function variantsOf({ tally, losses, status }: SegmentFacts): SegmentRow["variants"] {
  const names = new Set([
    ...(tally?.variants.keys() ?? []),
    ...[...losses.values()].flatMap(({ variants }) => [...variants.keys()]),
  ]);
  const answersOfAll = tally?.now.answers ?? 0;
  return [...names]
    .map((variant) => {
      const { answers, errors } = tally?.variants.get(variant) ?? { answers: 0, errors: 0 };
      const means = [...losses.values()].flatMap(({ metric, variants }) => {
        const sum = variants.get(variant);
        return sum === undefined ? [] : [{ metric, labels: sum.labels, mean: sum.sum / sum.labels }];
      });
      const share = answersOfAll === 0 ? 0 : answers / answersOfAll;
      return { variant, isIncumbent: status?.incumbent === variant, answers, share, errors, means };
    })
    .sort((a, b) => b.answers - a.answers || (a.variant < b.variant ? -1 : 1));
}

function pendingOf(status: SegmentStatus | null): Pending {
  if (status === null) return { approval: null, underWay: null, escalation: null, flag: null, frozen: null };
  const { open, escalation, flag, frozen } = status;
  const change = open === null ? null : { id: open.id, from: open.change.from, to: open.change.to };
  const awaits = open?.phase.kind === "proposed" && open.gate === "approval" ? open.phase.expiresAt : null;
  return {
    approval:
      change === null || open === null || awaits === null
        ? null
        : { ...change, digest: open.digest, expiresAt: awaits },
    underWay: change === null || open === null || awaits !== null ? null : { ...change, phase: open.phase.kind },
    escalation: escalation?.detail ?? null,
    flag:
      flag === null
        ? null
        : flag.variant === null
          ? `${flag.flag} is ${flag.value}`
          : `${flag.flag} forces ${flag.variant}`,
    frozen,
  };
}

/** The alarm on the incumbent that is the latest, else the latest of all. */
function recordedSlice({ ledger, status }: SegmentFacts): SliceReport | null {
  let chosen: SliceReport | null = null;
  for (const { variant, metric, observedAt, evidence } of ledger?.alarms.values() ?? []) {
    if (evidence.blame === undefined) continue;
    const slice = sliceReport({ metric, variant, at: observedAt, from: "alarm" }, evidence.blame);
    const isOfIncumbent = variant === status?.incumbent;
    const wasOfIncumbent = chosen !== null && chosen.variant === status?.incumbent;
    if (chosen === null || (isOfIncumbent === wasOfIncumbent ? slice.at > chosen.at : isOfIncumbent)) chosen = slice;
  }
  return chosen;
}

export const sliceReport = (about: Omit<SliceReport, "blame" | "words">, blame: Blame): SliceReport => ({
  ...about,
  blame,
  words: blameText(blame),
});

/** Whether errors became more than chance. */
const hasMoreErrors = ({ now, before }: Pick<SegmentRow, "now" | "before">): boolean =>
  now.answers > 0 &&
  before.answers > 0 &&
  lossTrend({ labels: now.answers, sum: now.errors }, { labels: before.answers, sum: before.errors }) === "worse";

function judged(row: Omit<SegmentRow, "concern" | "words">): Pick<SegmentRow, "concern" | "words"> {
  const { settings, objectives, now, moves, pending, segment } = row;
  const missed = objectives.filter(({ verdict }) => verdict === "degraded");
  if (settings?.health === "degraded")
    return {
      concern: "degraded",
      words:
        missed.length === 0
          ? `${settings.incumbent} degraded, says an outside source`
          : `${settings.incumbent} ${missed.map(({ metric, words }) => `on ${metric} ${words}`).join("; ")}`,
    };
  if (pending.approval !== null)
    return { concern: "waiting", words: `${pending.approval.id} waits for approval: ${arrow(pending.approval)}` };
  if (pending.escalation !== null) return { concern: "waiting", words: `people were told: ${pending.escalation}` };
  const worse = objectives.filter(({ trend }) => trend === "worse");
  if (worse.length > 0) return { concern: "worse", words: worse.map(worseWords).join("; ") };
  if (hasMoreErrors(row))
    return {
      concern: "worse",
      words: `errors ${shareText(now.errorShare)}, were ${shareText(row.before.errorShare)}`,
    };
  const last = moves.at(-1);
  if (last !== undefined) {
    const phase = last.phases.at(-1);
    return {
      concern: "moved",
      words: `${last.from === null || last.to === null ? last.id : arrow({ from: last.from, to: last.to })} ${phase === undefined ? "" : PHASES[phase.kind]}: ${last.why}`,
    };
  }
  if (now.answers === 0) return { concern: "idle", words: "served nobody" };
  if (settings?.health === "healthy") return { concern: "fine", words: "within its objectives" };
  const reason =
    settings !== null
      ? objectives.length === 0
        ? "it has no objective"
        : objectives.map(({ metric, words }) => `${metric} ${words}`).join("; ")
      : segment === DEFAULT_SEGMENT
        ? "requests that no segment matched are not judged"
        : "it is not published any more";
  return { concern: "unknown", words: reason };
}

const arrow = ({ from, to }: { readonly from: string; readonly to: string }): string => `${from} → ${to}`;

const worseWords = ({ metric, mean, before, labels }: ObjectiveReport): string =>
  `${metric} got worse: loss ${lossText(mean ?? 0)} over ${labels} labels, was ${lossText(before.mean ?? 0)}`;
