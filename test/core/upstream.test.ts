import { expect, test } from "vitest";
import { upstreamOf } from "../../src/core/upstream.ts";
import { policyOf, segmentOf } from "../loop/loop-fixture.ts";

const policy = policyOf([segmentOf("alpha")], {
  variants: {
    first: { provider: "up", model: "large" },
    second: { provider: "up", model: "large", parameters: { temperature: 0 } },
    third: { provider: "other", model: "large" },
    fourth: { provider: "up", model: "small", failover: [{ provider: "up", model: "large" }] },
  },
});

test("variants of one provider's model are on one upstream, whatever their prompt or parameters", () =>
  expect(upstreamOf(policy, "first")).toBe(upstreamOf(policy, "second")));

test("another provider's model of the same name, and another model of the same provider, are other upstreams", () =>
  expect(new Set(["first", "third", "fourth"].map((variant) => upstreamOf(policy, variant))).size).toBe(3));

test("an upstream is the variant's first target, not where it fails over to", () =>
  expect(upstreamOf(policy, "fourth")).toBe("up/small"));

test("a variant that the policy does not have is on no upstream", () => expect(upstreamOf(policy, "gone")).toBe(""));
