import { Policy } from "../../src/core/policy.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";
import { columnAttributes } from "../../src/replay/column-attributes.ts";
import type { Forecast } from "../../src/replay/forecast.ts";
import { readOutcomes, type OutcomeTable } from "../../src/replay/outcome-table.ts";
import { whatIf, type PolicyForecast, type WhatIf } from "../../src/replay/what-if.ts";
import { stateAfter } from "../core/state-after.ts";

/** The table that a CSV file of this text makes. */
export const tableOf = (text: string): Promise<OutcomeTable> =>
  readOutcomes([{ name: "t.csv", chunks: chunksOf(text) }], { ignoreColumns: [] });

async function* chunksOf(text: string): AsyncGenerator<string> {
  yield text;
}

type Input = Record<string, unknown>;
export const segment = (id: string, ladder: readonly string[], over: Input = {}): Input => ({
  id,
  when: `topic == "${id}"`,
  owner: "team",
  ladder: ladder.map((variant) => ({ variant })),
  why: "a segment of the test",
  ...over,
});
export const policyOf = (over: Input = {}): Policy =>
  Policy.parse({
    policy: "chat",
    attributes: { topic: { type: "string" }, tier: { type: "string", values: ["free", "pro"], default: "free" } },
    metrics: { failure: { from: "error" } },
    variants: {
      one: { provider: "openai", model: "m1" },
      two: { provider: "openai", model: "m2" },
      three: { provider: "openai", model: "m3" },
    },
    default: "one",
    segments: [segment("code", ["one", "two"]), segment("math", ["one", "two"])],
    ...over,
  });
export const ladders = (code: readonly string[], math: readonly string[] = ["one", "two"]): Policy =>
  policyOf({ segments: [segment("code", code), segment("math", math)] });

export const published = (policy: Policy, state: ControlState = emptyState): ControlState =>
  stateAfter([{ type: "policy.published", policy, prompts: {} }], state);

/** Rows of `items` items: the first `right` of them are right under the model. */
export const rows = (segmentId: string, items: number, right: Readonly<Record<string, number>>, tail = ""): string =>
  Object.entries(right)
    .flatMap(([model, count]) =>
      Array.from({ length: items }, (_, i) => `${segmentId}-${i},${segmentId},${model},${i < count ? 1 : 0}${tail}\n`),
    )
    .join("");
export const HEADER = "item,segment,model,score\n";

export const forecast = (
  after: Policy,
  table: OutcomeTable,
  { state = published(policyOf()), attributes = [] }: { state?: ControlState; attributes?: readonly string[] } = {},
): WhatIf => whatIf(state, [{ policy: after, prompts: {} }], { table, attributes: columnAttributes(attributes) });
export const only = (result: WhatIf): PolicyForecast => result.policies[0]!;
export const places = ({ moves }: Forecast) =>
  moves.map((move) => [move.segmentBefore, move.segmentAfter, move.variantBefore, move.variantAfter, move.items]);
