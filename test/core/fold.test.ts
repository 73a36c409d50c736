import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fold } from "../../src/core/fold.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";
import {
  after,
  changeOf,
  entriesOf,
  historyOf,
  phaseOf,
  policyOf,
  proposed,
  published,
  signalEvent,
  START,
  VARIANTS,
} from "../contracts/history.ts";

const choice = fc.tuple(fc.nat(10_000), fc.nat(10_000));
const histories = fc.array(choice, { minLength: 1, maxLength: 80 });
const [large, small, mid] = VARIANTS;
const KEY = "support-chat/emea-free";
// In a frozen state every write throws.
const start = after(deepFrozen(emptyState), published(policyOf("support-chat")));
const segment = (state: ControlState) => state.segments[KEY];
const moved = (id: string, kind: Parameters<typeof phaseOf>[0], since = START) =>
  ({ type: "switchover.moved", id, phase: phaseOf(kind, since) }) as const;
const propose = (state: ControlState, id: string, to: string) =>
  after(state, proposed(id, changeOf(state, "support-chat", "emea-free", to)));
const confirm = (state: ControlState, id: string, to: string) =>
  after(propose(state, id, to), moved(id, "canary"), moved(id, "confirmed"));

function deepFrozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFrozen(member);
  return Object.freeze(value);
}

test("what a segment used of the moves an hour stays used when a publication removes it", () => {
  const used = after(propose(start, "move-1", small), moved("move-1", "canary"), moved("move-1", "rolledBack"));
  const without = policyOf("support-chat");
  const gone = after(
    used,
    published({ ...without, segments: without.segments.filter(({ id }) => id !== "emea-free") }),
  );
  expect(segment(gone)).toBeUndefined();
  expect(gone.segments["support-chat/default"]?.moves).toEqual(used.segments[KEY]?.moves);
  expect(used.segments[KEY]?.moves).toHaveLength(1);
});

describe("the fold of any history", () => {
  test("is the same however the history is split", () =>
    fc.assert(
      fc.property(histories, fc.array(fc.nat(80), { maxLength: 5 }), (choices, cuts) => {
        const { entries } = historyOf(choices);
        const bounds = [0, ...cuts.filter((cut) => cut < entries.length).sort((a, b) => a - b), entries.length];
        let split = emptyState;
        for (let part = 1; part < bounds.length; part++)
          split = fold(split, entries.slice(bounds[part - 1], bounds[part]));
        expect(split).toEqual(fold(emptyState, entries));
      }),
    ));

  test("is plain JSON, from which the rest of the history folds on the same", () =>
    fc.assert(
      fc.property(histories, fc.nat(80), (choices, cut) => {
        const { entries, state } = historyOf(choices);
        const revived: ControlState = JSON.parse(JSON.stringify(fold(emptyState, entries.slice(0, cut))));
        expect(revived).toStrictEqual(fold(emptyState, entries.slice(0, cut)));
        expect(fold(revived, entries.slice(cut))).toStrictEqual(state);
      }),
    ));

  test("changes nothing of the state that it starts from", () =>
    fc.assert(
      fc.property(histories, (choices) => {
        let state = emptyState;
        for (const entry of historyOf(choices).entries) state = fold(deepFrozen(state), [entry]);
      }),
    ));

  test("only ever adds rows: a row's number never changes, and no row is there twice", () =>
    fc.assert(
      fc.property(histories, (choices) => {
        let state = emptyState;
        for (const entry of historyOf(choices).entries) {
          const next = fold(state, [entry]);
          expect(next.rows.slice(0, state.rows.length)).toEqual(state.rows);
          expect(new Set(next.rows).size).toBe(next.rows.length);
          state = next;
        }
      }),
    ));

  test("has a row for each segment's incumbent, and one open switchover for each segment at most", () =>
    fc.assert(
      fc.property(histories, (choices) => {
        const { state } = historyOf(choices);
        for (const [key, { incumbent, open }] of Object.entries(state.segments)) {
          expect(state.rows).toContain(`${key}/${incumbent}`);
          if (open !== null) expect(["proposed", "approved", "canary"]).toContain(state.switchovers[open]!.phase.kind);
        }
      }),
    ));

  test("never lowers the revision, and never puts it ahead of the head", () =>
    fc.assert(
      fc.property(histories, (choices) => {
        let state = emptyState;
        for (const entry of historyOf(choices).entries) {
          const next = fold(state, [entry]);
          expect(next.revision).toBeGreaterThanOrEqual(state.revision);
          expect(next.revision).toBeLessThanOrEqual(next.head.seq);
          state = next;
        }
      }),
    ));
});

describe("a published policy", () => {
  test("starts each segment, and the rest of the traffic, on the top of its ladder", () => {
    expect(Object.keys(start.segments)).toEqual([KEY, "support-chat/apac-pro", "support-chat/default"]);
    expect(segment(start)).toMatchObject({ incumbent: large, open: null });
  });

  test("published again keeps the incumbents that are still on the ladder", () => {
    const on = confirm(start, "move-1", small);
    const again = after(on, published(policyOf("support-chat", [[large, small], VARIANTS])));
    expect(segment(again)).toEqual(segment(on));
    expect(again.revision).toBe(again.head.seq);
  });

  test("published again starts a segment anew whose incumbent left the ladder", () => {
    const on = confirm(start, "move-1", small);
    const again = after(on, published(policyOf("support-chat", [[mid, large], VARIANTS])));
    expect(segment(again)).toMatchObject({ incumbent: mid, open: null, former: null });
    expect(segment(again)!.moves).toEqual(segment(on)!.moves);
  });

  test("published again without a segment forgets it, and gives its rows back their numbers when it returns", () => {
    const without = after(start, published(policyOf("support-chat", [VARIANTS], ["apac-pro"])));
    expect(segment(without)).toBeUndefined();
    const back = after(without, published(policyOf("support-chat")));
    expect(segment(back)).toMatchObject({ incumbent: large });
    expect(back.rows).toEqual(start.rows);
  });

  test("does not touch another policy's segments", () => {
    const two = after(start, published(policyOf("search")));
    const again = after(two, published(policyOf("search", [[mid], [mid]])));
    expect(segment(again)).toEqual(segment(start));
  });
});

