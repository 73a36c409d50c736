import { readFileSync } from "node:fs";
import { join } from "node:path";
import { arizeAnnotator } from "./annotators/arize.ts";
import { ARIZE_LOG_TOPIC, createArizeLog, type ArizeLog } from "./annotators/arize-log.ts";
import { arizeLogSender } from "./annotators/arize-log-sender.ts";
import {
  arizeDestination as arizeFeedback,
  createAnnotationQueue,
  type Exported,
  phoenixDestination as phoenixFeedback,
} from "./annotators/annotation-queue.ts";
import { phoenixAnnotator } from "./annotators/phoenix.ts";
import type { Config } from "./config.ts";
import type { AnnotatedMetric, Annotation } from "./core/annotation.ts";
import type { Policy } from "./core/policy.ts";
import type { ContentRedaction } from "./core/privacy.ts";
import type { Exports, KnownPolicies, MakeExports } from "./exports.ts";
import { outboxDelivery } from "./loop/deliver-outbox.ts";
import { atMost } from "./node-timers.ts";
import type { Clock, Counters, Deadlines, Flags, Log, Outbox, OutboxSender, Random, Spans } from "./ports.ts";
import { spanRedactions } from "./privacy/span-redaction.ts";
import { createContentEncoder } from "./telemetry/content/content-encoder.ts";
import { contentThread } from "./telemetry/content/content-thread.ts";
import { createSpans } from "./telemetry/spans/create-spans.ts";
import {
  arizeDestination,
  otlpDestination,
  phoenixDestination,
  type SpanDestination,
} from "./telemetry/spans/span-destinations.ts";
import { createSpanQueue } from "./telemetry/spans/span-queue.ts";
import { openSpanSpool } from "./telemetry/spans/span-spool.ts";
import { createSpanSampling, type SpanSampling } from "./telemetry/spans/span-sampling.ts";
import { undiciPost } from "./telemetry/undici-post.ts";

export interface NodeExportsDeps {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly flags: Pick<Flags, "telemetry" | "onChange">;
  /** Opens where feedback waits until it is sent; called only where it is sent anywhere. */
  readonly openOutbox: () => Outbox;
  readonly instance: string;
  /** From which tokens of identifiers follow. */
  readonly secret: string;
}

/** Sends answers as spans, and feedback as annotations, to what the configuration names. */
export const nodeExports =
  (config: Config, deps: NodeExportsDeps): MakeExports =>
  (known) => {
    const policies = { known, redactionOf: spanRedactions(deps.secret) };
    const spans = spansOf(config, deps, policies);
    const feedback = feedbackOf(config, deps, policies);
    return {
      ...(spans === null ? {} : { spans }),
      ...feedback.parts,
      deliver: feedback.deliver,
      close: async () => {
        await Promise.all([spans?.close(), feedback.close()]);
      },
    };
  };

interface Policies {
  readonly redactionOf: (policy: Policy) => ContentRedaction;
  readonly known: KnownPolicies;
}

/** Where spans go. @throws RouterError `invalid_request` for an address or header that cannot be used */
export function spanDestinations(config: Config): readonly SpanDestination[] {
  const { SEGUE_ARIZE_API_KEY: apiKey, SEGUE_ARIZE_SPACE_ID: spaceId, SEGUE_ARIZE_PROJECT: project } = config;
  const { SEGUE_PHOENIX_URL: phoenixUrl, SEGUE_OTLP_URL: otlpUrl } = config;
  return [
    ...(apiKey === undefined || spaceId === undefined
      ? []
      : [arizeDestination({ url: config.SEGUE_ARIZE_OTLP_URL, apiKey, spaceId, project })]),
    ...(phoenixUrl === undefined
      ? []
      : [
          phoenixDestination({
            url: phoenixUrl,
            apiKey: config.SEGUE_PHOENIX_API_KEY ?? null,
            project: config.SEGUE_PHOENIX_PROJECT,
          }),
        ]),
    ...(otlpUrl === undefined
      ? []
      : [otlpDestination({ url: otlpUrl, headers: config.SEGUE_OTLP_HEADERS ?? {}, project })]),
  ];
}

function spansOf(
  config: Config,
  deps: NodeExportsDeps,
  { redactionOf, known }: Policies,
): (Spans & { readonly close: () => Promise<void> }) | null {
  const destinations = spanDestinations(config);
  if (destinations.length === 0) return null;
  const { log, counters } = deps;
  log.info("answers are exported as spans", {
    to: destinations.map(({ name, projectName }) => `${name} (project ${projectName})`),
    spool: config.SEGUE_SPOOL,
  });
  const runner = contentThread(deps);
  const spans = createSpans({
    ...deps,
    destinations,
    service: { name: "segue", version: version(), instance: deps.instance },
    redactionOf,
    fetch: undiciPost(),
    contentEncoder: createContentEncoder({ runner, policyOf: known.of, counters }),
    buffer:
      config.SEGUE_SPOOL === "on"
        ? openSpanSpool({ directory: join(config.SEGUE_DATA, "spool"), counters, log })
        : createSpanQueue({ counters }),
  });
  return {
    ...spans,
    close: async () => {
      await spans.close();
      await runner.close();
    },
  };
}

