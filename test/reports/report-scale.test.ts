import { describe, expect, test } from "vitest";
import { gatherReport } from "../../src/reports/gather-report.ts";
import { createLossHistory } from "../../src/reports/loss-history.ts";
import { readPeriod } from "../../src/reports/period.ts";
import { reportMarkdown } from "../../src/reports/report-markdown.ts";
import { SEARCHES_MAX } from "../../src/reports/segment-report.ts";
import { HOUR, policyOf, publish, segmentOf, signalOf, loop } from "../loop/loop-fixture.ts";
import { DAY, ledgerOf, NOW, reportDeps, scanOf, scoreboardOf } from "./report-world.ts";

/** What a report costs: calls of what it is gathered from, not time. */
async function costOf(count: number) {
  const ids = Array.from({ length: count }, (_, index) => `s${index}`);
  const chain = ledgerOf([
    { at: NOW - 3 * DAY, actor: loop, event: publish(policyOf(ids.map((id) => segmentOf(id)))) },
    ...ids.map((segment, index) => ({
      at: NOW - DAY + index,
      actor: loop,
      event: signalOf({ segment, id: `signal-${segment}`, observedAt: NOW - DAY }),
    })),
  ]);
  const history = createLossHistory();
  const exposures = ids.flatMap((segment) =>
    [NOW - DAY - HOUR, NOW - HOUR].flatMap((at) =>
      Array.from({ length: 4 }, (_, index) => {
        const about = { policy: "chat", segment, variant: "first", at };
        const loss = at < NOW - DAY ? 0 : 1;
        history.count({ ...about, metric: "helpful", predictionId: `${segment}-${index}`, loss });
        return { ...about, status: 200, error: null, latencyMs: 100 + index, costUsd: 0.001 };
      }),
    ),
  );
  const calls = { scoreboard: 0, searches: 0, visits: 0, cells: 0 };
  const board = scoreboardOf({});
  const report = await gatherReport(
    reportDeps({
      ledger: chain.ledger,
      // What the state keeps of signals is looked at by `readStatus`, which is not counted here.
      state: { ...chain.state, signals: {} },
      exposures: {
        scan: (period, visit) =>
          scanOf(exposures)(period, (exposure) => {
            calls.visits += 1;
            visit(exposure);
          }),
      },
      history: {
        since: history.since,
        read: (period, visit) =>
          history.read(period, (cell) => {
            calls.cells += 1;
            visit(cell);
          }),
      },
      scoreboard: {
        ...board,
        level: (...of) => {
          calls.scoreboard += 1;
          return board.level(...of);
        },
      },
      cases: {
        read: () => {
          calls.searches += 1;
          return { healthy: [], degraded: [] };
        },
      },
    }),
    { period: readPeriod("24h", undefined, NOW), top: 30, maySee: () => true, seesAll: true },
  );
  return { report, calls, reads: chain.reads() };
}

describe("with 5 000 segments a report", () => {
  test("asks once for each thing that is kept, searches few segments, and reads the ledger in pages", async () => {
    const { report, calls, reads } = await costOf(5000);
    expect(calls).toEqual({ scoreboard: 5000, searches: SEARCHES_MAX, visits: 40_000, cells: 10_000 });
    // Twice by halves for the ends of the period, then a thousand entries at a time.
    expect(reads).toBeLessThanOrEqual(2 * 13 + 6);
    expect(report.segments).toHaveLength(30);
    expect(report.rest).toMatchObject({ segments: 5001 - 30, now: { answers: 4 * (5000 - 30) } });
    expect(report.total).toMatchObject({ segments: 5001, labels: 20_000, now: { answers: 20_000 } });
  });

  test("is no longer than one of few, unless all are asked for", async () => {
    const [few, many] = [await costOf(100), await costOf(1000)];
    const lengthOf = ({ report }: typeof few) => reportMarkdown(report).length;
    expect(lengthOf(many)).toBeLessThan(lengthOf(few) * 1.1);
  });
});
