import { existsSync } from "node:fs";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { hash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { compose, type Adapters } from "./compose.ts";
import { arizeSettingsOf, phoenixSettingsOf, type Config } from "./config.ts";
import { RouterError } from "./core/errors.ts";
import { langchainJudges } from "./judges/langchain.ts";
import { eldLanguages } from "./languages/eld.ts";
import { nodeListener } from "./node-listener.ts";
import { genaiPrices } from "./prices/genai-prices.ts";
import { launchdarklyFlags } from "./flags/launchdarkly.ts";
import { nodeRandom } from "./node-random.ts";
import type { Clock, Log } from "./ports.ts";
import { configureSource, type ConfiguredSource } from "./core/signal-source.ts";
import { nodeExports } from "./node-exports.ts";
import { judgeProviders, nodeProviders } from "./node-providers.ts";
import { drain, listen } from "./node-server.ts";
import { every, everyFlagChange } from "./node-timers.ts";
import { promptHubs } from "./prompt-hubs/index.ts";
import { reportFiles } from "./reports/report-files.ts";
import { scheduledReports } from "./reports/write-scheduled-report.ts";
import { arize } from "./sources/arize.ts";
import { sources } from "./sources/index.ts";
import { phoenix } from "./sources/phoenix.ts";
import { ensureSecretFile } from "./stores/secret-file.ts";
import { createSqliteCheckpoints } from "./stores/sqlite-checkpoints.ts";
import { createSqliteExposures } from "./stores/sqlite-exposures.ts";
import { createSqliteLease } from "./stores/sqlite-lease.ts";
import { createSqliteOutbox } from "./stores/sqlite-outbox.ts";
import { openSqliteLedger } from "./stores/sqlite-ledger.ts";
import { openDatabase, SERVING } from "./stores/sqlite.ts";
import { announce } from "./telemetry/announce.ts";
import { memoryCounters } from "./telemetry/counters.ts";
import { timerDeadlines } from "./timer-deadlines.ts";

/** The loop looks at every segment this often, and in between where something happened. */
const TICKS_A_FULL_SWEEP = 10;

/** Labelled answers are many and change little, so they are saved more rarely than what the detectors know. */
const CASES_CHECKPOINT_MS = 60_000;
const DELIVER_MS = 1000;
const REPORT_CHECK_MS = 60_000;

/** A running server. */
export interface NodeServer {
  readonly url: string;
  /** Lets running requests end, saves what was learnt, and closes everything. */
  readonly close: () => Promise<void>;
}

/**
 * The Node host: SQLite, LaunchDarkly's SDK on a file or streaming, undici.
 * @throws RouterError `ledger_broken` for a ledger that does not verify, `invalid_request` when no key exists
 */
export async function startNode(config: Config, log: Log): Promise<NodeServer> {
  const opened = new AsyncDisposableStack();
  try {
    return { url: await start(config, log, opened), close: () => opened.disposeAsync() };
  } catch (error) {
    // What stays open would keep the process alive after its failure.
    await opened.disposeAsync().catch((cause: unknown) => log.warn("did not close cleanly", { error: cause }));
    throw error;
  }
}

/** @returns the URL @param opened takes what has to be closed again, last opened first */
async function start(config: Config, log: Log, opened: AsyncDisposableStack): Promise<string> {
  const counters = memoryCounters();
  const clock = { now: () => Date.now() };
  const file = join(config.SEGUE_DATA, "ledger.db");
  // Without a ledger there is no key either; a start that is refused leaves nothing behind.
  if (!existsSync(file) && !existsSync(`${file}-wal`)) throw noKeys();
  const database = openDatabase(file, SERVING);
  opened.defer(database.close);
  const secrets = readSecrets(config);
  const ledger = openSqliteLedger(database, { snapshotKeys: secrets });
  opened.defer(ledger.close);
  const exposureDatabase = openDatabase(join(config.SEGUE_DATA, "exposures.db"), { ...SERVING, kind: "exposures" });
  opened.defer(exposureDatabase.close);
  const exposures = createSqliteExposures(exposureDatabase, { counters, log });
  opened.defer(exposures.close);
  const flags = await launchdarklyFlags(
    config.LAUNCHDARKLY_SDK_KEY === undefined
      ? { file: config.SEGUE_FLAGS, log }
      : { sdkKey: config.LAUNCHDARKLY_SDK_KEY, log },
  );
  opened.defer(flags.close);
  const lease = createSqliteLease(database);
  const checkpoints = createSqliteCheckpoints(database);
  // A process may get the id of one before it, and in containers most have the same.
  const instance = `${hostname()}:${process.pid}:${randomBytes(3).toString("hex")}`;
  const stopping = new AbortController();
  const shared = { clock, random: nodeRandom, log, counters };
  const models = await modelAdapters(config, { clock, log });
  const openOutbox = () => {
    const outboxDatabase = openDatabase(join(config.SEGUE_DATA, "outbox.db"), { ...SERVING, kind: "outbox" });
    opened.defer(outboxDatabase.close);
    return createSqliteOutbox(outboxDatabase, { counters });
  };
  const segue = await compose(
    {
      ledger,
      lease,
      checkpoints,
      exposures,
      scannedExposures: exposures,
      flags,
      ...models,
      clock,
      random: nodeRandom,
      log,
      counters,
      secrets,
      sha256: (bytes) => hash("sha256", bytes, "buffer"),
      knownSources: sources,
      sources: configuredSources(config),
      promptHubs: promptHubs(config, patience(stopping.signal).fetch),
      exports: nodeExports(config, {
        ...shared,
        deadlines: models.deadlines,
        flags,
        openOutbox,
        instance,
        secret: secrets[0],
      }),
      ...patience(stopping.signal),
    },
    {
      instance,
      bodyBytesMax: config.SEGUE_BODY_BYTES_MAX,
      fullSweepMs: config.SEGUE_TICK_MS * TICKS_A_FULL_SWEEP,
    },
  );
  let isServing = false;
  opened.defer(() => segue.close({ hasServed: isServing }));
  if (Object.keys(segue.controlPlane.state().keys).length === 0) throw noKeys();
  await warnOfOther(lease, { instance, now: clock.now(), data: config.SEGUE_DATA }, log);

  const stops = startTimers(segue, config, { ...shared, flags, checkpoints, lease, instance });
  for (const stop of stops) opened.defer(stop);
  // A source that is being waited for would otherwise hold up the end, for minutes.
  opened.defer(() => stopping.abort());
  const { SEGUE_DRAIN_MS: drainMs } = config;
  const server = await listen(listenerOf(segue, config, { clock, log }), config);
  opened.defer(() => drain(server, drainMs, log));
  isServing = true;
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

type Segue = Awaited<ReturnType<typeof compose>>;

/** @returns the ways to stop */
function startTimers(
  segue: Segue,
  config: Config,
  deps: Omit<Parameters<typeof scheduledReports>[0], "report" | "files"> &
    Pick<Adapters, "flags"> & { instance: string },
): readonly (() => Promise<void>)[] {
  const { log, flags, instance } = deps;
  const pollMs = (source: string) => (source === "phoenix" ? config.SEGUE_PHOENIX_POLL_MS : config.SEGUE_ARIZE_POLL_MS);
  const { SEGUE_REPORT_DIR: directory, SEGUE_REPORT_EVERY_HOURS: everyHours, SEGUE_REPORT_KEEP: keep } = config;
  const reports =
    directory === undefined
      ? null
      : scheduledReports(
          { ...deps, report: segue.report, files: reportFiles(directory) },
          { instance, everyHours, keep },
        );
  return [
    every(
      config.SEGUE_TICK_MS,
      async () => {
        for (const entry of (await segue.tick()).entries) announce(log, entry);
      },
      (error) => log.error("the loop's tick failed; it is tried again", { error }),
    ),
    every(config.SEGUE_CHECKPOINT_MS, segue.checkpoint, (error) => log.warn("the checkpoint was not saved", { error })),
    every(CASES_CHECKPOINT_MS, segue.checkpointCases, (error) =>
      log.warn("the labelled answers were not saved", { error }),
    ),
    ...segue.sourcePolls.map(({ id, poll }) =>
      every(pollMs(id), poll, (error) => log.warn("a source was not polled", { source: id, error })),
    ),
    every(config.SEGUE_PROMPTS_POLL_MS, segue.checkPromptLabels, (error) =>
      log.warn("the labels of prompts were not checked", { error }),
    ),
    every(DELIVER_MS, segue.deliver, (error) => log.error("feedback was not sent on", { error })),
    ...(reports === null
      ? []
      : [
          every(REPORT_CHECK_MS, reports.writeScheduledReport, (error) =>
            log.error("the segment report was not written; it is tried again", { error }),
          ),
        ]),
    everyFlagChange(flags.onChange, segue.recordFlagEffects, log),
    // A new policy can put a flag into effect as well.
    every(config.SEGUE_CHECKPOINT_MS, segue.recordFlagEffects, (error) =>
      log.error("the flags' effects were not recorded", { error }),
    ),
  ];
}

/** Models, what they cost, and what looks at their answers. */
async function modelAdapters(config: Config, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
  // A copy: every look into Node's own asks the operating system, and keys are looked up for every request.
  const environment = { ...process.env };
  return {
    providers: await nodeProviders(config, environment, log),
    prices: genaiPrices({ clock }),
    judges: langchainJudges(judgeProviders(config, environment)),
    languageOf: eldLanguages({ log }).languageOf,
    deadlines: timerDeadlines(clock),
    later: (work: () => void) => void setImmediate(work),
    timeout: (ms: number) => AbortSignal.timeout(ms),
  };
}

const noKeys = (): RouterError =>
  new RouterError(
    "invalid_request",
    "There is no API key, and Segue never serves without one. Run 'segue init', or 'segue keys create --machine NAME'.",
    { reason: "no_keys" },
  );

/** Questions to models by the short way, everything else by Hono's. */
function listenerOf(
  segue: Segue,
  { SEGUE_BODY_BYTES_MAX: bodyBytesMax }: Config,
  shared: { readonly clock: Clock; readonly log: Log },
): RequestListener {
  const answerOthers = getRequestListener(segue.app.fetch);
  return nodeListener(segue.modelCalls, {
    ...shared,
    newRequestId: segue.newRequestId,
    bodyBytesMax,
    others: (request, response) => void answerOthers(request, response),
  });
}

function configuredSources(config: Config): ConfiguredSource[] {
  const [arizeSettings, phoenixSettings] = [arizeSettingsOf(config), phoenixSettingsOf(config)];
  return [
    ...(arizeSettings === null ? [] : [configureSource(arize, arizeSettings)]),
    ...(phoenixSettings === null ? [] : [configureSource(phoenix, phoenixSettings)]),
  ];
}

/** The secrets of the environment, else the data directory's own, made on first use. */
const readSecrets = (config: Config): readonly [string, ...string[]] =>
  config.SEGUE_SECRET ?? [ensureSecretFile(join(config.SEGUE_DATA, "secret"))];

/** How sources are asked and waited for, until the server stops. */
const patience = (stopping: AbortSignal): Pick<Adapters, "fetch" | "sleep"> => ({
  fetch: (url, init) =>
    globalThis.fetch(url, { ...init, signal: AbortSignal.any([stopping, ...(init.signal ? [init.signal] : [])]) }),
  sleep: async (ms) => {
    await pause(ms, undefined, { signal: stopping });
  },
});

/** Two servers on one ledger agree on every change; but feedback goes to one of them only. */
async function warnOfOther(
  lease: ReturnType<typeof createSqliteLease>,
  { instance, now, data }: { readonly instance: string; readonly now: number; readonly data: string },
  log: Log,
): Promise<void> {
  const other = await lease.otherHolder(instance, now);
  if (other === null) return;
  log.warn(
    `another server works on ${data}, or was killed within the last seconds: it acts as long as it lives, and does ` +
      "not see the feedback that is sent here. Send all feedback to one server, or end the other.",
    { other, instance },
  );
}
