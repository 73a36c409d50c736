import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  changeDigest,
  isOpen,
  mayFollow,
  nextPhase,
  servingVariant,
  type Phase,
  type Switchover,
  type Trial,
} from "../../src/core/switchover.ts";
import { alice, changeOf, loop, NOW, stateOf, switchoverOf } from "../loop/loop-fixture.ts";

const state = stateOf();
const steps = [
  { share: 0.1, labelsMin: 10, secondsMin: 60 },
  { share: 0.9, labelsMin: 20, secondsMin: 0 },
];
const change = changeOf(state, { steps });
const TIMEOUT = 3_600_000;
const on = (phase: Phase, gate: Switchover["gate"] = "none") => switchoverOf(state, { change, phase, gate });
const trialOf = (verdict: Trial["verdict"], stepLabels = 1000): Trial => ({
  verdict,
  because: "the trial",
  stepLabels,
});
const next = (switchover: Switchover, trial: Trial, held = false, now = NOW) =>
  nextPhase(switchover, { trial, now, timeoutMs: TIMEOUT, held, actor: loop });

test("a unit that is served the candidate stays with it through every wider step, and none is drawn anew", () => {
  const units = Array.from({ length: 400 }, (_, i) => `unit-${i}`);
  const at = (step: number, share: number) =>
    new Set(
      units.filter(
        (unit) => servingVariant(on({ kind: "canary", step, share, since: NOW, startedAt: NOW }), unit) === change.to,
      ),
    );
  const [few, half, most] = [at(0, 0.1), at(1, 0.5), at(2, 0.9)];
  expect([...few].every((unit) => half.has(unit)) && [...half].every((unit) => most.has(unit))).toBe(true);
  expect([few.size, half.size, most.size].map((count) => Math.round(count / 40))).toEqual([1, 5, 9]);
});

const waiting: Phase = { kind: "proposed", since: NOW - 100, expiresAt: NOW + 1 };
const expired: Phase = { kind: "proposed", since: NOW - 100, expiresAt: NOW };
const approved: Phase = { kind: "approved", since: NOW - 100, by: alice };
const canary = (step: number, age = 120_000): Phase => ({
  kind: "canary",
  step,
  share: steps[step]?.share ?? 1,
  since: NOW - age,
  startedAt: NOW - age,
});
const ends: Phase[] = [
  { kind: "confirmed", since: NOW, because: "better" },
  { kind: "rejected", since: NOW, because: "no", by: alice },
  { kind: "expired", since: NOW, because: "late" },
  { kind: "rolledBack", since: NOW, because: "worse", by: loop },
  { kind: "superseded", since: NOW, because: "published" },
];
const first = { kind: "canary", step: 0, share: 0.1, since: NOW, startedAt: NOW };
const verdicts = ["healthy", "degraded", "inconclusive"] as const;

