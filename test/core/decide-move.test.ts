import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ENGINE_VERSION, type MoveBasis, type ReturnBasis } from "../../src/core/basis.ts";
import { decideMove, decideReturn, evidenceNow } from "../../src/core/decide-move.ts";
import { refusalOf } from "../../src/core/guard.ts";
import { PROBE_WAIT_MAX_MS } from "../../src/core/probe-wait.ts";
import { moveBasis, openGuard, returnBasis } from "./some-basis.ts";

/** A clear case: `second` is far better than what degraded, and nothing stands in the way. */
const clear: MoveBasis = {
  engine: ENGINE_VERSION,
  head: 7,
  mode: "auto",
  modeOverride: null,
  risk: "low",
  guard: openGuard,
  cause: "degraded",
  alarm: {
    variant: "first",
    metric: "helpful",
    source: "detector:bound",
    figures: { lossMean: 0.6, lossTolerated: 0.2, labels: 50 },
    recent: null,
  },
  windows: { liveMinutes: 60, recentMinutes: 15 },
  incident: null,
  isComparable: true,
  rungs: [
    { variant: "first", validated: { score: 0.9, items: 200 }, live: null, excluded: "serving" },
    { variant: "second", validated: { score: 0.85, items: 200 }, live: null, excluded: null },
    { variant: "third", validated: { score: 0.7, items: 200 }, live: null, excluded: null },
  ],
  rungsLeftOut: 0,
  canarySteps: null,
};

const { labels: _, ...uncountedFigures } = clear.alarm.figures;
const uncounted = { ...clear.alarm, figures: uncountedFigures };

describe("a move", () => {
  test("of any basis goes to no rung that is excluded or was never validated, and passes every limit", () => {
    let moved = 0;
    fc.assert(
      fc.property(moveBasis, (basis) => {
        const decision = decideMove(basis);
        if ("hold" in decision) return;
        moved += 1;
        const rung = basis.rungs.find(({ variant }) => variant === decision.to);
        expect(rung).toMatchObject({ excluded: null, validated: { items: expect.any(Number) } });
        expect(refusalOf(basis.guard)).toBeNull();
        expect(decision.gate).toBe(basis.mode === "auto" ? "none" : "approval");
        expect(["auto", "approve"]).toContain(basis.mode);
      }),
      { numRuns: 500 },
    );
    expect(moved).toBeGreaterThan(20);
  });

  test("of any basis is the same when it is decided again from what was written down", () =>
    fc.assert(
      fc.property(moveBasis, (basis) => {
        expect(decideMove(JSON.parse(JSON.stringify(basis)) as MoveBasis)).toEqual(decideMove(basis));
      }),
    ));

  test.each([
    { given: {}, to: "second", shares: [0.9], because: "it is severe" },
    {
      given: { alarm: uncounted },
      to: "second",
      shares: [0.5],
      because: "it is severe by a source's word without a count, so that both need labels",
    },
    { given: { risk: "high" as const }, to: "second", shares: [0.1, 0.5, 0.9], because: "the risk is high" },
    { given: { incident: { id: "one", scouting: null } }, to: "second", shares: [0.85], because: "many fail" },
    {
      given: { risk: "high" as const, incident: { id: "one", scouting: null } },
      to: "second",
      shares: [0.1, 0.5, 0.9],
      because: "many fail, but the risk is high",
    },
    {
      given: { canarySteps: [{ share: 0.3, labelsMin: 1, secondsMin: 0 }] },
      to: "second",
      shares: [0.3],
      because: "the policy says so",
    },
  ])("goes to $to in shares of $shares when $because", ({ given, to, shares }) => {
    const decision = decideMove({ ...clear, ...given });
    expect(decision).toMatchObject({ to, gate: "none", steps: shares.map((share) => ({ share })) });
  });

  test.each([
    { given: { mode: "alert" as const }, hold: "mode" },
    { given: { guard: { ...openGuard, sinceEndedMs: 59_999 } }, hold: "cooldown" },
    { given: { guard: { ...openGuard, changes: { today: 6, allowed: 6 } } }, hold: "changes-exhausted" },
    { given: { guard: { ...openGuard, moves: { lastHour: 6, allowed: 6 } } }, hold: "moves-exhausted" },
    { given: { guard: { ...openGuard, inFlight: { segments: 1, share: 0.6, shareMax: 0.5 } } }, hold: "in-flight" },
    { given: { incident: { id: "one", scouting: { odds: 19.9, busier: 3 } } }, hold: "scouts-first" },
    { given: { rungs: clear.rungs.map((rung) => ({ ...rung, validated: null })) }, hold: "no-better-rung" },
  ])("is not made: $hold", ({ given, hold }) => expect(decideMove({ ...clear, ...given })).toEqual({ hold }));

  test.each([
    { odds: 20, busier: 3, because: "the first ones are sure" },
    { odds: 1, busier: 2, because: "it is among the first" },
  ])("is made in an ambiguous incident when $because", ({ odds, busier }) =>
    expect(decideMove({ ...clear, incident: { id: "one", scouting: { odds, busier } } })).toMatchObject({
      to: "second",
    }),
  );

  test("goes by the last minutes where the fault has grown, with the doubt that their labels leave", () => {
    const { alarm } = clear;
    expect(evidenceNow({ ...alarm, recent: { labels: 29, lossMean: 1 } })).toEqual(alarm.figures);
    expect(evidenceNow({ ...alarm, recent: { labels: 100, lossMean: 0.9 } }).lossMean).toBe(0.87);
    expect(evidenceNow({ ...alarm, recent: { labels: 100, lossMean: 0.3 } }).lossMean).toBe(0.6);
  });
});

