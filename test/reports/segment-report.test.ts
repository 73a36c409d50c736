import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gatherReport, type ReportRequest } from "../../src/reports/gather-report.ts";
import { createLossHistory } from "../../src/reports/loss-history.ts";
import { readPeriod } from "../../src/reports/period.ts";
import { renderReport } from "../../src/reports/render-report.ts";
import { reportHtml } from "../../src/reports/report-html.ts";
import { reportMarkdown } from "../../src/reports/report-markdown.ts";
import { SegmentReport } from "../../src/reports/report-shape.ts";
import { MINUTE } from "../loop/loop-fixture.ts";
import { HOSTILE, madeUpDay, NOW, reportDeps, scanOf } from "./report-world.ts";

const request = (given: Partial<ReportRequest> = {}): ReportRequest => ({
  period: readPeriod("24h", undefined, NOW),
  top: 20,
  maySee: () => true,
  seesAll: true,
  ...given,
});
const madeUp = (given: Partial<ReportRequest> = {}) => gatherReport(madeUpDay(), request(given));
const fixture = (name: string) => join(import.meta.dirname, "../fixtures/reports", name);

describe("the report of a made-up day", () => {
  test.each(["html", "md", "json"] as const)(
    "reads as %s as it did when somebody last looked at it",
    async (format) => {
      const { text } = renderReport(await madeUp(), format);
      const shown = format === "json" ? `${JSON.stringify(JSON.parse(text), null, 2)}\n` : text;
      await expect(shown).toMatchFileSnapshot(fixture(`segments.${format}`));
    },
  );

  test("is what its schema says, and is read back as it was", async () => {
    const report = await madeUp();
    expect(SegmentReport.parse(JSON.parse(renderReport(report, "json").text))).toEqual(report);
  });

  test("has the worst segments first, each for a reason", async () => {
    const { segments } = await madeUp();
    expect(segments.map(({ segment, concern }) => [segment, concern])).toEqual([
      ["europe", "degraded"],
      ["asia", "waiting"],
      ["africa", "worse"],
      ["oceania", "moved"],
      ["default", "unknown"],
      ["gone", "unknown"],
      ["america", "fine"],
      ["quiet", "idle"],
    ]);
  });

  test("tells a switchover that began before the period with what became of it within", async () => {
    const { segments } = await madeUp();
    const oceania = segments.find(({ segment }) => segment === "oceania");
    expect(oceania?.moves).toEqual([
      expect.objectContaining({
        id: "oceania-1",
        from: "first",
        to: "second",
        phases: [
          {
            kind: "rolledBack",
            at: NOW - 20 * 3_600_000,
            by: "loop:test",
            share: null,
            because: "worse at odds of 31 to 1",
          },
        ],
      }),
    ]);
  });

  test("names the worst part as an alarm says it, or as it is found where none spoke", async () => {
    const { segments } = await madeUp();
    const sliceOf = (name: string) => segments.find(({ segment }) => segment === name)?.slice;
    expect(sliceOf("europe")).toMatchObject({ from: "alarm", blame: { slice: [{ attribute: "country" }, {}] } });
    expect(sliceOf("africa")).toMatchObject({
      from: "period",
      blame: { slice: [{ attribute: "client", value: HOSTILE }], lossMean: 1 },
    });
    expect(sliceOf("america")).toBeNull();
  });
});

describe("the numbers", () => {
  test("of the segments, shown or not, are those of the whole", async () => {
    for (const top of [1, 3, 20]) {
      const { total, rest, segments } = await madeUp({ top });
      const parts = [
        ...segments.map(({ now, before, labels, moves }) => ({
          now,
          before,
          labels,
          moves: moves.length,
          segments: 1,
        })),
        ...(rest === null ? [] : [rest]),
      ];
      const sum = (of: (part: (typeof parts)[number]) => number) => parts.reduce((all, part) => all + of(part), 0);
      expect(sum(({ segments: count }) => count)).toBe(total.segments);
      expect(sum(({ now }) => now.answers)).toBe(total.now.answers);
      expect(sum(({ now }) => now.errors)).toBe(total.now.errors);
      expect(sum(({ now }) => now.costUsd)).toBeCloseTo(total.now.costUsd, 6);
      expect(sum(({ before }) => before.answers)).toBe(total.before.answers);
      expect(sum(({ labels }) => labels)).toBe(total.labels);
      expect(sum(({ moves }) => moves)).toBe(total.moves);
      expect(Object.values(total.byConcern).reduce((all, count) => all + count, 0)).toBe(total.segments);
    }
  });

  test("of a segment's variants and of its hours are the segment's", async () => {
    const { segments, period } = await madeUp();
    for (const { now, variants, series, objectives } of segments) {
      expect(variants.reduce((sum, { answers }) => sum + answers, 0)).toBe(now.answers);
      expect(variants.reduce((sum, { errors }) => sum + errors, 0)).toBe(now.errors);
      expect(series.answers.reduce<number>((sum, point) => sum + (point ?? 0), 0)).toBe(now.answers);
      expect(series.errors.reduce<number>((sum, point) => sum + (point ?? 0), 0)).toBe(now.errors);
      for (const each of objectives) expect(each.series).toHaveLength(period.buckets);
    }
    expect([period.buckets, segments[0]!.now.answers]).toEqual([24, 24 * 40]);
  });
});

