import { bytesToHex } from "@noble/hashes/utils.js";
import { controlPlaneRoutes } from "../routes/control-plane.ts";
import { createApp } from "../routes/app.ts";
import { metricRoutes } from "../routes/metrics.ts";
import type { ModelCallVerbs } from "../routes/model-calls.ts";
import { webhookRoutes } from "../routes/webhooks.ts";
import { controlVerbs } from "./control-verbs.ts";
import type { ApiKey } from "./core/api-key.ts";
import type { Cases } from "./core/cases.ts";
import type { PromptHubs } from "./core/hub-prompt.ts";
import { predictionIds, type Sha256 } from "./core/prediction-id.ts";
import { publishedOf } from "./core/publication.ts";
import type { Scoreboard } from "./core/scoreboard.ts";
import type { ConfiguredSource } from "./core/signal-source.ts";
import type { Exports, KnownPolicies, MakeExports } from "./exports.ts";
import type { AnswerExposures } from "./gateway/answer-recorder.ts";
import { authenticator } from "./gateway/authenticate.ts";
import { createAfterAnswers } from "./gateway/after-answer.ts";
import { answerWatch } from "./gateway/answer-watch.ts";
import { explainDecision } from "./gateway/explain-decision.ts";
import { listModels, readModel } from "./gateway/list-models.ts";
import { createRecentExposures, type RecentExposures } from "./gateway/recent-exposures.ts";
import { createJudging } from "./gateway/judge-answer.ts";
import { recordFeedback } from "./gateway/record-feedback.ts";
import { serveModel, type ServeModelDeps } from "./gateway/serve-model.ts";
import { servingOf } from "./gateway/serving.ts";
import { createShadowCalls } from "./gateway/shadow-calls.ts";
import type { ShadowMemory } from "./gateway/shadow-memory.ts";
import { targetHealth } from "./gateway/target-health.ts";
import { createTurnMemory } from "./gateway/turn-memory.ts";
import { restoreLearnt, type Learnt } from "./learnt.ts";
import { circuitLog } from "./telemetry/circuit-log.ts";
import { createControlPlane } from "./loop/control-plane.ts";
import { pacedTick } from "./loop/paced-tick.ts";
import { createSourcePolls, type SourcePolls } from "./loop/poll-source.ts";
import { checkPromptLabels, type CheckPromptLabelsDeps } from "./loop/propose-prompt.ts";
import { PROMPT_WEBHOOK, receivePromptWebhook } from "./loop/receive-prompt-webhook.ts";
import {
  receiveWebhook,
  type KnownSources,
  type ReceiveWebhookDeps,
  type WebhookCall,
  type WebhookReceipt,
} from "./loop/receive-webhook.ts";
import { recordFlagEffects } from "./loop/record-flag-effects.ts";
import { exportCounts } from "./reports/export-counts.ts";
import { gatherReport, type ReportRequest, type ScannedExposures } from "./reports/gather-report.ts";
import type { LanguageOf } from "./core/checks/checked-answer.ts";
import type {
  Checkpoints,
  Clock,
  Counters,
  Deadlines,
  Exposures,
  Flags,
  Judges,
  Lease,
  Ledger,
  Log,
  Prices,
  Provider,
  Random,
} from "./ports.ts";

/** What a host picks. */
export interface Adapters {
  readonly ledger: Ledger;
  readonly lease: Lease;
  readonly checkpoints: Checkpoints;
  readonly exposures: Exposures;
  readonly flags: Flags;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly prices: Prices;
  readonly judges: Judges;
  readonly languageOf: LanguageOf;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Has something done in a later turn of the event loop. */
  readonly later: (work: () => void) => void;
  /** A signal that aborts after so many milliseconds. */
  readonly timeout: (ms: number) => AbortSignal;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters & { readonly print: () => string; readonly read: (name: string) => number };
  /** Every source there is, and those whose settings are there. */
  readonly knownSources: KnownSources;
  readonly sources: readonly ConfiguredSource[];
  readonly promptHubs: PromptHubs;
  /** Where answers and feedback are sent on to. */
  readonly exports: MakeExports;
  /** Absent on a host that keeps no exposures. */
  readonly scannedExposures?: ScannedExposures;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** The host's own SHA-256, where it has one that is faster. */
  readonly sha256?: Sha256;
  /** Sign prediction ids; the first signs, all open. */
  readonly secrets: readonly [string, ...string[]];
}

/** Answers that may wait to be checked. */
const CHECKS_MAX = 1000;

