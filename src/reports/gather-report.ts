import type { Blame } from "../core/blame.ts";
import { blame } from "../core/blame.ts";
import { streamKey } from "../core/calibrate.ts";
import type { Cases } from "../core/cases.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { ControlState } from "../core/state.ts";
import { readStatus } from "../loop/read-status.ts";
import type { Ledger } from "../ports.ts";
import { createExposureFigures, type CountedExposure } from "./exposure-figures.ts";
import { createLossFigures } from "./loss-figures.ts";
import type { LossHistory } from "./loss-history.ts";
import type { Period } from "./period.ts";
import type { SegmentReport } from "./report-shape.ts";
import { segmentReport } from "./segment-report.ts";

/** Where answers are counted from; see `SqliteExposures.scan`. */
export interface ScannedExposures {
  readonly scan: (
    period: { readonly since: number; readonly until: number },
    visit: (exposure: CountedExposure) => void,
  ) => Promise<number | null>;
}

export type ReportDeps = Parameters<typeof readStatus>[0] & {
  readonly ledger: Pick<Ledger, "read">;
  readonly history: Pick<LossHistory, "read" | "since">;
  readonly cases: Pick<Cases, "read">;
  /** Absent on a host that keeps no exposures. */
  readonly exposures?: ScannedExposures | undefined;
  /** Counts of what left the process and what was dropped, since it started. */
  readonly exported: () => readonly { readonly what: string; readonly count: number }[];
};

export interface ReportRequest {
  readonly period: Period;
  /** Segments that are told in full. */
  readonly top: number;
  /** The policies that the reader may see. */
  readonly maySee: (policy: string) => boolean;
  /** Whether the reader may see what concerns all of them. */
  readonly seesAll: boolean;
}

/** Entries of the ledger that one report reads. */
const ENTRIES_MAX = 20_000;
const PAGE = 1000;

/**
 * The report of a period from everything that is kept. Reads exposures a page at a time, so that answers go on meanwhile.
 * @throws RouterError `unavailable` when the ledger or the exposures cannot be read
 */
export async function gatherReport(deps: ReportDeps, request: ReportRequest): Promise<SegmentReport> {
  const { controlPlane, clock, history, cases } = deps;
  const { period, top, maySee, seesAll } = request;
  const answers = createExposureFigures(period);
  const since = period.previousSince;
  const scanned = await deps.exposures?.scan({ since, until: period.until }, (exposure) => {
    if (maySee(exposure.policy)) answers.count(exposure);
  });
  const entries = await readEntries(deps, period);
  const labels = createLossFigures(period);
  history.read({ since, until: period.until }, (cell) => {
    if (maySee(cell.row.policy)) labels.count(cell);
  });
  const state = visible(controlPlane.state(), maySee);
  const { segments: status } = readStatus({ ...deps, controlPlane: { ...controlPlane, state: () => state } });
  return segmentReport(
    {
      now: clock.now(),
      period,
      state,
      isCurrent: controlPlane.isCurrent(),
      status,
      entries: { ...entries, list: entries.list.filter((entry) => concerns(entry, maySee)) },
      exposures: answers.segments(),
      exposuresSince: scanned ?? null,
      losses: labels.segments(),
      lossesSince: history.since(),
      blame: (row, at): Blame | null => blame(cases.read(streamKey(row), at)),
      exported: seesAll ? deps.exported() : null,
    },
    { top },
  );
}

/** The state without policies that the reader may not see. */
function visible(state: ControlState, maySee: (policy: string) => boolean): ControlState {
  const only = <T>(record: Readonly<Record<string, T>>, policyOf: (value: T) => string | undefined) =>
    Object.fromEntries(
      Object.entries(record).filter(([, value]) => {
        const policy = policyOf(value);
        return policy === undefined || maySee(policy);
      }),
    );
  return {
    ...state,
    policies: only(state.policies, ({ policy }) => policy.policy),
    switchovers: only(state.switchovers, ({ change }) => change.policy),
    signals: only(state.signals, ({ policy }) => policy),
    freezes: only(state.freezes, ({ scope }) => scope.policy),
    incidents: only(state.incidents, ({ policy }) => policy),
  };
}

/** Entries of switchovers are told of only where their proposal is known, so they need no policy of their own. */
function concerns({ event }: LedgerEntry, maySee: (policy: string) => boolean): boolean {
  if (event.type === "switchover.proposed") return maySee(event.switchover.change.policy);
  if (event.type === "signal.recorded") return maySee(event.signal.policy);
  if ("scope" in event && "policy" in event.scope && event.scope.policy !== undefined)
    return maySee(event.scope.policy);
  return !("policy" in event) || typeof event.policy !== "string" || maySee(event.policy);
}

/** The period's entries, of which the last are read where they are too many. Entries follow each other in time. */
async function readEntries(
  { ledger, controlPlane }: Pick<ReportDeps, "ledger" | "controlPlane">,
  { since, until }: Period,
): Promise<{ readonly list: readonly LedgerEntry[]; readonly isCut: boolean }> {
  const head = controlPlane.state().head.seq;
  const before = await lastBefore(ledger, head, since);
  const last = until > since ? await lastBefore(ledger, head, until) : before;
  const start = Math.max(before, last - ENTRIES_MAX);
  const list: LedgerEntry[] = [];
  for (let after = start; after < last;) {
    const page = await ledger.read(after, Math.min(PAGE, last - after));
    if (page.length === 0) break;
    list.push(...page);
    after = page.at(-1)?.seq ?? last;
  }
  return { list: list.filter(({ at }) => at >= since && at < until), isCut: start > before };
}

/** The number of the last entry before a time, 0 for none: by halves, as numbers have no gaps. */
async function lastBefore(ledger: Pick<Ledger, "read">, head: number, time: number): Promise<number> {
  let [low, high] = [0, head];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const [entry] = await ledger.read(middle - 1, 1);
    if (entry !== undefined && entry.at < time) low = middle;
    else high = middle - 1;
  }
  return low;
}
