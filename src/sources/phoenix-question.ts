import { BASELINE_MIN, levelMean, toleratedAround } from "../core/baseline.ts";
import { digestOf } from "../core/digest.ts";
import type { Objective } from "../core/policy.ts";
import { signalKey, type Signal, type SignalEvidence, type SignalStatus } from "../core/signal.ts";
import type { SourceContext, SourceQuestion, SourceReading } from "../core/signal-source.ts";
import { rounded } from "../core/rounded.ts";
import { graphqlRequest } from "./phoenix-check.ts";
import { aggregateQuery, otherAnswers, ownAnswers } from "./phoenix-query.ts";
import { isServedStill, referenceOf, subjectsOf, windowOf, type Subject, type Window } from "./phoenix-subject.ts";
import { verdictOf, type Measured } from "./phoenix-verdict.ts";
import type { PhoenixSettings } from "./phoenix.ts";

/** Labels of other segments from which on they say what is usual; as for the built-in detector. */
const REST_LABELS_MIN = 200;

/** One question a subject: the aggregates of all its metrics over one window. */
export const segmentQuestions = (settings: PhoenixSettings, { targets, now }: SourceContext): SourceQuestion[] =>
  subjectsOf(targets).flatMap((subject) => {
    const window = windowOf(subject, now, settings);
    return window === null ? [] : [ownQuestion({ subject, window, settings })];
  });

interface Look {
  readonly subject: Subject;
  readonly window: Window;
  readonly settings: PhoenixSettings;
}

/** An objective whose answers are known, but not yet what is tolerated. */
interface Compared {
  readonly objective: Extract<Objective, { against: "baseline" | "rest" }>;
  readonly measured: Measured;
}

function ownQuestion(look: Look): SourceQuestion {
  const { subject, window, settings } = look;
  const { policy, segment } = subject;
  const metrics = [...new Set(segment.objectives.map(({ metric }) => metric))];
  const query = aggregateQuery(policy, metrics, { project: settings.project, filter: ownAnswers(subject), window });
  return {
    request: graphqlRequest(settings, query.body),
    toReading: (json, context) => {
      const results = query.read(json);
      const reading = readingOf(look, context);
      if (!isServedStill(subject, context)) return reading.ignoring("moved-meanwhile");
      const compared: Compared[] = [];
      for (const objective of segment.objectives) {
        const measured = results[objective.metric] ?? "not-measurable";
        if (typeof measured === "string") reading.ignoring(measured);
        else if (objective.against === "bound") reading.judge(objective, measured, objective.lossMax);
        else {
          const known = objective.against === "baseline" ? toleratedAtAlarm(look, objective, context) : null;
          if (known !== null) reading.judge(objective, measured, known);
          // What is too little to judge is not worth the database's time.
          else if (measured.labels < settings.labelsMin) reading.judge(objective, measured, null);
          else compared.push({ objective, measured });
        }
      }
      const next = comparisons(look, compared, reading);
      return { ...reading.done(), next };
    },
  };
}

function comparisons(look: Look, compared: readonly Compared[], reading: Readings): SourceQuestion[] {
  const { subject, window, settings } = look;
  const byKind = (against: Objective["against"]) => compared.filter(({ objective }) => objective.against === against);
  const [baseline, rest] = [byKind("baseline"), byKind("rest")];
  const reference = referenceOf(subject, window, settings.referenceHours);
  if (reference === null) for (const { objective, measured } of baseline) reading.judge(objective, measured, null);
  return [
    ...(baseline.length === 0 || reference === null
      ? []
      : [comparison(look, baseline, { filter: ownAnswers(subject), window: reference, labelsMin: BASELINE_MIN })]),
    ...(rest.length === 0
      ? []
      : [comparison(look, rest, { filter: otherAnswers(subject), window, labelsMin: REST_LABELS_MIN })]),
  ];
}

