import { describe, expect, test } from "vitest";
import { freezeOf, mayBegin, movesAllowed, type Beginning } from "../../src/core/guard.ts";
import type { ControlState } from "../../src/core/state.ts";
import type { Change, Phase, Switchover } from "../../src/core/switchover.ts";
import {
  after,
  alice,
  canaryPhase,
  changeOf,
  HOUR,
  moved,
  NOW,
  policyOf,
  proposed,
  segmentOf,
  stateOf,
  switchoverOf,
  withCanary,
  withSegment,
} from "../loop/loop-fixture.ts";

const guard = { cooldownSeconds: 900, movesPerHour: 3, shareInFlightMax: 0.5, changesPerDay: 2 };
const start = stateOf([segmentOf("alpha"), segmentOf("beta")], { guard });
type Kind = Pick<Beginning, "isReturn" | "isShared">;
const alone: Kind = { isReturn: false, isShared: false };
const aReturn: Kind = { isReturn: true, isShared: false };
const shared: Kind = { isReturn: false, isShared: true };
const may = (state: ControlState, share: (segment: string) => number = () => 0.1, kind = alone) =>
  mayBegin(state, { policy: state.policies.chat!.policy, segment: "alpha", ...kind }, share, NOW)?.code ?? null;

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

describe("the allowance of an hour", () => {
  const allowedOf = (count: number, given: object = {}): number =>
    movesAllowed(
      policyOf(
        Array.from({ length: count }, (_, i) => segmentOf(`s${i}`)),
        { guard: given },
      ),
    );

  test("grows with the segments, is never next to nothing, and is the policy's where it names one", () => {
    expect(allowedOf(1)).toBeGreaterThanOrEqual(2);
    expect(allowedOf(2)).toBe(allowedOf(1));
    expect(allowedOf(400)).toBeGreaterThan(allowedOf(200));
    expect(allowedOf(400)).toBeLessThan(200);
    for (const movesPerHour of [0, 3, 300]) expect(allowedOf(100, { movesPerHour })).toBe(movesPerHour);
  });

  const ended = (state: ControlState, kind: "confirmed" | "rolledBack", change: Partial<Change> = {}): ControlState => {
    const switchover = switchoverOf(state, { id: `a-${state.head.seq}`, change: changeOf(state, change) });
    const end: Phase =
      kind === "confirmed"
        ? { kind, since: NOW, because: "better" }
        : { kind, since: NOW, because: "worse", by: alice };
    return after(state, [proposed(switchover), moved(switchover.id, canaryPhase()), moved(switchover.id, end)], NOW);
  };
  const movesOf = (state: ControlState) => state.segments["chat/alpha"]!.moves;

  test("holds a move that came to nothing against the loop, and one that was confirmed no more", () => {
    expect(movesOf(withCanary(start))).toStrictEqual([NOW]);
    expect(movesOf(ended(start, "rolledBack"))).toStrictEqual([NOW]);
    expect(movesOf(ended(start, "confirmed"))).toStrictEqual([]);
    expect(movesOf(ended(ended(start, "rolledBack"), "confirmed"))).toStrictEqual([NOW]);
  });

  test.each([
    { change: { cause: "recovered" }, because: "it is a return" },
    { change: { cause: "manual" }, because: "a person asked for it" },
    { change: { incident: "one" }, because: "it is part of an incident" },
  ] as const)("is not used by a move, and none is given back when it is confirmed, when $because", ({ change }) => {
    const before = withSegment(start, "alpha", { moves: [NOW - 1] });
    expect(movesOf(ended(before, "rolledBack", change))).toStrictEqual([NOW - 1]);
    expect(movesOf(ended(before, "confirmed", change))).toStrictEqual([NOW - 1]);
  });

  test("a confirmed move is a change of what the segment is served, and so is taking it back; a canary that failed is none", () => {
    const changesOf = (state: ControlState) => state.segments["chat/alpha"]!.changes;
    expect(changesOf(ended(start, "rolledBack"))).toStrictEqual([]);
    const moves = ended(start, "confirmed");
    expect(changesOf(moves)).toStrictEqual([NOW]);
    const id = moves.segments["chat/alpha"]!.movedBy!;
    const back = moved(id, { kind: "rolledBack", since: NOW + 1, because: "a person", by: alice });
    expect(changesOf(after(moves, [back], NOW + 1))).toStrictEqual([NOW, NOW + 1]);
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

  const used = withSegment(start, "alpha", { moves: [NOW, NOW] });
  const betaOf = (given: Partial<Switchover>, change: Partial<Change> = {}): Switchover =>
    switchoverOf(used, { id: "beta-1", change: changeOf(used, { segment: "beta", ...change }), ...given });

  test.each([
    { open: betaOf({ gate: "approval" }), because: "a person may let it wait for days" },
    { open: betaOf({}, { cause: "recovered" }), because: "it is a return" },
    { open: betaOf({}, { cause: "manual" }), because: "a person asked for it" },
    { open: betaOf({}, { incident: "one" }), because: "it is part of an incident" },
  ])("whatever else is proposed, when $because", ({ open }) =>
    expect(may(after(used, [proposed(open)], NOW))).toBeNull(),
  );

  test("until a person agreed to the last one that is allowed", () => {
    const open = betaOf({ gate: "approval" });
    const agreed = after(used, [proposed(open), moved(open.id, { kind: "approved", since: NOW, by: alice })], NOW);
    expect(may(agreed)).toBe("moves-exhausted");
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

  const exhausted = withSegment(start, "beta", { moves: [NOW, NOW, NOW] });
  const crowded = withCanary(start, { id: "beta-1", change: changeOf(start, { segment: "beta" }) });
  test.each([
    { kind: aReturn, because: "it goes back" },
    { kind: shared, because: "it is part of an incident" },
  ])("beyond the hour's moves and the share in flight when $because", ({ kind }) => {
    expect([may(exhausted), may(exhausted, undefined, kind)]).toStrictEqual(["moves-exhausted", null]);
    const most = () => 0.9;
    expect([may(crowded, most), may(crowded, most, kind)]).toStrictEqual(["in-flight", null]);
  });

  test.each([
    { kind: aReturn, because: "it goes back" },
    { kind: shared, because: "it is part of an incident" },
  ])("never within a freeze or the cooldown, though $because", ({ kind }) => {
    expect(may(frozen({}, null), undefined, kind)).toBe("frozen");
    expect(may(withSegment(start, "alpha", { endedAt: NOW }), undefined, kind)).toBe("cooldown");
  });

  const changed = (changes: readonly number[]) => withSegment(start, "alpha", { changes });
  const DAY = 24 * HOUR;
  test.each([
    { changes: [NOW], code: null, because: "one of two is used" },
    { changes: [NOW - DAY, NOW], code: null, because: "one is a day old" },
    { changes: [NOW - DAY + 1, NOW], code: "changes-exhausted", because: "one is not yet a day old" },
  ])("unless refused with $code for its changes of a day when $because", ({ changes, code }) => {
    expect(may(changed(changes))).toBe(code);
    expect(may(changed(changes), undefined, shared)).toBe(code);
    expect(may(changed(changes), undefined, aReturn)).toBeNull();
  });

  test("of one segment though another used its changes of the day up", () =>
    expect(may(withSegment(start, "beta", { changes: [NOW, NOW, NOW] }))).toBeNull());

  test("is refused for the freeze before anything else, and says what is frozen", () => {
    const state = frozen({ policy: "chat" }, null, withSegment(start, "alpha", { endedAt: NOW }));
    const refusal = mayBegin(state, { policy: state.policies.chat!.policy, segment: "alpha", ...alone }, () => 0, NOW);
    expect(refusal).toStrictEqual({ code: "frozen", because: "frozen: release week" });
  });
});
