import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RUNGS_LISTED, type Basis, type MoveBasis, type ReturnBasis } from "../../src/core/basis.ts";
import { fold } from "../../src/core/fold.ts";
import { chain, EMPTY, parseEntry, type Draft } from "../../src/core/ledger.ts";
import { emptyState } from "../../src/core/state.ts";
import { changeDigest, type Phase, type Switchover } from "../../src/core/switchover.ts";
import type { TrialEvidence } from "../../src/core/trial-evidence.ts";
import { reconcile } from "../../src/loop/reconcile.ts";
import { verifyEvidence } from "../../src/loop/verify-evidence.ts";
import { begin, happen } from "../sim/happen.ts";
import { history } from "../sim/histories.ts";
import { settle } from "../sim/settle.ts";
import { createWorld } from "../sim/world.ts";
import { ledgerOf, storyOfMove } from "./evidence-fixture.ts";
import {
  alice,
  changeOf,
  contextOf,
  loop,
  signalOf,
  NOW,
  proposed,
  publish,
  policyOf,
  segmentOf,
  START,
  stateOf,
} from "./loop-fixture.ts";

const story = storyOfMove();
const [move = "", probe = ""] = story.flatMap(({ event }) =>
  event.type === "switchover.proposed" ? [event.switchover.id] : [],
);
const wrongOf = async (drafts: readonly Draft[], id: string): Promise<string[]> => {
  const [report] = (await verifyEvidence(ledgerOf(drafts), id)).reports;
  expect(report?.agrees).toBe(report?.checks.every(({ agrees }) => agrees));
  return report?.checks.flatMap(({ what, agrees }) => (agrees ? [] : [what])) ?? [];
};

/** Writable all the way down, so that a test can forge it. */
type Forged<T> = T extends object ? { -readonly [K in keyof T]: Forged<T[K]> } : T;

/** The story with one proposal forged, and everything behind it hashed anew. */
const forged = (id: string, forge: (switchover: Forged<Switchover>) => void, isSigned = true): Draft[] =>
  structuredClone(story).map((draft) => {
    if (draft.event.type !== "switchover.proposed" || draft.event.switchover.id !== id) return draft;
    const { switchover } = draft.event;
    forge(switchover);
    if (!isSigned) return draft;
    const digest = changeDigest(switchover.change);
    return { ...draft, event: { ...draft.event, switchover: { ...switchover, digest } } };
  });
const withBasis = <B extends Basis>(id: string, forge: (basis: Forged<B>) => void): Draft[] =>
  forged(id, ({ change }) => forge(change.basis as Forged<B>));
const withPhase = (id: string, kind: Phase["kind"], forge: (phase: Forged<Phase>) => void): Draft[] =>
  structuredClone(story).map((draft) => {
    const { event } = draft;
    if (event.type === "switchover.moved" && event.id === id && event.phase.kind === kind) forge(event.phase);
    return draft;
  });
const withTrial = (forge: (trial: Forged<TrialEvidence>) => void): Draft[] =>
  withPhase(move, "confirmed", (phase) => {
    if (phase.kind === "confirmed" && phase.trial !== undefined) forge(phase.trial);
  });

describe("an honest ledger", () => {
  test("agrees in every proposal, move and return, with what the loop decided", async () => {
    const { reports, without } = await verifyEvidence(ledgerOf(story), "all");
    expect(reports.map(({ id, agrees, isOurEngine }) => [id, agrees, isOurEngine])).toEqual([
      [move, true, true],
      [probe, true, true],
    ]);
    expect(without).toEqual([]);
    const looked = reports.flatMap(({ checks }) => checks.map(({ what }) => what));
    expect(looked).toEqual(expect.arrayContaining(["variant to move to", "rung second", "trial: confirmed"]));
  });

  test("agrees through random histories of signals, decisions, publications, crashes and outages", async () => {
    const looked = new Set<string>();
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const world = createWorld();
        await begin(world);
        for (const step of steps) await happen(world, step);
        await settle(world, { labels: "now" });
        const { reports } = await verifyEvidence(ledgerOf(world.judge.written), "all");
        for (const { checks } of reports) for (const { what } of checks) looked.add(what);
        expect(reports.flatMap(({ checks }) => checks.filter(({ agrees }) => !agrees))).toEqual([]);
      }),
      { numRuns: 40 },
    );
    expect([...looked]).toEqual(expect.arrayContaining(["trial: confirmed", "trial: rolledBack"]));
  }, 60_000);
});