/** The aggregates of what the objectives are compared with. */
function comparison(
  look: Look,
  compared: readonly Compared[],
  { filter, window, labelsMin }: { readonly filter: string; readonly window: Window; readonly labelsMin: number },
): SourceQuestion {
  const { subject, settings } = look;
  const metrics = compared.map(({ objective }) => objective.metric);
  const query = aggregateQuery(subject.policy, metrics, { project: settings.project, filter, window });
  return {
    request: graphqlRequest(settings, query.body),
    toReading: (json, context) => {
      const usual = query.read(json);
      const reading = readingOf(look, context);
      if (!isServedStill(subject, context)) return reading.ignoring("moved-meanwhile");
      for (const { objective, measured } of compared) {
        const { labels, lossMean } = asMeasured(usual[objective.metric]);
        const tolerated =
          labels < labelsMin
            ? null
            : toleratedAround(levelMean(labels, lossMean * labels), labels, objective.tolerance);
        reading.judge(objective, measured, tolerated);
      }
      return reading.done();
    },
  };
}

const asMeasured = (value: Measured | string | undefined): Measured =>
  typeof value === "object" ? value : { labels: 0, lossMean: 0 };

/**
 * What an alarm against the baseline tolerated. While it lasts its level stays: the hours before would be bad ones soon,
 * and what they tolerate a recovery that never was.
 */
function toleratedAtAlarm(
  { subject }: Look,
  { metric, against }: Objective,
  { targets }: SourceContext,
): number | null {
  const latest = targets.signals[signalKey(aboutOf(subject, { metric, against }))];
  const isAlarm = latest?.status === "degraded" && latest.observedAt >= subject.since;
  return isAlarm ? (latest.evidence.lossTolerated ?? null) : null;
}

/** Each kind of objective speaks for itself, as each detector does: one must not take back what another found. */
const aboutOf = (
  { policy, segment, variant }: Subject,
  { metric, against }: Pick<Objective, "metric" | "against">,
) => ({
  source: `phoenix:${against}`,
  policy: policy.policy,
  segment: segment.id,
  variant,
  metric,
});

interface Readings {
  /** @param tolerated null where that is not known */
  readonly judge: (objective: Objective, measured: Measured, tolerated: number | null) => void;
  readonly ignoring: (reason: string) => SourceReading;
  readonly done: () => SourceReading;
}

/** Collects what a look comes to: the signals that are news, and why the others are none. */
function readingOf({ subject, window, settings }: Look, { targets }: SourceContext): Readings {
  const signals: Signal[] = [];
  const ignored: Record<string, number> = {};
  const done = (): SourceReading => ({ signals, ignored });
  const ignoring = (reason: string): SourceReading => {
    ignored[reason] = (ignored[reason] ?? 0) + 1;
    return done();
  };
  return {
    ignoring,
    done,
    judge: (objective, measured, tolerated) => {
      const { metric, against } = objective;
      const about = aboutOf(subject, { metric, against });
      const { status, evidence } = tolerated === null ? undecided(measured) : verdictOf(measured, tolerated, settings);
      const latest = targets.signals[signalKey(about)];
      const isNews =
        status === "inconclusive"
          ? // It changes nothing in the state once something is known, and would be news again at every look.
            latest === undefined
          : latest === undefined ||
            latest.observedAt <= subject.newsSince ||
            latest.status !== status ||
            window.end - latest.observedAt >= settings.repeatMinutes * 60_000;
      if (!isNews)
        return void ignoring(
          status !== "inconclusive" ? "unchanged" : measured.labels === 0 ? "no-data" : "inconclusive",
        );
      const note = `Answers from ${new Date(window.start).toISOString()} to ${new Date(window.end).toISOString()}.`;
      signals.push({
        ...about,
        // Everybody who looks at the same window finds the same, and one of them records it.
        id: `${digestOf(about).slice(0, 16)}@${new Date(window.end).toISOString()}`,
        status,
        observedAt: window.end,
        evidence: { ...evidence, against, note },
      });
    },
  };
}

/** What can be said where nothing is known to compare with. */
const undecided = ({ labels, lossMean }: Measured): { status: SignalStatus; evidence: SignalEvidence } => ({
  status: "inconclusive",
  evidence: { ...(labels === 0 ? {} : { lossMean: rounded(lossMean) }), labels },
});
