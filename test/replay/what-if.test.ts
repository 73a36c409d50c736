import { describe, expect, test } from "vitest";
import { publicationEvents } from "../../src/core/publication.ts";
import { emptyState, segmentKey } from "../../src/core/state.ts";
import { whatIfText } from "../../src/replay/what-if-text.ts";
import { openSwitchover } from "../core/open-switchover.ts";
import { stateAfter } from "../core/state-after.ts";
import {
  forecast,
  HEADER,
  ladders,
  only,
  places,
  policyOf,
  published,
  rows,
  segment,
  tableOf,
} from "./forecast-fixture.ts";

describe("a forecast", () => {
  test("compares item by item what a segment is served with what it would be", async () => {
    const table = await tableOf(HEADER + rows("code", 40, { m1: 30, m2: 10 }) + rows("math", 60, { m1: 60, m2: 0 }));
    const { moves, total, stays } = only(forecast(ladders(["two"]), table));
    expect(moves).toHaveLength(1);
    expect(moves[0]).toMatchObject({
      segmentBefore: "code",
      segmentAfter: "code",
      variantBefore: "one",
      variantAfter: "two",
      items: 40,
      share: 0.4,
      support: { items: 40, share: 1, lacking: [] },
      scoreBefore: 0.75,
      scoreAfter: 0.25,
      scoreDifference: { mean: -0.5 },
      costUsdItems: 0,
      costUsdDifference: null,
      latencyMsP95After: null,
      verdict: "worse",
    });
    // 20 of 40 lose: (21 + 1)/42 − (20/42)², divided by 42, and t(39) = 2.0227.
    expect(moves[0]!.scoreDifference!.low).toBeCloseTo(-0.5 - 2.0227 * Math.sqrt((22 / 42 - (20 / 42) ** 2) / 42), 4);
    expect(total).toMatchObject({ items: 40, share: 0.4, support: { items: 40, share: 1 }, verdict: "worse" });
    expect(stays).toEqual([]);
  });

  test("serves what publishing really would: the incumbent while it is servable, else the ladder's top", async () => {
    const table = await tableOf(HEADER + rows("code", 30, { m1: 1, m2: 2, m3: 3 }));
    const state = published(ladders(["two", "one"]), published(ladders(["one"])));
    expect(state.segments["chat/code"]!.incumbent).toBe("one");
    for (const ladder of [["two"], ["two", "one"], ["three", "two"], ["three", "one"]]) {
      const after = ladders(ladder);
      const real = stateAfter(publicationEvents(state, [{ policy: after, prompts: {} }], 0), state);
      const served = real.segments[segmentKey("chat", "code")]!.incumbent;
      const expected = served === "one" ? [] : [["code", "code", "one", served, 30]];
      expect(places(only(forecast(after, table, { state })))).toEqual(expected);
    }
  });

  test("lists a new order of rungs, and another rung, as serving nothing else now", async () => {
    const table = await tableOf(HEADER + rows("code", 30, { m1: 30, m2: 0 }) + rows("math", 10, { m1: 1 }));
    const { moves, stays, total } = only(forecast(ladders(["two", "one"], ["one", "two", "three"]), table));
    expect(moves).toEqual([]);
    expect(total).toMatchObject({ items: 0, share: 0, scoreDifference: null, verdict: "noSupport" });
    expect(stays).toMatchObject([
      { segmentAfter: "code", variant: "one", ladderBefore: ["one", "two"], ladderAfter: ["two", "one"], items: 30 },
      { segmentAfter: "math", variant: "one", ladderAfter: ["one", "two", "three"], share: 0.25 },
    ]);
  });

  test("has no support under 30 shared items, and then says nothing of the score", async () => {
    const table = await tableOf(HEADER + rows("code", 29, { m1: 29, m2: 0 }) + rows("math", 30, { m1: 30, m2: 0 }));
    const { moves, total } = only(forecast(ladders(["two"], ["two"]), table));
    expect(
      moves.map(({ verdict, scoreDifference, scoreAfter }) => [verdict, scoreDifference?.mean, scoreAfter]),
    ).toEqual([
      ["noSupport", undefined, null],
      ["worse", -1, 0],
    ]);
    expect(total).toMatchObject({ items: 59, support: { items: 30, share: 30 / 59 }, scoreDifference: { mean: -1 } });
  });

  test("names the variant that lacks outcomes, and of how many items", async () => {
    const table = await tableOf(HEADER + rows("code", 50, { m1: 40, m2: 20 }));
    const { moves } = only(forecast(ladders(["three"]), table));
    expect(moves[0]).toMatchObject({
      items: 50,
      support: { items: 0, share: 0, lacking: [{ variant: "three", items: 50 }] },
      verdict: "noSupport",
    });
  });

  test("names a segment that would be served something else though the table has no item of it", async () => {
    const table = await tableOf(HEADER + rows("code", 40, { m1: 30, m2: 10 }));
    const { moves } = only(forecast(ladders(["one", "two"], ["two"]), table));
    expect(moves).toMatchObject([{ segmentAfter: "math", items: 0, share: 0, verdict: "noSupport" }]);
  });

  test("does not call a difference that chance explains better or worse", async () => {
    const table = await tableOf(HEADER + rows("code", 100, { m1: 50, m2: 52 }));
    expect(only(forecast(ladders(["two"]), table)).moves[0]!.verdict).toBe("noClearDifference");
  });

  test("has cost and latency where the table has them, and says of how many items", async () => {
    const table = await tableOf(
      "item,segment,model,score,cost_usd,latency_ms\n" +
        rows("code", 40, { m1: 40 }, ",0.03,900") +
        rows("code", 40, { m2: 40 }, ",0.01,400") +
        rows("math", 60, { m1: 40, m2: 40 }, ",,"),
    );
    const { moves, total } = only(forecast(ladders(["two"], ["two"]), table));
    expect(moves[0]).toMatchObject({
      costUsdItems: 40,
      costUsdBefore: expect.closeTo(0.03),
      costUsdAfter: expect.closeTo(0.01),
      costUsdDifference: { mean: expect.closeTo(-0.02), low: expect.closeTo(-0.02), high: expect.closeTo(-0.02) },
      latencyMsBefore: 900,
      latencyMsAfter: 400,
      latencyMsDifference: { mean: -500 },
      latencyMsP95Before: 900,
      latencyMsP95After: 400,
    });
    expect(moves[1]).toMatchObject({ costUsdItems: 0, costUsdDifference: null, latencyMsP95Before: null });
    expect(total).toMatchObject({ support: { items: 100 }, costUsdItems: 40, latencyMsDifference: { mean: -500 } });
  });

  test("takes the 95th percentile by nearest rank", async () => {
    const slow = Array.from({ length: 40 }, (_, i) => `i${i},code,m1,1,${i + 1}\ni${i},code,m2,1,${100 * (i + 1)}\n`);
    const table = await tableOf(`item,segment,model,score,latency_ms\n${slow.join("")}`);
    expect(only(forecast(ladders(["two"]), table)).moves[0]).toMatchObject({
      latencyMsP95Before: 38,
      latencyMsP95After: 3800,
    });
  });

  test("of a policy of which nothing is published says what its segments would be served, and moves nothing", async () => {
    const table = await tableOf(HEADER + rows("code", 40, { m1: 30, m2: 10 }));
    const result = forecast(policyOf(), table, { state: emptyState });
    expect(only(result)).toMatchObject({ isPublished: false, total: { items: 0 } });
    expect(only(result).moves[0]).toMatchObject({
      segmentBefore: null,
      segmentAfter: "code",
      variantAfter: "one",
      scoreBefore: null,
      scoreAfter: 0.75,
      scoreDifference: null,
      verdict: "incomparable",
    });
  });

  test("counts a canary under way and a forced variant as their incumbent, and says so", async () => {
    const table = await tableOf(HEADER + rows("code", 40, { m1: 30, m2: 10 }));
    const state = stateAfter(
      [
        openSwitchover("chat", "code"),
        {
          type: "switchover.moved",
          id: "switchover-code",
          phase: { kind: "approved", since: 1, by: { kind: "operator", id: "ada" } },
        },
        {
          type: "switchover.moved",
          id: "switchover-code",
          phase: { kind: "canary", step: 0, share: 0.1, since: 1, startedAt: 1 },
        },
      ],
      published(policyOf()),
    );
    const forced = {
      ...state,
      flagEffects: { "chat/math": { flag: "segue-fallback", value: "two", variant: "two", since: 1 } },
    };
    const { moves, notes } = only(forecast(ladders(["three"]), table, { state: forced }));
    expect(moves[0]).toMatchObject({ variantBefore: "one" });
    expect(notes).toEqual([
      "segment 'code' has a canary of 'two' now; it counts as served 'one' alone",
      "a flag forces 'two' on segment 'math' now; it counts as served 'one'",
    ]);
  });

  test("says which answers of later epochs it does not use, beside what the table left out", async () => {
    const table = await tableOf(
      `item,segment,model,score,epoch\n${rows("code", 40, { m1: 40, m2: 0 }, ",e1")}${rows("code", 40, { m1: 0 }, ",e2")}${rows("code", 1, { m9: 1 }, ",e1")}`,
    );
    expect(forecast(ladders(["two"]), table).notes).toEqual([
      "segment 'code': left out for having less than half of the best covered model's 40 items: 'm9' (1)",
      "segment 'code': answers that were measured again later ('e2') are not used",
    ]);
  });

  test("is refused for tables in which no item can be compared", async () => {
    const table = await tableOf(`${HEADER}1,code,m1,1\n2,code,m2,1\n`);
    expect(() => forecast(ladders(["two"]), table)).toThrow(
      "The tables hold no item that every model of its segment was measured on. segment 'code': no item has an outcome of every model ('m1', 'm2')",
    );
  });
});

