import { z } from "zod";
import { ALARM_THRESHOLD, RECOVERY_THRESHOLD } from "../core/detector.ts";
import { defineSource } from "../core/signal-source.ts";
import { phoenixChecks } from "./phoenix-check.ts";
import { segmentQuestions } from "./phoenix-question.ts";

const Level = z.number().gt(0).lt(0.5);

export const PhoenixSettings = z.strictObject({
  /** Such as `http://phoenix:6006`; no other address is ever asked. */
  baseUrl: z.url({ protocol: /^https?$/ }),
  /** A viewer's key is enough; none where Phoenix runs without authentication. */
  apiKey: z.string().min(1).optional(),
  project: z.string().min(1).default("segue"),
  /** How often everything is looked at; signals are dated by it. */
  pollSeconds: z.number().int().positive().default(60),
  /** Aggregates are computed by the database that takes the spans in, so they are asked for one at a time and no faster. */
  requestsPerMinute: z.number().positive().max(600).default(60),
  windowMinutes: z.number().positive().max(1440).default(60),
  /** Before the window, for objectives against a segment's own baseline. */
  referenceHours: z.number().positive().max(168).default(24),
  /** What is younger is left out: slow answers arrive last. */
  settleSeconds: z.number().min(0).default(60),
  labelsMin: z.number().int().min(1).default(20),
  /** Of false alarms and false recoveries at one look; as rare for each look as the detector's are for each label. */
  alarmLevel: Level.default(1 / ALARM_THRESHOLD),
  recoveryLevel: Level.default(1 / RECOVERY_THRESHOLD),
  /** What has not changed is said again so often, and no more: each signal is an entry that the ledger keeps. */
  repeatMinutes: z.number().positive().default(1440),
});
export type PhoenixSettings = z.infer<typeof PhoenixSettings>;

const NO_WEBHOOKS = "Phoenix sends no webhooks; set SEGUE_PHOENIX_URL and it is polled";

/**
 * Aggregates of spans and annotations in a self-hosted Phoenix, which has no monitors: what Segue may conclude from them
 * it concludes itself. Its GraphQL API is not declared stable, so it is checked first.
 */
export const phoenix = defineSource<PhoenixSettings>({
  id: "phoenix",
  settings: PhoenixSettings,
  howToConfigure: NO_WEBHOOKS,
  baseUrl: ({ baseUrl }) => baseUrl,
  acceptsWebhooks: () => false,
  refuse: () => NO_WEBHOOKS,
  deliveryId: () => "",
  refsOf: () => [],
  questions: (_ref, settings, context) => segmentQuestions(settings, context),
  checks: phoenixChecks,
  requestsPerMinute: ({ requestsPerMinute }) => requestsPerMinute,
});
