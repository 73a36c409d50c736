import { intervalOf, type Interval } from "../core/intervals.ts";
import type { TableRow } from "../core/table.ts";
import type { ItemPick, ItemRoute, PolicyPair } from "./item-routes.ts";
import {
  ITEMS_MIN,
  pairedOutcomes,
  totalOf,
  type Comparison,
  type PairedOutcomes,
  type Served,
} from "./paired-outcomes.ts";
import type { VariantColumns } from "./variant-columns.ts";

/**
 * Of the score: `better` and `worse` when the 95 % interval of the difference lies on one side of 0; `noSupport` when fewer than
 * 30 items are known for both variants; `incomparable` when it is not known what serves the items on the other side.
 */
export type ForecastVerdict = "better" | "worse" | "noClearDifference" | "noSupport" | "incomparable";

/** What is expected per item: means over the items that are known for both variants, and the mean of their differences, after − before. */
interface Figures {
  readonly scoreBefore: number | null;
  readonly scoreAfter: number | null;
  readonly scoreDifference: Interval | null;
  /** Items that the cost is known of. */
  readonly costUsdItems: number;
  readonly costUsdBefore: number | null;
  readonly costUsdAfter: number | null;
  readonly costUsdDifference: Interval | null;
  /** Items that the latency is known of. */
  readonly latencyMsItems: number;
  readonly latencyMsBefore: number | null;
  readonly latencyMsAfter: number | null;
  readonly latencyMsDifference: Interval | null;
}

/** Traffic that is served another variant; a segment or variant is null where it is not known. */
export interface Move extends Figures {
  readonly segmentBefore: string | null;
  readonly segmentAfter: string | null;
  readonly variantBefore: string | null;
  readonly variantAfter: string | null;
  /** Items of the table; each counts once, whatever it was measured under. */
  readonly items: number;
  /** Of the table's items, 0–1. */
  readonly share: number;
  /** The items that are known for both variants, their share of the move's, and the variants that lack some. */
  readonly support: Support & { readonly lacking: PairedOutcomes["lacking"] };
  readonly latencyMsP95Before: number | null;
  readonly latencyMsP95After: number | null;
  readonly verdict: ForecastVerdict;
}

interface Support {
  readonly items: number;
  readonly share: number;
}

/** Something else changed, but not the variant that serves. */
export interface Stay {
  readonly segmentBefore: string;
  readonly segmentAfter: string;
  readonly variant: string;
  readonly ladderBefore: readonly string[];
  readonly ladderAfter: readonly string[];
  readonly items: number;
  readonly share: number;
}

/** All moves whose variants are known, weighted by their supported items. */
export interface MoveTotal extends Figures {
  readonly items: number;
  readonly share: number;
  /** The items of the moves that have support, and their share of `items`; the figures are theirs alone. */
  readonly support: Support;
  readonly verdict: ForecastVerdict;
}

export interface Forecast {
  readonly moves: readonly Move[];
  readonly stays: readonly Stay[];
  readonly total: MoveTotal;
}

/**
 * What a change of the policy does to the routed items.
 * @param items of the whole table
 */
export function forecastOf(
  pair: PolicyPair,
  routes: readonly ItemRoute[],
  { columns, items }: { readonly columns: VariantColumns; readonly items: number },
): Forecast {
  const all = [...routes, ...withoutItems(pair, routes)].sort((a, b) => placeOf(pair, a) - placeOf(pair, b));
  const moved = all
    .filter(({ before, after }) => before?.incumbent !== after?.incumbent)
    .map((route) => {
      const served = servedBy(route);
      const outcomes = pairedOutcomes(served, route.picks, columns);
      return { move: moveOf(route, { outcomes, items }), outcomes };
    });
  return {
    moves: moved.map(({ move }) => move),
    stays: all.flatMap((route) => stayOf(route, items)),
    total: totalMove(
      moved.filter(({ move }) => move.variantBefore !== null && move.variantAfter !== null),
      items,
    ),
  };
}

const servedBy = ({ before, after }: ItemRoute): Served => ({
  before: before?.incumbent ?? null,
  after: after?.incumbent ?? null,
});