describe("the text of a forecast", () => {
  test("reads on a terminal", async () => {
    const table = await tableOf(
      "item,segment,model,score,cost_usd,latency_ms\n" +
        rows("code", 40, { m1: 30 }, ",0.004,900") +
        rows("code", 40, { m2: 10 }, ",0.0015,400") +
        rows("math", 10, { m1: 10, m2: 10 }, ",,") +
        rows("poems", 30, { m1: 10, m2: 10 }, ",,") +
        rows("x\u001b[2J", 20, { m1: 10, m2: 10 }, ",,"),
    );
    const after = policyOf({
      default: "two",
      segments: [segment("math", ["two"]), segment("code", ["two"]), segment("poems", ["two", "one"])],
    });
    expect(whatIfText(forecast(after, table)).split("\n")).toEqual([
      "What 100 items of the outcome tables say (means per item; differences with 95 % intervals):",
      "chat: 50 items (50.0 %) are served another variant",
      "  math: one → two, 10 items (10.0 %): no support",
      "      known for both variants: 10 items, 30 are needed",
      "  code: one → two, 40 items (40.0 %): worse",
      "      score    0.750 → 0.250, -0.500 [-0.670, -0.330]",
      "      cost     $0.004 → $0.0015, -$0.0025 [-$0.0025, -$0.0025]",
      "      latency  900 ms → 400 ms, -500 ms [-500 ms, -500 ms]; p95 900 ms → 400 ms",
      "  poems (new): two, 30 items (30.0 %): nothing to compare with",
      "      what served these before cannot be told from the table's segment alone",
      "      score    0.333",
      "  default: one → two, 0 items (0.0 %): no support",
      "      no item of the table falls into it",
      "  total: 80.0 % of the 50 items that move have support: worse",
      "      score    0.750 → 0.250, -0.500 [-0.670, -0.330]",
      "      cost     $0.004 → $0.0015, -$0.0025 [-$0.0025, -$0.0025]",
      "      latency  900 ms → 400 ms, -500 ms [-500 ms, -500 ms]",
      String.raw`  unmapped: 20 items (20.0 %) of 'x\u001b[2J': no segment of the policy has that name`,
      "    ('--attribute NAME' makes the table's segments values of an attribute)",
    ]);
  });

  test("says in a line that nothing else is served", async () => {
    const table = await tableOf(HEADER + rows("code", 1, { m1: 1, m2: 0 }));
    expect(whatIfText(forecast(policyOf(), table)).split("\n")).toEqual([
      "What 1 item of the outcome tables say (means per item; differences with 95 % intervals):",
      "chat: serves nothing else",
    ]);
  });

  test("of a change of order says that nothing else is served now", async () => {
    const table = await tableOf(HEADER + rows("code", 30, { m1: 1, m2: 0 }));
    expect(whatIfText(forecast(ladders(["two", "one"]), table))).toContain(
      "  code: one, 30 items (100.0 %): serves nothing else now; ladder one > two → two > one",
    );
  });
});
