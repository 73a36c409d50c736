import { z } from "zod";

/** A column of Arize's, such as `annotation.resolution.score`: letters, digits, spaces and `_ . : -`. */
export const ColumnName = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}_.: -]{0,199}$/u, "use letters, digits, spaces and _ . : -");

const Marker = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, "use letters, digits, _ and -");

/** What every monitor of a plan has in common. */
export const MonitorSettings = z.strictObject({
  namePrefix: Marker.default("seg"),
  managedBy: Marker.default("segue"),
  /** What stands before the name of a span's metadata key; how Arize spells it in a filter is not documented. */
  metadataPrefix: ColumnName.default("attributes.metadata."),
  /** The column that holds a metric, by the metric: a score for feedback and judges, a loss in [0,1] for errors and checks, milliseconds, dollars. */
  dimensions: z.record(z.string(), ColumnName).default({}),
  /** Arize knows both words; which of them is right for annotations by API is not documented. */
  annotationCategory: z.enum(["annotation", "userAnnotation"]).default("annotation"),
  /** One monitor for each variant that a segment may be served, instead of one for whatever it is served. */
  perVariant: z.boolean().default(false),
  /** Of answers that one evaluation looks at. */
  windowSeconds: z.int().min(60).max(2_592_000).default(3600),
  /** How long an answer is given until its scores are there. */
  delaySeconds: z.int().min(0).max(604_800).default(0),
  /** How often it evaluates; Arize offers 5, 10, 15 and 30 minutes, hours and days. */
  cadenceSeconds: z.int().min(300).max(604_800).default(300),
  /** How many standard deviations from its own history alarm where an objective has no fixed bound. */
  stdDevMultiplier: z.number().gt(0).max(10).default(2),
});
export type MonitorSettings = z.infer<typeof MonitorSettings>;

/**
 * Who is told of an alarm, as Arize takes it. A third type, for webhooks, is not documented: a file may hold one, and
 * what is in it goes to Arize as it is.
 */
export const Contacts = z
  .array(z.looseObject({ notificationChannelType: z.string().min(1).max(40) }).catchall(z.json()))
  .max(20);
export type Contacts = z.infer<typeof Contacts>;

/** The contact that an address makes; only its form is checked. */
export const EmailContact = z
  .email("is no e-mail address")
  .transform((emailAddress): Contacts[number] => ({ notificationChannelType: "email", emailAddress }));
