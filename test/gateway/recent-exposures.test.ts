import { describe, expect, test } from "vitest";
import { predictionIds } from "../../src/core/prediction-id.ts";
import { createRecentExposures, type RecentExposure } from "../../src/gateway/recent-exposures.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";

const exposure = (region: string, session: string | null = null): RecentExposure => ({
  attributes: { region },
  session,
});

const world = (limits: { readonly exposuresMax?: number; readonly charactersMax?: number } = {}) => {
  const counters = memoryCounters();
  return {
    recent: createRecentExposures(counters, limits),
    forgotten: () => counters.read("segue_exposures_forgotten_total"),
  };
};

describe("the recent exposures", () => {
  test("give back whom an answer was for, by the id that its client sends back", () => {
    const { recent } = world();
    const ids = predictionIds(["secret"]);
    const ref = { revision: 1, row: 2, traceId: "0".repeat(32), spanId: "1".repeat(16), at: 1_700_000_000_000 };
    const id = ids.sign(ref, "support-chat/emea-free/first");
    const other = ids.sign({ ...ref, spanId: "2".repeat(16) }, "support-chat/emea-free/first");
    recent.remember(id, exposure("eu", "session-1"));
    recent.remember(other, exposure("us"));
    expect(recent.recall(id)).toEqual({ attributes: { region: "eu" }, session: "session-1" });
    expect(recent.recall(other)).toEqual({ attributes: { region: "us" }, session: null });
  });

  test("say nothing of an answer that was never given", () => {
    expect(world().recent.recall("prediction-1")).toBeNull();
  });

  test("keep the first of two that share an id", () => {
    const { recent, forgotten } = world({ exposuresMax: 1 });
    recent.remember("prediction-1", exposure("eu"));
    recent.remember("prediction-1", exposure("us"));
    expect(recent.recall("prediction-1")).toEqual(exposure("eu"));
    expect(forgotten()).toBe(0);
  });

  test("forget the oldest when there are too many, and count them", () => {
    const { recent, forgotten } = world({ exposuresMax: 10 });
    for (let answer = 0; answer < 137; answer++) recent.remember(`prediction-${answer}`, exposure(`region-${answer}`));
    const known = Array.from({ length: 137 }, (_, answer) => recent.recall(`prediction-${answer}`));
    expect(known.slice(0, 127).every((one) => one === null)).toBe(true);
    expect(known.slice(127)).toEqual(Array.from({ length: 10 }, (_, place) => exposure(`region-${127 + place}`)));
    expect(forgotten()).toBe(127);
  });

  test("forget the oldest when clients fill their attributes and sessions, and count them", () => {
    const { recent, forgotten } = world({ charactersMax: 1000 });
    for (let answer = 0; answer < 20; answer++)
      recent.remember(`prediction-${answer}`, exposure("x".repeat(150), "y".repeat(50)));
    expect(Array.from({ length: 20 }, (_, answer) => recent.recall(`prediction-${answer}`)).findIndex(Boolean)).toBe(
      15,
    );
    expect(forgotten()).toBe(15);
    recent.remember("too-large-by-itself", exposure("x".repeat(1001)));
    expect(recent.recall("too-large-by-itself")).toBeNull();
    recent.remember("after-it", exposure("eu"));
    expect(recent.recall("after-it")).toEqual(exposure("eu"));
    expect(forgotten()).toBe(21);
  });
});
