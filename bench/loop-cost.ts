/**
 * What the measured side of the loop costs: `node bench/loop-cost.ts [--json]` prints the time of a label, of a pass
 * over 10 000 healthy segments, of a calibration, and the memory of a stream.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { fold } from "../src/core/fold.ts";
import { chain, parseEntry } from "../src/core/ledger.ts";
import type { Event } from "../src/core/event.ts";
import type { Outcome } from "../src/core/outcome.ts";
import { Policy } from "../src/core/policy.ts";
import { createScoreboard, type Scoreboard } from "../src/core/scoreboard.ts";
import { emptyState, type ControlState } from "../src/core/state.ts";
import { STREAM_NUMBERS, WATCH_NUMBERS } from "../src/core/stream.ts";
import { reconcile } from "../src/loop/reconcile.ts";

const SEGMENTS = 10_000;
const LABELS = 2_000_000;
export const START = Date.UTC(2026, 0, 5);
export const METRIC = "helpful";
export const VARIANTS = ["first", "second", "third"] as const;

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage: unknown = runInNewContext("gc");
  if (typeof collectGarbage === "function") for (let i = 0; i < 3; i++) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A repeatable sequence of numbers in [0,1). */
function numbers(seed = 1): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return x / 2 ** 32;
  };
}

/** The state after these events. */
export function after(state: ControlState, ...events: readonly Event[]): ControlState {
  const drafts = events.map((event) => ({ at: START, actor: { kind: "loop", instance: "bench" } as const, event }));
  return fold(state, chain(state.head, drafts).map(parseEntry));
}

/** A policy `chat` of so many segments, `segment-0` and so on, with one objective against the baseline. */
export function published(segments = SEGMENTS): ControlState {
  const policy = Policy.parse({
    policy: "chat",
    metrics: { [METRIC]: { from: "feedback" } },
    variants: Object.fromEntries(VARIANTS.map((id) => [id, { provider: "up", model: id }])),
    default: "first",
    segments: Array.from({ length: segments }, (_, index) => ({
      id: `segment-${index}`,
      when: "true",
      owner: "bench",
      risk: "low",
      mode: "auto",
      objectives: [{ metric: METRIC, against: "baseline" }],
      ladder: VARIANTS.map((variant) => ({ variant, validated: { score: 0.9, items: 100 } })),
      why: "A segment of the benchmark.",
    })),
  });
  return after(emptyState, { type: "policy.published", policy, prompts: {} });
}

const ids = Array.from({ length: SEGMENTS }, (_, index) => `segment-${index}`);

/** Labels of healthy segments, each by the id that a signature would end. */
function* labelsOf(count: number, first: number, sessions: boolean): Generator<Outcome, never> {
  const random = numbers(first + 1);
  for (let label = first; ; label++)
    yield {
      policy: "chat",
      segment: ids[Math.floor(random() * Math.min(count, SEGMENTS))] ?? "",
      variant: "first",
      metric: METRIC,
      loss: random() < 0.1 ? 1 : 0,
      at: START + label * 20,
      // In one piece, as it comes out of a request.
      predictionId: JSON.parse(`"prediction-${String(label).padStart(16, "0")}"`),
      ...(sessions ? { session: `session-${Math.floor(label / 10)}` } : {}),
    };
}

const take = (labels: Generator<Outcome, never>, count: number): Outcome[] =>
  Array.from({ length: count }, () => labels.next().value);

const timed = (work: () => void): number => {
  const start = performance.now();
  work();
  return performance.now() - start;
};

const lowerQuartile = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 2] ?? 0;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const timedOften = (count: number, work: () => void): number =>
  median(Array.from({ length: count }, () => timed(work)));

/** Microseconds a label through `observe`, over `segments` segments, once it is warm. */
function microsecondsPerLabel(state: ControlState, segments: number, sessions: boolean): number {
  const scoreboard = createScoreboard();
  scoreboard.calibrate(state, START);
  const labels = labelsOf(segments, 0, sessions);
  const batch = 10_000;
  const times: number[] = [];
  for (let fed = 0; fed < LABELS; fed += batch) {
    const outcomes = take(labels, batch);
    times.push((timed(() => outcomes.forEach((outcome) => scoreboard.observe(outcome))) * 1000) / batch);
  }
  // What else a shared machine does only ever adds.
  return lowerQuartile(times.slice(times.length >> 1));
}

