import { bytesToHex } from "@noble/hashes/utils.js";
import { controlPlaneRoutes } from "../routes/control-plane.ts";
import { createApp } from "../routes/app.ts";
import { metricRoutes } from "../routes/metrics.ts";
import { webhookRoutes } from "../routes/webhooks.ts";
import { createCases, type Cases } from "./core/cases.ts";
import { predictionIds } from "./core/prediction-id.ts";
import { createScoreboard, type Scoreboard } from "./core/scoreboard.ts";
import type { ConfiguredSource } from "./core/signal-source.ts";
import { isOpen } from "./core/switchover.ts";
import type { AnswerExposures } from "./gateway/answer-recorder.ts";
import { authenticator } from "./gateway/authenticate.ts";
import { complete } from "./gateway/complete.ts";
import { explainDecision } from "./gateway/explain-decision.ts";
import { listModels, readModel } from "./gateway/list-models.ts";
import { createRecentExposures, type RecentExposures } from "./gateway/recent-exposures.ts";
import { recordFeedback } from "./gateway/record-feedback.ts";
import { servingOf } from "./gateway/serving.ts";
import { createControlPlane } from "./loop/control-plane.ts";
import { approveSwitchover, findSwitchover, rejectSwitchover, rollBackSwitchover } from "./loop/decide-switchover.ts";
import { freeze, listFreezes, unfreeze } from "./loop/freeze.ts";
import { pacedTick } from "./loop/paced-tick.ts";
import { pollSource } from "./loop/poll-source.ts";
import { publishPolicies } from "./loop/publish-policy.ts";
import { readStatus } from "./loop/read-status.ts";
import { receiveWebhook, type KnownSources } from "./loop/receive-webhook.ts";
import { recordFlagEffects } from "./loop/record-flag-effects.ts";
import { recordSignal } from "./loop/record-signal.ts";
import type { Checkpoints, Clock, Counters, Exposures, Flags, Lease, Ledger, Log, Provider, Random } from "./ports.ts";

/** What a host picks. */
export interface Adapters {
  readonly ledger: Ledger;
  readonly lease: Lease;
  readonly checkpoints: Checkpoints;
  readonly exposures: Exposures;
  readonly flags: Flags;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters & { readonly print: () => string };
  /** Every source there is, and those whose settings are there. */
  readonly knownSources: KnownSources;
  readonly sources: readonly ConfiguredSource[];
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** Sign prediction ids; the first signs, all open. */
  readonly secrets: readonly [string, ...string[]];
}

const CHECKPOINT = "scoreboard";
/** Of its own, because it is larger and its loss costs less. */
const CASES_CHECKPOINT = "cases";

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
  const { ledger, lease, checkpoints, exposures, flags, providers, clock, random, log, counters } = adapters;
  const controlPlane = await createControlPlane({ ledger, clock, log, counters });
  const cases = await restoredCases(adapters);
  const scoreboard = await restoredScoreboard(adapters, cases);
  const recentExposures = createRecentExposures(counters);
  const serving = servingOf({ controlPlane, log });
  const ids = predictionIds(adapters.secrets);
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
    predictionIds: ids,
    outcomes: scoreboard,
    wantsLabels: scoreboard.wantsLabels,
    recentExposures,
    counters,
    known: adapters.knownSources,
    sources: adapters.sources,
    fetch: adapters.fetch,
    sleep: adapters.sleep,
    exposures: countedExposures(adapters, { scoreboard, recentExposures }),
  };
  const app = createApp(
    {
      authenticate: authenticator(deps),
      complete: (input) => complete(deps, input),
      explainDecision: (input) => explainDecision(deps, input),
      wantsLabels: scoreboard.wantsLabels,
      recordFeedback: (input) => recordFeedback(deps, input),
      listModels: (key) => listModels(deps, key),
      readModel: (key, id) => readModel(deps, key, id),
      readiness: () => readiness(deps),
    },
    { clock, log, newRequestId: () => bytesToHex(random.bytes(8)), bodyBytesMax: options.bodyBytesMax },
  );
  app.route("/api", controlPlaneRoutes(controlVerbs({ ...deps, ledger })));
  app.route("/metrics", metricRoutes(withDropped(counters, cases)));
  app.route("/webhooks", webhookRoutes({ receive: receiveWebhook(deps) }));
  const loop = pacedTick(deps, options);
  return {
    app,
    controlPlane,
    tick: loop.tick,
    recordFlagEffects: () => recordFlagEffects({ controlPlane, flags, table: serving.table }),
    pollSources: () => Promise.all(adapters.sources.map((source) => pollSource(deps, source))),
    /** Saves what a restart would otherwise have to learn again. */
    checkpoint: () => checkpoints.save(CHECKPOINT, scoreboard.save()),
    /** Saves the labelled answers by which an alarm says whom it is about. */
    checkpointCases: () => checkpoints.save(CASES_CHECKPOINT, cases.save()),
    close: async () => {
      loop.stop();
      await checkpoints.save(CHECKPOINT, scoreboard.save());
      await checkpoints.save(CASES_CHECKPOINT, cases.save());
      await lease.release(options.instance);
      await exposures.flush();
      await controlPlane.close();
    },
  };
}

