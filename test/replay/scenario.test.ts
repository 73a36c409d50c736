import { describe, expect, test } from "vitest";
import { parseScenario } from "../../src/replay/scenario.ts";

const scenarioOf = (keys: object) => parseScenario(JSON.stringify({ id: "s", requests: 100, ...keys }), "s.json");

/** The problems, without the position, of a scenario that is otherwise right. */
const problems = (keys: object): string[] => refusal(JSON.stringify({ id: "s", requests: 100, ...keys })).map(unplaced);
const unplaced = (line: string) => line.replace(/^s\.json:\d+:\d+: /, "");

function refusal(text: string): string[] {
  try {
    parseScenario(text, "s.json");
  } catch (error) {
    expect(error).toMatchObject({ name: "RouterError", code: "invalid_request" });
    return (error as Error).message.split("\n");
  }
  return [];
}

describe("defaults", () => {
  test("an id and a number of requests are enough", () => {
    expect(scenarioOf({})).toEqual({
      id: "s",
      requests: 100,
      traffic: { law: "zipf", exponent: 0.9, perSecond: 50, session: { length: 1, correlation: 0, concurrent: 32 } },
      segments: { minVariants: 2, minMean: 0.5, only: ["*"] },
      primary: "best",
      ladder: { order: "validation", items: 60 },
      labels: { rate: 0.2, delay: 2000, onSuspicion: 1 },
      risk: { high: [], approvalDelay: 0 },
      faults: [],
    });
    expect(refusal("{}").map(unplaced)).toEqual([
      "id is missing: write a text there",
      "requests is missing: write a number there",
    ]);
  });

  test("a key that is given leaves the defaults beside it", () => {
    const { traffic, labels } = scenarioOf({ traffic: { session: { length: 10 } }, labels: { rate: 0.5 } });
    expect(traffic).toMatchObject({ law: "zipf", session: { length: 10, correlation: 0, concurrent: 32 } });
    expect(labels).toEqual({ rate: 0.5, delay: 2000, onSuspicion: 1 });
  });

  test("a fault hits all segments in the second quarter of the run, at once, and never heals", () => {
    const placed = { segments: "all", start: [0.25, 0.5], end: null, ramp: 0 };
    const faults = [
      { kind: "replace" },
      { kind: "scale" },
      { kind: "mix", weight: 8 },
      { kind: "evaluator", factor: 0.8 },
      { kind: "labels", rate: 0 },
      { kind: "candidate" },
      { kind: "hack" },
    ];
    expect(scenarioOf({ faults }).faults).toEqual([
      { kind: "replace", ...placed, with: "weaker" },
      { kind: "scale", ...placed, factor: 1, latency: 1, cost: 1 },
      { kind: "mix", ...placed, weight: 8 },
      { kind: "evaluator", ...placed, factor: 0.8 },
      { kind: "labels", ...placed, rate: 0 },
      { kind: "candidate", ...placed },
      { kind: "hack", ...placed, score: 1 },
    ]);
  });
});

describe("forms", () => {
  test("every documented form of a fault is kept as written", () => {
    const faults = [
      { kind: "replace", segments: { random: 20 }, with: { epoch: "2023-06" }, start: 0.3, end: 0.6, ramp: 10 },
      { kind: "replace", segments: { only: ["mmlu/*"] }, with: "gpt-4", start: [0, 1], end: [0.5, 1], ramp: 0 },
      { kind: "scale", segments: { primary: "gpt-4" }, factor: 0, latency: 4, cost: 2, start: 0, end: null, ramp: 0 },
    ];
    expect(scenarioOf({ faults }).faults).toEqual(faults);
  });

  test("the primary and the ladder can be named", () => {
    expect(scenarioOf({ primary: { a: "m" }, ladder: { order: ["m", "n"] } })).toMatchObject({
      primary: { a: "m" },
      ladder: { order: ["m", "n"], items: 60 },
    });
  });

  test("a law other than zipf has no exponent", () => {
    expect(scenarioOf({ traffic: { law: "items" } }).traffic.law).toBe("items");
    expect(problems({ traffic: { law: "uniform", exponent: 1 } })).toEqual([
      'traffic.exponent is 1, but only the law "zipf" has an exponent',
    ]);
  });
});

