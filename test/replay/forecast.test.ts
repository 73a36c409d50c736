import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Policy } from "../../src/core/policy.ts";
import { compileTable } from "../../src/core/table.ts";
import { columnAttributes } from "../../src/replay/column-attributes.ts";
import { forecastOf, type Forecast, type Move } from "../../src/replay/forecast.ts";
import { itemRoutes } from "../../src/replay/item-routes.ts";
import type { OutcomeTable, TableSegment } from "../../src/replay/outcome-table.ts";
import { variantColumns } from "../../src/replay/variant-columns.ts";
import { forecast, only, policyOf, published, segment } from "./forecast-fixture.ts";

/** A table segment with values for each of its models. */
const tableSegment = (id: string): fc.Arbitrary<TableSegment> =>
  fc
    .record({
      models: fc.subarray(["m1", "m2", "m3"], { minLength: 1 }),
      items: fc.integer({ min: 0, max: 90 }),
      seed: fc.integer({ min: 1, max: 1e6 }),
      hasCost: fc.boolean(),
    })
    .map(({ models, items, seed, hasCost }) => {
      const cell = (model: number, item: number, of: number) =>
        ((seed * (model + 3) * (item + 7) * (of + 11)) % 101) / 100;
      const cells = (of: number) =>
        models.map((_, model) => Float64Array.from({ length: items }, (_, i) => cell(model, i, of)));
      return {
        id,
        line: { file: "t.csv", line: 2 },
        models,
        items,
        itemIds: Array.from({ length: items }, (_, i) => String(i)),
        scores: cells(0).map((column) => column.map((value) => Math.min(1, value))),
        costUsd: hasCost ? cells(1) : null,
        latencyMs: hasCost ? cells(2) : null,
        epochs: new Map(),
        attributes: new Map(),
      };
    });
const someTable = fc
  .tuple(tableSegment("code"), tableSegment("math"), tableSegment("law"), tableSegment("poems"))
  .map((segments): OutcomeTable => ({ segments, notes: [] }));
const variantId = fc.constantFrom("one", "two", "three");
/** A policy with some of three segments in some order, predicates that overlap, and any incumbents. */
const somePolicy = fc
  .record({
    default: variantId,
    segments: fc.shuffledSubarray(["code", "math", "law"]),
    served: fc.tuple(variantId, variantId, variantId),
    isWide: fc.boolean(),
  })
  .map((drawn) =>
    policyOf({
      default: drawn.default,
      segments: drawn.segments.map((id, i) =>
        segment(id, [drawn.served[i] ?? "one"], drawn.isWide ? { when: `topic == "${id}" || topic == "law"` } : {}),
      ),
    }),
  );
const compiled = (policy: Policy) => compileTable(published(policy)).policies.get("chat") ?? null;
const forecastBetween = (
  before: Policy,
  after: Policy,
  table: OutcomeTable,
  attributes: readonly string[],
): Forecast => {
  const pair = { before: compiled(before), after: compiled(after) };
  const { routes } = itemRoutes(pair, table, columnAttributes(attributes));
  const items = table.segments.reduce((sum, one) => sum + one.items, 0);
  return forecastOf(pair, routes, { columns: variantColumns(after.variants, table), items });
};
const mapped = fc.constantFrom<readonly string[]>([], ["topic"]);

/** The forecast of the way back, as the forecast of the way there would have to be. */
const turned = (move: Move): Record<string, unknown> => {
  const back = (interval: Move["scoreDifference"]) =>
    interval === null ? null : { mean: 0 - interval.mean, low: 0 - interval.high, high: 0 - interval.low };
  return {
    ...move,
    segmentBefore: move.segmentAfter,
    segmentAfter: move.segmentBefore,
    variantBefore: move.variantAfter,
    variantAfter: move.variantBefore,
    support: { ...move.support, lacking: [...move.support.lacking].reverse() },
    scoreBefore: move.scoreAfter,
    scoreAfter: move.scoreBefore,
    scoreDifference: back(move.scoreDifference),
    costUsdBefore: move.costUsdAfter,
    costUsdAfter: move.costUsdBefore,
    costUsdDifference: back(move.costUsdDifference),
    latencyMsBefore: move.latencyMsAfter,
    latencyMsAfter: move.latencyMsBefore,
    latencyMsDifference: back(move.latencyMsDifference),
    latencyMsP95Before: move.latencyMsP95After,
    latencyMsP95After: move.latencyMsP95Before,
    verdict: { better: "worse", worse: "better" }[move.verdict as string] ?? move.verdict,
  };
};