/** What was served goes to the store, to those that count, and to where feedback finds whom it was for. */
const countedExposures = (
  { exposures, counters }: Pick<Adapters, "exposures" | "counters">,
  { scoreboard, recentExposures }: { readonly scoreboard: Scoreboard; readonly recentExposures: RecentExposures },
): AnswerExposures => ({
  record: (exposure, session) => {
    const { predictionId, attributes, policy, segment, at, status } = exposure;
    recentExposures.remember(predictionId, { attributes, session });
    scoreboard.expose(policy, segment, at);
    counters.add("segue_answers_total", { policy, status: `${Math.floor(status / 100)}xx` });
    exposures.record(exposure);
  },
});

/** A checkpoint that cannot be read costs what was learnt, never the start. */
async function restoredScoreboard({ checkpoints, log }: Adapters, cases: Cases): Promise<Scoreboard> {
  try {
    return createScoreboard(await checkpoints.load(CHECKPOINT), cases);
  } catch (error) {
    log.warn("the detectors' checkpoint could not be read: they start afresh", { error });
    return createScoreboard(undefined, cases);
  }
}

async function restoredCases({ checkpoints, log }: Adapters): Promise<Cases> {
  try {
    return createCases(await checkpoints.load(CASES_CHECKPOINT));
  } catch (error) {
    log.warn("the checkpoint of labelled answers could not be read: alarms cannot yet say whom they are about", {
      error,
    });
    return createCases();
  }
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

type ControlPlane = Awaited<ReturnType<typeof createControlPlane>>;

function readiness({ controlPlane, flags }: { readonly controlPlane: ControlPlane; readonly flags: Flags }) {
  const state = controlPlane.state();
  return {
    ready: Object.keys(state.policies).length > 0,
    revision: state.revision,
    ledger: { seq: state.head.seq, current: controlPlane.isCurrent() },
    flags: { ready: flags.status().ready },
  };
}

function controlVerbs(deps: {
  readonly controlPlane: ControlPlane;
  readonly scoreboard: Scoreboard;
  readonly flags: Flags;
  readonly clock: Clock;
  readonly ledger: Ledger;
}): Parameters<typeof controlPlaneRoutes>[0] {
  const { controlPlane, ledger } = deps;
  return {
    freezes: {
      list: () => listFreezes(deps),
      freeze: (input) => freeze(deps, input),
      unfreeze: (input) => unfreeze(deps, input),
    },
    ledger: { head: () => controlPlane.state().head, read: ledger.read },
    policies: {
      list: () => {
        const { revision, policies } = controlPlane.state();
        return { revision, policies: Object.values(policies) };
      },
      publish: (input) => publishPolicies(deps, input),
    },
    signals: {
      state: controlPlane.state,
      now: deps.clock.now,
      record: (input) => recordSignal(deps, input),
    },
    switchovers: {
      list: ({ all }) => Object.values(controlPlane.state().switchovers).filter((one) => all || isOpen(one)),
      read: (id) => findSwitchover(controlPlane.state(), id),
      approve: (input) => approveSwitchover(deps, input),
      reject: (input) => rejectSwitchover(deps, input),
      rollBack: (input) => rollBackSwitchover(deps, input),
    },
    table: { status: () => readStatus(deps) },
  };
}
