import { actorName } from "../core/actor.ts";
import type { Event } from "../core/event.ts";
import type { Step } from "../core/policy.ts";
import type { Signal, SignalEvidence } from "../core/signal.ts";
import type { Phase, Switchover } from "../core/switchover.ts";
import type { CastSegment } from "./cast.ts";
import { named } from "./outcome-columns.ts";

/** What happened in a few words, and why: one reason a line. */
export interface Words {
  readonly what: string;
  readonly why: readonly string[];
}

/** What must be known of a segment to tell of it. */
export interface Narrator {
  readonly segment: CastSegment;
  /** The policy's ids of the segment's models, by place. */
  readonly variantIds: readonly string[];
  /** The switchover of an id, as it was proposed; undefined when it was before our time. */
  readonly switchover: (id: string) => Switchover | undefined;
  /** Variants that were rolled back in the segment so far. */
  readonly rolledBack: ReadonlySet<string>;
}

/** A ledger event in words for people. Losses are 1 − score. */
export function eventWords(event: Event, narrator: Narrator): Words {
  const model = (variant: string): string => modelName(narrator, variant);
  switch (event.type) {
    case "signal.recorded":
      return signalWords(event.signal, model(event.signal.variant));
    case "switchover.proposed":
      return proposalWords(event.switchover, narrator);
    case "switchover.moved":
      return phaseWords(event.phase, narrator.switchover(event.id), model);
    case "baseline.frozen":
      return {
        what: `the healthy level of ${model(event.variant)} on ${event.metric} is known, and no longer moves`,
        why: [`mean loss ${loss(event.lossMean)} over ${event.labels} labels`],
      };
    case "escalation.raised":
      return { what: `people are told: ${ESCALATIONS[event.reason] ?? event.reason}`, why: [event.detail] };
    case "escalation.resolved":
      return { what: "what people were told is over", why: [event.because] };
    case "incident.opened":
      return incidentWords(event);
    case "incident.resolved":
      return { what: `incident ${event.id} is over`, why: [event.because] };
    case "freeze.set":
      return { what: "frozen: nothing moves forward", why: [event.reason] };
    case "freeze.lifted":
      return { what: "no longer frozen", why: [event.reason] };
    case "flag.effect-started":
      return { what: `flag ${event.flag} takes effect: ${event.value}`, why: [event.reason] };
    case "flag.effect-ended":
      return { what: `flag ${event.flag} no longer takes effect`, why: [] };
    case "policy.published":
      return { what: `policy ${event.policy.policy} is published`, why: [] };
    case "prompt.proposed":
    case "prompt.withdrawn":
    case "key.created":
    case "key.revoked":
      return { what: event.type, why: [] };
  }
}

const ESCALATIONS: Readonly<Record<string, string>> = {
  "no-better-rung": "nothing on the ladder is better",
  "alert-mode": "the policy says to tell people only",
  "moves-exhausted": "no further move is allowed this hour",
  "changes-exhausted": "no further change of the segment is allowed today",
};

const AGAINST = {
  bound: "by the objective's bound",
  baseline: "by its own baseline",
  rest: "by the rest of the traffic",
};

function signalWords({ metric, status, source, evidence }: Signal, model: string): Words {
  const what = {
    degraded: `${model} degraded on ${metric}`,
    recovered: `${model} recovered on ${metric}`,
    inconclusive: `nothing can be said of ${model} on ${metric}`,
  }[status];
  return { what: `signal of ${source}: ${what}`, why: evidenceWords(evidence) };
}

function evidenceWords({ lossMean, lossTolerated, labels, against, ...evidence }: SignalEvidence): string[] {
  const { statistic, threshold, note } = evidence;
  const level = [
    ...(lossMean === undefined ? [] : [`mean loss ${loss(lossMean)}`]),
    ...(labels === undefined ? [] : [`over ${labels} labels since the change`]),
    ...(lossTolerated === undefined
      ? []
      : [`where ${loss(lossTolerated)} is tolerated${against === undefined ? "" : ` ${AGAINST[against]}`}`]),
  ].join(" ");
  return [
    ...(level === "" ? [] : [level]),
    ...(statistic === undefined || threshold === undefined
      ? []
      : [`the detector's statistic is ${rough(statistic)}, its threshold ${rough(threshold)}`]),
    ...(note === undefined ? [] : [note]),
  ];
}

const CAUSES = {
  degraded: (from: string, to: string, metric: string) => `to move from ${from}, which degraded on ${metric}, to ${to}`,
  recovered: (from: string, to: string) => `to try whether ${to} recovered, and to return to it from ${from}`,
  manual: (from: string, to: string) => `to move from ${from} to ${to}, as a person asked`,
};

