import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attributes } from "../../src/core/attributes.ts";
import { decide } from "../../src/core/decision.ts";
import { compileTable } from "../../src/core/table.ts";
import { canaryEvents, foldedControl, policy, published, START } from "../fakes/gateway-world.ts";

function decider(...events: Parameters<typeof foldedControl>[0]) {
  const { controlPlane } = foldedControl([published(), ...events]);
  const table = compileTable(controlPlane.state());
  return (attributes: Attributes, rest: { unit?: string; flag?: string; isCurrent?: boolean } = {}) => {
    const { unit = "u", flag = "", isCurrent = true } = rest;
    const fallbackFor = () => ({ value: flag, reason: "FALLTHROUGH" });
    const decision = decide(table.policies.get("support-chat")!, {
      revision: table.revision,
      attributes,
      unit,
      isCurrent,
      fallbackFor,
    });
    return { ...decision, variant: decision.variant.id, rowName: controlPlane.state().rows[decision.row] };
  };
}
const eu = { region: "eu" };

describe("a decision", () => {
  const settled = decider();

  test.each([
    { attributes: { region: "eu" }, segment: "eu", variant: "warm", reason: "TARGETING_MATCH" },
    { attributes: { region: "us" }, segment: "default", variant: "plain", reason: "DEFAULT" },
    { attributes: {}, segment: "default", variant: "plain", reason: "DEFAULT" },
    { attributes: { user_tier: "gold" }, segment: "gold", variant: "warm", reason: "TARGETING_MATCH" },
    { attributes: { user_tier: "gold", region: "eu" }, segment: "eu", variant: "warm", reason: "TARGETING_MATCH" },
  ])("for $attributes is $variant of $segment", ({ attributes, ...expected }) => {
    const decision = settled(attributes);
    expect(decision).toMatchObject({ ...expected, policy: "support-chat", revision: 1, switchover: null });
    expect(decision.rowName).toBe(`support-chat/${expected.segment}/${expected.variant}`);
  });

  test("is forced by the flag to the fallback, or to a variant validated for the segment", () => {
    expect(settled(eu, { flag: "baseline" })).toMatchObject({ variant: "plain", reason: "DISABLED" });
    expect(settled(eu, { flag: "plain" })).toMatchObject({ variant: "plain", reason: "DISABLED" });
  });

  test.each(["nonsense", "plain"])("is not moved by the flag's value '%s' where it names nothing validated", (flag) =>
    expect(settled({ user_tier: "gold" }, { flag })).toMatchObject({ variant: "warm", reason: "TARGETING_MATCH" }),
  );

  test("is marked as old while the table may be, unless a flag forced it", () => {
    expect(settled(eu, { isCurrent: false })).toMatchObject({ variant: "warm", reason: "STALE" });
    expect(settled(eu, { isCurrent: false, flag: "plain" })).toMatchObject({ reason: "DISABLED" });
  });

  test("in a canary holds each unit on its side while the share grows, and moves no other segment", () => {
    const [tenth, half, all] = [0.1, 0.5, 1].map((share) => decider(...canaryEvents(share)));
    fc.assert(
      fc.property(fc.string(), (unit) => {
        const sides = [tenth, half, all].map((at) => at!(eu, { unit }).variant);
        expect(sides.join()).toMatch(/^(warm,)*(plain,?)+$/);
        expect(tenth!(eu, { unit })).toMatchObject({ reason: "SPLIT", switchover: "move-1" });
        expect(tenth!({}, { unit })).toEqual({ ...settled({}), revision: tenth!({}).revision });
      }),
    );
  });

  test("after a rollback is what it was before", () => {
    const back = decider(...canaryEvents(1), {
      type: "switchover.moved",
      id: "move-1",
      phase: { kind: "rolledBack", since: START, because: "worse", by: { kind: "loop", instance: "test" } },
    });
    expect(back(eu)).toMatchObject({ variant: "warm", reason: "TARGETING_MATCH", switchover: null });
  });

  test("in a canary yields to the flag", () => {
    const flagged = decider(...canaryEvents(1));
    expect(flagged(eu, { flag: "warm" })).toMatchObject({ variant: "warm", reason: "DISABLED", switchover: null });
  });

  test("matches the first segment in the policy's order", () => {
    const [first, second] = policy.segments;
    const turned = foldedControl([published({ ...policy, segments: [second!, first!] })]).controlPlane.state();
    const table = compileTable(turned).policies.get("support-chat")!;
    const input = {
      revision: 1,
      attributes: { region: "eu", user_tier: "gold" },
      unit: "u",
      isCurrent: true,
      fallbackFor: () => ({ value: "", reason: "" }),
    };
    expect(decide(table, input).segment).toBe("gold");
  });
});