describe("a return", () => {
  const ready: ReturnBasis = {
    engine: ENGINE_VERSION,
    head: 9,
    mode: "auto",
    modeOverride: null,
    risk: "low",
    guard: { ...openGuard, changes: null, moves: null, inFlight: null },
    cause: "recovered",
    former: { variant: "first", metric: "helpful", lossDegraded: 0.9, lossTolerated: 0.2, incident: null },
    since: 1000,
    word: null,
    recoveredAt: null,
    wait: {
      lossDegraded: 0.9,
      lossHealthy: 0.2,
      lossServing: 0.3,
      elapsedMs: 3_600_000,
      waitedMs: PROBE_WAIT_MAX_MS,
      waitMinMs: 60_000,
    },
    busier: null,
    requestsPerHour: 600,
  };
  const word = { source: "arize", at: 1000 };

  test("of any basis is to what was left, passes every limit, and asks a person where one decides", () =>
    fc.assert(
      fc.property(returnBasis, (basis) => {
        const decision = decideReturn(basis);
        expect(decideReturn(JSON.parse(JSON.stringify(basis)) as ReturnBasis)).toEqual(decision);
        if ("hold" in decision) return;
        expect(decision.to).toBe(basis.former.variant);
        expect(refusalOf(basis.guard)).toBeNull();
        expect(decision.gate).toBe(basis.mode === "auto" ? "none" : "approval");
        if (decision.gate === "approval") expect(decision.by).toBe("word");
        expect(decision.steps[0]?.share).toBeLessThanOrEqual(0.5);
      }),
      { numRuns: 300 },
    ));

  test.each([
    { given: {}, by: "wait", gate: "none" },
    { given: { word }, by: "word", gate: "none" },
    { given: { mode: "approve" as const, word }, by: "word", gate: "approval" },
    { given: { recoveredAt: 1000, busier: 9, wait: null }, by: "incident", gate: "none" },
    { given: { busier: 2 }, by: "wait", gate: "none" },
  ])("is allowed by $by with gate $gate", ({ given, by, gate }) =>
    expect(decideReturn({ ...ready, ...given })).toMatchObject({ to: "first", by, gate, steps: [{ labelsMin: 10 }] }),
  );

  test.each([
    { given: { mode: "observe" as const, word }, hold: "mode" },
    { given: { mode: "approve" as const }, hold: "not-asked-for" },
    { given: { mode: "approve" as const, word: { ...word, at: 999 } }, hold: "not-asked-for" },
    { given: { recoveredAt: 999, wait: null }, hold: "waiting" },
    { given: { busier: 3 }, hold: "scouts-first" },
    { given: { guard: { ...ready.guard, sinceEndedMs: 0 } }, hold: "cooldown" },
    { given: { wait: { ...ready.wait!, waitedMs: 59_999, elapsedMs: 0 } }, hold: "waiting" },
    { given: { wait: { ...ready.wait!, waitedMs: PROBE_WAIT_MAX_MS - 1 }, requestsPerHour: 0 }, hold: "waiting" },
  ])("is not made: $hold, given $given", ({ given, hold }) =>
    expect(decideReturn({ ...ready, ...given })).toEqual({ hold }),
  );
});