interface FeedbackExports {
  readonly parts: Pick<Exports, "sending" | "exposureLog">;
  readonly deliver: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** In which what is under way may end by itself, and what is broken off may be given back. */
const CLOSE_MS = { grace: 2000, end: 2000 } as const;

const NO_FEEDBACK: FeedbackExports = { parts: {}, deliver: async () => undefined, close: async () => undefined };

function feedbackOf(config: Config, deps: NodeExportsDeps, policies: Policies): FeedbackExports {
  const stopping = new AbortController();
  const sampling = createSpanSampling(deps.flags);
  const senders = feedbackSenders(config, { ...deps, fetch: fetchUntil(stopping.signal) }, policies.known);
  if (Object.keys(senders).length === 0) return NO_FEEDBACK;
  const outbox = deps.openOutbox();
  const exposureLog = senders[ARIZE_LOG_TOPIC] === undefined ? null : arizeLogOf(config, { ...deps, outbox }, policies);
  const destinations = [
    ...("arize" in senders ? [arizeFeedback] : []),
    ...("phoenix" in senders ? [phoenixFeedback] : []),
    ...(exposureLog === null ? [] : [exposureLog.destination]),
  ];
  const queue = createAnnotationQueue({ ...deps, outbox }, destinations, {
    lagMs: config.SEGUE_FEEDBACK_LAG_MS,
    exported: exportedOf(deps.flags, sampling),
  });
  const countedIn = { [ARIZE_LOG_TOPIC]: "segue_exposure_log_records_total" };
  const delivery = outboxDelivery({ ...deps, outbox }, senders, countedIn);
  return {
    parts: {
      sending: { queue, redaction: policies.redactionOf },
      ...(exposureLog === null ? {} : { exposureLog }),
    },
    deliver: async () => {
      void exposureLog?.flush();
      void delivery.deliver();
    },
    close: async () => {
      sampling.close();
      const ended = Promise.all([delivery.stop(), exposureLog?.close()]);
      await atMost(CLOSE_MS.grace, ended, deps);
      stopping.abort();
      await atMost(CLOSE_MS.end, ended, deps);
    },
  };
}

/** By the shares of now: an answer may have been sampled by another, unless nothing is exported any more. */
const exportedOf =
  (flags: NodeExportsDeps["flags"], { takes }: SpanSampling) =>
  ({ policy, segment, spanId }: Annotation): Exported => {
    if (takes(policy, segment, spanId)) return "yes";
    return flags.telemetry(policy, segment).value > 0 ? "hardly" : "no";
  };

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What is under way then is given up. */
const fetchUntil =
  (stopping: AbortSignal): Fetch =>
  (url, init) =>
    globalThis.fetch(url, { ...init, signal: AbortSignal.any([stopping, ...(init.signal ? [init.signal] : [])]) });

function feedbackSenders(
  config: Config,
  { clock, log, fetch }: NodeExportsDeps & { readonly fetch: Fetch },
  known: KnownPolicies,
): Readonly<Record<string, OutboxSender>> {
  const { SEGUE_ARIZE_API_KEY: apiKey, SEGUE_ARIZE_SPACE_ID: spaceId, SEGUE_ARIZE_PROJECT_ID: projectId } = config;
  const { SEGUE_PHOENIX_URL: phoenixUrl } = config;
  const ask = { fetch, clock };
  const metricOf = (name: string): AnnotatedMetric | null => feedbackMetric(known.all(), name);
  const isArize = apiKey !== undefined && spaceId !== undefined;
  if (isArize && projectId === undefined)
    log.warn("feedback is not sent to Arize: set SEGUE_ARIZE_PROJECT_ID, under which it looks spans up");
  return {
    ...(isArize && projectId !== undefined
      ? {
          arize: arizeAnnotator({ ...ask, log }, { url: config.SEGUE_ARIZE_URL, apiKey, spaceId, projectId, metricOf }),
        }
      : {}),
    ...(phoenixUrl === undefined
      ? {}
      : { phoenix: phoenixAnnotator(ask, { url: phoenixUrl, apiKey: config.SEGUE_PHOENIX_API_KEY }) }),
    ...(isArize && config.SEGUE_ARIZE_LOG_METRIC !== undefined
      ? { [ARIZE_LOG_TOPIC]: arizeLogSender(ask, { url: config.SEGUE_ARIZE_LOG_URL, apiKey, spaceId }) }
      : {}),
  };
}

const arizeLogOf = (
  config: Config,
  deps: NodeExportsDeps & { readonly outbox: Outbox },
  { redactionOf, known }: Policies,
): ArizeLog =>
  createArizeLog(deps, {
    metric: config.SEGUE_ARIZE_LOG_METRIC ?? "",
    redaction: (id) => {
      const policy = known.of(id);
      return policy === undefined ? null : redactionOf(policy);
    },
  });

function feedbackMetric(policies: readonly Policy[], name: string): AnnotatedMetric | null {
  for (const { metrics } of policies) {
    const metric = Object.hasOwn(metrics, name) ? metrics[name] : undefined;
    if (metric?.from === "feedback") return metric;
  }
  return null;
}

/** Of the package: beside the sources in a checkout, two folders up in the published one. */
function version(): string {
  for (const place of ["../package.json", "../../../package.json"]) {
    try {
      const { name, version: found } = JSON.parse(readFileSync(new URL(place, import.meta.url), "utf8")) as {
        readonly name?: string;
        readonly version?: string;
      };
      if (name === "segue-router" && found !== undefined) return found;
    } catch {
      // It lies at the other place.
    }
  }
  return "0.0.0";
}