/** Wires the verbs to the adapters. Starts nothing: the host calls `tick`, `checkpoint` and `checkpointCases` when it likes. */
export async function compose(
  adapters: Adapters,
  options: {
    readonly instance: string;
    readonly bodyBytesMax: number;
    /** How often the loop looks at every segment, whether or not anything happened. */
    readonly fullSweepMs?: number | undefined;
  },
) {
  const { ledger, lease, flags, providers, clock, random, log, counters } = adapters;
  const controlPlane = await createControlPlane({ ledger, clock, log, counters });
  const learnt = await restoreLearnt({ ...adapters, controlPlane });
  const { scoreboard, shadowMemory } = learnt;
  const recentExposures = createRecentExposures(counters);
  const exported = adapters.exports(knownPolicies(controlPlane));
  const serving = servingOf({ controlPlane, log, nextTurn: nextTurnOf(adapters) });
  const deps = {
    controlPlane,
    scoreboard,
    serving,
    flags,
    lease,
    providers,
    clock,
    random,
    log,
    predictionIds: predictionIds(adapters.secrets, adapters.sha256),
    outcomes: shadowMemory.pairs.listening(learnt.lossHistory.listening(scoreboard)),
    shadowMemory,
    wantsLabels: scoreboard.wantsLabels,
    recentExposures,
    counters,
    ...asked(adapters),
    exposures: countedExposures(adapters, { scoreboard, recentExposures, exposureLog: exported.exposureLog }),
    ...(exported.spans === undefined ? {} : { spans: exported.spans }),
    sending: exported.sending,
  };
  const model = modelPlane(adapters, { ...deps, limits: learnt.limits });
  const sourcePolls = adapters.sources.map((source) => createSourcePolls(deps, source));
  const reportDeps = { ...deps, ...reported(adapters, learnt) };
  const newRequestId = (): string => bytesToHex(random.bytes(8));
  const app = createApp(
    {
      ...model.calls,
      ...smallVerbs(deps),
      readiness: () => readiness(deps, sourcePolls),
    },
    { clock, log, newRequestId, bodyBytesMax: options.bodyBytesMax },
  );
  app.route("/api", controlPlaneRoutes(controlVerbs({ ...deps, ledger, reportDeps })));
  app.route("/metrics", metricRoutes(withDropped(counters, learnt.cases)));
  app.route("/webhooks", webhookRoutes({ receive: webhooks(deps) }));
  const loop = pacedTick(deps, options);
  return {
    app,
    /** For a host that listens to questions to models itself. */
    modelCalls: model.calls,
    newRequestId,
    controlPlane,
    tick: loop.tick,
    recordFlagEffects: () => recordFlagEffects({ controlPlane, flags, table: serving.table }),
    sourcePolls,
    checkPromptLabels: () => checkPromptLabels(deps),
    /** Sends feedback on. */
    deliver: exported.deliver,
    report: (request: Pick<ReportRequest, "period" | "top">) =>
      gatherReport(reportDeps, { ...request, maySee: () => true, seesAll: true }),
    /** Saves what a restart would otherwise have to learn again. */
    checkpoint: learnt.save,
    /** Saves what is large: labelled answers, and the history of losses. */
    checkpointCases: learnt.saveCases,
    /** @param hasServed false for a start that failed: it has learnt nothing, and must not overwrite what another instance saved */
    close: async ({ hasServed = true }: { readonly hasServed?: boolean } = {}) => {
      loop.stop();
      model.stop();
      await exported.close();
      if (hasServed) await saveAll(adapters, learnt);
      if (hasServed) await lease.release(options.instance);
      await controlPlane.close();
    },
  };
}

/** Questions to models, and what looks at their answers. */
function modelPlane(
  adapters: Adapters,
  deps: Omit<ServeModelDeps, "health" | "turns" | "prices" | "watch" | "deadlines" | "shadow"> & {
    readonly shadowMemory: ShadowMemory;
  },
): { readonly calls: ModelCallVerbs; readonly stop: () => void } {
  const { outcomes } = deps;
  const { prices, deadlines, languageOf } = adapters;
  const judging = createJudging({ ...adapters, outcomes });
  const afterAnswers = createAfterAnswers({ ...adapters, max: CHECKS_MAX });
  const watch = answerWatch({ afterAnswers, outcomes, languageOf, judging });
  const memory = deps.shadowMemory;
  const shadow = createShadowCalls({ ...adapters, ...deps, memory, judging, health: targetHealth() });
  const health = targetHealth(circuitLog(adapters));
  const own = { ...deps, prices, deadlines, watch, shadow, health, turns: createTurnMemory() };
  return {
    calls: { authenticate: authenticator(deps), serveModel: (call, sink) => serveModel(own, call, sink) },
    stop: () => {
      shadow.stop();
      judging.stop();
    },
  };
}