function proposalWords({ id, change, gate }: Switchover, narrator: Narrator): Words {
  const [from, to] = [modelName(narrator, change.from), modelName(narrator, change.to)];
  const approval = gate === "approval" ? ["a person must approve it first"] : [];
  return {
    what: `switchover ${id} is proposed: ${CAUSES[change.cause](from, to, change.metric)}`,
    why: [
      ...(change.cause === "degraded" ? evidenceWords(change.evidence).slice(0, 1) : []),
      ...(change.cause === "degraded" ? rungWords(change.to, narrator) : []),
      ...(change.evidence.note === undefined ? [] : [change.evidence.note]),
      ...(change.incident === undefined ? [] : [`part of incident ${change.incident}: its segments move together`]),
      `steps: ${change.steps.map(stepWords).join(", ")}, then all of it if the trial says so`,
      ...approval,
    ],
  };
}

const stepWords = ({ share, labelsMin }: Step): string =>
  `${percent(share)} of the traffic${labelsMin === 0 ? "" : ` for ${labelsMin} labels at least`}`;

/** Why this rung: where it stands, and what became of the others. */
function rungWords(to: string, narrator: Narrator): string[] {
  const { segment, variantIds, rolledBack } = narrator;
  const { ladder, validated, validationItems } = segment;
  const rung = (model: number): string => {
    const place = `rung ${ladder.indexOf(model) + 1}, validated at a score of ${loss(validated[model] ?? 0)}`;
    return `${named(segment.table.models[model] ?? "")} (${place}${rolledBack.has(variantIds[model] ?? "") ? ", rolled back before" : ""})`;
  };
  const chosen = variantIds.indexOf(to);
  if (!ladder.includes(chosen)) return [];
  const others = ladder.filter((model) => model !== chosen).map(rung);
  return [
    `${rung(chosen)} has the best bound, by ${validationItems} validated items and live labels, of the rungs that may be tried`,
    ...(others.length === 0 ? [] : [`the others: ${others.join(", ")}`]),
  ];
}

function phaseWords(phase: Phase, switchover: Switchover | undefined, model: (variant: string) => string): Words {
  const from = switchover === undefined ? "the former variant" : model(switchover.change.from);
  const to = switchover === undefined ? "the candidate" : model(switchover.change.to);
  switch (phase.kind) {
    case "canary": {
      const { step, share } = phase;
      const before = switchover?.change.steps[step - 1];
      const why =
        before !== undefined
          ? `the step before has its labels (${before.labelsMin} at least) and nothing speaks against ${to}`
          : switchover?.gate === "approval"
            ? "it was approved"
            : "no approval is needed";
      return {
        what: `canary, step ${step + 1} of ${switchover?.change.steps.length ?? "?"}: ${to} answers ${percent(share)} of the traffic`,
        why: [why],
      };
    }
    case "confirmed":
      return { what: `confirmed: ${to} serves from now on`, why: [phase.because] };
    case "rolledBack":
      return { what: `rolled back by ${actorName(phase.by)}: ${from} serves all again`, why: [phase.because] };
    case "approved":
      return { what: `approved by ${actorName(phase.by)}`, why: phase.reason === undefined ? [] : [phase.reason] };
    case "rejected":
      return { what: `rejected by ${actorName(phase.by)}: ${from} stays`, why: [phase.because] };
    case "expired":
    case "superseded":
      return { what: `${phase.kind}: ${from} stays`, why: [phase.because] };
    case "proposed":
      return { what: "proposed", why: [] };
  }
}

function incidentWords({ id, metric, scope, evidence }: Extract<Event, { type: "incident.opened" }>): Words {
  const { lossMean, lossTolerated, labels, rows, statistic, threshold } = evidence;
  return {
    what:
      scope.kind === "evaluator"
        ? `incident ${id}: ${metric} fell whatever the upstream, so the measure changed, not the answers: nothing moves`
        : `incident ${id}: what ${named(scope.kind === "variant" ? scope.variant : scope.upstream)} answers got worse on ${metric} in many segments at once, so they move together`,
    why: [
      `mean loss ${loss(lossMean)} over ${labels} labels of ${rows} rows where ${loss(lossTolerated)} is tolerated`,
      `the statistic is ${rough(statistic)}, its threshold ${rough(threshold)}`,
      ...(scope.kind === "upstream" && scope.isAlone
        ? ["no other upstream was seen to be well, so a few segments try first"]
        : []),
    ],
  };
}

function modelName({ segment, variantIds }: Narrator, variant: string): string {
  const model = variantIds.indexOf(variant);
  return named(segment.table.models[model] ?? variant);
}

const loss = (value: number): string => value.toFixed(3);
const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;
const rough = (value: number): string => (value < 1e6 ? String(Math.round(value)) : value.toExponential(1));
