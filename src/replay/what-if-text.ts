import type { Interval } from "../core/intervals.ts";
import type { ForecastVerdict, Move, MoveTotal, Stay } from "./forecast.ts";
import { named } from "./outcome-columns.ts";
import { ITEMS_MIN } from "./paired-outcomes.ts";
import type { PolicyForecast, WhatIf } from "./what-if.ts";

const NOTES_MAX = 10;
const NAMES_MAX = 5;
const verdicts: Readonly<Record<ForecastVerdict, string>> = {
  better: "better",
  worse: "worse",
  noClearDifference: "no clear difference",
  noSupport: "no support",
  incomparable: "nothing to compare with",
};

/** A forecast for a terminal: plain lines, what is served differently first. */
export function whatIfText({ items, policies, notes }: WhatIf): string {
  return [
    `What ${counted(items)} of the outcome tables say (means per item; differences with 95 % intervals):`,
    ...policies.flatMap(policyLines),
    ...notes.slice(0, NOTES_MAX).map((note) => `note: ${note}`),
    ...(notes.length > NOTES_MAX ? [`note: and ${notes.length - NOTES_MAX} more, which --json lists`] : []),
  ].join("\n");
}

function policyLines(forecast: PolicyForecast): string[] {
  const { policy, isPublished, moves, stays, total, unmapped, notes } = forecast;
  if (moves.length === 0 && stays.length === 0) return [`${policy}: serves nothing else`];
  const all = `${counted(total.items)} (${percent(total.share)}) ${total.items === 1 ? "is" : "are"} served another variant`;
  return [
    `${policy}: ${isPublished ? all : "nothing is published to compare with"}`,
    ...moves.flatMap((move) => moveLines(move, isPublished)),
    ...stays.map(stayLine),
    ...(total.items === 0 ? [] : totalLines(total)),
    ...unmappedLines(unmapped),
    ...notes.map((note) => `  note: ${note}`),
  ];
}

/** The table's segments that are none of the policy's, by why. */
function unmappedLines(unmapped: PolicyForecast["unmapped"]): string[] {
  if (unmapped.length === 0) return [];
  return [
    ...[...new Set(unmapped.map(({ because }) => because))].map((because) => {
      const alike = unmapped.filter((one) => one.because === because);
      const share = alike.reduce((sum, one) => sum + one.share, 0);
      const items = alike.reduce((sum, one) => sum + one.items, 0);
      const names = alike.slice(0, NAMES_MAX).map(({ segment }) => named(segment));
      const more = alike.length > NAMES_MAX ? ` and ${alike.length - NAMES_MAX} more` : "";
      return `  unmapped: ${counted(items)} (${percent(share)}) of ${names.join(", ")}${more}: ${because}`;
    }),
    "    ('--attribute NAME' makes the table's segments values of an attribute)",
  ];
}

function moveLines(move: Move, isPublished: boolean): string[] {
  const { segmentBefore, segmentAfter, variantBefore, variantAfter, items, share, support, verdict } = move;
  const what = isPublished || verdict === "noSupport" ? `: ${verdicts[verdict]}` : "";
  return [
    `  ${segmentText(segmentBefore, segmentAfter)}: ${arrow(variantBefore, variantAfter)}, ${counted(items)} (${percent(share)})${what}`,
    ...supportLines(move, isPublished),
    ...(support.items < ITEMS_MIN ? [] : figureLines(move, p95Text(move))),
  ];
}

/** What is missing, where something is. */
function supportLines({ items, support, variantBefore, variantAfter, verdict }: Move, isPublished: boolean): string[] {
  if (items === 0) return ["      no item of the table falls into it"];
  const lacking = support.lacking.map(({ variant, items: own }) => `'${variant}' has no outcomes of ${own}`).join(", ");
  const both = variantBefore !== null && variantAfter !== null;
  const unknown = variantBefore === null ? "what served these before" : "what will serve these";
  const of = both ? "both variants" : "it";
  if (verdict === "noSupport")
    return [
      `      known for ${of}: ${counted(support.items)}, ${ITEMS_MIN} are needed${lacking === "" ? "" : `; ${lacking}`}`,
    ];
  return [
    ...(both || !isPublished ? [] : [`      ${unknown} cannot be told from the table's segment alone`]),
    ...(lacking === "" ? [] : [`      the figures are of ${counted(support.items)}: ${lacking}`]),
  ];
}

function stayLine({ segmentBefore, segmentAfter, variant, ladderBefore, ladderAfter, items, share }: Stay): string {
  const [was, becomes] = [ladderBefore.join(" > "), ladderAfter.join(" > ")];
  const ladder = segmentBefore === segmentAfter && was !== becomes ? `; ladder ${was} → ${becomes}` : "";
  return `  ${arrow(segmentBefore, segmentAfter)}: ${variant}, ${counted(items)} (${percent(share)}): serves nothing else now${ladder}`;
}

function totalLines(total: MoveTotal): string[] {
  const { items, support, verdict } = total;
  return [
    `  total: ${percent(support.share)} of the ${counted(items)} that move have support: ${verdicts[verdict]}`,
    ...(support.items === 0 ? [] : figureLines(total, "")),
  ];
}

/** @param tail what else is said of the latency */
function figureLines(figures: Move | MoveTotal, tail: string): string[] {
  const { scoreDifference, costUsdDifference, latencyMsDifference } = figures;
  const score = figureLine([figures.scoreBefore, figures.scoreAfter], scoreDifference, (value) => value.toFixed(3));
  const cost = figureLine([figures.costUsdBefore, figures.costUsdAfter], costUsdDifference, dollars);
  const latency = figureLine([figures.latencyMsBefore, figures.latencyMsAfter], latencyMsDifference, milliseconds);
  return [
    ...(score === null ? [] : [`      score    ${score}`]),
    ...(cost === null ? [] : [`      cost     ${cost}${ofSome(figures.costUsdItems, figures.support.items)}`]),
    ...(latency === null
      ? []
      : [`      latency  ${latency}${tail}${ofSome(figures.latencyMsItems, figures.support.items)}`]),
  ];
}

/** Means before and after and their difference; null when neither is known. */
function figureLine(
  [before, after]: readonly [number | null, number | null],
  difference: Interval | null,
  text: (value: number) => string,
): string | null {
  const means = [before, after].flatMap((value) => (value === null ? [] : [text(value)]));
  if (means.length === 0) return null;
  if (difference === null) return means.join(" → ");
  const signed = (value: number) => `${value < 0 ? "-" : "+"}${text(Math.abs(value))}`;
  const { mean, low, high } = difference;
  return `${means.join(" → ")}, ${signed(mean)} [${signed(low)}, ${signed(high)}]`;
}

function p95Text({ latencyMsP95Before: before, latencyMsP95After: after }: Move): string {
  const known = [before, after].flatMap((value) => (value === null ? [] : [milliseconds(value)]));
  return known.length === 0 ? "" : `; p95 ${known.join(" → ")}`;
}

const ofSome = (known: number, all: number): string => (known === all ? "" : ` (of ${counted(known)})`);

function segmentText(before: string | null, after: string | null): string {
  if (before === null) return `${after ?? ""} (new)`;
  return after === null ? `${before} (gone)` : arrow(before, after);
}

/** What is the same, or known on one side only, is said once. */
const arrow = (before: string | null, after: string | null): string =>
  [...new Set([before ?? after, after ?? before])].join(" → ");

const counted = (items: number): string => `${items} ${items === 1 ? "item" : "items"}`;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const dollars = (value: number): string => `$${Number(value.toPrecision(3))}`;
const milliseconds = (value: number): string => `${Math.round(value)} ms`;