function heapPerStream(state: ControlState): { readonly bytes: number; readonly scoreboard: Scoreboard } {
  const labels = ids.map((segment, label) => ({
    policy: "chat",
    segment,
    variant: "first",
    metric: METRIC,
    loss: 0,
    at: START,
    predictionId: `p${label}`,
  }));
  const before = heapBytes();
  const scoreboard = createScoreboard();
  for (const outcome of labels) scoreboard.observe(outcome);
  scoreboard.calibrate(state, START);
  return { bytes: (heapBytes() - before) / SEGMENTS, scoreboard };
}

function passes(state: ControlState, scoreboard: Scoreboard) {
  const context = {
    scoreboard,
    now: START + 60_000,
    actor: { kind: "loop", instance: "bench" } as const,
    automation: () => true,
    modeOverride: () => null,
  };
  const only = new Set(["chat/segment-7"]);
  const frozen = (segment: string): Event => ({
    type: "baseline.frozen",
    policy: "chat",
    segment,
    variant: "first",
    metric: METRIC,
    lossMean: 0.1,
    labels: 2000,
  });
  const now = START + 60_000;
  const mature = after(state, ...ids.map(frozen));
  scoreboard.calibrate(mature, now);
  const alarm = (segment: number): Event => ({
    type: "signal.recorded",
    signal: {
      id: `a${segment}`,
      source: "detector:baseline",
      policy: "chat",
      segment: `segment-${segment}`,
      variant: "first",
      metric: METRIC,
      status: "degraded",
      observedAt: START,
      evidence: {},
    },
  });
  const changed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((segment) => after(mature, alarm(segment)));
  return {
    reconcileMs: timedOften(9, () => reconcile(mature, context)),
    reconcileOneMs: timedOften(9, () => reconcile(mature, { ...context, only })),
    calibrateUnchangedMs: timedOften(9, () => scoreboard.calibrate(mature, now)),
    calibrateOneChangedMs: median(changed.map((next) => timed(() => scoreboard.calibrate(next, now)))),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

/** What the targets ask for: the time of a label, the memory of a stream, and a pass over 10 000 healthy segments. */
export interface LoopCost {
  readonly microsecondsPerLabel: number;
  /** Of the record of its numbers, which is all that its detector, baseline and totals are; and of the heap, with the index and its segment. */
  readonly slabBytesPerStream: number;
  readonly heapBytesPerStream: number;
  readonly reconcileMs: number;
}

export function measureCost(): LoopCost & Readonly<Record<string, number>> {
  const state = published();
  const memory = heapPerStream(state);
  return {
    segments: SEGMENTS,
    microsecondsPerLabel: round(microsecondsPerLabel(state, 162, false)),
    microsecondsPerLabelOf10000Streams: round(microsecondsPerLabel(state, SEGMENTS, false)),
    microsecondsPerLabelWithSession: round(microsecondsPerLabel(state, 162, true)),
    slabBytesPerStream: (STREAM_NUMBERS + WATCH_NUMBERS) * Float64Array.BYTES_PER_ELEMENT,
    heapBytesPerStream: Math.round(memory.bytes),
    ...roundedPasses(state, memory.scoreboard),
  };
}

function roundedPasses(state: ControlState, scoreboard: Scoreboard): ReturnType<typeof passes> {
  const { reconcileMs, reconcileOneMs, calibrateUnchangedMs, calibrateOneChangedMs } = passes(state, scoreboard);
  return {
    reconcileMs: round(reconcileMs),
    reconcileOneMs: round(reconcileOneMs),
    calibrateUnchangedMs: round(calibrateUnchangedMs),
    calibrateOneChangedMs: round(calibrateOneChangedMs),
  };
}

if (import.meta.main) {
  const report = measureCost();
  if (process.argv.includes("--json")) console.log(JSON.stringify(report));
  else for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(36)} ${value}`);
}
