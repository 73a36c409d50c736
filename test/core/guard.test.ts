import { describe, expect, test } from "vitest";
import { freezeOf, mayBegin } from "../../src/core/guard.ts";
import type { ControlState } from "../../src/core/state.ts";
import {
  after,
  changeOf,
  HOUR,
  NOW,
  proposed,
  segmentOf,
  stateOf,
  switchoverOf,
  withCanary,
  withSegment,
} from "../loop/loop-fixture.ts";

const guard = { cooldownSeconds: 900, movesPerHour: 3, shareInFlightMax: 0.5 };
const start = stateOf([segmentOf("alpha"), segmentOf("beta")], { guard });
const may = (state: ControlState, share: (segment: string) => number = () => 0.1, now = NOW) =>
  mayBegin(state, { policy: state.policies.chat!.policy, segment: "alpha" }, share, now)?.code ?? null;

const frozen = (scope: { policy?: string; segment?: string }, until: number | null, state = start) =>
  after(state, [{ type: "freeze.set", scope, reason: "release week", until }]);

describe("a freeze", () => {
  test.each([
    { scope: {}, until: null, holds: true, because: "everything is frozen" },
    { scope: { policy: "chat" }, until: null, holds: true, because: "the policy is" },
    { scope: { policy: "chat", segment: "alpha" }, until: null, holds: true, because: "the segment is" },
    { scope: { policy: "chat", segment: "beta" }, until: null, holds: false, because: "another segment is" },
    { scope: { policy: "search" }, until: null, holds: false, because: "another policy is" },
    { scope: {}, until: NOW + 1, holds: true, because: "it lasts a millisecond longer" },
    { scope: {}, until: NOW, holds: false, because: "it ends now" },
  ])("holds a segment: $holds, when $because", ({ scope, until, holds }) => {
    const state = frozen(scope, until);
    expect(freezeOf(state, "chat", "alpha", NOW)).toBe(holds ? "release week" : null);
    expect(may(state)).toBe(holds ? "frozen" : null);
  });

  test("that ended does not hide a wider or narrower one that lasts", () => {
    const narrow = frozen({ policy: "chat", segment: "alpha" }, null, frozen({}, NOW - 1));
    const wide = frozen({ policy: "chat", segment: "alpha" }, NOW - 1, frozen({}, null));
    expect(freezeOf(narrow, "chat", "alpha", NOW)).toBe("release week");
    expect(freezeOf(wide, "chat", "alpha", NOW)).toBe("release week");
  });
});

describe("the loop may begin a move", () => {
  test.each([
    { endedAgo: null, code: null, because: "none ended before" },
    { endedAgo: 0, code: "cooldown", because: "the last one ended now" },
    { endedAgo: 899_999, code: "cooldown", because: "a millisecond of the cooldown is left" },
    { endedAgo: 900_000, code: null, because: "the cooldown is over" },
  ])("unless refused with $code when $because", ({ endedAgo, code }) =>
    expect(may(withSegment(start, "alpha", { endedAt: endedAgo === null ? null : NOW - endedAgo }))).toBe(code),
  );

  test("of one segment while another cools down", () =>
    expect(may(withSegment(start, "beta", { endedAt: NOW }))).toBeNull());

  test.each([
    { alpha: [], beta: [NOW, NOW], code: null, because: "two of three are used" },
    { alpha: [NOW - 1], beta: [NOW, NOW], code: "moves-exhausted", because: "segments share the allowance" },
    { alpha: [NOW - HOUR], beta: [NOW, NOW], code: null, because: "one is an hour old" },
    { alpha: [NOW - HOUR + 1], beta: [NOW, NOW], code: "moves-exhausted", because: "one is not yet an hour old" },
  ])("unless refused with $code when $because", ({ alpha, beta, code }) => {
    const state = withSegment(withSegment(start, "alpha", { moves: alpha }), "beta", { moves: beta });
    expect(may(state)).toBe(code);
  });

  test("until proposals that have not begun have used the allowance up", () => {
    const state = withSegment(start, "alpha", { moves: [NOW, NOW] });
    const waiting = switchoverOf(state, { id: "beta-1", change: changeOf(state, { segment: "beta" }) });
    expect(may(state)).toBeNull();
    expect(may(after(state, [proposed(waiting)], NOW))).toBe("moves-exhausted");
  });

  test("never when no move is allowed in any hour", () => {
    const never = stateOf([segmentOf("alpha")], { guard: { ...guard, movesPerHour: 0 } });
    expect(may(never)).toBe("moves-exhausted");
  });

  test.each([
    { alpha: 0.25, beta: 0.25, code: null, because: "half of the traffic is allowed" },
    { alpha: 0.25, beta: 0.26, code: "in-flight", because: "it is a little more than half" },
    { alpha: 0, beta: 0.6, code: "in-flight", because: "the other one is more than half by itself" },
  ])("unless refused with $code when a canary of another segment is in flight and $because", (given) => {
    const state = withCanary(start, { id: "beta-1", change: changeOf(start, { segment: "beta" }) });
    expect(may(state, (segment) => (segment === "alpha" ? given.alpha : given.beta))).toBe(given.code);
  });

  test("of a segment that is nearly all traffic, as long as it is the only one", () =>
    expect(may(start, () => 0.9)).toBeNull());

  test("is refused for the freeze before anything else, and says what is frozen", () => {
    const state = frozen({ policy: "chat" }, null, withSegment(start, "alpha", { endedAt: NOW }));
    const refusal = mayBegin(state, { policy: state.policies.chat!.policy, segment: "alpha" }, () => 0, NOW);
    expect(refusal).toStrictEqual({ code: "frozen", because: "frozen: release week" });
  });
});
