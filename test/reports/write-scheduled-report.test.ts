import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gatherReport } from "../../src/reports/gather-report.ts";
import type { Period } from "../../src/reports/period.ts";
import { reportFiles } from "../../src/reports/report-files.ts";
import { scheduledReports, type ReportFiles, type ScheduleOptions } from "../../src/reports/write-scheduled-report.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";
import { HOUR, MINUTE } from "../loop/loop-fixture.ts";
import { DAY, NOW, reportDeps } from "./report-world.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

/** One shared ledger's worth of adapters, on which instances start and stop. */
function world() {
  const clock = { at: NOW + 10 * MINUTE };
  const periods: Period[] = [];
  const counted: string[] = [];
  const shared = { lease: createMemoryLease(), checkpoints: createMemoryCheckpoints(), files: filesOf() };
  const start = (given: Partial<ScheduleOptions & { readonly files: ReportFiles }> = {}) => {
    const { files = shared.files, ...options } = given;
    return scheduledReports(
      {
        ...shared,
        files,
        clock: { now: () => clock.at },
        counters: { add: (name) => counted.push(name) },
        log: { info: () => 0, warn: () => 0, error: () => 0 },
        report: async ({ period, top }) => {
          periods.push(period);
          return gatherReport(reportDeps({ now: clock.at }), { period, top, maySee: () => true, seesAll: true });
        },
      },
      { instance: "a", everyHours: 6, keep: 3, ...options },
    ).writeScheduledReport;
  };
  return { clock, periods, counted, start, ...shared };
}
const filesOf = (): ReportFiles => reportFiles(join(folder.path, "reports"));
const names = () => readdirSync(join(folder.path, "reports")).sort();

describe("scheduled reports", () => {
  test("are written once for each period, when it is over", async () => {
    const { clock, start, periods, counted } = world();
    const run = start();
    expect(await run()).toMatchObject({ kind: "written", name: "segments-20260302T12Z.html" });
    for (clock.at = NOW; clock.at < NOW + 6 * HOUR; clock.at += 20 * MINUTE)
      expect(await run()).toEqual({ kind: "not-due" });
    clock.at = NOW + 6 * HOUR;
    expect(await run()).toMatchObject({ kind: "written", name: "segments-20260302T18Z.html" });
    expect(periods.map(({ since, until }) => [since, until])).toEqual([
      [NOW - 6 * HOUR, NOW],
      [NOW, NOW + 6 * HOUR],
    ]);
    expect(names()).toEqual(["segments-20260302T12Z.html", "segments-20260302T18Z.html"]);
    expect(counted).toEqual(["segue_reports_written_total", "segue_reports_written_total"]);
    expect(readFileSync(join(folder.path, "reports", names()[0]!), "utf8")).toMatch(/^<!doctype html>[^]*<\/html>\s*$/);
  });

  test("that were missed are caught up by one, which is about all of the time", async () => {
    const { clock, start, periods } = world();
    await start()();
    clock.at = NOW + 3 * DAY + 7 * HOUR;
    const run = start();
    expect(await run()).toMatchObject({ kind: "written", name: "segments-20260305T18Z.html" });
    expect(await run()).toEqual({ kind: "not-due" });
    expect(periods.at(-1)).toMatchObject({ since: NOW, until: NOW + 3 * DAY + 6 * HOUR });
    clock.at = NOW + 400 * DAY;
    await run();
    expect(periods.at(-1)).toMatchObject({ since: NOW + 310 * DAY, until: NOW + 400 * DAY });
  });

  test("are not written again after a restart, nor after the files were taken away", async () => {
    const { start, periods, files } = world();
    await start()();
    expect(await start()()).toEqual({ kind: "not-due" });
    for (const name of names()) await files.remove(name);
    expect(await start()()).toEqual({ kind: "not-due" });
    expect(periods).toHaveLength(1);
  });

  test("are not written again after a crash between the file and its note", async () => {
    const { start, periods, checkpoints } = world();
    await start()();
    await checkpoints.save("segment-report", null);
    expect(await start()()).toEqual({ kind: "not-due" });
    expect(periods).toHaveLength(1);
  });

  test("are written by the instance that holds the lease, and by no other", async () => {
    const { clock, start, lease, periods } = world();
    const [a, b] = [start(), start({ instance: "b" })];
    await lease.acquire("b", HOUR, clock.at);
    expect(await a()).toEqual({ kind: "not-ours" });
    expect(await b()).toMatchObject({ kind: "written" });
    await lease.release("b");
    expect(await a()).toEqual({ kind: "not-due" });
    expect(periods).toHaveLength(1);
  });

  test("of an instance that lost the lease while it read are not written", async () => {
    const { clock, start, lease, files } = world();
    const slow = start({
      files: {
        ...files,
        list: async () => {
          clock.at += MINUTE;
          await lease.acquire("b", HOUR, clock.at);
          return files.list();
        },
      },
    });
    expect(await slow()).toEqual({ kind: "not-ours" });
    expect(names()).toEqual([]);
  });

  test("are tried again after a failure, and leave no part of a file", async () => {
    const { start, files } = world();
    let isFull = true;
    const run = start({
      files: {
        ...files,
        write: async (name, text) => {
          if (isFull) throw new Error("disk full");
          return files.write(name, text);
        },
      },
    });
    await expect(run()).rejects.toThrow("disk full");
    isFull = false;
    expect(await run()).toMatchObject({ kind: "written" });
    expect(names()).toHaveLength(1);
  });

  test("are kept up to the limit: the oldest go, and what is not ours stays", async () => {
    const { clock, start, files } = world();
    await files.list();
    await files.write("notes.html", "mine");
    const run = start();
    for (let period = 0; period < 6; period++) {
      await run();
      clock.at += 6 * HOUR;
    }
    expect(names()).toEqual([
      "notes.html",
      "segments-20260303T06Z.html",
      "segments-20260303T12Z.html",
      "segments-20260303T18Z.html",
    ]);
  });

  test("never take the place of a file of that name", async () => {
    const { files } = world();
    await files.list();
    expect(await files.write("segments-20260302T12Z.html", "first")).toBe(true);
    expect(await files.write("segments-20260302T12Z.html", "second")).toBe(false);
    expect(readFileSync(join(folder.path, "reports", "segments-20260302T12Z.html"), "utf8")).toBe("first");
    expect(names()).toHaveLength(1);
  });
});
