import type { Group, MoveReport, SegmentReport, SegmentRow } from "./report-shape.ts";
import {
  AGAINST,
  briefly,
  changeText,
  CONCERNS,
  concernsText,
  countText,
  meanText,
  msText,
  NOTHING,
  pendingTexts,
  phaseText,
  shareText,
  timeText,
  trendText,
  usdText,
} from "./report-words.ts";
import { sparkText } from "./sparkline.ts";

/** The report as Markdown that can be read as it is, in a terminal, and in a comment on GitHub. */
export function reportMarkdown(report: SegmentReport): string {
  const { period, segments, rest, total, notes, generatedAt, revision, isCurrent } = report;
  const blocks = [
    "# Segments",
    `${timeText(period.since)} to ${timeText(period.until)}: **${concernsText(report)}**`,
    `Written ${timeText(generatedAt)} on revision ${revision}${isCurrent ? "" : "; the ledger could not be reached"}.`,
    totals(report),
    ...listed(report),
    ...(segments.length === 0 ? [] : ["## Worst first", overview(segments)]),
    ...segments.flatMap(section),
    ...(rest === null
      ? []
      : [
          `${countText(rest.segments)} more segments, ${concernsText({ total: rest })}: ${countText(rest.now.answers)} answers, ${countText(rest.labels)} labels. Ask for all to see them.`,
        ]),
    ...(total.segments === 0 ? ["No policy is published, and nothing was served."] : []),
    "## What to know of these figures",
    notes.map((note) => `- ${text(note)}`).join("\n"),
  ];
  return `${blocks.join("\n\n")}\n`;
}

/** Text of others that must neither format anything nor end a cell, call somebody, or move a terminal. */
const text = (given: string): string =>
  given
    .toWellFormed()
    .replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, " ")
    .replace(/[\\`*_[\]<>|~#&]/g, "\\$&")
    // A zero-width space, so that nobody is called by name, and no address becomes a link.
    .replace(/@|:\/\//g, "$&\u200b");

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(3, title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function totals({ total, rest }: SegmentReport): string {
  const row = (name: string, { segments, now, before, labels, moves }: Group): string[] => [
    name,
    countText(segments),
    `${countText(now.answers)} (${changeText(now.answers, before.answers)})`,
    countText(labels),
    `${usdText(now)} (${changeText(now.costUsd, before.costUsd)})`,
    msText(now.latencyP50Ms),
    `${msText(now.latencyP95Ms)} (${changeText(now.latencyP95Ms, before.latencyP95Ms)})`,
    `${shareText(now.errorShare)}, was ${shareText(before.errorShare)}`,
    countText(moves),
  ];
  return table(
    ["part", "segments", "answers", "labels", "cost", "p50", "p95", "errors", "switchovers"],
    [row("all", total), ...(rest === null ? [] : [row("not shown", rest)])],
  );
}

function listed({ freezes, incidents, exported }: SegmentReport): string[] {
  const lines = [
    ...freezes.map(({ scope, reason, by, until }) => {
      const of = scope.policy === undefined ? "everything" : `${scope.policy}/${scope.segment ?? "*"}`;
      const end = until === null ? "until it is lifted" : `until ${timeText(until)}`;
      return `- Frozen: ${text(of)}, ${end}, by ${text(by)}: ${text(reason)}`;
    }),
    ...incidents.map(
      ({ id, policy, metric, words, at }) =>
        `- Incident ${text(id)} of ${text(policy)} on ${text(metric)}, since ${timeText(at)}: ${text(words)}`,
    ),
  ];
  const counts = (exported ?? []).map(({ what, count }) => `${text(what)} ${countText(count)}`);
  return [
    ...(lines.length === 0 ? [] : [lines.join("\n")]),
    ...(counts.length === 0 ? [] : [`Exported and dropped since the process started: ${counts.join(", ")}.`]),
  ];
}

const overview = (rows: readonly SegmentRow[]): string =>
  table(
    ["segment", "state", "answers", "labels", "why"],
    rows.map(({ policy, segment, concern, now, labels, words }) => [
      text(`${policy}/${segment}`),
      CONCERNS[concern].title,
      countText(now.answers),
      countText(labels),
      text(briefly(words)),
    ]),
  );

function section(row: SegmentRow): string[] {
  const { policy, segment, concern, settings, slice, moves, happened } = row;
  return [
    `### ${text(`${policy}/${segment}`)}: ${CONCERNS[concern].title}`,
    ...(settings === null
      ? []
      : [
          `Serves ${text(settings.incumbent)} since ${timeText(settings.since)}; mode ${settings.mode}, risk ${settings.risk}, owner ${text(settings.owner)}.`,
        ]),
    ...pendingTexts(row).map((each) => `**${text(each)}**`),
    figures(row),
    ...(row.objectives.length === 0 ? [] : [objectives(row), verdicts(row)]),
    ...(slice === null
      ? []
      : [
          `Worst part, on ${text(slice.metric)} of ${text(slice.variant)} (${slice.from === "alarm" ? `as the alarm of ${timeText(slice.at)} says` : "found for this report"}): ${text(slice.words)}`,
        ]),
    ...(row.variants.length === 0 ? [] : [variants(row)]),
    ...(moves.length === 0 ? [] : [moves.map(move).join("\n")]),
    ...(happened.length === 0
      ? []
      : [happened.map(({ at, by, words }) => `- ${timeText(at)}, ${text(by)}: ${text(words)}`).join("\n")]),
  ];
}