describe("refusals", () => {
  test("an unknown key stands with its line, the nearest known key and all that are allowed", () => {
    expect(refusal('{\n  "id": "s",\n  "requests": 1,\n  "labels": { "rate": 0.2, "dely": 5 }\n}')).toEqual([
      `s.json:4:28: unknown key "dely" in labels. Did you mean 'delay'? The keys allowed here are: rate, delay, onSuspicion.`,
    ]);
    expect(refusal('{"id": "s",\n"requets": 1, "fault": []}')).toEqual([
      "s.json:1:1: requests is missing: write a number there",
      `s.json:2:1: unknown key "requets" in the scenario. Did you mean 'requests'? The keys allowed here are: id, requests, traffic, segments, primary, ladder, labels, risk, faults.`,
      `s.json:2:15: unknown key "fault" in the scenario. Did you mean 'faults'? The keys allowed here are: id, requests, traffic, segments, primary, ladder, labels, risk, faults.`,
    ]);
  });

  test("an unknown key of a fault is told by what its kind allows", () => {
    expect(problems({ faults: [{ kind: "mix", weight: 1, factor: 2 }] })).toEqual([
      `unknown key "factor" in faults[0]. The keys allowed here are: kind, segments, start, end, ramp, weight.`,
    ]);
    expect(problems({ faults: [{ kind: "mix", weight: 1, segments: { randm: 2 } }] })).toEqual([
      `unknown key "randm" in faults[0].segments. Did you mean 'random'? The keys allowed here are: random, primary, only, lowest, highest.`,
    ]);
    expect(problems({ faults: [{ kind: "replace", with: { epocs: "x" } }] })).toEqual([
      `unknown key "epocs" in faults[0].with. Did you mean 'epoch'? The keys allowed here are: epoch.`,
    ]);
  });

  test("an unknown kind is told with the nearest one", () => {
    expect(problems({ faults: [{ kind: "scal" }, {}] })).toEqual([
      `faults[0].kind is "scal". Did you mean 'scale'? The allowed values are: replace, scale, mix, evaluator, labels, candidate, hack.`,
      "faults[1].kind is missing: write one of replace, scale, mix, evaluator, labels, candidate, hack",
    ]);
  });

  test("segments that are named in no form, or in two, are refused with the forms", () => {
    const forms = '"all", {"random": n}, {"only": [globs]}, {"primary": "MODEL"}, {"lowest": n} or {"highest": n}';
    for (const segments of ["al", {}, { random: 1, only: ["a"] }, 3])
      expect(problems({ faults: [{ kind: "candidate", segments }] })).toEqual([
        `faults[0].segments is ${JSON.stringify(segments)}, but must be ${forms}`,
      ]);
    expect(problems({ faults: [{ kind: "candidate", segments: { random: 0 } }] })).toEqual([
      "faults[0].segments.random is 0, but must be at least 1",
    ]);
  });

  test("times must lie in the run and in order", () => {
    const told = (times: object) => problems({ faults: [{ kind: "candidate", ...times }] });
    expect(told({ start: 1.5 })).toEqual(["faults[0].start is 1.5, but must be at most 1"]);
    expect(told({ start: [0.5, 2] })).toEqual(["faults[0].start[1] is 2, but must be at most 1"]);
    expect(told({ start: [0.5, 0.2] })).toEqual([
      "faults[0].start is [0.5,0.2], but the first must not be above the second",
    ]);
    expect(told({ start: [0.5] })).toEqual(["faults[0].start is [0.5], but must have at least 2 entries"]);
    expect(told({ start: [0.1, 0.2, 0.3] })).toEqual([
      "faults[0].start is [0.1,0.2,0.3], but must have at most 2 entries",
    ]);
    expect(told({ start: "half" })).toEqual([
      'faults[0].start is "half", but must be a fraction of the run in [0,1], or a range [low, high] of such',
    ]);
    expect(told({ start: 0.5, end: 0.5 })).toEqual(["faults[0].end is 0.5, but must be after the start"]);
    expect(told({ start: [0.5, 0.6], end: [0.1, 0.5] })).toHaveLength(1);
    expect(told({ start: [0.25, 0.5], end: 0.4 })).toEqual([]);
  });

  test.each([
    [{ requests: 0 }, "requests is 0, but must be at least 1"],
    [{ requests: 1.5 }, "requests is 1.5, not a whole number"],
    [{ requests: "1" }, 'requests is "1", not a number'],
    [{ id: "" }, 'id is "", but must not be empty'],
    [{ labels: { rate: 1.1 } }, "labels.rate is 1.1, but must be at most 1"],
    [{ labels: { onSuspicion: -1 } }, "labels.onSuspicion is -1, but must be at least 0"],
    [
      { traffic: { law: "zip" } },
      `traffic.law is "zip". Did you mean 'zipf'? The allowed values are: zipf, uniform, items.`,
    ],
    [{ traffic: { perSecond: 0 } }, "traffic.perSecond is 0, but must be more than 0"],
    [{ traffic: { session: { concurrent: 0 } } }, "traffic.session.concurrent is 0, but must be at least 1"],
    [{ segments: { only: [] } }, "segments.only is [], but must not be empty"],
    [{ primary: 3 }, 'primary is 3, but must be "best", a model, or a map from segment to model'],
    [{ primary: { a: 3 } }, "primary.a is 3, not a text"],
    [{ faults: [{ kind: "labels", rate: 2 }] }, "faults[0].rate is 2, but must be at most 1"],
    [{ faults: [{ kind: "mix" }] }, "faults[0].weight is missing: write a number there"],
    [{ faults: [{ kind: "scale", cost: -1 }] }, "faults[0].cost is -1, but must be at least 0"],
    [{ faults: {} }, "faults is {}, not a list"],
  ])("%j is refused", (keys, problem) => {
    expect(problems(keys)).toEqual([problem]);
  });

  test("what is not JSON is refused with line and column, also where it is YAML", () => {
    expect(refusal('{\n  "id": "s",\n  "requests": 1,\n}')).toEqual([
      's.json:4:1: not valid JSON: a key in double quotes is expected, not "}".',
    ]);
    expect(refusal("id: s\nrequests: 1\n")).toEqual(['s.json:1:1: not valid JSON: a value is expected, not "i".']);
    expect(refusal("")).toEqual(["s.json:1:1: not valid JSON: a value is expected, but the text ends."]);
    expect(refusal("[]")).toEqual(["s.json:1:1: the scenario is [], not an object"]);
    expect(refusal(" ".repeat(2 ** 20 + 1))).toEqual(["s.json: a scenario has at most 1048576 characters."]);
  });

  test("a key that stands twice is refused with the line of the second", () => {
    expect(refusal('{"id": "s", "requests": 1,\n "id": "t"}')).toEqual(['s.json:2:2: the key "id" stands here twice.']);
  });
});
