import { bytesToHex } from "@noble/hashes/utils.js";
import { z } from "zod";
import bundle from "../dist/policies.bundle.json" with { type: "json" };
import { createApp } from "../routes/app.ts";
import { problem } from "../routes/error-response.ts";
import { jsonText, Providers, Secrets } from "./config.ts";
import { ApiKey } from "./core/api-key.ts";
import { RouterError } from "./core/errors.ts";
import { Policy, Prompt } from "./core/policy.ts";
import { predictionIds } from "./core/prediction-id.ts";
import { staticFlags } from "./flags/static.ts";
import { authenticator } from "./gateway/authenticate.ts";
import { noWatch } from "./gateway/answer-watch.ts";
import { explainDecision } from "./gateway/explain-decision.ts";
import { listModels, readModel } from "./gateway/list-models.ts";
import { createLimits } from "./gateway/limits.ts";
import { serveModel } from "./gateway/serve-model.ts";
import { servingOf } from "./gateway/serving.ts";
import { targetHealth } from "./gateway/target-health.ts";
import { createTurnMemory } from "./gateway/turn-memory.ts";
import { createControlPlane } from "./loop/control-plane.ts";
import type { Counters, Provider, Random } from "./ports.ts";
import { genaiPrices } from "./prices/genai-prices.ts";
import { fetchTransport } from "./providers/fetch-transport.ts";
import { forwardingProviders } from "./providers/index.ts";
import { createMemoryLedger } from "./stores/memory-ledger.ts";
import { jsonLog } from "./telemetry/log.ts";
import { timerDeadlines } from "./timer-deadlines.ts";

const Bundle = z.array(z.strictObject({ policy: Policy, prompts: z.record(z.string(), Prompt) }));
/** Bindings: variables and secrets of the Worker. Providers' keys are further secrets, named in `SEGUE_PROVIDERS`. */
const Bindings = z.looseObject({
  SEGUE_SECRET: Secrets,
  /** The keys that may call, as `segue keys export` prints them: digests, no texts. */
  SEGUE_KEYS: jsonText(z.array(ApiKey).min(1)),
  SEGUE_PROVIDERS: Providers,
});
type Bindings = z.infer<typeof Bindings>;

const clock = { now: () => Date.now() };
const random: Random = { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) };
// oxlint-disable-next-line no-console -- it is how a Worker logs
const log = jsonLog((line) => console.log(line.trimEnd()), clock.now);
const counters: Counters = { add: () => undefined };

/** Built once per isolate: Workers hand over `env` only with the first request. */
let running: ReturnType<typeof start> | undefined;

/** The policy table is the one that was bundled; nothing moves it, because the ledger of this host is not there yet. */
async function start(environment: unknown) {
  const bindings = readBindings(environment);
  const controlPlane = await createControlPlane({ ledger: createMemoryLedger(), clock, log, counters });
  const actor = { kind: "operator", id: "wrangler" } as const;
  await controlPlane.commit(actor, () => [
    ...Bundle.parse(bundle).map((publication) => ({ type: "policy.published" as const, ...publication })),
    ...bindings.SEGUE_KEYS.map((key) => ({ type: "key.created" as const, key })),
  ]);
  const serving = servingOf({ controlPlane, log });
  const deps = {
    controlPlane,
    serving,
    flags: staticFlags(),
    providers: providers(bindings),
    predictionIds: predictionIds(bindings.SEGUE_SECRET),
    exposures: { record: () => undefined },
    outcomes: { observe: () => true },
    health: targetHealth(),
    turns: createTurnMemory(),
    limits: createLimits({ clock, counters }),
    prices: genaiPrices({ clock }),
    watch: noWatch,
    deadlines: timerDeadlines(clock),
    clock,
    random,
    log,
  };
  return createApp(
    {
      authenticate: authenticator(deps),
      serveModel: (call, sink) => serveModel(deps, call, sink),
      explainDecision: (input) => explainDecision(deps, input),
      recordFeedback: () => {
        throw new RouterError(
          "unavailable",
          "This host keeps no outcomes yet, and a Node host does not know its prediction ids: feedback for these answers cannot be sent anywhere yet.",
          {
            reason: "feedback_not_kept",
          },
        );
      },
      listModels: (key) => listModels(deps, key),
      readModel: (key, id) => readModel(deps, key, id),
      readiness: () => ({ ready: true, revision: controlPlane.state().revision, sources: [] }),
    },
    { clock, log, newRequestId: () => bytesToHex(random.bytes(8)) },
  );
}

/** Throws `RouterError` `invalid_request` that names each binding at fault and shows no value. */
function readBindings(environment: unknown): Bindings {
  const parsed = Bindings.safeParse(environment);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new RouterError("invalid_request", `Set these bindings of the Worker: ${faults.join("; ")}.`, {
    reason: "not_configured",
  });
}

function providers(bindings: Bindings): ReadonlyMap<string, Provider> {
  const transport = fetchTransport((url, init) => fetch(url, init));
  return new Map(
    Object.entries(bindings.SEGUE_PROVIDERS).map(([id, settings]) => {
      if (settings.kind === "langchain")
        throw new RouterError("invalid_request", `Provider '${id}': the kind 'langchain' needs the Node host.`, {
          reason: "not_configured",
        });
      const { apiKeyEnv } = settings;
      const key = apiKeyEnv === undefined ? undefined : bindings[apiKeyEnv];
      if (apiKeyEnv !== undefined && key === undefined)
        log.warn(`provider '${id}' is asked without a key: there is no secret '${apiKeyEnv}'`);
      const apiKey = (): string | undefined => (typeof key === "string" ? key : undefined);
      return [id, forwardingProviders[settings.kind]({ ...settings, id, apiKey, transport })];
    }),
  );
}

export default {
  fetch: async (request: Request, environment: unknown): Promise<Response> => {
    const app = await (running ??= start(environment)).catch((error: unknown) => {
      running = undefined;
      log.error("the Worker could not start", { error });
      return null;
    });
    if (app === null) return problem(503, "not_configured", "Segue is not configured: see the Worker's log.");
    return app.fetch(request);
  },
};
