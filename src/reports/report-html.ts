import { html, type Html } from "./html-text.ts";
import type { Group, MoveReport, SegmentReport, SegmentRow } from "./report-shape.ts";
import { STYLE } from "./report-style.ts";
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
import { SPARK_HEIGHT, SPARK_WIDTH, sparkLines } from "./sparkline.ts";

/** The report as one HTML page that asks nothing of anybody: no scripts, no fonts, no images from elsewhere. */
export function reportHtml(report: SegmentReport): string {
  const { period, segments, rest, total, notes, generatedAt, revision, isCurrent } = report;
  const span = `${timeText(period.since)} to ${timeText(period.until)}`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>Segments, ${span}</title>
        <style>
          ${{ html: STYLE }}
        </style>
      </head>
      <body>
        <header>
          <h1>Segments</h1>
          <p>${span}</p>
          <p><strong>${concernsText(report)}</strong></p>
          <p class="soft">
            Written ${timeText(generatedAt)} on revision
            ${revision}${isCurrent ? "" : "; the ledger could not be reached"}.
          </p>
        </header>
        <main>
          ${totals(report)} ${listed(report)} ${overview(segments)} ${segments.map((row, index) => section(row, index))}
          ${rest === null ? [] : html`<p>${countText(rest.segments)} more segments, ${concernsText({ total: rest })}: ${countText(rest.now.answers)} answers, ${countText(rest.labels)} labels. Ask for all to see them.</p>`}
          ${total.segments === 0 ? html`<p>No policy is published, and nothing was served.</p>` : []}
        </main>
        <footer>
          <h2>What to know of these figures</h2>
          <ul>
            ${notes.map((note) => html`<li>${note}</li> `)}
          </ul>
        </footer>
      </body>
    </html> `;
  return page.html;
}

/** A table that may be wider than a phone, and can then be scrolled by keyboard as well. */
const table = (caption: string, header: readonly string[], rows: readonly Html[]): Html =>
  html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${header.map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div> `;

/** A row whose first cell says what it is about. */
const line = (first: Html | string, cells: readonly (Html | string)[]): Html =>
  html`<tr>
    <th scope="row">${first}</th>
    ${cells.map((cell) => html`<td>${cell}</td>`)}
  </tr> `;

function totals({ total, rest }: SegmentReport): Html {
  const row = (name: string, { segments, now, before, labels, moves }: Group): Html =>
    line(name, [
      countText(segments),
      `${countText(now.answers)} (${changeText(now.answers, before.answers)})`,
      countText(labels),
      `${usdText(now)} (${changeText(now.costUsd, before.costUsd)})`,
      msText(now.latencyP50Ms),
      `${msText(now.latencyP95Ms)} (${changeText(now.latencyP95Ms, before.latencyP95Ms)})`,
      `${shareText(now.errorShare)}, was ${shareText(before.errorShare)}`,
      countText(moves),
    ]);
  return table(
    "All segments together, and against the period before",
    ["Part", "Segments", "Answers", "Labels", "Cost", "Latency p50", "Latency p95", "Errors", "Switchovers"],
    [row("all", total), ...(rest === null ? [] : [row("not shown below", rest)])],
  );
}

/** What holds for many segments. */
function listed({ freezes, incidents, exported }: SegmentReport): Html {
  const items = [
    ...freezes.map(({ scope, reason, by, until }) => {
      const of = scope.policy === undefined ? "everything" : `${scope.policy}/${scope.segment ?? "*"}`;
      return html`<li>
        Frozen: ${of}, ${until === null ? "until it is lifted" : `until ${timeText(until)}`}, by ${by}: ${reason}
      </li> `;
    }),
    ...incidents.map(
      ({ id, policy, metric, words, at }) =>
        html`<li>Incident ${id} of ${policy} on ${metric}, since ${timeText(at)}: ${words}</li> `,
    ),
  ];
  const counts = (exported ?? []).map(({ what, count }) => line(what, [countText(count)]));
  return html`${
    items.length === 0
      ? []
      : html`<h2>In force</h2>
          <ul>
            ${items}
          </ul> `
  }${counts.length === 0 ? [] : table("Exported and dropped since the process started", ["What", "Count"], counts)}`;
}

function overview(rows: readonly SegmentRow[]): Html {
  if (rows.length === 0) return html``;
  const lines = rows.map((row, index) =>
    line(html`<a href="#s${index + 1}">${row.policy}/${row.segment}</a>`, [
      badge(row),
      countText(row.now.answers),
      countText(row.labels),
      briefly(row.words),
    ]),
  );
  return html`<h2>Worst first</h2>
    ${table("Segments, the worst first", ["Segment", "State", "Answers", "Labels", "Why"], lines)}`;
}

const badge = ({ concern }: SegmentRow): Html => html`<span class="badge ${concern}">${CONCERNS[concern].title}</span>`;

function section(row: SegmentRow, index: number): Html {
  const { policy, segment, concern, words, settings, slice, moves, happened } = row;
  return html`<section class="segment ${concern}" id="s${index + 1}" aria-labelledby="h${index + 1}">
    <h3 id="h${index + 1}">${policy}/${segment} ${badge(row)}</h3>
    <p>${words}</p>
    ${settings === null ? [] : html`<p class="soft">Serves ${settings.incumbent} since ${timeText(settings.since)}; mode ${settings.mode}, risk ${settings.risk}, owner ${settings.owner}.</p>`}
    ${pendingTexts(row).map((text) => html`<p><strong>${text}</strong></p> `)}${figures(row)}${objectives(row)}${slice === null ? [] : html`<p>Worst part, on ${slice.metric} of ${slice.variant} (${slice.from === "alarm" ? `as the alarm of ${timeText(slice.at)} says` : "found for this report"}): ${slice.words}</p> `}${variants(row)}${moves.length === 0 ? [] : table("Switchovers in the period", ["From → to", "Why", "What became of it"], moves.map(move))}${
      happened.length === 0
        ? []
        : html`<ul>
            ${happened.map(({ at, by, words: what }) => html`<li>${timeText(at)}, ${by}: ${what}</li> `)}
          </ul> `
    }
  </section> `;
}

function figures({ now, before, series }: SegmentRow): Html {
  return table(
    "Answers, and against the period before",
    ["Figure", "Now", "Before", "Over the period"],
    [
      line("answers", [countText(now.answers), countText(before.answers), spark("answers", series.answers)]),
      line("errors", [
        `${countText(now.errors)} (${shareText(now.errorShare)})`,
        `${countText(before.errors)} (${shareText(before.errorShare)})`,
        spark("errors", series.errors),
      ]),
      line("cost", [usdText(now), usdText(before), spark("cost", series.costUsd)]),
      line("latency p50", [msText(now.latencyP50Ms), msText(before.latencyP50Ms), NOTHING]),
      line("latency p95", [msText(now.latencyP95Ms), msText(before.latencyP95Ms), NOTHING]),
    ],
  );
}

function objectives({ objectives: all }: SegmentRow): Html {
  if (all.length === 0) return html``;
  const lines = all.map((one) =>
    line(`${one.metric}, against ${AGAINST[one.against]}`, [
      countText(one.labels),
      meanText(one),
      one.bound === null ? NOTHING : one.bound.toFixed(3),
      trendText(one),
      spark(one.metric, one.series),
      one.words,
    ]),
  );
  return table(
    "Objectives: mean loss with its 95 % interval (0 is perfect)",
    ["Objective", "Labels", "Mean", "Tolerated", "Trend", "Over the period", "Now"],
    lines,
  );
}

function variants({ variants: all }: SegmentRow): Html {
  if (all.length === 0) return html``;
  const lines = all.map(({ variant, isIncumbent, answers, share, errors, means }) =>
    line(isIncumbent ? `${variant} (serves now)` : variant, [
      countText(answers),
      shareText(share),
      countText(errors),
      means.map(({ metric, labels, mean }) => `${metric} ${mean.toPrecision(3)} (${countText(labels)})`).join(", ") ||
        NOTHING,
    ]),
  );
  return table("Variants that served", ["Variant", "Answers", "Share", "Errors", "Means (labels)"], lines);
}

const move = ({ id, from, to, why, phases }: MoveReport): Html =>
  line(html`${from ?? "?"} → ${to ?? "?"}<br /><span class="soft">${id}</span>`, [
    why,
    html`<ul>
      ${phases.map((phase) => html`<li>${phaseText(phase)}</li>`)}
    </ul>`,
  ]);

/** A line of the period. Its figures are beside it, so it has a name and no more. */
function spark(name: string, points: readonly (number | null)[]): Html {
  const lines = sparkLines(points);
  if (lines.length === 0) return html`${NOTHING}`;
  return html`<svg viewBox="0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}" role="img" aria-label="${name} over the period">
    ${lines.map((each) => html`<polyline points="${each}" />`)}
  </svg>`;
}
