import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Policy } from "../../src/core/policy.ts";
import type { Signal } from "../../src/core/signal.ts";
import { configureSource, type SignalTargets } from "../../src/core/signal-source.ts";
import { segmentKey, type ControlState } from "../../src/core/state.ts";
import { ownAnswers } from "../../src/sources/phoenix-query.ts";
import { windowOf, type Subject } from "../../src/sources/phoenix-subject.ts";
import { phoenix } from "../../src/sources/phoenix.ts";
import { stateAfter } from "../core/state-after.ts";
import { published, START } from "../fakes/signal-world.ts";

const HOUR = 3_600_000;
const END = START - 60_000;
const iso = (ms: number) => new Date(ms).toISOString();

const policy = Policy.parse({
  policy: "support",
  metrics: {
    accuracy: { from: "feedback", labels: { good: 1, bad: 0 } },
    toxicity: { from: "feedback", better: "lower" },
    failed: { from: "error" },
    slow: { from: "latency", slowerThanMs: 1500 },
    cost: { from: "cost" },
  },
  variants: { large: { provider: "main", model: "m1" }, small: { provider: "main", model: "m2" } },
  default: "large",
  segments: [
    {
      id: "prime",
      when: "true",
      owner: "team",
      objectives: [
        { metric: "accuracy", against: "bound", lossMax: 0.2 },
        { metric: "toxicity", against: "bound", lossMax: 0.1 },
        { metric: "failed", against: "bound", lossMax: 0.05 },
        { metric: "slow", against: "bound", lossMax: 0.1 },
        { metric: "cost", against: "baseline" },
        { metric: "accuracy", against: "baseline", tolerance: 0.02 },
        { metric: "accuracy", against: "rest", tolerance: 0.05 },
      ],
      ladder: [{ variant: "large" }, { variant: "small" }],
      why: "Questions about prime numbers.",
    },
    { id: "other", when: "true", owner: "team", ladder: [{ variant: "large" }], why: "Nothing is promised here." },
  ],
});
const KEY = segmentKey("support", "prime");
/** What serves "prime" has served it for two days. */
const state = (over: Partial<ControlState["segments"][string]> = {}, signals: readonly Signal[] = []): ControlState => {
  const base = stateAfter([published(policy)]);
  const segment = { ...base.segments[KEY]!, since: START - 48 * HOUR, ...over };
  const bySource = Object.fromEntries(
    signals.map((signal) => [
      [signal.policy, signal.segment, signal.variant, signal.metric, signal.source].join("/"),
      signal,
    ]),
  );
  return { ...base, segments: { ...base.segments, [KEY]: segment }, signals: bySource };
};

const source = (over: object = {}) => configureSource(phoenix, { baseUrl: "http://phoenix:6006", ...over });
const questions = (targets: SignalTargets = state(), over: object = {}, now = START) =>
  source(over).questions({ kind: "sweep" }, { targets, now });

interface Body {
  readonly operationName: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}
const bodyOf = (question: { readonly request: { readonly body?: unknown } } | undefined) =>
  question?.request.body as Body;
const scores = (mean: number, count: number) => ({
  meanScore: mean,
  scoreCount: count,
  labelCount: 0,
  labelFractions: [],
});
const nothing = { meanScore: null, scoreCount: 0, labelCount: 0, labelFractions: [] };
/** As many as the summary says, each by one annotator. */
const ANNOTATED = { m0scored: 1e6, m0labelled: 1e6, m1scored: 1e6 };
/** An answer about "prime"; m0 is accuracy, m1 toxicity, m2 failed, m3 slow. */
const answer = (over: object = {}) => ({
  data: {
    getProjectByName: { ...ANNOTATED, answers: 1000, m0: nothing, m1: nothing, m2: 0, m2of: 1000, m3: 0, ...over },
  },
});
const read = (json: unknown, targets = state(), over: object = {}) =>
  questions(targets, over)[0]!.toReading(json, { targets, now: START });
const statuses = (json: unknown, targets = state(), over: object = {}) =>
  Object.fromEntries(
    read(json, targets, over).signals.map(({ metric, source: from, status }) => [`${metric} ${from}`, status]),
  );

