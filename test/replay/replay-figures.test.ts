import { describe, expect, test } from "vitest";
import type { FaultRecord, Tally } from "../../src/replay/referee.ts";
import { figuresOf, figuresOfSeeds, type ReplayedSeed } from "../../src/replay/replay-figures.ts";
import { seedsText, seedText } from "../../src/replay/replay-text.ts";

const run = { scenario: "s", seed: 7, requests: 1000, wallMs: 12 };

const nothing: Tally = {
  labels: 0,
  falseAlarms: 0,
  alarmsByMetric: {},
  falseSwitchovers: 0,
  wrongTarget: 0,
  switchovers: 0,
  rollbacks: 0,
  reverts: 0,
  escalations: 0,
  approvalsAsked: 0,
  regretServed: 0,
  regretDoNothing: 0,
  servedDegraded: 0,
};

const fault = (parts: Partial<FaultRecord>): FaultRecord => ({
  place: 0,
  metric: "score",
  start: 100,
  end: 1000,
  healthy: 0.9,
  degraded: 0.5,
  alternative: 0.8,
  isSudden: true,
  labels: 0,
  requests: 0,
  alarm: null,
  begun: true,
  recoveryRequests: null,
  ratioToOracle: null,
  ...parts,
});

interface Parts extends Omit<Partial<ReplayedSeed>, "referee"> {
  readonly tally?: Partial<Tally>;
  readonly faults?: readonly FaultRecord[];
  readonly changes?: readonly number[];
}

const replayed = ({ tally, faults = [], changes = [], ...rest }: Parts = {}): ReplayedSeed => ({
  referee: { tally: { ...nothing, ...tally }, faults, changes },
  ledgerDigest: "d1",
  ...rest,
});

const noticedAfter = (labels: number): FaultRecord => fault({ alarm: { labels, requests: labels * 10 } });

describe("the figures of a seed", () => {
  test("are null where there is nothing to say, and 0 where nothing happened", () => {
    expect(figuresOf(replayed(), run)).toEqual({
      scenario: "s",
      seed: 7,
      requests: 1000,
      labels: 0,
      falseAlarmsPer1e6Labels: null,
      falseSwitchovers: 0,
      missed: 0,
      wrongTarget: 0,
      switchovers: 0,
      rollbacks: 0,
      reverts: 0,
      flaps: 0,
      escalations: 0,
      approvalsAsked: 0,
      delay: {
        labels: { median: null, p95: null },
        requests: { median: null, p95: null },
        ratioToOracle: { median: null },
      },
      regret: { served: 0, doNothing: 0, removedShare: null },
      servedDegraded: 0,
      recoveryRequests: null,
      bytesPerStream: null,
      microsecondsPerSample: null,
      wallMs: 12,
      ledgerDigest: "d1",
    });
  });

  test("the delays are those of the faults that were noticed: the middle one, and the one that 95 % do not exceed", () => {
    const faults = [...Array.from({ length: 20 }, (_, i) => noticedAfter(20 - i)), fault({})];
    const { delay } = figuresOf(replayed({ faults }), run);
    expect(delay.labels).toEqual({ median: 10.5, p95: 19 });
    expect(delay.requests).toEqual({ median: 105, p95: 190 });
    expect(
      figuresOf(replayed({ faults: [noticedAfter(9), noticedAfter(2), noticedAfter(4)] }), run).delay.labels,
    ).toEqual({ median: 4, p95: 9 });
  });

  test("a fault is missed when moving would have mended it and nothing moved; a segment flaps from its third change on", () => {
    const faults = [fault({ begun: false }), fault({ begun: true }), fault({ begun: false, alternative: 0.5 })];
    expect(figuresOf(replayed({ faults, changes: [2, 3, 0, 4] }), run)).toMatchObject({ missed: 1, flaps: 2 });
  });

  test("rates are by label, and the share of the regret that is removed by what never moving costs", () => {
    const tally = { labels: 40_000, falseAlarms: 2, regretServed: 25, regretDoNothing: 100, servedDegraded: 5 };
    const faults = [fault({ recoveryRequests: 30, ratioToOracle: 1.5 }), fault({ recoveryRequests: 50 }), fault({})];
    expect(figuresOf(replayed({ tally, faults, bytesPerStream: 240, observeMs: 20 }), run)).toMatchObject({
      falseAlarmsPer1e6Labels: 50,
      regret: { served: 25, doNothing: 100, removedShare: 0.75 },
      servedDegraded: 5,
      recoveryRequests: 40,
      delay: { ratioToOracle: { median: 1.5 } },
      bytesPerStream: 240,
      microsecondsPerSample: 0.5,
    });
  });
});

describe("the figures of several seeds", () => {
  const seeds = [
    figuresOf(
      replayed({
        tally: { labels: 100, rollbacks: 1, regretServed: 10, regretDoNothing: 100 },
        faults: [noticedAfter(8)],
      }),
      run,
    ),
    figuresOf(replayed({ tally: { labels: 300, rollbacks: 4, regretServed: 60, regretDoNothing: 100 } }), {
      ...run,
      seed: 8,
    }),
    figuresOf(replayed({ tally: { labels: 200 } }), { ...run, seed: 9 }),
  ];
  const { mean, worst, ...all } = figuresOfSeeds("s", seeds);

  test("keep each seed's, and leave out of the mean the seeds that have nothing to say", () => {
    expect(all).toEqual({ scenario: "s", seeds });
    expect(mean).toMatchObject({ labels: 200, rollbacks: 5 / 3, recoveryRequests: null });
    expect(mean.regret.removedShare).toBeCloseTo((0.9 + 0.4) / 2);
    expect(mean.delay.labels).toEqual({ median: 8, p95: 8 });
  });

  test("the worst is the largest of every figure, but the smallest share of regret removed", () => {
    expect(worst).toMatchObject({ rollbacks: 4, regret: { served: 60, doNothing: 100, removedShare: 0.4 } });
  });

  test("have no text and no seed among them", () => {
    expect(Object.keys(mean)).toEqual(
      Object.keys(seeds[0] ?? {}).filter((key) => !["scenario", "seed", "ledgerDigest"].includes(key)),
    );
    expect(Object.keys(worst)).toEqual(Object.keys(mean));
  });

  test("as text they stand beside their titles, with a dash where there is nothing to say", () => {
    const lines = seedsText({ scenario: "s", seeds, mean, worst }).split("\n");
    expect(lines[0]).toMatch(/^figure +s, mean of seeds 7 to 9 +worst$/);
    expect(lines).toContainEqual(expect.stringMatching(/^rolled back\b.* 1\.7 +4$/));
    expect(lines).toContainEqual(expect.stringMatching(/^ +removed by Segue +65\.0 % +40\.0 %$/));
    expect(lines).toContainEqual(expect.stringMatching(/^requests to recover, median +– +–$/));
    expect(lines.at(-1)).toBe("ledger of seed 9 d1");
    expect(seedText(seeds[1]!)).toMatch(/^figure +s, seed 8\n/);
  });
});
