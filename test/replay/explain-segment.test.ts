import { Readable } from "node:stream";
import { beforeAll, describe, expect, test } from "vitest";
import type { Event } from "../../src/core/event.ts";
import type { IncidentScope } from "../../src/core/incident.ts";
import type { Change, Phase } from "../../src/core/switchover.ts";
import { castSegments } from "../../src/replay/cast.ts";
import { explainSegment, type Explanation, type TimedEntry } from "../../src/replay/explain-segment.ts";
import { explanationText } from "../../src/replay/explanation-text.ts";
import { findSegment } from "../../src/replay/find-segment.ts";
import { readOutcomes, type OutcomeTable } from "../../src/replay/outcome-table.ts";
import type { FaultRecord } from "../../src/replay/referee.ts";
import { replayedPolicy } from "../../src/replay/replayed-policy.ts";
import { parseScenario } from "../../src/replay/scenario.ts";

/** Scores of 10 items each: of billing 1, .8 and .2; of coding .8, 1 and .2. */
const MEANS = { "Billing/eu": { large: 10, medium: 8, small: 2 }, coding: { large: 8, medium: 10, small: 2 } };
const CSV = [
  "item,segment,model,score",
  ...Object.entries(MEANS).flatMap(([segment, means]) =>
    Object.entries(means).flatMap(([model, good]) =>
      Array.from({ length: 10 }, (_, item) => `i${item},${segment},${model},${item < good ? 1 : 0}`),
    ),
  ),
].join("\n");

const FAULTS = [
  {
    kind: "replace",
    segments: { only: ["Billing*"] },
    with: "small",
    start: 0.5,
    end: 0.75,
  },
  { kind: "mix", segments: { only: ["coding"] }, weight: 8, start: 0.5 },
  { kind: "evaluator", factor: 0.5, start: 0.9 },
  { kind: "scale", segments: { only: ["coding"] }, latency: 3, cost: 2, start: 0.25, end: 0.3 },
];

let table: OutcomeTable;
beforeAll(async () => {
  table = await readOutcomes([{ name: "t.csv", chunks: Readable.from([CSV]) }], { ignoreColumns: [] });
});

const change = (parts: Partial<Change>): Change => ({
  policy: "replay",
  segment: "billing-eu",
  from: "large",
  to: "medium",
  cause: "degraded",
  metric: "score",
  steps: [
    { share: 0.1, labelsMin: 10, secondsMin: 0 },
    { share: 0.9, labelsMin: 0, secondsMin: 0 },
  ],
  basedOn: 1,
  evidence: { lossMean: 0.81, lossTolerated: 0.1, labels: 12, against: "baseline" },
  ...parts,
});

const proposed = (id: string, parts: Partial<Change> = {}, gate: "none" | "approval" = "none"): Event => ({
  type: "switchover.proposed",
  switchover: {
    id,
    change: change(parts),
    digest: "d",
    gate,
    proposedBy: { kind: "loop", instance: "replay" },
    phase: { kind: "proposed", since: 0, expiresAt: 1 },
  },
});
const moved = (id: string, phase: Phase): Event => ({ type: "switchover.moved", id, phase });
const canary = (step: number): Phase => ({
  kind: "canary",
  step,
  share: step === 0 ? 0.1 : 0.9,
  since: 0,
  startedAt: 0,
});
const confirmed = (because: string): Phase => ({ kind: "confirmed", since: 0, because });
const rolledBack = (because: string): Phase => ({
  kind: "rolledBack",
  since: 0,
  because,
  by: { kind: "loop", instance: "replay" },
});
const signal = (segment: string): Event => ({
  type: "signal.recorded",
  signal: {
    id: `s-${segment}`,
    source: "detector:baseline",
    policy: "replay",
    segment,
    variant: "large",
    metric: "score",
    status: "degraded",
    observedAt: 0,
    evidence: {
      lossMean: 0.812,
      lossTolerated: 0.1,
      labels: 12,
      against: "baseline",
      statistic: 123_456.7,
      threshold: 100_000,
    },
  },
});
const incident = (id: string, scope: IncidentScope): Event => ({
  type: "incident.opened",
  id,
  policy: "replay",
  metric: "score",
  scope,
  evidence: {
    statistic: 2e7,
    threshold: 1e5,
    labels: 90,
    rows: 6,
    lossMean: 0.6,
    lossTolerated: 0.1,
    breadth: 20,
    breadthElsewhere: 0,
  },
});
const upstream = (model: string): IncidentScope => ({
  kind: "upstream",
  upstream: `${model}/${model}`,
  isAlone: false,
});

/** Events at every 100th request, as a replay hands them on. */
const timed = (events: readonly Event[]): TimedEntry[] =>
  events.map((event, i) => ({
    request: (i + 1) * 100 - 1,
    entry: { seq: i + 2, at: 0, actor: { kind: "loop", instance: "replay" }, prev: "", hash: "", event },
  }));