describe("what Phoenix is asked", () => {
  test("is one query a segment with objectives, about its incumbent's last hour, with the values as variables", () => {
    const asked = questions();
    expect(asked).toHaveLength(1);
    expect(asked[0]!.request).toMatchObject({
      method: "POST",
      path: "/graphql",
      headers: { accept: "application/json" },
    });
    const own =
      "(span_kind == 'LLM' or span_kind == 'EMBEDDING') and metadata['segment_id'] == 'support|prime' and metadata['variant'] == 'large'";
    expect(bodyOf(asked[0]).variables).toEqual({
      project: "segue",
      range: { start: iso(END - HOUR), end: iso(END) },
      filter: own,
      m0: "accuracy",
      m0scored: `${own} and annotations['accuracy'].score >= 0`,
      m0labelled: `${own} and annotations['accuracy'].label != ''`,
      m1: "toxicity",
      m1scored: `${own} and annotations['toxicity'].score >= 0`,
      m2: `${own} and metadata['error'] == 1`,
      m2of: `${own} and metadata['error'] >= 0`,
      m3: `${own} and latency_ms > 1500`,
    });
    expect(bodyOf(asked[0]).query).not.toContain("prime");
  });

  test("carries the key as a bearer token, and none where there is none", () => {
    expect(questions(state(), { apiKey: "k" })[0]!.request.headers.authorization).toBe("Bearer k");
    expect(questions()[0]!.request.headers).not.toHaveProperty("authorization");
  });

  test("is never about what was served before the incumbency", () =>
    expect(bodyOf(questions(state({ since: START - 600_000 }))[0]).variables.range).toEqual({
      start: iso(START - 600_000),
      end: iso(END),
    }));

  test("is nothing while the incumbency is younger than what is left to settle", () =>
    expect(questions(state({ since: START - 30_000 }))).toEqual([]));

  test("is about a canary's candidate as well, since the canary began", () => {
    const phase = { kind: "canary", step: 1, share: 0.3, startedAt: START - 900_000, since: START - 300_000 };
    const base = state({ open: "s1" });
    const switchovers = { s1: { id: "s1", phase, change: { to: "small" } } } as unknown as ControlState["switchovers"];
    const [, candidate] = questions({ ...base, switchovers });
    expect(bodyOf(candidate).variables).toMatchObject({
      filter: expect.stringContaining("metadata['variant'] == 'small'"),
      range: { start: iso(START - 900_000), end: iso(END) },
    });
  });

  test("is the same for everybody who asks in the same poll period", () =>
    fc.assert(
      fc.property(fc.nat(10 * HOUR), fc.integer({ min: 1, max: 3600 }), (ms, pollSeconds) => {
        const settings = { windowMinutes: 60, pollSeconds, settleSeconds: 0 };
        const window = windowOf({ since: 0 }, START + ms, settings)!;
        expect(window.end % (pollSeconds * 1000)).toBe(0);
        expect(window.end).toBeLessThanOrEqual(START + ms);
        expect(windowOf({ since: 0 }, window.end, settings)).toEqual(window);
        expect(windowOf({ since: 0 }, window.end + pollSeconds * 1000 - 1, settings)).toEqual(window);
      }),
    ));

  test("cannot be changed by a name, whatever it is made of", () =>
    fc.assert(
      fc.property(fc.string(), (name) => {
        const subject = { policy: { policy: "p" }, segment: { id: name }, variant: "v" } as unknown as Subject;
        let filter = "";
        try {
          filter = ownAnswers(subject);
        } catch (error) {
          expect(String(error)).toContain("cannot be put into a Phoenix filter");
          return;
        }
        expect(filter).toMatch(
          /^\(span_kind == 'LLM' or span_kind == 'EMBEDDING'\) and metadata\['segment_id'\] == '[A-Za-z0-9_|-]+' and metadata\['variant'\] == 'v'$/,
        );
      }),
      { examples: [["x' or 'a' == 'a"], ["x\\"], ["x\n"]] },
    ));
});

