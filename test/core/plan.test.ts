import { describe, expect, test } from "vitest";
import { planText } from "../../src/core/plan-text.ts";
import { hasChanges, planPolicies } from "../../src/core/plan.ts";
import { documentSource, promptsOf } from "../../src/core/policy-source.ts";
import { Guard, Policy } from "../../src/core/policy.ts";
import { emptyState } from "../../src/core/state.ts";
import { openSwitchover } from "./open-switchover.ts";
import { stateAfter } from "./state-after.ts";

type Input = Record<string, unknown>;
const rung = (variant: string): Input => ({ variant, validated: { score: 0.9, items: 10 } });
const segment = (id: string, over: Input = {}): Input => ({
  id,
  when: "premium",
  owner: "team",
  objectives: [{ metric: "failure", against: "bound", lossMax: 0.1 }],
  ladder: [rung("one"), rung("two")],
  why: "a segment of the test",
  ...over,
});
const policyOf = (over: Input = {}): Policy =>
  Policy.parse({
    policy: "chat",
    attributes: { premium: { type: "boolean" } },
    metrics: { failure: { from: "error" } },
    variants: {
      one: { provider: "openai", model: "a", prompt: "support@v1" },
      two: { provider: "openai", model: "b" },
    },
    default: "one",
    segments: [segment("first"), segment("second", { when: "!premium" })],
    ...over,
  });
const prompts = {
  "support@v1": { file: "v1.md", text: "Be kind." },
  "support@v2": { file: "v2.md", text: "Be short." },
};
const published = (policy: Policy, state = emptyState) =>
  stateAfter([{ type: "policy.published", policy, prompts: promptsOf(policy, prompts) }], state);
const planned = (policy: Policy, state = published(policyOf())) =>
  planPolicies([documentSource(policy, "chat.yaml")], prompts, state);
const changeOf = (over: Input, state = published(policyOf())) => planned(policyOf(over), state).changes[0]!;