const countOf = (picks: readonly ItemPick[]): number => picks.reduce((sum, { items }) => sum + items.length, 0);
const shareOf = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** Segments that serve something else, or hold another ladder, though no item of the table falls into them. */
function withoutItems({ before, after }: PolicyPair, routes: readonly ItemRoute[]): ItemRoute[] {
  const left = new Set(routes.map((route) => route.before?.segment.id));
  const reached = new Set(routes.map((route) => route.after?.segment.id));
  const old = new Map(before?.rows.map((row) => [row.segment.id, row]));
  const current = new Map(after?.rows.map((row) => [row.segment.id, row]));
  return [...new Set([...current.keys(), ...old.keys()])].flatMap((id) => {
    const [was, becomes] = [old.get(id) ?? null, current.get(id) ?? null];
    const isSeen = (was !== null && left.has(id)) || (becomes !== null && reached.has(id));
    return isSeen ? [] : [{ before: was, after: becomes, picks: [] }];
  });
}

/** Policy order; what is gone comes last. */
function placeOf({ before, after }: PolicyPair, route: ItemRoute): number {
  const place = (rows: readonly TableRow[] = [], row: TableRow | null) =>
    row === null ? rows.length : rows.findIndex(({ segment }) => segment.id === row.segment.id);
  const rows = (before?.rows.length ?? 0) + 1;
  return place(after?.rows, route.after) * rows + place(before?.rows, route.before);
}

function moveOf(
  { before, after, picks }: ItemRoute,
  { outcomes, items: all }: { readonly outcomes: PairedOutcomes; readonly items: number },
): Move {
  const items = countOf(picks);
  const { score, latencyMsP95, lacking } = outcomes;
  return {
    segmentBefore: before?.segment.id ?? null,
    segmentAfter: after?.segment.id ?? null,
    variantBefore: before?.incumbent ?? null,
    variantAfter: after?.incumbent ?? null,
    items,
    share: shareOf(items, all),
    support: { items: score.items, share: shareOf(score.items, items), lacking },
    ...figuresOf(outcomes),
    latencyMsP95Before: latencyMsP95.before,
    latencyMsP95After: latencyMsP95.after,
    verdict: verdictOf(score),
  };
}

function stayOf({ before, after, picks }: ItemRoute, all: number): Stay[] {
  if (before === null || after === null || before.incumbent !== after.incumbent) return [];
  const [ladderBefore, ladderAfter] = [ladderOf(before), ladderOf(after)];
  if (before.segment.id === after.segment.id && ladderBefore.join() === ladderAfter.join()) return [];
  const items = countOf(picks);
  return [
    {
      segmentBefore: before.segment.id,
      segmentAfter: after.segment.id,
      variant: after.incumbent,
      ladderBefore,
      ladderAfter,
      items,
      share: shareOf(items, all),
    },
  ];
}

const ladderOf = ({ segment }: TableRow): string[] => segment.ladder.map(({ variant }) => variant);

function totalMove(
  moved: readonly { readonly move: Move; readonly outcomes: PairedOutcomes }[],
  all: number,
): MoveTotal {
  const items = moved.reduce((sum, { move }) => sum + move.items, 0);
  const score = totalOf(moved.map(({ outcomes }) => outcomes.score));
  return {
    items,
    share: shareOf(items, all),
    support: { items: score.items, share: shareOf(score.items, items) },
    ...figuresOf({
      score,
      costUsd: totalOf(moved.map(({ outcomes }) => outcomes.costUsd)),
      latencyMs: totalOf(moved.map(({ outcomes }) => outcomes.latencyMs)),
    }),
    verdict: verdictOf(score),
  };
}

function figuresOf({ score, costUsd, latencyMs }: Pick<PairedOutcomes, "score" | "costUsd" | "latencyMs">): Figures {
  const interval = ({ difference }: Comparison, limit?: number): Interval | null =>
    difference === null ? null : intervalOf(difference, limit);
  return {
    scoreBefore: score.before,
    scoreAfter: score.after,
    scoreDifference: interval(score, 1),
    costUsdItems: costUsd.items,
    costUsdBefore: costUsd.before,
    costUsdAfter: costUsd.after,
    costUsdDifference: interval(costUsd),
    latencyMsItems: latencyMs.items,
    latencyMsBefore: latencyMs.before,
    latencyMsAfter: latencyMs.after,
    latencyMsDifference: interval(latencyMs),
  };
}

function verdictOf({ items, difference }: Comparison): ForecastVerdict {
  if (items < ITEMS_MIN) return "noSupport";
  if (difference === null) return "incomparable";
  const { low, high } = intervalOf(difference);
  if (low > 0) return "better";
  return high < 0 ? "worse" : "noClearDifference";
}
