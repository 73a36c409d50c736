import { z } from "zod";
import type { Annotation } from "../core/annotation.ts";
import type { SpanRedaction } from "../core/privacy.ts";
import type { Clock, Counters, Exposure, Log, Outbox, OutboxItem } from "../ports.ts";
import type { AnnotationDestination } from "./annotation-queue.ts";

export const ARIZE_LOG_TOPIC = "arize-log";

export interface ArizeLogOptions {
  /** The feedback metric that is the model's actual. */
  readonly metric: string;
  /** Of a policy: what its attributes pass through. Null, for a policy that is not known, sends none. */
  readonly redaction: (policy: string) => Pick<SpanRedaction, "attribute"> | null;
  /** What Arize calls the model of a policy; the policy's id unless told. */
  readonly modelId?: (policy: string) => string;
  readonly bufferMax?: number;
}

export interface ArizeLog {
  /** Takes exposures without waiting; what no longer fits is counted in `segue_exposure_log_dropped_total`. */
  readonly record: (exposure: Exposure) => void;
  /** Keeps what was recorded for sending. Never rejects, because it is called by a timer. */
  readonly flush: () => Promise<void>;
  /** Keeps what it can, once; the rest, and what comes later, is counted as dropped. Never rejects. */
  readonly close: () => Promise<void>;
  /** Where feedback goes, as actuals. */
  readonly destination: AnnotationDestination;
}

const BATCH = 500;

/** What waits of a record: its part as JSON text, because what waits is flat. */
export const LoggedPart = z.strictObject({
  model: z.string(),
  prediction: z.string(),
  kind: z.enum(["prediction", "actual"]),
  part: z.string(),
});
export type LoggedPart = z.infer<typeof LoggedPart>;

/**
 * Answers as records of Arize's legacy log for tabular models, which finds drift that its traces cannot: what is predicted is the
 * variant, its features are the attributes, and the actual is the feedback that joins it later. Neither prompts nor answers are sent.
 */
export function createArizeLog(
  deps: { readonly outbox: Pick<Outbox, "add">; readonly clock: Clock; readonly counters: Counters; readonly log: Log },
  { metric, redaction, modelId = (policy) => policy, bufferMax = 10_000 }: ArizeLogOptions,
): ArizeLog {
  const { outbox, clock, counters, log } = deps;
  let buffer: Exposure[] = [];
  let flushing: Promise<void> | null = null;
  let isFailing = false;
  let isClosed = false;
  const drop = (count: number): void => counters.add("segue_exposure_log_dropped_total", {}, count);

  const keep = async (): Promise<void> => {
    try {
      while (buffer.length > 0) {
        const batch = buffer.slice(0, BATCH);
        const now = clock.now();
        const items = batch.map((exposure) =>
          predicted(exposure, modelId(exposure.policy), redaction(exposure.policy)),
        );
        await outbox.add(
          items.map((item) => ({ ...item, topic: ARIZE_LOG_TOPIC, readyAt: now })),
          now,
        );
        buffer = buffer.slice(batch.length);
      }
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn(`${ARIZE_LOG_TOPIC}: exposures cannot be kept for sending`, { error: String(error) });
      isFailing = true;
    }
  };
  const flush = (): Promise<void> => (flushing ??= keep().finally(() => (flushing = null)));
  return {
    record: (exposure) => {
      if (isClosed || buffer.length >= bufferMax) drop(1);
      else buffer.push(exposure);
    },
    flush,
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      await flush();
      if (buffer.length > 0) drop(buffer.splice(0).length);
    },
    destination: {
      topic: ARIZE_LOG_TOPIC,
      isWhole: false,
      toItem: (annotation) => (annotation.name === metric ? actual(annotation, modelId(annotation.policy)) : null),
    },
  };
}

type Item = Pick<OutboxItem, "id"> & { readonly body: LoggedPart };

function predicted(
  { predictionId, at, segment, variant, revision, reason, error, attributes }: Exposure,
  model: string,
  redaction: Pick<SpanRedaction, "attribute"> | null,
): Item {
  const features = Object.entries(attributes).flatMap(([name, value]) => {
    const kept = redaction?.attribute(name, value) ?? null;
    return kept === null ? [] : [[name, featureOf(kept)]];
  });
  const part = {
    timestamp: new Date(at).toISOString(),
    model_version: variant,
    prediction_label: { score_categorical: { category: { category: variant } } },
    features: Object.fromEntries(features),
    tags: {
      segment: { string: segment },
      reason: { string: reason },
      revision: { int: String(revision) },
      ...(error === null ? {} : { error: { string: error } }),
    },
  };
  return itemOf("prediction", { model, predictionId, part });
}

function actual({ predictionId, segment, label, score, name }: Annotation, model: string): Item {
  const part = {
    actual_label: { score_categorical: { score_category: { category: label ?? name, score } } },
    tags: { segment: { string: segment } },
  };
  return itemOf("actual", { model, predictionId, part });
}

const itemOf = (
  kind: LoggedPart["kind"],
  { model, predictionId, part }: { readonly model: string; readonly predictionId: string; readonly part: object },
): Item => ({
  id: `${kind}/${predictionId}`,
  body: { model, prediction: predictionId, kind, part: JSON.stringify(part) },
});

/** One type for an attribute whatever its value: numbers are doubles, and booleans travel as text. */
const featureOf = (value: string | number | boolean) =>
  typeof value === "number" ? { double: value } : { string: String(value) };