describe("a period that does not end with a full hour", () => {
  const now = NOW + 5 * MINUTE;
  /** The made-up day's state, and one answer with a label a minute. */
  const report = (since: string) => {
    const history = createLossHistory();
    const about = { policy: "chat", segment: "europe", variant: "first" };
    const exposures = Array.from({ length: 6 * 60 }, (_, minute) => {
      const at = now - (6 * 60 - minute) * MINUTE;
      history.count({ ...about, metric: "helpful", predictionId: `p${minute}`, at, loss: 0 });
      return { ...about, at, status: 200, error: null, latencyMs: 200, costUsd: 0.001 };
    });
    const clock = { now: () => now };
    const deps = { ...madeUpDay(), clock, history, exposures: { scan: scanOf(exposures) } };
    return gatherReport(deps, request({ period: readPeriod(since, undefined, now) }));
  };

  test("is compared with as many answers of steady traffic as it has", async () => {
    const { total } = await report("1h");
    expect([total.now.answers, total.before.answers]).toEqual([65, 65]);
  });

  test("still has labels to compare with where it is shorter than an hour, and says from when", async () => {
    const { segments, total, notes } = await report(new Date(NOW).toISOString());
    const europe = segments.find(({ segment }) => segment === "europe");
    expect(europe?.objectives[0]).toMatchObject({ labels: 5, before: { labels: 60 } });
    expect(total.before.answers).toBe(5);
    expect(notes.join("\n")).toMatch(/begins at .*11:55.*labels are kept by the hour, and theirs at .*11:00/);
  });

  test("is told of only where there is something to tell", async () =>
    expect((await madeUp()).notes.join("\n")).not.toContain("kept by the hour, and theirs"));
});

describe("a reader who may see some policies", () => {
  test("sees nothing of the others, nor what concerns all", async () => {
    const report = await madeUp({ maySee: (policy) => policy === "search", seesAll: false });
    expect(JSON.stringify(report)).not.toContain("chat");
    expect(report).toMatchObject({ segments: [], exported: null, freezes: [{ scope: { policy: "search" } }] });
    expect((await madeUp({ maySee: (policy) => policy === "chat" })).freezes).toMatchObject([
      { scope: { policy: "chat" } },
    ]);
  });
});

describe("where nothing happened", () => {
  test("every format says so, and what is not known", async () => {
    const report = await gatherReport(reportDeps(), request());
    expect(report).toMatchObject({ segments: [], rest: null, total: { segments: 0, labels: 0, now: { answers: 0 } } });
    expect(report.notes.slice(0, 2)).toEqual([
      expect.stringContaining("No answers"),
      expect.stringContaining("No labels by the hour"),
    ]);
    for (const text of [reportHtml(report), reportMarkdown(report)])
      expect(text).toContain("No policy is published, and nothing was served.");
  });
});

describe("HTML", () => {
  const tags = (text: string) => [...text.matchAll(/<\/?[a-z!][^>]*>/gi)].map(([tag]) => tag.split(/[\s>]/)[0]);

  test("keeps every text of others as text", async () => {
    const plain = await madeUp();
    const expected = tags(reportHtml(plain));
    const nasty = fc.oneof(
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.constantFrom(
        HOSTILE,
        "<img src=x onerror=alert(1)>",
        "\"' onload=x",
        "<!--",
        "]]>",
        "&lt;",
        "\u202e<b>",
        "\0<",
      ),
    );
    fc.assert(
      fc.property(nasty, (text) => {
        const replaced = JSON.parse(
          JSON.stringify(plain, (key, value: unknown) =>
            [
              "policy",
              "segment",
              "words",
              "owner",
              "incumbent",
              "metric",
              "variant",
              "from",
              "why",
              "because",
              "by",
              "reason",
              "what",
            ].includes(key) &&
            typeof value === "string" &&
            !(key === "from" && (value === "alarm" || value === "period"))
              ? text
              : value,
          ),
        ) as typeof plain;
        const made = reportHtml({ ...replaced, notes: plain.notes.map(() => text) });
        expect(tags(made)).toEqual(expected);
        expect(made).not.toMatch(/[^\P{Cc}\n\r\t]|\u202e/u);
      }),
      { numRuns: 60 },
    );
  });

  test("asks nothing of anybody, and every table has a caption and headers with a scope", async () => {
    const text = reportHtml(await madeUp());
    expect(text).not.toMatch(/<script|\bsrc=|url\(|https?:|@import|\bon[a-z]+="/);
    const count = (pattern: RegExp) => [...text.matchAll(pattern)].length;
    expect(count(/<caption>/g)).toBe(count(/<table>/g));
    expect(count(/<th /g)).toBe(count(/<th scope="(?:row|col)"/g));
    expect(count(/<svg /g)).toBe(count(/<svg [^>]*role="img"[^>]*aria-label="[^"]+"/g));
  });
});

describe("Markdown", () => {
  test("has as many cells in each row as in its header, whatever others wrote", async () => {
    const report = await madeUp();
    const hostile = {
      ...report,
      segments: report.segments.map((row) => ({ ...row, words: "a | b\n| c |\r`d` <b> @all https://x" })),
    };
    const lines = reportMarkdown(hostile).split("\n");
    const cells = (line: string) => line.replaceAll("\\|", "").split("|").length;
    let header: number | null = null;
    for (const line of lines) {
      if (!line.startsWith("|")) {
        header = null;
        continue;
      }
      header ??= cells(line);
      expect([line, cells(line)]).toEqual([line, header]);
    }
    expect(lines.join("\n")).not.toMatch(/<b>|@all|https:\/\/x/);
  });
});