describe("a bound", () => {
  test.each([
    { status: "degraded", loss: 0.35, labels: 200, because: "the loss is clearly above it" },
    { status: "recovered", loss: 0.08, labels: 200, because: "the loss is clearly below it" },
    { status: "inconclusive", loss: 0.22, labels: 200, because: "it may be luck" },
    { status: "inconclusive", loss: 0.2, labels: 100_000, because: "the bound itself is neither" },
    { status: "inconclusive", loss: 1, labels: 5, because: "five labels are too few, whatever they say" },
    { status: "inconclusive", loss: 0, labels: 0, because: "no data is never healthy" },
  ])("is $status when $because", ({ status, loss, labels }) => {
    const json = answer({ answers: 1e6, m0: labels === 0 ? nothing : scores(1 - loss, labels) });
    expect(statuses(json)["accuracy phoenix:bound"]).toBe(status);
  });

  test("reads a score where lower is better, errors and slow answers as the losses that they are", () => {
    const found = read(answer({ m1: scores(0.5, 400), m2: 200, m3: 400 })).signals;
    expect(found.filter(({ status }) => status === "degraded")).toMatchObject([
      { metric: "toxicity", evidence: { lossMean: 0.5, lossTolerated: 0.1, labels: 400, against: "bound" } },
      { metric: "failed", evidence: { lossMean: 0.2, labels: 1000 } },
      { metric: "slow", evidence: { lossMean: 0.4 } },
    ]);
  });

  test("is judged by labels where there are more of them than scores", () => {
    const fractions = [
      { label: "good", fraction: 0.5 },
      { label: "bad", fraction: 0.5 },
    ];
    const byLabels = { meanScore: null, scoreCount: 0, labelCount: 300, labelFractions: fractions };
    expect(read(answer({ m0: byLabels })).signals[0]).toMatchObject({
      status: "degraded",
      evidence: { lossMean: 0.5 },
    });
    const unknown = { ...byLabels, labelFractions: [{ label: "meh", fraction: 1 }] };
    expect(read(answer({ m0: unknown })).ignored["unknown-label"]).toBeGreaterThan(0);
  });

  test("says nothing of errors where no span says whether it was one", () =>
    expect(statuses(answer({ m2of: 0 }))["failed phoenix:bound"]).toBe("inconclusive"));

  test("counts an answer once, however many annotated it", () =>
    expect(read(answer({ answers: 10, m0: scores(0, 5000) })).signals[0]).toMatchObject({
      status: "inconclusive",
      evidence: { labels: 10 },
    }));

  test.each([
    { over: { m0: scores(0, 20), m0scored: 4 }, labels: 4, because: "each of four has five scores" },
    {
      over: {
        m0: { ...nothing, labelCount: 20, labelFractions: [{ label: "bad", fraction: 1 }] },
        m0labelled: 4,
      },
      labels: 4,
      because: "each of four has five labels",
    },
    { over: { m0: scores(0, 20), m0scored: "x" }, labels: 0, because: "how many have one is no number" },
  ])("says nothing by few answers among many that are not annotated, where $because", ({ over, labels }) =>
    expect(read(answer(over)).signals[0]).toMatchObject({ status: "inconclusive", evidence: { labels } }),
  );

  test("is not judged by scores that are none", () =>
    expect(read(answer({ m0: scores(4.5, 300) })).ignored["score-out-of-range"]).toBeGreaterThan(0));

  test("raises a false alarm at one look as rarely as its level says, where the loss is just tolerated", () => {
    // The exact binomial probability of all counts of bad answers that alarm.
    const [n, p, level] = [400, 0.2, 0.001];
    let probability = 0;
    let logChoose = 0;
    for (let bad = 0; bad <= n; bad += 1) {
      if (bad > 0) logChoose += Math.log((n - bad + 1) / bad);
      const json = answer({ answers: n, m0: scores(1 - bad / n, n) });
      if (statuses(json, state(), { alarmLevel: level })["accuracy phoenix:bound"] === "degraded")
        probability += Math.exp(logChoose + bad * Math.log(p) + (n - bad) * Math.log(1 - p));
    }
    expect(probability).toBeGreaterThan(level / 100);
    expect(probability).toBeLessThanOrEqual(level);
  });
});

