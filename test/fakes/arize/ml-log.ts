import { z } from "zod";
import { json, problem, Refusal, type Reply } from "../vendor/reply.ts";
import type { VendorCall } from "../vendor/vendor-server.ts";
import { bodyOf } from "./page.ts";
import type { AxWorld, LogRecord } from "./world.ts";

// A protobuf in JSON: 64-bit integers are strings and booleans are sent as strings, so no plain ones may come.
const Feature = z.union([
  z.strictObject({ string: z.string() }),
  z.strictObject({ int: z.string().regex(/^-?\d+$/) }),
  z.strictObject({ double: z.number() }),
  z.strictObject({ multi_value: z.strictObject({ values: z.array(z.string()) }) }),
  z.strictObject({ embedding: z.looseObject({ vector: z.array(z.number()) }) }),
]);
const Label = z.union([
  z.strictObject({
    score_categorical: z.union([
      z.strictObject({ category: z.strictObject({ category: z.string() }) }),
      z.strictObject({ score_value: z.strictObject({ value: z.number() }) }),
      z.strictObject({ score_category: z.strictObject({ category: z.string(), score: z.number() }) }),
    ]),
  }),
  z.strictObject({ numeric: z.number() }),
]);
const features = z.record(z.string(), Feature).optional();
const Record = z.strictObject({
  model_id: z.string().min(1),
  prediction_id: z.string().min(1).max(512),
  prediction: z
    .strictObject({
      timestamp: z.iso.datetime({ offset: true }).optional(),
      model_version: z.string().optional(),
      prediction_label: Label.optional(),
      features,
      tags: features,
      llm_fields: z.looseObject({}).optional(),
    })
    .optional(),
  actual: z
    .strictObject({
      timestamp: z.iso.datetime({ offset: true }).optional(),
      actual_label: Label.optional(),
      tags: features,
    })
    .optional(),
  feature_importances: z.looseObject({}).optional(),
  environment_params: z.union([
    z.strictObject({ production: z.strictObject({}) }),
    z.strictObject({ training: z.strictObject({}) }),
    z.strictObject({ validation: z.strictObject({ batch_id: z.string() }) }),
  ]),
});
const YEAR_MS = 365 * 86_400_000;

/** `POST /v1/log`: one record; the bare key and the space travel in headers of gRPC's gateway. */
export function logRecord(world: AxWorld, { headers, body }: VendorCall): Reply {
  if (headers.authorization !== world.apiKey) throw new Refusal(problem(401, "Unauthorized"));
  if (headers["grpc-metadata-arize-space-id"] !== world.space.id) throw new Refusal(problem(403, "Access forbidden"));
  const record = bodyOf(Record, body);
  if (record.prediction === undefined && record.actual === undefined)
    throw new Refusal(problem(422, "Unprocessable Entity", "A record needs a prediction or an actual."));
  const timestamp = record.prediction?.timestamp ?? record.actual?.timestamp;
  const at = timestamp === undefined ? world.now() : Date.parse(timestamp);
  if (at > world.now() + YEAR_MS || at < world.now() - 2 * YEAR_MS)
    throw new Refusal(problem(422, "Unprocessable Entity", "The timestamp is too far from now."));
  world.log.push(record);
  return json({});
}

/** Predictions with the newest actual of the same id; null where none came yet. */
export function joinedLog(log: readonly LogRecord[]) {
  return log
    .filter(({ prediction }) => prediction !== undefined)
    .map(({ model_id: modelId, prediction_id: id, prediction }) => ({
      modelId,
      predictionId: id,
      prediction,
      actual:
        log.findLast((one) => one.model_id === modelId && one.prediction_id === id && one.actual !== undefined)
          ?.actual ?? null,
    }));
}
