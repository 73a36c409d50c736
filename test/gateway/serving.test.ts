import { describe, expect, test } from "vitest";
import { servingOf } from "../../src/gateway/serving.ts";
import { canaryEvents, foldedControl, policy, published } from "../fakes/gateway-world.ts";

function setUp() {
  const folded = foldedControl([published()]);
  const logged: string[] = [];
  const note = (message: string): void => void logged.push(message);
  return {
    ...folded,
    logged,
    serving: servingOf({ controlPlane: folded.controlPlane, log: { info: note, warn: note, error: note } }),
  };
}

describe("what is served", () => {
  test("is compiled once a revision", () => {
    const { serving, commit } = setUp();
    const table = serving.table();
    commit({ type: "freeze.set", scope: {}, reason: "quiet", until: null });
    expect(serving.table()).toBe(table);
    commit(...canaryEvents(0.1));
    expect(serving.table()).not.toBe(table);
    expect(serving.table().policies.get("support-chat")?.rows[0]?.canary?.id).toBe("move-1");
  });

  test("stays the last good table when a new one does not compile, which is said once", () => {
    const { serving, commit, logged } = setUp();
    const table = serving.table();
    const [first, ...rest] = policy.segments;
    commit(published({ ...policy, segments: [{ ...first!, when: "no such attribute" }, ...rest] }));
    expect(serving.table()).toBe(table);
    expect(serving.table()).toBe(table);
    expect(serving.isCurrent()).toBe(false);
    expect(logged).toHaveLength(1);
    commit(published());
    expect(serving.table().revision).toBe(3);
    expect(serving.isCurrent()).toBe(true);
  });

  test("may be old while the ledger cannot be reached", () => {
    const { serving, current } = setUp();
    expect(serving.isCurrent()).toBe(true);
    current.value = false;
    expect(serving.isCurrent()).toBe(false);
  });
});