/** Numbers that differ by rounding alone are the same. */
const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, cell: unknown) => (typeof cell === "number" ? Number(cell.toFixed(9)) + 0 : cell)),
  );
const byPlace = (moves: readonly unknown[]) => moves.map((move) => JSON.stringify(rounded(move))).sort();

describe("the laws of a forecast", () => {
  test("changing back negates every difference and its interval, the total's too", () =>
    fc.assert(
      fc.property(somePolicy, somePolicy, someTable, mapped, (one, other, table, attributes) => {
        const there = forecastBetween(one, other, table, attributes);
        const back = forecastBetween(other, one, table, attributes);
        expect(byPlace(back.moves.map(turned).map((move) => sortedKeys(move)))).toEqual(
          byPlace(there.moves.map((move) => sortedKeys({ ...move }))),
        );
        const [forth, opposite] = [there.total.scoreDifference, back.total.scoreDifference];
        expect(rounded(opposite && [0 - opposite.mean, 0 - opposite.high, 0 - opposite.low])).toEqual(
          rounded(forth && [forth.mean, forth.low, forth.high]),
        );
      }),
    ));

  test("a change of nothing that serves moves nothing", () =>
    fc.assert(
      fc.property(somePolicy, someTable, mapped, fc.boolean(), (policy, table, attributes, isReworded) => {
        fc.pre(table.segments.some(({ items }) => items > 0));
        const after = isReworded
          ? { ...policy, description: "reworded", guard: { ...policy.guard, movesPerHour: 1 } }
          : policy;
        const { moves, stays, total } = only(forecast(after, table, { state: published(policy), attributes }));
        expect([moves, stays, total.items]).toEqual([[], [], 0]);
      }),
    ));

  test("the total is the mean of the moves, weighted by the traffic that has support", () =>
    fc.assert(
      fc.property(somePolicy, somePolicy, someTable, mapped, (one, other, table, attributes) => {
        const { moves, total } = forecastBetween(one, other, table, attributes);
        const known = moves.filter(
          ({ variantBefore, variantAfter }) => variantBefore !== null && variantAfter !== null,
        );
        const sum = (of: (move: Move) => number) => known.reduce((total, move) => total + of(move), 0);
        expect(total.items).toBe(sum(({ items }) => items));
        expect(total.share).toBeCloseTo(
          sum(({ share }) => share),
          9,
        );
        const parts = known.flatMap(({ support, scoreDifference }) =>
          scoreDifference === null ? [] : [{ items: support.items, mean: scoreDifference.mean }],
        );
        const items = parts.reduce((all, part) => all + part.items, 0);
        expect(total.support.items).toBe(items);
        if (items === 0) expect(total.scoreDifference).toBeNull();
        else {
          const mean = parts.reduce((all, part) => all + part.mean * (part.items / items), 0);
          expect(total.scoreDifference!.mean).toBeCloseTo(mean, 9);
          expect(total.scoreAfter! - total.scoreBefore!).toBeCloseTo(mean, 9);
        }
      }),
    ));

  test("every item is moved once, stays, or is unmapped", () =>
    fc.assert(
      fc.property(somePolicy, somePolicy, someTable, mapped, (one, other, table, attributes) => {
        const { routes, unmapped } = itemRoutes(
          { before: compiled(one), after: compiled(other) },
          table,
          columnAttributes(attributes),
        );
        const routed = routes.flatMap(({ picks }) => picks.map(({ items }) => items.length));
        const all = [...routed, ...unmapped.map(({ items }) => items)].reduce((sum, items) => sum + items, 0);
        expect(all).toBe(table.segments.reduce((sum, { items }) => sum + items, 0));
      }),
    ));
});

const sortedKeys = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