describe("the next phase", () => {
  const rows: { phase: Phase; gate: Switchover["gate"]; held: boolean; kind: Phase["kind"]; because: string }[] = [
    { phase: waiting, gate: "none", held: false, kind: "canary", because: "nobody has to agree" },
    { phase: waiting, gate: "none", held: true, kind: "proposed", because: "the loop is held" },
    { phase: waiting, gate: "approval", held: false, kind: "proposed", because: "a person has to agree" },
    { phase: waiting, gate: "approval", held: true, kind: "proposed", because: "a person has to agree" },
    { phase: expired, gate: "none", held: false, kind: "expired", because: "its time is over" },
    { phase: expired, gate: "approval", held: true, kind: "expired", because: "its time is over, held or not" },
    { phase: approved, gate: "approval", held: false, kind: "canary", because: "a person agreed" },
    { phase: approved, gate: "approval", held: true, kind: "approved", because: "the loop is held" },
  ];
  test.each(rows.flatMap((row) => verdicts.map((verdict) => ({ ...row, was: row.phase.kind, verdict }))))(
    "of $was (gate $gate, held $held, trial $verdict) is $kind: $because",
    ({ phase, gate, held, kind, verdict }) => {
      const moved = next(on(phase, gate), trialOf(verdict), held);
      expect(moved.kind).toBe(kind);
      if (kind === phase.kind) expect(moved).toBe(phase);
      if (kind === "canary") expect(moved).toStrictEqual(first);
    },
  );

  test.each([
    { step: 0, verdict: "degraded", held: false, stepLabels: 0, kind: "rolledBack", because: "it is worse" },
    { step: 1, verdict: "degraded", held: true, stepLabels: 0, kind: "rolledBack", because: "back is never held" },
    { step: 0, verdict: "inconclusive", held: false, stepLabels: 10, kind: 1, because: "the step had its labels" },
    { step: 0, verdict: "healthy", held: false, stepLabels: 10, kind: 1, because: "a step is never skipped" },
    { step: 0, verdict: "healthy", held: false, stepLabels: 9, kind: 0, because: "a label is missing" },
    { step: 0, verdict: "healthy", held: true, stepLabels: 10, kind: 0, because: "the loop is held" },
    { step: 1, verdict: "healthy", held: false, stepLabels: 20, kind: "confirmed", because: "the last step is done" },
    { step: 1, verdict: "healthy", held: false, stepLabels: 19, kind: 1, because: "a label is missing" },
    { step: 1, verdict: "healthy", held: true, stepLabels: 20, kind: 1, because: "the loop is held" },
    { step: 1, verdict: "inconclusive", held: false, stepLabels: 999, kind: 1, because: "nothing is proven" },
  ] as const)("of step $step (trial $verdict, held $held, $stepLabels labels) is $kind: $because", (given) => {
    const phase = canary(given.step);
    const moved = next(on(phase), trialOf(given.verdict, given.stepLabels), given.held);
    if (typeof given.kind === "string") expect(moved.kind).toBe(given.kind);
    else if (given.kind === given.step) expect(moved).toBe(phase);
    else expect(moved).toStrictEqual({ ...phase, step: given.kind, share: 0.9, since: NOW });
  });

  test.each([
    { age: 59_999, moves: false, because: "the step lasts a minute" },
    { age: 60_000, moves: true, because: "the minute is over" },
  ])("leaves a step: $moves, when $because", ({ age, moves }) =>
    expect(next(on(canary(0, age)), trialOf("inconclusive"))).toMatchObject({ step: moves ? 1 : 0 }),
  );

  test.each([
    { age: TIMEOUT - 1, verdict: "inconclusive", held: false, kind: "canary", because: "a millisecond is left" },
    { age: TIMEOUT, verdict: "inconclusive", held: false, kind: "rolledBack", because: "nothing could be said" },
    { age: TIMEOUT, verdict: "inconclusive", held: true, kind: "rolledBack", because: "back is never held" },
    { age: TIMEOUT * 9, verdict: "healthy", held: true, kind: "canary", because: "it is good and only held" },
  ] as const)("of a canary of $age ms (trial $verdict, held $held) is $kind: $because", (given) =>
    expect(next(on(canary(1, given.age)), trialOf(given.verdict), given.held).kind).toBe(given.kind),
  );

  test.each([
    { age: TIMEOUT - 1, kind: "approved", because: "a millisecond is left" },
    { age: TIMEOUT, kind: "superseded", because: "what was approved is old by now" },
  ])("of an approval of $age ms that may not begin is $kind: $because", ({ age, kind }) =>
    expect(next(on({ kind: "approved", since: NOW - age, by: alice }, "approval"), trialOf("healthy"), true).kind).toBe(
      kind,
    ),
  );

  test.each([
    { stepLabels: 19, kind: "rolledBack", because: "no labels come for the step" },
    { stepLabels: 20, kind: "confirmed", because: "it had its labels" },
  ])("of a healthy canary after the time for a step with $stepLabels labels is $kind: $because", (given) =>
    expect(next(on(canary(1, TIMEOUT)), trialOf("healthy", given.stepLabels)).kind).toBe(given.kind),
  );

  test("says who rolled back and why", () => {
    expect(next(on(canary(0)), trialOf("degraded"))).toStrictEqual({
      kind: "rolledBack",
      since: NOW,
      because: "the trial",
      by: loop,
    });
    expect(next(on(canary(0, TIMEOUT)), trialOf("inconclusive"))).toMatchObject({ because: "timed out: the trial" });
  });

  test.each(ends.flatMap((phase) => verdicts.map((verdict) => ({ phase, kind: phase.kind, verdict }))))(
    "of $kind is the same whatever the trial says ($verdict)",
    ({ phase, verdict }) => expect(next(on(phase), trialOf(verdict), false, NOW + TIMEOUT * 9)).toBe(phase),
  );

  const anyPhase = fc.constantFrom(waiting, expired, approved, canary(0), canary(1), canary(1, TIMEOUT), ...ends);
  test("is one that may follow, goes forward only when not held, and is stable at the same time", () =>
    fc.assert(
      fc.property(
        anyPhase,
        fc.constantFrom("none" as const, "approval" as const),
        fc.constantFrom(...verdicts),
        fc.record({ stepLabels: fc.nat(40), held: fc.boolean() }),
        (phase, gate, verdict, { stepLabels, held }) => {
          const switchover = on(phase, gate);
          const moved = next(switchover, trialOf(verdict, stepLabels), held);
          if (moved === phase) return;
          expect(mayFollow(phase.kind, moved.kind, gate)).toBe(true);
          if (held) expect(["expired", "rolledBack"]).toContain(moved.kind);
          expect(moved).not.toBe(phase);
          expect(isOpen(switchover)).toBe(true);
        },
      ),
    ));
});