describe("what a metric is compared with", () => {
  const bad = answer({ m0: scores(0.6, 300) });
  const [baseline, rest] = read(bad).next ?? [];
  const compare = (question: typeof baseline, json: object, targets = state()) =>
    question!.toReading(
      { data: { getProjectByName: { ...ANNOTATED, answers: 50_000, ...json } } },
      { targets, now: START },
    );

  test("is the day before, of the same variant, for a baseline", () => {
    expect(bodyOf(baseline).variables).toMatchObject({
      range: { start: iso(END - 25 * HOUR), end: iso(END - HOUR) },
      filter: expect.stringContaining("metadata['variant'] == 'large'"),
    });
    expect(compare(baseline, { m0: scores(0.9, 3000) }).signals).toMatchObject([
      { source: "phoenix:baseline", status: "degraded", evidence: { lossMean: 0.4, against: "baseline" } },
    ]);
    expect(compare(baseline, { m0: scores(0.6, 3000) }).signals[0]?.status).toBe("inconclusive");
    expect(compare(baseline, { m0: scores(0.3, 3000) }).signals[0]?.status).toBe("recovered");
  });

  test("is the policy's other segments in the same hour, for the rest", () => {
    expect(bodyOf(rest).variables).toMatchObject({
      range: { start: iso(END - HOUR), end: iso(END) },
      filter: expect.stringContaining("metadata['policy'] == 'support' and metadata['segment_id'] != 'support|prime'"),
    });
    expect(compare(rest, { m0: scores(0.9, 3000) }).signals).toMatchObject([
      { source: "phoenix:rest", status: "degraded" },
    ]);
  });

  test("says nothing while it is too little", () => {
    expect(compare(baseline, { m0: scores(0.9, 49) }).signals[0]?.status).toBe("inconclusive");
    expect(compare(rest, { m0: scores(0.9, 199) }).signals[0]?.status).toBe("inconclusive");
  });

  test("is not asked for while there is too little to judge, or no time before", () => {
    expect(read(answer({ m0: scores(0.6, 5) })).next).toEqual([]);
    const young = read(bad, state({ since: START - HOUR }));
    expect(young.next?.map((question) => bodyOf(question).variables.filter)).toEqual([expect.stringContaining("!=")]);
  });

  test("stays as it was at the alarm while that lasts, so that a long fault does not become usual", () => {
    const [alarm] = compare(baseline, { m0: scores(0.9, 3000) }).signals;
    const alarmed = state({}, [{ ...alarm!, observedAt: END - HOUR }]);
    const reading = read(bad, alarmed);
    expect(reading.next).toHaveLength(1);
    expect(reading.signals.filter(({ source: from }) => from === "phoenix:baseline")).toEqual([]);
    expect(reading.ignored).toMatchObject({ unchanged: 1 });
    const well = read(answer({ m0: scores(0.98, 3000) }), alarmed).signals;
    expect(well.find(({ source: from }) => from === "phoenix:baseline")).toMatchObject({
      status: "recovered",
      evidence: { lossTolerated: alarm!.evidence.lossTolerated },
    });
  });
});