describe("a ladder of more rungs than a basis lists", () => {
  const ids = ["first", ...Array.from({ length: 99 }, (_, place) => `rung-${place}`)];
  const best = "rung-90";
  const ladder = ids.map((variant, place) => ({
    variant,
    validated: { score: variant === best ? 0.95 : 0.4 + place / 1000, items: 200 },
  }));
  const policy = policyOf([segmentOf("alpha", { ladder })], {
    variants: Object.fromEntries(["first", "second", "third", ...ids].map((id) => [id, { provider: "up", model: id }])),
  });

  test("is decided on as a whole: the best is among those that are listed, and what was left out is counted", async () => {
    const drafts: Draft[] = [publish(policy), signalOf({ observedAt: NOW })].map((event) => ({
      at: NOW,
      actor: loop,
      event,
    }));
    const state = fold(emptyState, chain(EMPTY, drafts).map(parseEntry));
    drafts.push(...reconcile(state, contextOf()).map((event) => ({ at: NOW, actor: loop, event })));
    const [switchover] = drafts.flatMap(({ event }) =>
      event.type === "switchover.proposed" ? [event.switchover] : [],
    );
    expect(switchover?.change).toMatchObject({ to: best, basis: { rungsLeftOut: 100 - RUNGS_LISTED } });
    expect(await wrongOf(drafts, "alpha-3")).toEqual([]);
  });
});

describe("a figure that was forged, though all was hashed anew, is found and named:", () => {
  const cases: [string, (basis: Forged<MoveBasis>) => void][] = [
    ["rung second", ({ rungs }) => (rungs[1]!.validated!.score = 0.99)],
    ["rung third", ({ rungs }) => (rungs[2]!.validated = null)],
    ["rung first", ({ rungs }) => (rungs[0]!.excluded = "called-degraded")],
    ["variant to move to", ({ rungs }) => (rungs[1]!.live = { labels: 900, lossMean: 1 })],
    ["alarm's statistic", ({ alarm }) => (alarm.figures.statistic = 99_999)],
    ["evidence", ({ alarm }) => (alarm.figures.lossMean = 0.8)],
    ["evidence", ({ alarm }) => (alarm.recent = { labels: 100, lossMean: 0.99 })],
    ["canary steps", ({ alarm }) => (alarm.figures.lossTolerated = 0.6)],
    ["variant that degraded", ({ alarm }) => (alarm.variant = "third")],
    ["metric", ({ alarm }) => (alarm.metric = "polite")],
    ["incident", (basis) => (basis.incident = { id: "one", scouting: null })],
    ["metric is validated", (basis) => (basis.isComparable = false)],
    ["policy's canary steps", (basis) => (basis.canarySteps = [{ share: 0.9, labelsMin: 10, secondsMin: 0 }])],
    ["rungs", ({ rungs }) => rungs.pop()],
    ["risk", (basis) => (basis.risk = "medium")],
    ["mode", (basis) => (basis.mode = "approve")],
    ["guard's refusal", ({ guard }) => (guard.moves = { lastHour: 7, allowed: 6 })],
    ["guard: moves in an hour", ({ guard }) => (guard.moves = { lastHour: 1, allowed: 6 })],
    ["guard: changes in a day", ({ guard }) => (guard.changes = { today: 1, allowed: 6 })],
    ["guard: cooldown", ({ guard }) => (guard.cooldownSeconds = 0)],
    ["guard: segments in flight", ({ guard }) => (guard.inFlight!.segments = 1)],
  ];
  test.each(cases)("%s of a move", async (what, forge) =>
    expect(await wrongOf(withBasis(move, forge), move)).toContain(what),
  );

  const returns: [string, (basis: Forged<ReturnBasis>) => void][] = [
    ["time waited", ({ wait }) => (wait!.waitedMs += 1)],
    ["least wait", ({ wait }) => (wait!.waitMinMs = 0)],
    ["time since it was left", ({ wait }) => (wait!.elapsedMs = 1)],
    ["decision", ({ wait }) => (wait!.waitedMs = 1000)],
    ["decision", (basis) => (basis.busier = 3)],
    ["canary steps", (basis) => (basis.requestsPerHour = 100_000)],
    ["evidence", ({ former }) => (former.lossDegraded = 0.1)],
    ["variant that was left", ({ former }) => (former.metric = "polite")],
    ["since", (basis) => (basis.since = START)],
    ["source's word", (basis) => (basis.word = { source: "arize", at: NOW })],
    ["incident's recovery", (basis) => (basis.recoveredAt = NOW)],
  ];
  test.each(returns)("%s of a return", async (what, forge) =>
    expect(await wrongOf(withBasis(probe, forge), probe)).toContain(what),
  );

  const changes: [string, (switchover: Forged<Switchover>) => void][] = [
    ["variant to move to", ({ change }) => (change.to = "third")],
    ["variant that serves", ({ change }) => (change.from = "third")],
    ["canary steps", ({ change }) => (change.steps[0]!.share = 1)],
    ["gate", (switchover) => (switchover.gate = "approval")],
    ["policy revision", ({ change }) => (change.basedOn = 0)],
    ["time", ({ phase }) => (phase.since -= 1)],
    ["signal that says degraded", ({ change }) => ((change.metric = "polite"), forgeMetric(change.basis))],
  ];
  const forgeMetric = (basis: Forged<Basis> | undefined): void => {
    if (basis?.cause === "degraded") basis.alarm.metric = "polite";
  };
  test.each(changes)("%s", async (what, forge) => {
    // What follows the forged proposal may no longer fit it; the proposal itself is what is looked at.
    const drafts = forged(move, forge);
    const until = drafts.findIndex(({ event }) => event.type === "switchover.proposed") + 1;
    expect(await wrongOf(drafts.slice(0, until), move)).toContain(what);
  });

  test("digest, when whoever forged a live level did not sign it again", async () => {
    const drafts = forged(
      move,
      ({ change }) => ((change.basis as Forged<MoveBasis>).rungs[1]!.live = { labels: 13, lossMean: 0.1 }),
      false,
    );
    expect(await wrongOf(drafts, move)).toEqual(["digest"]);
  });

  const trials: [string, (trial: Forged<TrialEvidence>) => void][] = [
    ["trial: confirmed", (trial) => (trial.better = 19.9)],
    ["trial: confirmed", (trial) => (trial.worse = 20)],
    ["trial: confirmed", ({ candidate }) => (candidate.lossMean = 0.5)],
    ["trial: confirmed", ({ vetoes }) => vetoes.push({ metric: "polite", odds: 30, labels: 20 })],
    ["trial: confirmed", ({ alsoLabelled }) => alsoLabelled.push("polite")],
    ["trial: confirmed", (trial) => (trial.stepLabels = 9)],
    ["trial: thresholds", ({ thresholds }) => (thresholds.better = 2)],
    ["trial: thresholds", ({ thresholds }) => (thresholds.labelsMax = 201)],
    ["trial: labels heard", (trial) => (trial.heard += 1)],
  ];
  test.each(trials)("%s of a trial", async (what, forge) =>
    expect(await wrongOf(withTrial(forge), move)).toContain(what),
  );

  test("the share of a step, and what a trial is said to have ended in", async () => {
    const wider = withPhase(move, "canary", (phase) => phase.kind === "canary" && (phase.share = 0.99));
    expect(await wrongOf(wider, move)).toEqual(["step 1: share"]);
    const reworded = withPhase(move, "confirmed", (phase) => phase.kind === "confirmed" && (phase.because = "it is"));
    expect(await wrongOf(reworded, move)).toEqual(["trial: confirmed"]);
    const unproven = withPhase(move, "confirmed", (phase) => phase.kind === "confirmed" && delete phase.trial);
    expect(await wrongOf(unproven, move)).toEqual(["trial: confirmed"]);
  });
});