describe("a switchover", () => {
  test("changes the incumbent when it is confirmed and not before", () => {
    const canary = after(propose(start, "move-1", small), moved("move-1", "canary"));
    expect(segment(canary)).toMatchObject({ incumbent: large, open: "move-1" });
    const confirmed = after(canary, moved("move-1", "confirmed"));
    expect(segment(confirmed)).toMatchObject({
      incumbent: small,
      open: null,
      former: { variant: large, lossDegraded: 0.5 },
    });
  });

  test("confirmed and then rolled back gives the old incumbent, and the other is in quarantine", () => {
    const back = after(confirm(start, "move-1", small), moved("move-1", "rolledBack"));
    expect(segment(back)).toMatchObject({ incumbent: large, open: null, former: null });
    expect(Object.keys(segment(back)!.quarantine)).toEqual([small]);
  });

  test.each(["rejected", "expired", "superseded"] as const)(
    "%s leaves the incumbent, the revision and no quarantine",
    (kind) => {
      const open = propose(start, "move-1", small);
      const ended = after(open, moved("move-1", kind));
      expect(segment(ended)).toMatchObject({ incumbent: large, open: null, quarantine: {} });
      expect(ended.revision).toBe(open.revision);
    },
  );

  test("raises the revision with every phase that moves traffic, and with no other", () => {
    const open = propose(start, "move-1", small);
    const revisions = [open];
    for (const kind of ["approved", "canary", "canary", "rolledBack"] as const)
      revisions.push(after(revisions.at(-1)!, moved("move-1", kind)));
    const raised = revisions.slice(1).map((state, index) => state.revision > revisions[index]!.revision);
    expect(raised).toEqual([false, true, true, true]);
  });

  test("counts one move for one canary, however many steps it has", () => {
    const canary = after(propose(start, "move-1", small), moved("move-1", "canary"), moved("move-1", "canary"));
    expect(segment(canary)!.moves).toHaveLength(1);
  });

  test("does not fold when the history is one that no verb could have written", () => {
    const open = propose(start, "move-1", small);
    expect(() => propose(open, "move-2", mid)).toThrow(/which has one open/);
    expect(() => after(start, moved("unknown", "canary"))).toThrow(/before it was proposed/);
    expect(() => after(open, moved("move-1", "confirmed"))).toThrow(/from proposed to confirmed/);
    expect(() => fold(start, entriesOf(open, [signalEvent("late")]))).toThrow(/folded after/);
  });
});

describe("a signal", () => {
  const latest = (state: ControlState) => Object.values(state.signals).map(({ id }) => id);

  test("that is older than the known one does not replace it, and is known as delivered", () => {
    const state = after(start, signalEvent("new", START - 10), signalEvent("old", START - 20));
    expect(latest(state)).toEqual(["new"]);
    expect(Object.keys(state.signalIds)).toEqual(["detector:new", "detector:old"]);
  });

  test("that is newer, or of the same moment, replaces it", () => {
    expect(latest(after(start, signalEvent("a", START - 1), signalEvent("b", START - 1)))).toEqual(["b"]);
    expect(latest(after(start, signalEvent("a", START - 1), signalEvent("b", START)))).toEqual(["b"]);
  });

  test("leaves the latest the same in whatever order distinct moments arrive", () =>
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 5 }), (moments) => {
        const state = after(start, ...moments.map((moment) => signalEvent(`s-${moment}`, START - 10 + moment)));
        expect(latest(state)).toEqual(["s-5"]);
      }),
    ));

  test("of a clock that runs ahead counts as of when it was heard, so that it does not hide what comes later", () => {
    const state = after(start, signalEvent("ahead", START + 60_000), signalEvent("later", START + 1));
    expect(latest(state)).toEqual(["later"]);
  });

  test("of the last ten thousand is known as delivered, and the oldest are forgotten, however the history is split", () => {
    const entries = entriesOf(
      emptyState,
      Array.from({ length: 11_500 }, (_, index) => signalEvent(`s-${index % 11_200}`, START + index)),
    );
    const whole = fold(emptyState, entries);
    const ids = Object.keys(whole.signalIds);
    expect(ids.length).toBeGreaterThanOrEqual(10_000);
    expect(ids.length).toBeLessThanOrEqual(11_000);
    expect(ids).not.toContain("detector:s-300");
    expect(ids).toContain("detector:s-11199");
    expect(fold(fold(emptyState, entries.slice(0, 5000)), entries.slice(5000))).toStrictEqual(whole);
  });

  test("changes nothing of what is served", () => {
    const state = after(start, signalEvent("a"));
    expect([state.revision, state.segments]).toEqual([start.revision, start.segments]);
  });
});
