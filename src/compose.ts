import { bytesToHex } from "@noble/hashes/utils.js";
import { controlPlaneRoutes } from "../routes/control-plane.ts";
import { createApp } from "../routes/app.ts";
import { metricRoutes } from "../routes/metrics.ts";
import { webhookRoutes } from "../routes/webhooks.ts";
import { predictionIds } from "./core/prediction-id.ts";
import { createScoreboard, type Scoreboard } from "./core/scoreboard.ts";
import type { ConfiguredSource } from "./core/signal-source.ts";
import { isOpen } from "./core/switchover.ts";
import { authenticator } from "./gateway/authenticate.ts";
import { complete } from "./gateway/complete.ts";
import { explainDecision } from "./gateway/explain-decision.ts";
import { listModels, readModel } from "./gateway/list-models.ts";
import { recordFeedback } from "./gateway/record-feedback.ts";
import { servingOf } from "./gateway/serving.ts";
import { createControlPlane } from "./loop/control-plane.ts";
import { approveSwitchover, findSwitchover, rejectSwitchover, rollBackSwitchover } from "./loop/decide-switchover.ts";
import { freeze, listFreezes, unfreeze } from "./loop/freeze.ts";
import { pollSource } from "./loop/poll-source.ts";
import { publishPolicies } from "./loop/publish-policy.ts";
import { readStatus } from "./loop/read-status.ts";
import { receiveWebhook, type KnownSources } from "./loop/receive-webhook.ts";
import { recordFlagEffects } from "./loop/record-flag-effects.ts";
import { recordSignal } from "./loop/record-signal.ts";
import { tick, type TickResult } from "./loop/tick.ts";
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

/** Wires the verbs to the adapters. Starts nothing: the host calls `tick` and `checkpoint` when it likes. */
export async function compose(
  adapters: Adapters,
  options: { readonly instance: string; readonly bodyBytesMax: number },
) {
  const { ledger, lease, checkpoints, exposures, flags, providers, clock, random, log, counters } = adapters;
  const controlPlane = await createControlPlane({ ledger, clock, log, counters });
  const scoreboard = await restoredScoreboard(adapters);
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
    counters,
    known: adapters.knownSources,
    sources: adapters.sources,
    fetch: adapters.fetch,
    sleep: adapters.sleep,
    exposures: {
      record: (exposure: Parameters<Exposures["record"]>[0]) => {
        scoreboard.expose(exposure.policy, exposure.segment, exposure.at);
        counters.add("segue_answers_total", {
          policy: exposure.policy,
          status: `${Math.floor(exposure.status / 100)}xx`,
        });
        exposures.record(exposure);
      },
    },
  };
  const app = createApp(
    {
      authenticate: authenticator(deps),
      complete: (input) => complete(deps, input),
      explainDecision: (input) => explainDecision(deps, input),
      recordFeedback: (input) => recordFeedback(deps, input),
      listModels: (key) => listModels(deps, key),
      readModel: (key, id) => readModel(deps, key, id),
      readiness: () => readiness(deps),
    },
    { clock, log, newRequestId: () => bytesToHex(random.bytes(8)), bodyBytesMax: options.bodyBytesMax },
  );
  app.route("/api", controlPlaneRoutes(controlVerbs({ ...deps, ledger })));
  app.route("/metrics", metricRoutes(counters));
  app.route("/webhooks", webhookRoutes({ receive: receiveWebhook(deps) }));
  return {
    app,
    controlPlane,
    tick: (): Promise<TickResult> => tick(deps, options.instance),
    recordFlagEffects: () => recordFlagEffects({ controlPlane, flags, table: serving.table }),
    pollSources: () => Promise.all(adapters.sources.map((source) => pollSource(deps, source))),
    /** Saves what a restart would otherwise have to learn again. */
    checkpoint: () => checkpoints.save(CHECKPOINT, scoreboard.save()),
    close: async () => {
      await checkpoints.save(CHECKPOINT, scoreboard.save());
      await lease.release(options.instance);
      await exposures.flush();
      await controlPlane.close();
    },
  };
}

/** A checkpoint that cannot be read costs what was learnt, never the start. */
async function restoredScoreboard({ checkpoints, log }: Adapters): Promise<Scoreboard> {
  try {
    return createScoreboard(await checkpoints.load(CHECKPOINT));
  } catch (error) {
    log.warn("the detectors' checkpoint could not be read: they start afresh", { error });
    return createScoreboard();
  }
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