describe("what cannot be decided again", () => {
  test("by other rules than ours is said to be, and everything else is looked at all the same", async () => {
    const drafts = withBasis<MoveBasis>(move, (basis) => {
      basis.engine = 2;
      basis.rungs[1]!.live = { labels: 900, lossMean: 1 };
    });
    const [report] = (await verifyEvidence(ledgerOf(drafts), move)).reports;
    expect(report).toMatchObject({ engine: 2, isOurEngine: false, agrees: true });
    const wrong = withBasis<MoveBasis>(move, (basis) => {
      basis.engine = 2;
      basis.rungs[1]!.validated!.score = 1;
    });
    expect(await wrongOf(wrong, move)).toEqual(["rung second"]);
  });

  test("because nobody proposed it names the nearest id and the latest", async () => {
    await expect(verifyEvidence(ledgerOf(story), "alpha-33")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringMatching(new RegExp(`Did you mean '${move}'\\?.*${probe}, ${move}`)),
    });
    await expect(verifyEvidence(ledgerOf([]), "alpha-3")).rejects.toThrow("It holds none at all.");
  });

  test.each([
    { by: alice, says: "by a person" },
    { by: loop, says: "did not store" },
  ])("because it carries no evidence says so: $says", async ({ by, says }) => {
    const change = changeOf(stateOf());
    const switchover: Switchover = {
      id: "alpha-2",
      change,
      digest: changeDigest(change),
      gate: "none",
      proposedBy: by,
      phase: { kind: "proposed", since: NOW, expiresAt: NOW + 1 },
    };
    const drafts: Draft[] = [publish(policyOf([segmentOf("alpha")])), proposed(switchover)].map((event) => ({
      at: NOW,
      actor: by,
      event,
    }));
    await expect(verifyEvidence(ledgerOf(drafts), "alpha-2")).rejects.toMatchObject({
      reason: "no_evidence",
      message: expect.stringContaining(says),
    });
    expect(await verifyEvidence(ledgerOf(drafts), "all")).toEqual({ reports: [], without: ["alpha-2"] });
  });
});
