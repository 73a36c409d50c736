import type { Actor } from "../core/actor.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { createScoreboard, type Scoreboard } from "../core/scoreboard.ts";
import { segmentKey, type ControlState } from "../core/state.ts";
import { STREAM_NUMBERS, WATCH_NUMBERS } from "../core/stream.ts";
import { servingVariant, type Switchover } from "../core/switchover.ts";
import { createControlPlane } from "../loop/control-plane.ts";
import { approveSwitchover } from "../loop/decide-switchover.ts";
import { publishPolicies } from "../loop/publish-policy.ts";
import { pacedTick } from "../loop/paced-tick.ts";
import { staticFlags } from "../flags/static.ts";
import type { Clock, ControlPlane, Ledger } from "../ports.ts";
import { createMemoryLease } from "../stores/memory-lease.ts";
import { createMemoryLedger } from "../stores/memory-ledger.ts";
import { memoryCounters } from "../telemetry/counters.ts";
import { silentLog } from "../telemetry/log.ts";
import { castSegments, type CastSegment } from "./cast.ts";
import { castFaults } from "./faults.ts";
import { createLabelQueue, type LateLabel } from "./label-queue.ts";
import type { OutcomeTable } from "./outcome-table.ts";
import { createReferee, type Referee } from "./referee.ts";
import { COST, LATENCY, POLICY_ID, replayedPolicy, SCORE, VALUE, type ReplayedPolicy } from "./replayed-policy.ts";
import type { Scenario } from "./scenario.ts";
import { createWorld, type Answer, type Draw, type World } from "./world.ts";

/** Simulated time begins here: a fixed date, so that the same seed writes the same ledger. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
const INSTANCE = "replay";
const OPERATOR: Actor = { kind: "user", id: "replay-approver", keyId: "replay" };
const SECOND_MS = 1000;

export interface ReplayOptions {
  readonly seed: number;
  readonly onProgress?: (request: number) => void;
  readonly onEntry?: (entry: LedgerEntry, request: number) => void;
}

export interface Replay {
  readonly referee: Referee;
  readonly segments: readonly CastSegment[];
  readonly replayed: ReplayedPolicy;
  readonly ledgerDigest: string;
  /** What the loop knows at the end. */
  readonly state: ControlState;
  readonly scoreboard: Scoreboard;
  /** Bytes of numbers that are kept of one stream: segment × variant × metric with one objective. */
  readonly bytesPerStream: number;
  /** Milliseconds that all labels took in the scoreboard together, estimated from some. */
  readonly observeMs: number;
  readonly notes: readonly string[];
}

/**
 * Replays a scenario over real outcomes: the product's own control plane, loop, detectors, guards and canaries on a
 * simulated clock. Memory depends on the tables and the label delay, not on the number of requests.
 * @throws RouterError `invalid_request` when the scenario and the tables do not fit
 */
export async function replay(table: OutcomeTable, scenario: Scenario, options: ReplayOptions): Promise<Replay> {
  const { segments, notes } = castSegments(table, scenario, options.seed);
  const broken = castFaults(segments, scenario, options.seed);
  const world = createWorld(segments, broken.faults, scenario, options.seed);
  const replayed = replayedPolicy(segments, scenario);
  const { requests, labels } = scenario;
  const referee = createReferee({ segments, faults: broken.faults, world, replayed, delay: labels.delay, requests });
  const stage = await createStage(replayed, scenario, (entry, request) => {
    referee.entry(entry, request);
    options.onEntry?.(entry, request);
  });
  const traffic = createRequests({ world, scenario, replayed, referee, stage });
  let nextTick = SECOND_MS;
  for (let request = 0; request < requests; request++) {
    traffic.next(request);
    if (stage.elapsed(request + 1) < nextTick) continue;
    nextTick = stage.elapsed(request + 1) + SECOND_MS;
    await stage.second(request);
    if (request % PROGRESS_EVERY < scenario.traffic.perSecond) options.onProgress?.(request);
  }
  return {
    referee,
    segments,
    replayed,
    ledgerDigest: stage.state().head.hash,
    state: stage.state(),
    scoreboard: stage.scoreboard,
    bytesPerStream: (STREAM_NUMBERS + WATCH_NUMBERS) * Float64Array.BYTES_PER_ELEMENT,
    observeMs: traffic.observeMs(),
    notes: [...notes, ...broken.notes],
  };
}