/** What was served goes to the store, to those that count, and to where feedback finds whom it was for. */
const countedExposures = (
  { exposures, counters }: Pick<Adapters, "exposures" | "counters">,
  {
    scoreboard,
    recentExposures,
    exposureLog,
  }: {
    readonly scoreboard: Scoreboard;
    readonly recentExposures: RecentExposures;
    readonly exposureLog: Exports["exposureLog"];
  },
): AnswerExposures => ({
  record: (exposure, session, user) => {
    const { predictionId, attributes, policy, segment, at, status, answered } = exposure;
    if (answered !== null) {
      const { provider, model } = answered.target;
      counters.add("segue_targets_total", { provider, model, status: `${Math.floor(status / 100)}xx` });
      if (answered.attempts > 1) counters.add("segue_further_attempts_total", { policy }, answered.attempts - 1);
    }
    if (exposure.error !== null) counters.add("segue_errors_total", { policy, reason: exposure.error });
    recentExposures.remember(predictionId, { attributes, session, user });
    scoreboard.expose(policy, segment, at);
    counters.add("segue_answers_total", { policy, status: `${Math.floor(status / 100)}xx` });
    exposures.record(exposure);
    exposureLog?.record(exposure);
  },
});

/** What an application may ask for beside answers. */
const smallVerbs = (
  deps: Parameters<typeof explainDecision>[0] &
    Parameters<typeof recordFeedback>[0] &
    Parameters<typeof listModels>[0] & { readonly scoreboard: Pick<Scoreboard, "wantsLabels"> },
) => ({
  wantsLabels: deps.scoreboard.wantsLabels,
  explainDecision: (input: Parameters<typeof explainDecision>[1]) => explainDecision(deps, input),
  recordFeedback: (input: Parameters<typeof recordFeedback>[1]) => recordFeedback(deps, input),
  listModels: (key: ApiKey) => listModels(deps, key),
  readModel: (key: ApiKey, id: string) => readModel(deps, key, id),
});

const nextTurnOf =
  ({ later }: Pick<Adapters, "later">) =>
  (): Promise<void> =>
    new Promise((resolve) => later(resolve));

/** Where signals and prompts come from, and how they are asked. */
const asked = ({ knownSources: known, sources, fetch, sleep, promptHubs: hubs, later }: Adapters) => ({
  nextTurn: nextTurnOf({ later }),
  known,
  sources,
  fetch,
  sleep,
  hubs,
});

const knownPolicies = ({ state }: Pick<OpenControlPlane, "state">): KnownPolicies => ({
  of: (id) => publishedOf(state(), id)?.policy,
  all: () => Object.values(state().policies).map(({ policy }) => policy),
});

async function saveAll({ exposures }: Pick<Adapters, "exposures">, learnt: Learnt): Promise<void> {
  await learnt.save();
  await learnt.saveCases();
  await exposures.flush();
}

/** What a report is made of, beside what is served. */
const reported = ({ ledger, counters, scannedExposures }: Adapters, { cases, lossHistory }: Learnt) => ({
  ledger,
  cases,
  history: lossHistory.history,
  exposures: scannedExposures,
  exported: () => exportCounts(counters.read),
});

/** Those of sources, and those by which Arize tells of prompts. */
function webhooks(deps: ReceiveWebhookDeps & CheckPromptLabelsDeps): (call: WebhookCall) => WebhookReceipt {
  const receive = receiveWebhook(deps);
  const source = deps.sources.find(({ id }) => id === "arize") ?? null;
  const receivePrompts = receivePromptWebhook({ ...deps, source });
  return (call) => (call.source === PROMPT_WEBHOOK ? receivePrompts(call) : receive(call));
}

/** What is printed counts the labelled answers that were forgotten for want of room as well. */
function withDropped(counters: Adapters["counters"], cases: Cases): { readonly print: () => string } {
  let counted = 0;
  return {
    print: () => {
      const dropped = cases.dropped();
      counters.add("segue_cases_dropped_total", {}, dropped - counted);
      counted = dropped;
      return counters.print();
    },
  };
}

type OpenControlPlane = Awaited<ReturnType<typeof createControlPlane>>;

function readiness(
  { controlPlane, flags }: { readonly controlPlane: OpenControlPlane; readonly flags: Flags },
  polls: readonly SourcePolls[],
) {
  const state = controlPlane.state();
  return {
    ready: Object.keys(state.policies).length > 0,
    revision: state.revision,
    ledger: { seq: state.head.seq, current: controlPlane.isCurrent() },
    flags: { ready: flags.status().ready },
    // What is wrong with one is in the log: it may name hosts and projects.
    sources: polls.map((poll) => ({ id: poll.id, ready: poll.status().ready })),
  };
}