const figures = ({ now, before, series }: SegmentRow): string =>
  table(
    ["figure", "now", "before", "over the period"],
    [
      ["answers", countText(now.answers), countText(before.answers), sparkText(series.answers)],
      [
        "errors",
        `${countText(now.errors)} (${shareText(now.errorShare)})`,
        `${countText(before.errors)} (${shareText(before.errorShare)})`,
        sparkText(series.errors),
      ],
      ["cost", usdText(now), usdText(before), sparkText(series.costUsd)],
      ["latency p50", msText(now.latencyP50Ms), msText(before.latencyP50Ms), NOTHING],
      ["latency p95", msText(now.latencyP95Ms), msText(before.latencyP95Ms), NOTHING],
    ],
  );

const objectives = ({ objectives: all }: SegmentRow): string =>
  table(
    ["objective", "labels", "mean (95 % interval)", "tolerated", "trend", "over the period"],
    all.map((one) => [
      text(`${one.metric}, against ${AGAINST[one.against]}`),
      countText(one.labels),
      meanText(one),
      one.bound === null ? NOTHING : one.bound.toFixed(3),
      trendText(one),
      sparkText(one.series),
    ]),
  );

const verdicts = ({ objectives: all }: SegmentRow): string =>
  all.map(({ metric, against, words }) => `- ${text(metric)}, against ${AGAINST[against]}: ${text(words)}`).join("\n");

const variants = ({ variants: all }: SegmentRow): string =>
  table(
    ["variant", "answers", "share", "errors", "means (labels)"],
    all.map(({ variant, isIncumbent, answers, share, errors, means }) => [
      `${text(variant)}${isIncumbent ? " (serves now)" : ""}`,
      countText(answers),
      shareText(share),
      countText(errors),
      means
        .map(({ metric, labels, mean }) => `${text(metric)} ${mean.toPrecision(3)} (${countText(labels)})`)
        .join(", ") || NOTHING,
    ]),
  );

const move = ({ id, from, to, why, phases }: MoveReport): string =>
  [
    `- ${text(id)}: ${text(from ?? "?")} → ${text(to ?? "?")}, because ${text(why)}`,
    ...phases.map((phase) => `  - ${text(phaseText(phase))}`),
  ].join("\n");
