import { describe, expect, test } from "vitest";
import { blamedOf } from "../../src/cli/alarms.ts";
import type { Blame } from "../../src/core/blame.ts";
import type { Signal } from "../../src/core/signal.ts";

const blame: Blame = {
  slice: [{ attribute: "region", value: "pl" }],
  how: "worse",
  labels: 12,
  lossMean: 0.9,
  lossMeanBefore: 0.1,
  lossMeanElsewhere: 0.05,
  explained: 1,
  share: 0.2,
  shareBefore: 0.2,
  examples: ["served-1", "served-2"],
};
const row = { policy: "chat", segment: "europe", variant: "large" };
const signal = (given: Partial<Signal> = {}): Signal => ({
  id: "s",
  source: "detector:baseline",
  ...row,
  metric: "quality",
  status: "degraded",
  observedAt: 1000,
  evidence: { blame },
  ...given,
});

describe("what an alarm blames", () => {
  test("is shown by metric, with answers to look at", () => {
    const shown = blamedOf([signal(), signal({ metric: "polite" })], row, {});
    expect([...shown.keys()]).toEqual(["quality", "polite"]);
    expect(shown.get("quality")).toBe(
      "region = pl: 100 % of the drop in 20 % of the traffic (loss 0.90, was 0.10; elsewhere 0.05); e.g. served-1, served-2",
    );
  });

  test.each([
    { given: { status: "recovered" }, because: "it was taken back" },
    { given: { variant: "small" }, because: "it is about another variant" },
    { given: { segment: "asia" }, because: "it is about another segment" },
    { given: { policy: "search" }, because: "it is about another policy" },
    { given: { observedAt: 499 }, because: "it was raised before" },
    { given: { observedAt: 2001 }, because: "it was raised after" },
    { given: { evidence: {} }, because: "it blames nothing" },
  ] as const)("is not shown where $because", ({ given }) =>
    expect(blamedOf([signal(given)], row, { since: 500, until: 2000 }).size).toBe(0),
  );
});
