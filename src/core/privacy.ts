import { z } from "zod";
import { patternFault } from "./bounded-pattern.ts";

/**
 * What a destination gets of a value: as it is; with the personal data in it replaced; a keyed token, the same for the
 * same value; or nothing.
 */
export const Handling = z.enum(["keep", "redact", "tokenise", "drop"]);
export type Handling = z.infer<typeof Handling>;

/** Whether what was asked and answered leaves at all; if so, only with its personal data replaced. */
export const ContentHandling = z.enum(["redacted", "off"]);
export type ContentHandling = z.infer<typeof ContentHandling>;

/** By the risk of a segment. */
export const ContentByRisk = z.strictObject({
  low: ContentHandling.default("redacted"),
  medium: ContentHandling.default("redacted"),
  high: ContentHandling.default("off"),
});

const IdentifierHandling = z.enum(["keep", "tokenise", "drop"]).default("tokenise");
export const IdentifierHandlings = z.strictObject({
  session: IdentifierHandling,
  user: IdentifierHandling,
  key: IdentifierHandling,
});

/** Personal data that only this policy's owner knows of, such as a customer number. */
export const PrivacyPattern = z.strictObject({
  /** For people, and what stands instead of a match when there is no `replacement`. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "use lower-case letters, digits and dashes, starting with a letter"),
  /** A regular expression whose work is bounded (`patternFault`). */
  pattern: z.string().min(1).max(256).check(boundedPattern),
  /** Taken literally. */
  replacement: z.string().max(64).optional(),
});
export type PrivacyPattern = z.infer<typeof PrivacyPattern>;

function boundedPattern({ value, issues }: z.core.ParsePayload<string>): void {
  const fault = patternFault(value);
  if (fault !== null) issues.push({ code: "custom", message: fault, input: value });
}

/** What of a policy's traffic leaves for Arize, Phoenix or a collector, and how. */
export const Privacy = z.strictObject({
  content: ContentByRisk.default(ContentByRisk.parse({})),
  patterns: z.array(PrivacyPattern).max(20).default([]),
  attributes: z.record(z.string(), Handling).default({}),
  /** Attributes that `attributes` does not name. With `redact`, those that have a closed list of values are kept; with `drop`, `attributes` lists all that may leave. */
  otherAttributes: z.enum(["redact", "drop"]).default("redact"),
  identifiers: IdentifierHandlings.default(IdentifierHandlings.parse({})),
  /** Countries (ISO 3166-1) whose phone numbers are recognised without `+`, `00` or a leading 0; at most 8, as each takes its time. */
  phoneCountries: z
    .array(z.string().regex(/^[A-Z]{2}$/, "use two capital letters, such as DE"))
    .max(8)
    .default(["US"]),
});
export type Privacy = z.infer<typeof Privacy>;

/** What a segment says over its policy. */
export const SegmentPrivacy = z.strictObject({ content: ContentHandling });

/** That of a policy that says nothing. */
export const DEFAULT_PRIVACY: Privacy = Privacy.parse({});

/** Whether the content of a segment's answers may leave, by what the segment says, else by its risk. */
export const contentHandling = (
  privacy: Privacy | undefined,
  segment: {
    readonly risk: keyof Privacy["content"];
    readonly privacy?: z.infer<typeof SegmentPrivacy> | undefined;
  },
): ContentHandling => segment.privacy?.content ?? (privacy ?? DEFAULT_PRIVACY).content[segment.risk];

/** Who asked: the session, the user or the API key. */
export type IdentifierKind = "session" | "user" | "key";

/** What every value of a span passes through before it is encoded; null leaves the value out. */
export interface SpanRedaction {
  /** Of an attribute of the request. */
  readonly attribute: (name: string, value: string | number | boolean) => string | number | boolean | null;
  readonly identifier: (kind: IdentifierKind, value: string) => string | null;
  /** Of free text. @param hidden values that are somebody's, wherever they stand in it */
  readonly text: (value: string, hidden?: readonly HiddenValue[]) => string;
}

/** A value of a request that must not leave with its content either, and what stands there instead. */
export interface HiddenValue {
  readonly value: string;
  readonly shown: string;
}

/** Who asked and what is known of the request, as far as its content may repeat it. */
export interface Identified {
  readonly session: string | null;
  readonly user: string | null;
  readonly keyId: string | null;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

export interface ContentRedaction extends SpanRedaction {
  /** What of these values would leave otherwise than it is, so that content must not show it; the longest first. */
  readonly hidden: (of: Identified) => readonly HiddenValue[];
}