describe("what is served", () => {
  const unit = fc.string({ minLength: 1 });
  const canaryOf = (share: number): Phase => ({ ...canary(0), kind: "canary", share }) as Phase;

  test.each([
    { phase: waiting, variant: "first" },
    { phase: approved, variant: "first" },
    ...ends.map((phase) => ({ phase, variant: phase.kind === "confirmed" ? "second" : "first" })),
  ])("is $variant in phase $phase.kind, for every unit", ({ phase, variant }) =>
    fc.assert(
      fc.property(unit, (id) => {
        expect(servingVariant(on(phase), id)).toBe(variant);
      }),
    ),
  );

  test("never leaves the candidate for a unit as the share grows", () =>
    fc.assert(
      fc.property(
        unit,
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (id, a, b) => {
          const [small, large] = [Math.min(a, b), Math.max(a, b)];
          fc.pre(servingVariant(on(canaryOf(small)), id) === "second");
          expect(servingVariant(on(canaryOf(large)), id)).toBe("second");
        },
      ),
    ));

  test("is the candidate for about the share of the units", () => {
    const units = Array.from({ length: 10_000 }, (_, i) => `user-${i}`);
    const share = units.filter((id) => servingVariant(on(canary(0)), id) === "second").length / units.length;
    expect(Math.abs(share - 0.1)).toBeLessThan(0.015);
  });
});

describe("the digest that an approval binds to", () => {
  test("is the same for the same change, however its members are ordered", () => {
    const { policy, ...others } = change;
    expect(changeDigest({ ...others, policy })).toBe(changeDigest(change));
  });

  test.each([
    { to: "third" },
    { segment: "beta" },
    { basedOn: 2 },
    { metric: "polite" },
    { cause: "manual" as const },
    { steps: [{ share: 1, labelsMin: 0, secondsMin: 0 }] },
    { evidence: { lossMean: 0.91 } },
  ])("is another for another change: %o", (other) =>
    expect(changeDigest({ ...change, ...other })).not.toBe(changeDigest(change)),
  );
});