function explain(events: readonly Event[], name = "billing", faults: readonly FaultRecord[] = []): Explanation {
  const scenario = parseScenario(
    JSON.stringify({
      id: "s",
      requests: 1000,
      traffic: { law: "uniform", perSecond: 0.05 },
      primary: "large",
      faults: FAULTS,
    }),
    "s.json",
  );
  const { segments } = castSegments(table, scenario, 1);
  const replay = { segments, replayed: replayedPolicy(segments, scenario), referee: { faults } };
  const names = segments.map((segment) => segment.table.id);
  return explainSegment({ replay, scenario, seed: 1, entries: timed(events) }, findSegment(name, names));
}

const whats = ({ events }: Explanation): string[] => events.map(({ what }) => what);
const whys = ({ events }: Explanation): string[] => events.flatMap(({ why }) => why);

describe("the events of a segment", () => {
  test("come in order with their request and simulated time, and those of other segments do not come", () => {
    const { events } = explain([
      signal("coding"),
      signal("billing-eu"),
      proposed("c", { segment: "coding" }),
      proposed("b"),
    ]);
    expect(events.map(({ seq, request, seconds, event }) => [seq, request, seconds, event.type])).toEqual([
      [3, 199, 4000, "signal.recorded"],
      [5, 399, 8000, "switchover.proposed"],
    ]);
  });

  test("a signal says what is measured, what is tolerated, after how many labels, and how clear it was", () => {
    const explanation = explain([signal("billing-eu")]);
    expect(whats(explanation)).toEqual(["signal of detector:baseline: 'large' degraded on score"]);
    expect(whys(explanation)).toEqual([
      "mean loss 0.812 over 12 labels since the change where 0.100 is tolerated by its own baseline",
      "the detector's statistic is 123457, its threshold 100000",
    ]);
  });

  test("a proposal says from where to where, why this rung, what became of the others, and how", () => {
    const small = proposed("b1", { to: "small" });
    const explanation = explain([small, moved("b1", rolledBack("worse")), proposed("b2", {}, "approval")]);
    expect(whats(explanation)[2]).toBe(
      "switchover b2 is proposed: to move from 'large', which degraded on score, to 'medium'",
    );
    const why = explanation.events[2]?.why.join("\n");
    expect(why).toMatch(
      /'medium' \(rung 2, validated at a score of 0\.\d{3}\) has the best bound, by 10 validated items/,
    );
    expect(why).toMatch(/the others: 'large' \(rung 1, .*\), 'small' \(rung 3, .*, rolled back before\)/);
    expect(why).toContain("steps: 10 % of the traffic for 10 labels at least, 90 % of the traffic, then all of it");
    expect(why).toContain("a person must approve it first");
  });

  test("a return says why it is tried, and nothing of rungs", () => {
    const back = {
      from: "medium",
      to: "large",
      cause: "recovered" as const,
      evidence: { note: "the wait is over: probing" },
    };
    const explanation = explain([proposed("b", back)]);
    expect(whats(explanation)).toEqual([
      "switchover b is proposed: to try whether 'large' recovered, and to return to it from 'medium'",
    ]);
    expect(whys(explanation)[0]).toBe("the wait is over: probing");
    expect(whys(explanation).join()).not.toContain("rung");
  });

  test("each phase says what it does to the traffic, and why", () => {
    const events = [proposed("b"), moved("b", canary(0)), moved("b", canary(1)), moved("b", confirmed("better"))];
    const explanation = explain(events);
    expect(whats(explanation).slice(1)).toEqual([
      "canary, step 1 of 2: 'medium' answers 10 % of the traffic",
      "canary, step 2 of 2: 'medium' answers 90 % of the traffic",
      "confirmed: 'medium' serves from now on",
    ]);
    expect(whys(explanation).slice(-3)).toEqual([
      "no approval is needed",
      "the step before has its labels (10 at least) and nothing speaks against 'medium'",
      "better",
    ]);
    expect(whats(explain([proposed("b"), moved("b", rolledBack("no gain"))])).at(-1)).toBe(
      "rolled back by loop:replay: 'large' serves all again",
    );
  });

  test("an escalation says what people are told", () => {
    const explanation = explain([
      {
        type: "escalation.raised",
        policy: "replay",
        segment: "billing-eu",
        variant: "large",
        metric: "score",
        reason: "no-better-rung",
        detail: "holding",
      },
    ]);
    expect(whats(explanation)).toEqual(["people are told: nothing on the ladder is better"]);
    expect(whys(explanation)).toEqual(["holding"]);
  });

  test("an incident is told when it is of the measure, of what serves the segment, or one that the segment is moved for", () => {
    const events = [
      incident("i1", upstream("large")),
      incident("i2", upstream("medium")),
      incident("i3", { kind: "evaluator" }),
      incident("i4", { kind: "variant", variant: "small" }),
      proposed("b", { incident: "i4" }),
      moved("b", confirmed("better")),
      incident("i5", { kind: "variant", variant: "large" }),
      incident("i6", { kind: "variant", variant: "medium" }),
      ...["i1", "i2", "i5"].map((id) => ({ type: "incident.resolved" as const, id, because: "over" })),
    ];
    const told = whats(explain(events)).flatMap(
      (what) => /incident (\w+)( is over)?/.exec(what)?.slice(1, 3).join("") ?? [],
    );
    expect(told).toEqual(["i1", "i3", "i4", "i6", "i1 is over"]);
    expect(explain([proposed("b", { incident: "i4" })]).events[0]?.why).toContain(
      "part of incident i4: its segments move together",
    );
  });
});

