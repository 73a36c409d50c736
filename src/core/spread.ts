import { betAbove } from "./detector.ts";

/** How a pooled loss is spread over its rows since it began: what a few rows lose is told from what all of them lose. */
export interface Spread {
  /** Nats of a CUSUM; at 0 all is begun again. */
  cusum: number;
  /** Epoch milliseconds of the first label since then. */
  since: number;
  readonly rows: Map<string, SpreadRow>;
  /** Labels that were heard of the metric, on whatever row and on the same upstream, when it began. */
  heardBefore: Heard;
}

/** Labels that pools were told. */
export interface Heard {
  readonly all: number;
  readonly upstream: number;
}

/** One row's part since the estimated change. */
export interface SpreadRow {
  labels: number;
  lossSum: number;
  toleratedSum: number;
  /** Its part of the CUSUM, in nats. */
  nats: number;
  /** When the last of them was served, epoch milliseconds. */
  at: number;
}

/** A row as pools name it. */
export const rowOf = (segment: string, variant: string): string => `${segment}/${variant}`;

export const variantOf = (row: string): string => row.slice(row.indexOf("/") + 1);

const BET = 0.25;
/** No single row may speak for the pool beyond this many nats. */
const ROW_NATS_MAX = 1.5;

export const newSpread = (): Spread => ({ cusum: 0, since: 0, rows: new Map(), heardBefore: { all: 0, upstream: 0 } });

/**
 * Takes in one loss of a row, in place, measured against what its own row tolerates.
 * @param heard labels before this one
 */
export function observeSpread(
  spread: Spread,
  row: string,
  label: { readonly loss: number; readonly tolerated: number; readonly at: number },
  heard: Heard,
): void {
  const { rows } = spread;
  const { loss, tolerated, at } = label;
  const nats = Math.log(betAbove(BET, loss, tolerated));
  spread.cusum = Math.max(0, spread.cusum + nats);
  if (spread.cusum === 0) {
    rows.clear();
    return;
  }
  if (rows.size === 0) {
    spread.since = at;
    spread.heardBefore = heard;
  }
  let own = rows.get(row);
  if (own === undefined) rows.set(row, (own = { labels: 0, lossSum: 0, toleratedSum: 0, nats: 0, at }));
  own.labels += 1;
  own.lossSum += loss;
  own.toleratedSum += tolerated;
  own.nats += nats;
  own.at = Math.max(own.at, at);
}

export function resetSpread(spread: Spread): void {
  spread.cusum = 0;
  spread.rows.clear();
}

/**
 * How far a loss is spread: the nats of all rows, each counted for at most `ROW_NATS_MAX`, so that several rows must
 * speak for it and healthy ones speak against it.
 */
export function breadth({ rows }: Pick<Spread, "rows">, counts: (row: string) => boolean = () => true): number {
  let sum = 0;
  for (const [row, { nats }] of rows) if (counts(row)) sum += Math.min(ROW_NATS_MAX, nats);
  return sum;
}
