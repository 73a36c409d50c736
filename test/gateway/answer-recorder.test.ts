import { expect, test } from "vitest";
import { decide } from "../../src/core/decision.ts";
import { compileTable } from "../../src/core/table.ts";
import { answerRecorder, CLIENT_LEFT } from "../../src/gateway/answer-recorder.ts";
import type { Exposure } from "../../src/ports.ts";
import { apiKey, foldedControl, policy, published, START } from "../fakes/gateway-world.ts";

test("an answer is recorded as it ended first, however many hear of its end", () => {
  const { controlPlane } = foldedControl([published()]);
  const compiled = compileTable(controlPlane.state()).policies.get(policy.policy)!;
  const fallbackFor = () => ({ value: "", reason: "" });
  const decision = decide(compiled, { revision: 1, attributes: {}, unit: "u", isCurrent: true, fallbackFor });
  const exposures: Exposure[] = [];
  const ignore = (): void => undefined;
  const end = answerRecorder(
    {
      exposures: { record: (exposure) => exposures.push(exposure) },
      outcomes: { observe: () => true },
      clock: { now: () => START + 5 },
      log: { info: ignore, warn: ignore, error: ignore },
    },
    {
      predictionId: "p",
      at: START,
      receivedAt: START,
      policy,
      decision,
      attributes: {},
      unit: null,
      key: apiKey("servingkey").key,
      hold: { totalMs: () => 2 },
    },
  );
  end(CLIENT_LEFT);
  end({ status: 200, error: null, blame: "nobody" });
  expect(exposures.map(({ status, latencyMs }) => [status, latencyMs])).toEqual([[499, 3]]);
});