const PROGRESS_EVERY = 20_000;

interface Served {
  /** The model that serves all traffic outside a canary. */
  readonly incumbent: number;
  readonly canary: { readonly switchover: Switchover; readonly from: number; readonly to: number } | null;
}

/** The product in its part: everything that a host would wire, over memory and a clock that the replay moves. */
interface Stage {
  readonly scoreboard: Scoreboard;
  readonly serving: (place: number) => Served;
  /** Simulated milliseconds since the start, and epoch milliseconds, at a request. */
  readonly elapsed: (request: number) => number;
  readonly at: (request: number) => number;
  readonly second: (request: number) => Promise<void>;
  readonly state: () => ControlState;
}

async function createStage(
  replayed: ReplayedPolicy,
  scenario: Scenario,
  onEntry: (entry: LedgerEntry, request: number) => void,
): Promise<Stage> {
  let now = EPOCH_MS;
  const clock: Clock = { now: () => now };
  const lease = createMemoryLease();
  const ledger = createMemoryLedger({ fence: lease.fence });
  const controlPlane = await createControlPlane({ ledger, log: silentLog, counters: memoryCounters(), clock });
  await publishPolicies(
    { controlPlane },
    { policies: [{ policy: replayed.policy, prompts: {} }], expectedRevision: null, actor: OPERATOR },
  );
  const scoreboard = createScoreboard();
  const flags = staticFlags();
  const { perSecond } = scenario.traffic;
  const elapsed = (request: number): number => Math.floor((request * SECOND_MS) / perSecond);
  const serving = servingBy(replayed, controlPlane);
  const approvals = createApprovals({ controlPlane, ledger, now: clock.now }, scenario.risk.approvalDelay);
  scoreboard.calibrate(controlPlane.state(), now);
  const paced = pacedTick({ controlPlane, scoreboard, flags, lease, clock }, { instance: INSTANCE });
  return {
    scoreboard,
    serving,
    elapsed,
    at: (request) => EPOCH_MS + elapsed(request),
    second: async (request) => {
      now = EPOCH_MS + elapsed(request + 1);
      for (const entry of await approvals.decide(request)) onEntry(entry, request);
      const { entries } = await paced.tick();
      for (const entry of entries) {
        onEntry(entry, request);
        approvals.note(entry, request);
      }
    },
    state: controlPlane.state,
  };
}

/** What each segment is served now, looked up again only when the control state changes. */
function servingBy(
  { segmentIds, variantIds }: ReplayedPolicy,
  controlPlane: Pick<ControlPlane, "state" | "onChange">,
): Stage["serving"] {
  const modelOf = (place: number, variant: string): number => variantIds[place]?.indexOf(variant) ?? -1;
  const lookUp = (state: ControlState): Served[] =>
    segmentIds.map((id, place) => {
      const segment = state.segments[segmentKey(POLICY_ID, id)];
      const open = segment?.open === null || segment === undefined ? undefined : state.switchovers[segment.open];
      return {
        incumbent: modelOf(place, segment?.incumbent ?? ""),
        canary:
          open?.phase.kind === "canary"
            ? { switchover: open, from: modelOf(place, open.change.from), to: modelOf(place, open.change.to) }
            : null,
      };
    });
  let served = lookUp(controlPlane.state());
  controlPlane.onChange((state) => {
    served = lookUp(state);
  });
  const nothing: Served = { incumbent: -1, canary: null };
  return (place) => served[place] ?? nothing;
}

interface ApprovalDeps {
  readonly controlPlane: ControlPlane;
  readonly ledger: Pick<Ledger, "read">;
  readonly now: () => number;
}

const PAGE = 1000;

/** A person who approves whatever is asked, some requests later. */
function createApprovals({ controlPlane, ledger, now }: ApprovalDeps, delay: number) {
  const waiting: { readonly id: string; readonly digest: string; readonly due: number }[] = [];
  return {
    note: ({ event }: LedgerEntry, request: number): void => {
      if (event.type !== "switchover.proposed" || event.switchover.gate !== "approval") return;
      waiting.push({ id: event.switchover.id, digest: event.switchover.digest, due: request + delay });
    },
    /** @returns the entries that came of it */
    decide: async (request: number): Promise<readonly LedgerEntry[]> => {
      const before = controlPlane.state().head.seq;
      while (waiting[0] !== undefined && waiting[0].due <= request) {
        const { id, digest } = waiting.shift() ?? waiting[0];
        const phase = controlPlane.state().switchovers[id]?.phase;
        if (phase?.kind !== "proposed" || phase.expiresAt <= now()) continue;
        await approveSwitchover({ controlPlane }, { id, digest, actor: OPERATOR });
      }
      const entries: LedgerEntry[] = [];
      while (before + entries.length < controlPlane.state().head.seq)
        entries.push(...(await ledger.read(before + entries.length, PAGE)));
      return entries;
    },
  };
}