describe("a plan", () => {
  test("changes nothing when the policy is published as it is, though open canaries moved the revision", () => {
    const state = stateAfter([openSwitchover("chat", "first")], published(policyOf()));
    const plan = planned(policyOf(), state);
    expect(plan.changes).toMatchObject([{ kind: "none", segments: [] }]);
    expect(hasChanges(plan)).toBe(false);
    expect(planText(plan)).toContain("Nothing to publish");
  });

  test("creates a policy with what each segment, the implicit one too, will be served", () => {
    const plan = planned(policyOf(), emptyState);
    expect(plan).toMatchObject({ basedOn: 0, changes: [{ kind: "create" }] });
    expect(
      plan.changes[0]!.segments.map((one) => [one.segment, one.kind, one.incumbentBefore, one.incumbentAfter]),
    ).toEqual([
      ["first", "add", null, "one"],
      ["second", "add", null, "one"],
      ["default", "add", null, "one"],
    ]);
  });

  test("says which segment is served differently when its incumbent leaves the ladder", () => {
    const change = changeOf({
      segments: [segment("first", { ladder: [rung("two")] }), segment("second", { when: "!premium" })],
    });
    expect(change).toMatchObject({
      kind: "update",
      segments: [{ segment: "first", kind: "change", incumbentBefore: "one", incumbentAfter: "two" }],
    });
    expect(change.segments[0]!.what).toContain('ladder: "one > two" → "two"');
  });

  test("does not promise a change of what is served where only the order of the ladder changed", () => {
    const change = changeOf({
      segments: [segment("first", { ladder: [rung("two"), rung("one")] }), segment("second", { when: "!premium" })],
    });
    expect(change.segments).toMatchObject([{ incumbentBefore: "one", incumbentAfter: "one" }]);
  });

  test("tells adding, removing, changing and moving a segment apart", () => {
    const state = published(policyOf({ segments: ["a", "b", "c", "d"].map((id) => segment(id)) }));
    const change = changeOf(
      { segments: [segment("c"), segment("a", { owner: "others" }), segment("new"), segment("d")] },
      state,
    );
    expect(change.segments.map(({ segment, kind, what }) => [segment, kind, what])).toEqual([
      ["c", "move", ["place: 3 → 1"]],
      ["a", "change", ['owner: "team" → "others"', "place: 1 → 2"]],
      ["new", "add", []],
      ["b", "remove", []],
    ]);
  });

  test("shows every other part that changed, with before and after", () => {
    const change = changeOf({
      description: "Support",
      attributes: { premium: { type: "boolean", trust: "key" }, region: { type: "string" } },
      metrics: { slow: { from: "latency", slowerThanMs: 9000 } },
      variants: {
        one: { provider: "openai", model: "a", prompt: "support@v1" },
        two: { provider: "openai", model: "b" },
        three: { provider: "openai", model: "c", prompt: "support@v2" },
      },
      guard: { cooldownSeconds: 90 },
      canary: { labelsMax: 50 },
    });
    expect(change).toMatchObject({
      description: ['description: (none) → "Support"'],
      attributes: ['premium.trust: "client" → "key"', "region: added"],
      metrics: ["failure: removed", "slow: added"],
      variants: ["three: added"],
      prompts: ["support@v2: added"],
      guard: [`cooldownSeconds: ${Guard.parse({}).cooldownSeconds} → 90`],
      canary: ["labelsMax: 200 → 50"],
    });
  });

  test.each<{ because: string; over: Input; ends: boolean }>([
    { because: "the segment is gone", over: { segments: [segment("second")] }, ends: true },
    { because: "its predicate changed", over: { segments: [segment("first", { when: "true" })] }, ends: true },
    {
      because: "the candidate left its ladder",
      over: { segments: [segment("first", { ladder: [rung("one")] })] },
      ends: true,
    },
    { because: "its metric means something else", over: { metrics: { failure: { from: "feedback" } } }, ends: true },
    {
      because: "only its reason was reworded",
      over: { segments: [segment("first", { why: "a better reason for it" })] },
      ends: false,
    },
    { because: "another segment changed", over: { segments: [segment("first"), segment("second")] }, ends: false },
  ])("ends an open switchover ($ends) when $because", ({ over, ends }) => {
    const state = stateAfter([openSwitchover("chat", "first")], published(policyOf()));
    const superseded = changeOf(over, state).segments.map(({ supersedes }) => supersedes);
    expect(superseded.includes("switchover-first")).toBe(ends);
  });

  test("names the policies that stay published without a file", () => {
    const state = published(policyOf({ policy: "other" }), published(policyOf()));
    expect(planned(policyOf(), state).untouched).toEqual(["other"]);
  });

  test("has a digest that names the change and the revision", () => {
    const plan = planned(policyOf());
    expect(planned(policyOf()).digest).toBe(plan.digest);
    expect(planned(policyOf({ description: "x" })).digest).not.toBe(plan.digest);
    expect(planned(policyOf(), emptyState).digest).not.toBe(plan.digest);
  });

  test("reads on a terminal", () => {
    const state = stateAfter([openSwitchover("chat", "first")], published(policyOf()));
    const plan = planned(
      policyOf({ segments: [segment("first", { ladder: [rung("two")] })], guard: { movesPerHour: 1 } }),
      state,
    );
    expect(planText(plan)).toBe(
      [
        "chat: update",
        "  ~ segment first: serves one → two",
        "      ends the open switchover switchover-first",
        '      ladder: "one > two" → "two"',
        '      validated.one: {"score":0.9,"items":10} → (none)',
        "  - segment second: removed, served one",
        "  ~ guard: movesPerHour: (none) → 1",
        "",
        `2 segments are served differently. Plan ${plan.digest.slice(0, 12)}, made on revision 1.`,
      ].join("\n"),
    );
  });
});