describe("what was true", () => {
  const record: FaultRecord = {
    place: 0,
    metric: "score",
    start: 500,
    end: 750,
    healthy: 1,
    degraded: 0.2,
    alternative: 0.8,
    isSudden: true,
    labels: 40,
    requests: 250,
    alarm: { labels: 12, requests: 60 },
    begun: true,
    recoveryRequests: 90,
    ratioToOracle: 1,
  };

  test("a fault has its kind, its time, its mean scores, and what came of it in requests", () => {
    const { faults } = explain([], "billing", [record]);
    expect(faults[0]).toEqual({
      kind: "replace",
      model: "large",
      start: 500,
      end: 750,
      ramp: 0,
      healthy: 1,
      degraded: 0.2,
      shown: 0.2,
      alternative: 0.8,
      latencyFactor: 1,
      costFactor: 1,
      trafficFactor: 1,
      labelRate: null,
      harm: { noticed: { labels: 12, requests: 60 }, requestsUntilMoved: 90, requests: 250 },
    });
  });

  test("a fault that makes no answer worse says so, and has no harm", () => {
    expect(explain([], "coding", [{ ...record, place: 1 }]).faults).toMatchObject([
      { kind: "mix", trafficFactor: 8, end: null, degraded: 0.8, harm: null },
      { kind: "evaluator", model: null, healthy: 0.8, degraded: 0.8, shown: 0.4, harm: null },
      { kind: "scale", latencyFactor: 3, costFactor: 2, healthy: 0.8, degraded: 0.8, harm: null },
    ]);
    const text = explanationText(explain([], "coding"));
    expect(text).toContain("mix: from request 500 to the end: the segment's traffic × 8, and no answer is worse");
    expect(text).toContain("scores are shown as 0.400 on average instead of 0.800, and no answer is worse");
    expect(text).toContain("scale: from request 250 to 300: 'large' takes 3 × as long, 'large' costs 2 × as much");
  });

  test("as text it follows what happened", () => {
    const text = explanationText(
      explain([signal("billing-eu")], "billing", [{ ...record, alarm: null, recoveryRequests: null }]),
    );
    expect(text).toMatch(
      /^What happened to 'Billing\/eu' under seed 1\..*\n {2}'large': mean score 1\.000, validated at 1\.000\n/,
    );
    expect(text).toContain(
      "\n0:33:20  request 99  signal of detector:baseline: 'large' degraded on score\n    mean loss 0.812 ",
    );
    expect(text).toContain(
      [
        "What was true:",
        "  replace: from request 500 to 750: 'large' scores 0.200 on average instead of 1.000; the best other model 0.800",
        "    it was never noticed",
        "    no move away was confirmed in the 250 requests that the segment had from then to the end",
      ].join("\n"),
    );
    expect(explanationText({ ...explain([]), faults: [] })).toContain("no fault of the scenario hit it");
  });
});

describe("the segment that a person means", () => {
  const names = ["mmlu/anatomy", "mmlu/algebra", "gsm8k", "mmlu"];

  test("is named wholly, or by a part that no other has", () => {
    expect(findSegment("mmlu", names)).toBe(3);
    expect(findSegment("ANAT", names)).toBe(0);
  });

  test.each([
    ["mmlu/a", "'mmlu/a' fits 2 segments: 'mmlu/anatomy', 'mmlu/algebra'. Name one of them."],
    ["gsm9k", "No segment is called 'gsm9k'. Did you mean 'gsm8k'? There are: 'mmlu/anatomy', "],
    ["bbh", "The segment 'bbh/x' is in the tables, but the scenario's 'segments' leaves it out. It takes in: 'mmlu"],
  ])("%s: a name that fits none or several is refused with those that there are", (wanted, message) => {
    expect(() => findSegment(wanted, names, ["bbh/x"])).toThrow(message);
  });

  test("is guessed at by the nearest names, the nearest first", () => {
    expect(() => findSegment("kiting", ["voting", "knitting", "dog"])).toThrow(
      "Did you mean 'voting' or 'knitting'? There are: ",
    );
  });
});
