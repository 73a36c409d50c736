import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asking, at, EVENT, scripts, type AskedTargets } from "../fakes/asked-targets.ts";
import { handClock, type ScriptedCall } from "../fakes/scripted-provider.ts";

const scenario = fc.record({
  failover: fc.constantFrom(0, 1, 2, 3),
  replicas: fc.boolean(),
  retries: fc.integer({ min: 0, max: 3 }),
  plays: fc.array(
    fc.record({ name: fc.constantFrom(...Object.keys(scripts)), ms: fc.constantFrom(1, 40, 300, 2500) }),
    { minLength: 1, maxLength: 16 },
  ),
  timeouts: fc.record(
    {
      connectMs: fc.integer({ min: 1, max: 3000 }),
      firstByteMs: fc.integer({ min: 1, max: 6000 }),
      idleMs: fc.integer({ min: 1, max: 4000 }),
      totalMs: fc.integer({ min: 1, max: 30_000 }),
    },
    { requiredKeys: [] },
  ),
  patienceMs: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: Infinity }),
  draw: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  lateMs: fc.constantFrom(0, 0, 30),
  abortAfterMs: fc.option(fc.integer({ min: 0, max: 12_000 }), { nil: null }),
  /** After how many callbacks the client goes, within the callback. */
  abortAtHeard: fc.option(fc.integer({ min: 1, max: 4 }), { nil: null }),
});

describe("whatever the targets do", () => {
  const property = (check: (world: AskedTargets, play: Play) => void): void =>
    fc.assert(
      fc.property(scenario, (input) => {
        const play = played(input);
        check(play.world, play);
      }),
      { numRuns: 600 },
    );

  test("exactly one thing comes of it, before any byte; an answer that was begun ends once, and nothing follows", () =>
    property(({ heard }, { isAborted }) => {
      const order = heard.map(({ what }) => what).join(" ");
      expect(order).toMatch(
        isAborted ? /^(whole|failure|begun( bytes)*( end)?)?$/ : /^(whole|failure|begun( bytes)* end)$/,
      );
    }));

  test("no other target is asked once an answer has begun", () =>
    property(({ heard, calls }) => {
      const begun = heard.find(({ what }) => what === "begun");
      if (begun !== undefined) expect(begun.attempts).toBe(calls.length);
    }));

  test("the targets are asked once a round, one at a time, and their number is told", () =>
    property(({ heard, calls }, { input, overlaps }) => {
      expect(calls.length).toBeLessThanOrEqual((1 + input.failover) * (1 + input.retries));
      expect(overlaps).toBe(0);
      for (const { attempts } of heard) if (attempts !== undefined) expect(attempts).toBe(calls.length);
    }));

  test("every attempt but one that answered is told as failed, in the order and the time in which it was asked", () =>
    property(({ heard, calls }) => {
      for (const { what, failed } of heard) {
        if (failed === undefined) continue;
        expect(calls.length - failed.length).toBeOneOf(what === "failure" ? [0, 1] : what === "begun" ? [1] : [0, 1]);
        failed.forEach((one, index) => {
          expect(one.target.provider).toBe(calls[index]?.request.target.provider);
          expect(one.endedAt).toBeGreaterThanOrEqual(one.startedAt);
          expect(one.startedAt).toBeGreaterThanOrEqual(failed[index - 1]?.endedAt ?? 0);
          expect(one.error).not.toBe("");
        });
      }
    }));

  test("nothing is asked after the time that the client or the policy gives, and no answer begins or lasts longer", () =>
    property(({ heard, calls }, { input, startedAt }) => {
      const giveUpAt = startedAt + Math.min(input.patienceMs, input.timeouts.totalMs ?? 3_600_000);
      for (const call of calls) expect(call.at).toBeLessThan(giveUpAt);
      // A client's time is until the answer begins: how long it then lasts is the policy's to say.
      const totalAt = startedAt + (input.timeouts.totalMs ?? 3_600_000);
      const isBegun = heard.some(({ what }) => what === "begun");
      for (const { at: time, what } of heard)
        expect(time).toBeLessThanOrEqual((isBegun && what !== "begun" ? totalAt : giveUpAt) + input.lateMs);
    }));

  test("after the client went nothing is called, and every upstream was let go", () =>
    property(({ heard, calls }, { isAborted, heardAtAbort }) => {
      if (!isAborted) return;
      expect(heard).toHaveLength(heardAtAbort);
      for (const call of calls) expect(call.state()).not.toBe("open");
    }));

  test("no target keeps a load, no upstream is left open, no deadline is left behind", () =>
    property((world) => {
      expect(world.inFlight()).toBe(0);
      expect(world.calls.filter((call) => call.state() === "open")).toEqual([]);
      expect(world.hand.notEnded()).toBe(0);
    }));

  test("what is passed on is what that target sent, and nothing of another", () =>
    property(({ heard }) => {
      const sent = heard
        .filter(({ what }) => what === "begun" || what === "bytes")
        .map((part) => part.text)
        .join("");
      const whole = [EVENT + EVENT + "data: [DONE]\n\n", `: wait\n\n${EVENT}`, EVENT];
      expect(whole.some((stream) => stream.startsWith(sent))).toBe(true);
    }));
});

interface Play {
  readonly world: AskedTargets;
  readonly input: typeof scenario extends fc.Arbitrary<infer T> ? T : never;
  readonly startedAt: number;
  readonly isAborted: boolean;
  readonly heardAtAbort: number;
  /** How often a target was asked while another was still under way. */
  readonly overlaps: number;
}

function played(input: Play["input"]): Play {
  const hand = handClock(1_000_000, input.lateMs);
  const startedAt = hand.clock.now();
  const further = ["two", "three", "four"].slice(0, input.failover).map((provider) => ({ provider, model: "m" }));
  const open: ScriptedCall[] = [];
  let overlaps = 0;
  let heardAtAbort = -1;
  let count = 0;
  const world = asking({
    hand,
    variant: {
      ...(input.replicas ? { replicas: further } : { failover: further }),
      retries: input.retries,
      timeouts: input.timeouts,
    },
    patienceMs: input.patienceMs,
    draw: input.draw,
    onCall: (call, nth) => {
      overlaps += open.filter((other) => other.state() === "open").length;
      open.push(call);
      const { name, ms } = at(input.plays, nth % input.plays.length);
      scripts[name]?.(call, hand, ms);
    },
    onHeard: (_, abort) => {
      if (++count !== input.abortAtHeard || heardAtAbort >= 0) return;
      heardAtAbort = count;
      abort();
    },
  });
  if (input.abortAfterMs !== null)
    hand.later(input.abortAfterMs, () => {
      if (heardAtAbort < 0) heardAtAbort = world.heard.length;
      world.call.abort();
    });
  hand.turnToEnd();
  return { world, input, startedAt, isAborted: heardAtAbort >= 0, heardAtAbort, overlaps };
}
