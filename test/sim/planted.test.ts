import { describe, expect, test } from "vitest";
import type { Bugs } from "./bugs.ts";
import { begin, happen } from "./happen.ts";
import type { Outage, Step } from "./histories.ts";
import { planted } from "./planted-bugs.ts";
import { PromiseBroken, promises, type PromiseNumber } from "./promises.ts";
import { settle } from "./settle.ts";
import { createWorld } from "./world.ts";

const LOW = 0;
const MEDIUM = 1;
const HIGH = 2;
const ALERTING = 3;

const collapse = (place: number): Step => ({ kind: "collapse", place, slot: 0 });
const tick = (slot: 0 | 1): Step => ({ kind: "tick", slot });
const pass = (seconds: number): Step => ({ kind: "pass", seconds });
const serve = (place: number | "all"): Step => ({ kind: "serve", slot: 0, place, count: 20, labels: "now" });
const freezeAll: Step = { kind: "freeze", slot: 0, scope: "everything", seconds: null };
const decide = (decision: "approve" | "roll back", { which = 0, wrongDigest = false } = {}): Step => ({
  kind: "decide",
  slot: 0,
  decision,
  which,
  actor: "alice",
  wrongDigest,
});
const degraded = (rung: number, ageSeconds: number): Step => ({
  kind: "signal",
  slot: 0,
  signal: { place: LOW, rung, status: "degraded", source: "monitor", ageSeconds, twice: false, lossMean: null },
});
const fault = (slot: 0 | 1 | "both", kind: "down" | "refuses" | "loses the answer" | null): Step => ({
  kind: "fault",
  slot,
  fault: kind,
});
/** The first process takes the lease and stops; the second takes it over, cannot write, and the first goes on. */
const takenOver: readonly Step[] = [
  { kind: "quality", place: LOW, rung: 0, loss: 0.9 },
  serve(LOW),
  { kind: "pause", slot: 0, where: "with the lease" },
  pass(15),
  fault(1, "refuses"),
  tick(1),
  { kind: "resume" },
];

/** Twice away and back, which is all that a day allows, and a fifth time. */
const fiveChanges: readonly Step[] = [
  ...[0, 1].flatMap((which) => [
    collapse(LOW),
    serve(LOW),
    tick(0),
    decide("roll back", { which }),
    pass(11_000),
    tick(0),
  ]),
  collapse(LOW),
];
/** Two moves that came to nothing, and a third within the hour. */
const twoFailed: readonly Step[] = [collapse(LOW), collapse(MEDIUM), decide("roll back"), pass(400), collapse(LOW)];
const outage = (model: Outage): Step => ({ kind: "outage", slot: 0, model, segments: 9 });

interface Case {
  readonly promise: PromiseNumber;
  /** What was planted, to be read after "the checker catches". */
  readonly bug: string;
  readonly bugs: Bugs;
  readonly steps: readonly Step[];
  /** Whether time has to pass afterwards, and with which labels. */
  readonly settled?: "now" | "never";
}

