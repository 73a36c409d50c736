import { textTable } from "../cli/output.ts";
import type { FiguresOfSeeds, FiguresSummary, ReplayFigures } from "./replay-figures.ts";

type Format = (value: number) => string;

const count: Format = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const ratio: Format = (value) => value.toFixed(2);
const percent: Format = (value) => `${(value * 100).toFixed(1)} %`;
const seconds: Format = (value) => `${(value / 1000).toFixed(1)} s`;

interface Row {
  readonly title: string;
  readonly of: (figures: FiguresSummary) => number | null;
  readonly format: Format;
}

const ROWS: readonly Row[] = [
  { title: "requests", of: ({ requests }) => requests, format: count },
  { title: "labels", of: ({ labels }) => labels, format: count },
  { title: "false alarms per 1e6 labels", of: (figures) => figures.falseAlarmsPer1e6Labels, format: count },
  { title: "switchovers", of: ({ switchovers }) => switchovers, format: count },
  { title: "  for no reason", of: ({ falseSwitchovers }) => falseSwitchovers, format: count },
  { title: "  to no better variant", of: ({ wrongTarget }) => wrongTarget, format: count },
  { title: "rolled back, failed returns included", of: ({ rollbacks }) => rollbacks, format: count },
  { title: "returns after a recovery", of: ({ reverts }) => reverts, format: count },
  { title: "faults missed", of: ({ missed }) => missed, format: count },
  { title: "segments that flapped", of: ({ flaps }) => flaps, format: count },
  { title: "escalations to people", of: ({ escalations }) => escalations, format: count },
  { title: "approvals asked for", of: ({ approvalsAsked }) => approvalsAsked, format: count },
  { title: "labels to notice, median", of: ({ delay }) => delay.labels.median, format: count },
  { title: "labels to notice, 95th percentile", of: ({ delay }) => delay.labels.p95, format: count },
  { title: "  over the least possible, median", of: ({ delay }) => delay.ratioToOracle.median, format: ratio },
  { title: "requests to notice, median", of: ({ delay }) => delay.requests.median, format: count },
  { title: "requests to notice, 95th percentile", of: ({ delay }) => delay.requests.p95, format: count },
  { title: "requests to recover, median", of: ({ recoveryRequests }) => recoveryRequests, format: count },
  { title: "requests served degraded", of: ({ servedDegraded }) => servedDegraded, format: count },
  { title: "score lost against the best", of: ({ regret }) => regret.served, format: count },
  { title: "  without Segue", of: ({ regret }) => regret.doNothing, format: count },
  { title: "  removed by Segue", of: ({ regret }) => regret.removedShare, format: percent },
  { title: "bytes a stream", of: ({ bytesPerStream }) => bytesPerStream, format: count },
  { title: "microseconds a label", of: (figures) => figures.microsecondsPerSample, format: ratio },
  { title: "wall time", of: ({ wallMs }) => wallMs, format: seconds },
];

const NOTHING = "–";

const tableOf = (columns: readonly { readonly title: string; readonly figures: FiguresSummary }[]): string =>
  textTable(
    ["figure", ...columns.map(({ title }) => title)],
    ROWS.map(({ title, of, format }) => [
      title,
      ...columns.map(({ figures }) => {
        const value = of(figures);
        return value === null ? NOTHING : format(value);
      }),
    ]),
  );

/** One seed's figures for a terminal. */
export const seedText = (figures: ReplayFigures): string =>
  [tableOf([{ title: `${figures.scenario}, seed ${figures.seed}`, figures }]), `ledger ${figures.ledgerDigest}`].join(
    "\n",
  );

/** The figures of several seeds for a terminal: what they come to, and the ledger of each. */
export function seedsText({ scenario, seeds, mean, worst }: FiguresOfSeeds): string {
  const numbers = seeds.map(({ seed }) => seed);
  const range = `seeds ${numbers[0] ?? ""} to ${numbers.at(-1) ?? ""}`;
  return [
    tableOf([
      { title: `${scenario}, mean of ${range}`, figures: mean },
      { title: "worst", figures: worst },
    ]),
    ...seeds.map(({ seed, ledgerDigest }) => `ledger of seed ${seed} ${ledgerDigest}`),
  ].join("\n");
}