interface RequestDeps {
  readonly world: World;
  readonly scenario: Scenario;
  readonly replayed: ReplayedPolicy;
  readonly referee: Referee;
  readonly stage: Stage;
}

/** Whoever comes in a session stays on one side of a canary. */
function inCanary({ switchover, from, to }: NonNullable<Served["canary"]>, { session }: Draw, request: number): number {
  const unit = session === 0 ? `request-${request}` : `session-${session}`;
  return servingVariant(switchover, unit) === switchover.change.to ? to : from;
}

/** Labels of which one is timed: to time each would cost more than what is timed. */
const TIMED_EVERY = 16;

/** One request after another: what was labelled comes back, then an answer is served, and perhaps labelled. */
function createRequests({ world, scenario, replayed, referee, stage }: RequestDeps): {
  readonly next: (request: number) => void;
  readonly observeMs: () => number;
} {
  let observed = 0;
  let observeMs = 0;
  const { labels } = scenario;
  const queue = createLabelQueue(labels.delay);
  const { segmentIds, variantIds, policy } = replayed;
  const hasValue = Object.hasOwn(policy.metrics, VALUE);
  const draw: Draw = { segment: 0, item: 0, session: 0, fate: 0, label: 0 };
  const answer: Answer = { score: 0, value: 0, latencyMs: 0, costUsd: 0 };
  const label: LateLabel = {
    request: 0,
    segment: 0,
    item: 0,
    model: 0,
    session: 0,
    score: 0,
    value: 0,
    latencyMs: 0,
    costUsd: 0,
  };
  const observe = (late: LateLabel): void => {
    const row = {
      policy: POLICY_ID,
      segment: segmentIds[late.segment] ?? "",
      variant: variantIds[late.segment]?.[late.model] ?? "",
    };
    const session = late.session === 0 ? {} : { session: String(late.session) };
    const about = { ...row, ...session, at: stage.at(late.request), predictionId: String(late.request) };
    referee.labelled(late.request, late.segment, late.model);
    const isTimed = observed++ % TIMED_EVERY === 0;
    const before = isTimed ? performance.now() : 0;
    stage.scoreboard.observe({ ...about, metric: SCORE, loss: 1 - late.score });
    if (isTimed) observeMs += (performance.now() - before) * TIMED_EVERY;
    if (hasValue) stage.scoreboard.observe({ ...about, metric: VALUE, loss: 1 - late.value });
    // NaN where the segment's table has none.
    if (late.latencyMs >= 0) stage.scoreboard.observe({ ...about, metric: LATENCY, amount: late.latencyMs });
    if (late.costUsd >= 0) stage.scoreboard.observe({ ...about, metric: COST, amount: late.costUsd });
  };
  return {
    observeMs: () => observeMs,
    next: (request) => {
      const due = queue.due(request);
      if (due !== null) observe(due);
      world.draw(request, draw);
      const { incumbent, canary } = stage.serving(draw.segment);
      const model = canary === null ? incumbent : inCanary(canary, draw, request);
      referee.served(request, draw.segment, model);
      stage.scoreboard.expose(POLICY_ID, segmentIds[draw.segment] ?? "", stage.at(request));
      const rate = world.labelRate(request, draw.segment) ?? labels.rate;
      if (draw.label >= rate) {
        if (rate === 0 || draw.label >= labels.onSuspicion) return;
        const variant = variantIds[draw.segment]?.[model] ?? "";
        if (!stage.scoreboard.wantsLabels(POLICY_ID, segmentIds[draw.segment] ?? "", variant)) return;
      }
      world.answer(request, draw, model, answer);
      Object.assign(label, answer, { request, segment: draw.segment, item: draw.item, model, session: draw.session });
      if (labels.delay === 0) observe(label);
      else queue.push(label);
    },
  };
}