const cases: readonly Case[] = [
  {
    promise: 1,
    bug: "a table that shows a canary on other segments too",
    bugs: planted.canaryOfAnotherSegment,
    steps: [collapse(LOW)],
  },
  {
    promise: 2,
    bug: "an approval that is not held to its digest",
    bugs: planted.digestIgnored,
    steps: [collapse(HIGH), decide("approve", { wrongDigest: true })],
  },
  {
    promise: 2,
    bug: "a candidate that is served while it waits for approval",
    bugs: planted.servedWhileProposed,
    steps: [collapse(HIGH), serve(HIGH)],
  },
  {
    promise: 3,
    bug: "a table that follows signals ahead of the ledger",
    bugs: planted.movedOnTheSignal,
    steps: [freezeAll, collapse(LOW), serve(LOW)],
  },
  {
    promise: 4,
    bug: "an append that is repeated because its answer was lost",
    bugs: planted.lostAnswerRepeated,
    steps: [fault(0, "loses the answer"), degraded(1, 0)],
  },
  {
    promise: 4,
    bug: "an acknowledgement of what was never stored",
    bugs: planted.acknowledgedTooEarly,
    steps: [freezeAll],
  },
  { promise: 4, bug: "an entry that was edited afterwards", bugs: planted.entryEdited, steps: [freezeAll] },
  { promise: 5, bug: "a loop that ignores the freeze", bugs: planted.freezeIgnored, steps: [freezeAll, collapse(LOW)] },
  { promise: 5, bug: "a loop that ignores the mode", bugs: planted.modeIgnored, steps: [collapse(ALERTING)] },
  {
    promise: 6,
    bug: "a second proposal for a segment that has one open",
    bugs: planted.proposedTwice,
    steps: [collapse(LOW)],
  },
  {
    promise: 7,
    bug: "a loop without its cooldown",
    bugs: planted.cooldownIgnored,
    steps: [collapse(LOW), decide("roll back"), tick(0)],
  },
  {
    promise: 7,
    bug: "a loop without its quarantine",
    bugs: planted.quarantineIgnored,
    steps: [collapse(LOW), decide("roll back"), pass(400), tick(0)],
  },
  {
    promise: 7,
    bug: "a loop that moves more often than it may",
    bugs: planted.budgetIgnored,
    steps: twoFailed,
  },
  {
    promise: 7,
    bug: "a loop that forgets the moves that came to nothing",
    bugs: planted.failedMovesForgotten,
    steps: twoFailed,
  },
  {
    promise: 7,
    bug: "a loop that forgets how often a segment changed",
    bugs: planted.changesForgotten,
    steps: fiveChanges,
  },
  {
    promise: 7,
    bug: "a probe that does not wait",
    bugs: planted.returnHurried,
    steps: [collapse(LOW), serve(LOW), tick(0), pass(1800), serve(LOW), tick(0)],
  },
  { promise: 8, bug: "a trial that takes silence for health", bugs: planted.noDataIsHealthy, steps: [collapse(LOW)] },
  {
    promise: 8,
    bug: "a new process that calls off an alarm it never heard of",
    bugs: planted.alarmForgotten,
    steps: [
      freezeAll,
      collapse(LOW),
      { kind: "crash", slot: 0, keepsCheckpoint: false },
      serve(LOW),
      pass(15),
      tick(0),
    ],
  },
  {
    promise: 9,
    bug: "a signal filter that forgets the variant",
    bugs: planted.variantForgotten,
    steps: [degraded(1, 0), tick(0)],
  },
  {
    promise: 9,
    bug: "a signal filter that forgets when the incumbent began",
    bugs: planted.ageForgotten,
    steps: [degraded(0, 3600), tick(0)],
  },
  { promise: 10, bug: "a tick without its fence", bugs: planted.fenceForgotten, steps: [collapse(LOW)] },
  { promise: 10, bug: "a ledger that does not check the fence", bugs: planted.fenceUnchecked, steps: takenOver },
  {
    promise: 11,
    bug: "a data plane that fails closed",
    bugs: planted.failsClosed,
    steps: [fault("both", "down"), serve("all")],
  },
  {
    promise: 11,
    bug: "a data plane that hides that it is stale",
    bugs: planted.stalenessHidden,
    steps: [fault("both", "down"), serve("all")],
  },
  {
    promise: 12,
    bug: "a roll back that a freeze forbids",
    bugs: planted.rollBackGated,
    steps: [collapse(LOW), freezeAll, decide("roll back")],
  },
  {
    promise: 12,
    bug: "a table that does not hear of a roll back",
    bugs: planted.rollBackNotServed,
    steps: [collapse(LOW), decide("roll back"), serve(LOW)],
  },
  { promise: 13, bug: "a canary without a timeout", bugs: planted.noTimeout, steps: [collapse(LOW)], settled: "never" },
  {
    promise: 13,
    bug: "a detector that hears nothing",
    bugs: planted.deafDetector,
    steps: [{ kind: "quality", place: LOW, rung: 0, loss: 0.9 }, serve(LOW)],
    settled: "now",
  },
  {
    promise: 14,
    bug: "a doubt of the measure that freezes nothing",
    bugs: planted.findingWithoutFreeze,
    steps: [outage("all")],
  },
  {
    promise: 14,
    bug: "an incident that moves segments of another upstream",
    bugs: planted.upstreamsMistaken,
    steps: [outage("m1")],
  },
  {
    promise: 14,
    bug: "a move that names an incident that there is not",
    bugs: planted.incidentMisnamed,
    steps: [outage("m1")],
  },
];

describe("the checker catches", () => {
  test.each(cases)("$bug", async ({ promise, bugs, steps, settled }) => {
    expect(await brokenBy(bugs, steps, settled)).toBe(promise);
    expect(await brokenBy({}, steps, settled)).toBeNull();
  });

  test("a bug against every promise there is", () => {
    const caught = new Set(cases.map(({ promise }) => String(promise)));
    expect([...caught].sort()).toEqual(Object.keys(promises).sort());
  });
});

/** The first promise that a history breaks, or null. */
async function brokenBy(bugs: Bugs, steps: readonly Step[], settled?: "now" | "never"): Promise<PromiseNumber | null> {
  const world = createWorld(bugs);
  try {
    await begin(world, bugs);
    for (const step of steps) await happen(world, step, bugs);
    if (settled !== undefined) await settle(world, { bugs, labels: settled });
  } catch (error) {
    // A planted bug may also trip an assertion of the loop itself; what counts is what the checker saw first.
    const verdict = world.judge.verdict() ?? error;
    if (!(verdict instanceof PromiseBroken)) throw error;
    return verdict.promise;
  }
  return null;
}
