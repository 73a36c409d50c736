import { isMissed } from "./referee.ts";
import type { Replay } from "./replay.ts";

/** Null where nothing was counted. */
interface Delays {
  readonly median: number | null;
  readonly p95: number | null;
}

/** Which replay it was, and how long it took. */
export interface Run {
  readonly scenario: string;
  readonly seed: number;
  readonly requests: number;
  /** Milliseconds; it differs from run to run, as `microsecondsPerSample` does, and nothing else. */
  readonly wallMs: number;
}

/** What the loop did to one seed's traffic, and what it was worth. Counts unless said otherwise; null where there is nothing to say. */
export interface ReplayFigures {
  readonly scenario: string;
  readonly seed: number;
  readonly requests: number;
  readonly labels: number;
  /** Alarms about variants that were as good as ever. */
  readonly falseAlarmsPer1e6Labels: number | null;
  readonly falseSwitchovers: number;
  /** Faults that moving would have mended, and that the loop never moved for. */
  readonly missed: number;
  /** Moves that were confirmed to a variant that was no better. */
  readonly wrongTarget: number;
  readonly switchovers: number;
  readonly rollbacks: number;
  readonly reverts: number;
  /** Segments whose default variant changed three times or more. */
  readonly flaps: number;
  readonly escalations: number;
  readonly approvalsAsked: number;
  /** From a fault's start to its alarm, in labels and requests of its segment; and labels over the exact oracle's. Of noticed faults. */
  readonly delay: {
    readonly labels: Delays;
    readonly requests: Delays;
    readonly ratioToOracle: { readonly median: number | null };
  };
  /** Summed shortfall of mean score against the best variant; `removedShare` of never moving's, null where that has none. */
  readonly regret: {
    readonly served: number;
    readonly doNothing: number;
    readonly removedShare: number | null;
  };
  /** Requests that a degraded variant answered although a better one was on the ladder. */
  readonly servedDegraded: number;
  /** Requests of the segment from a fault's start until a move was confirmed: the median of the faults that it was for. */
  readonly recoveryRequests: number | null;
  readonly bytesPerStream: number | null;
  /** Spent by the scoreboard on one label. */
  readonly microsecondsPerSample: number | null;
  readonly wallMs: number;
  /** The hash of the ledger's last entry: the same for the same seed. */
  readonly ledgerDigest: string;
}

/** A replay as far as figures are made of it. */
export type ReplayedSeed = Pick<Replay, "ledgerDigest"> & {
  readonly referee: Pick<Replay["referee"], "tally" | "faults" | "changes">;
  readonly bytesPerStream?: number;
  /** Milliseconds spent in `observe` of the scoreboard. */
  readonly observeMs?: number;
};

const FLAPS_MIN = 3;

/** The figures of one seed. */
export function figuresOf(replay: ReplayedSeed, { scenario, seed, requests, wallMs }: Run): ReplayFigures {
  const { tally, faults, changes } = replay.referee;
  const alarms = faults.flatMap(({ alarm }) => alarm ?? []);
  const { labels, regretServed, regretDoNothing } = tally;
  return {
    scenario,
    seed,
    requests,
    labels,
    falseAlarmsPer1e6Labels: labels === 0 ? null : (tally.falseAlarms * 1e6) / labels,
    falseSwitchovers: tally.falseSwitchovers,
    missed: faults.filter(isMissed).length,
    wrongTarget: tally.wrongTarget,
    switchovers: tally.switchovers,
    rollbacks: tally.rollbacks,
    reverts: tally.reverts,
    flaps: changes.filter((count) => count >= FLAPS_MIN).length,
    escalations: tally.escalations,
    approvalsAsked: tally.approvalsAsked,
    delay: {
      labels: delaysOf(alarms.map((alarm) => alarm.labels)),
      requests: delaysOf(alarms.map((alarm) => alarm.requests)),
      ratioToOracle: { median: medianOf(faults.flatMap(({ ratioToOracle }) => ratioToOracle ?? [])) },
    },
    regret: {
      served: regretServed,
      doNothing: regretDoNothing,
      removedShare: regretDoNothing === 0 ? null : 1 - regretServed / regretDoNothing,
    },
    servedDegraded: tally.servedDegraded,
    recoveryRequests: medianOf(faults.flatMap(({ recoveryRequests }) => recoveryRequests ?? [])),
    bytesPerStream: replay.bytesPerStream ?? null,
    microsecondsPerSample: replay.observeMs === undefined || labels === 0 ? null : (replay.observeMs * 1000) / labels,
    wallMs,
    ledgerDigest: replay.ledgerDigest,
  };
}

const delaysOf = (values: readonly number[]): Delays => ({ median: medianOf(values), p95: p95Of(values) });

const ascending = (values: readonly number[]): readonly number[] => values.toSorted((a, b) => a - b);

/** The middle one, or the mean of the two middle ones. */
function medianOf(values: readonly number[]): number | null {
  const sorted = ascending(values);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}

/** The least value that 95 % of them do not exceed. */
const p95Of = (values: readonly number[]): number | null =>
  ascending(values)[Math.ceil(0.95 * values.length) - 1] ?? null;

/** The numbers of several seeds in one. */
export type FiguresSummary = Omit<ReplayFigures, "scenario" | "seed" | "ledgerDigest">;

export interface FiguresOfSeeds {
  readonly scenario: string;
  readonly seeds: readonly ReplayFigures[];
  /** A figure that is null under a seed counts for the others; it is null when it is null under all. */
  readonly mean: FiguresSummary;
  /** The largest of each figure, but the smallest `removedShare`. */
  readonly worst: FiguresSummary;
}

/** @param seeds the figures of one seed or more, of one scenario */
export const figuresOfSeeds = (scenario: string, seeds: readonly ReplayFigures[]): FiguresOfSeeds => ({
  scenario,
  seeds,
  mean: summary(seeds, (_, values) => values.reduce((sum, value) => sum + value, 0) / values.length),
  worst: summary(seeds, (name, values) => (LESS_IS_WORSE.has(name) ? Math.min(...values) : Math.max(...values))),
});

const LESS_IS_WORSE: ReadonlySet<string> = new Set(["removedShare"]);

type Combine = (name: string, values: readonly number[]) => number;

/** Figures by name, some of them in groups. */
interface Group {
  readonly [name: string]: number | null | Group;
}

const summary = (seeds: readonly ReplayFigures[], combine: Combine): FiguresSummary =>
  combined(
    seeds.map(({ scenario: _scenario, seed: _seed, ledgerDigest: _digest, ...numbers }) => numbers as unknown as Group),
    combine,
  ) as unknown as FiguresSummary;

const combined = (groups: readonly Group[], combine: Combine): Group =>
  Object.fromEntries(
    Object.entries(groups[0] ?? {}).map(([name, first]) => {
      const values = groups.map((group) => group[name]);
      if (first !== null && typeof first === "object")
        return [
          name,
          combined(
            values.filter((value) => value !== null && typeof value === "object"),
            combine,
          ),
        ];
      const known = values.filter((value) => typeof value === "number");
      return [name, known.length === 0 ? null : combine(name, known)];
    }),
  );