describe("a signal of Phoenix", () => {
  const bad = answer({ m0: scores(0.5, 300) });
  const [signal] = read(bad).signals;
  const again = (over: Partial<Signal>, segment = {}, json = bad) =>
    read(json, state(segment, [{ ...signal!, ...over }])).signals.filter(
      ({ metric, source: from }) => metric === "accuracy" && from === "phoenix:bound",
    );

  test("has the same id for the same row, objective and window, whoever looks and whatever they find", () => {
    expect(signal!.id).toBe(read(answer({ m0: scores(0.99, 300) })).signals[0]!.id);
    const ids = read(answer({ m0: scores(0.5, 300), m1: scores(0.9, 300) })).signals.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(signal!.observedAt).toBe(END);
  });

  test.each([
    { said: "not", because: "nothing changed", over: { observedAt: END - HOUR } },
    { said: "again", because: "the status changed", over: { observedAt: END - HOUR, status: "recovered" as const } },
    { said: "again", because: "it was a day ago", over: { observedAt: END - 24 * HOUR } },
    { said: "again", because: "it was about an incumbency before", over: { observedAt: END - 49 * HOUR } },
    {
      said: "again",
      because: "only no data was known",
      over: { observedAt: END - HOUR, status: "inconclusive" as const },
    },
  ])("is said $said when $because", ({ said, over }) => expect(again(over)).toHaveLength(said === "again" ? 1 : 0));

  test("of no data is said once, and then neither again nor over what is known", () => {
    const silent = answer();
    expect(again({ status: "inconclusive" }, {}, silent)).toEqual([]);
    expect(again({ status: "degraded" }, {}, silent)).toEqual([]);
    // Not even when all that is known is of another incumbency: the state would not take it, and it would be said for ever.
    expect(again({ observedAt: END - 49 * HOUR }, {}, silent)).toEqual([]);
    expect(read(silent, state({}, [signal!])).ignored["no-data"]).toBeGreaterThan(0);
  });

  test("of a candidate is said again in each step of its canary", () => {
    const canary = (since: number) => ({
      ...state({ open: "s1" }, [{ ...signal!, variant: "small", observedAt: START - 600_000 }]),
      switchovers: {
        s1: { id: "s1", phase: { kind: "canary", since, startedAt: START - HOUR }, change: { to: "small" } },
      } as unknown as ControlState["switchovers"],
    });
    const said = (targets: ControlState) =>
      questions(targets)[1]!
        .toReading(bad, { targets, now: START })
        .signals.filter(({ metric }) => metric === "accuracy");
    expect(said(canary(START - 900_000)).map(({ source: from }) => from)).not.toContain("phoenix:bound");
    expect(said(canary(START - 600_000)).map(({ source: from }) => from)).toContain("phoenix:bound");
  });

  test("is not made of an answer that came after the segment moved", () => {
    const moved = state({ incumbent: "small", since: START });
    const reading = questions()[0]!.toReading(bad, { targets: moved, now: START });
    expect(reading).toEqual({ signals: [], ignored: { "moved-meanwhile": 1 } });
  });

  test("is not made of what aggregates do not tell", () =>
    expect(read(bad).ignored).toMatchObject({ "not-measurable": 1 }));
});

describe("an answer that is none", () => {
  test.each([
    {
      because: "the query was refused",
      json: { errors: [{ message: "Cannot query field" }] },
      says: "Cannot query field",
    },
    { because: "there is no such project", json: { data: { getProjectByName: null } }, says: "no project 'segue'" },
    { because: "it is not GraphQL", json: { detail: "x" }, says: "no project" },
    { because: "it is a list", json: [1], says: "not one to a GraphQL query" },
    { because: "a count is missing", json: { data: { getProjectByName: {} } }, says: "count of spans" },
  ])("fails, and says why, when $because", ({ json, says }) => expect(() => read(json)).toThrow(says));

  test("of any shape is a reading or a failure of the source, never a signal and never a bug", () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (whole, part) => {
        const { signals } = read(answer({ m0: part, m1: part, m2: part, m2of: [part], m3: { part } }));
        expect(signals.filter(({ status }) => status !== "inconclusive")).toEqual([]);
        try {
          expect(read(whole).signals).toEqual([]);
        } catch (error) {
          expect(error).toMatchObject({ code: "upstream_unavailable" });
        }
      }),
      { examples: [[null, { meanScore: "x" }]] },
    ));
});

describe("the check before the first sweep", () => {
  const headers = new Headers({ "x-phoenix-server-version": "19.0.0" });
  const check = (json: unknown) => source().checks[0]!.problemOf({ json, headers });
  const found = (isValid: boolean, errorMessage: string | null = null) => ({
    data: { getProjectByName: { validateSpanFilterCondition: { isValid, errorMessage }, answers: 0, summary: null } },
  });

  test("finds nothing wrong where the filter is understood", () => expect(check(found(true))).toBeNull());

  test.each([
    { says: "has no project 'segue'", json: { data: { getProjectByName: null } } },
    { says: "does not understand the filters", json: found(false, "unknown name") },
    { says: "refused the query", json: { errors: [{ message: "no such field" }] } },
    { says: "does not say whether a filter is valid", json: { data: { getProjectByName: {} } } },
  ])("names the version, and says '$says'", ({ says, json }) => {
    expect(check(json)).toContain(says);
    expect(check(json)).toContain("19.0.0");
  });
});
