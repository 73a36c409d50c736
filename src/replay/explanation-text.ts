import type { Explanation, ExplainedEvent, ExplainedFault } from "./explain-segment.ts";
import { named } from "./outcome-columns.ts";

/** An explanation for a terminal: what happened, and then what was true. */
export function explanationText({ segment, seed, ladder, events, faults }: Explanation): string {
  const rungs = ladder.map(
    ({ model, score, validated }) =>
      `  ${named(model)}: mean score ${score.toFixed(3)}, validated at ${validated.toFixed(3)}`,
  );
  return [
    `What happened to ${named(segment)} under seed ${seed}. A loss is 1 − score. Its ladder, the first serves at first:`,
    ...rungs,
    "",
    ...(events.length === 0 ? ["The ledger has nothing about it."] : events.flatMap(eventLines)),
    "",
    "What was true:",
    ...(faults.length === 0 ? ["  no fault of the scenario hit it"] : faults.flatMap(faultLines)),
  ].join("\n");
}

const eventLines = ({ request, seconds, what, why }: ExplainedEvent): string[] => [
  `${clock(seconds)}  request ${request}  ${what}`,
  ...why.map((reason) => `    ${reason}`),
];

function faultLines(fault: ExplainedFault): string[] {
  const { start, end, ramp, harm } = fault;
  const grown = ramp === 0 ? "" : `, growing over ${ramp} requests`;
  return [
    `  ${fault.kind}: from request ${start} to ${end ?? "the end"}${grown}: ${effect(fault)}`,
    ...(harm === null ? [] : harmLines(harm).map((line) => `    ${line}`)),
  ];
}

function effect({ kind, model, healthy, degraded, shown, alternative, ...fault }: ExplainedFault): string {
  const { latencyFactor, costFactor } = fault;
  if (kind === "mix") return `the segment's traffic × ${fault.trafficFactor}, and no answer is worse`;
  if (kind === "labels") return `${percent(fault.labelRate ?? 0)} of the answers are labelled, and no answer is worse`;
  if (model === null)
    return `scores are shown as ${shown.toFixed(3)} on average instead of ${healthy.toFixed(3)}, and no answer is worse`;
  const factors = [
    ...(latencyFactor === 1 ? [] : [`${named(model)} takes ${latencyFactor} × as long`]),
    ...(costFactor === 1 ? [] : [`${named(model)} costs ${costFactor} × as much`]),
  ];
  if (factors.length > 0 && degraded === healthy) return factors.join(", ");
  const judged = shown === degraded ? "" : ` (shown as ${shown.toFixed(3)})`;
  return (
    `${named(model)} scores ${degraded.toFixed(3)} on average${judged} instead of ${healthy.toFixed(3)}; ` +
    [`the best other model ${alternative.toFixed(3)}`, ...factors].join("; ")
  );
}

function harmLines({ noticed, requestsUntilMoved, requests }: NonNullable<ExplainedFault["harm"]>): string[] {
  const noticing =
    noticed === null
      ? "it was never noticed"
      : `it was noticed after ${noticed.labels} labels, ${noticed.requests} requests of the segment`;
  const moving =
    requestsUntilMoved === null
      ? `no move away was confirmed in the ${requests} requests that the segment had from then to the end`
      : `it took ${requestsUntilMoved} requests of the segment until a move away was confirmed`;
  return [noticing, moving];
}

/** Hours, minutes and seconds. */
function clock(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;
