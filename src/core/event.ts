import { z } from "zod";
import { ApiKey } from "./api-key.ts";
import { HubId } from "./hub-prompt.ts";
import { IncidentEvidence, IncidentScope } from "./incident.ts";
import { Policy, Prompt } from "./policy.ts";
import { Signal } from "./signal.ts";
import { Phase, Switchover } from "./switchover.ts";

const At = z.number().int().nonnegative();
const SegmentRef = { policy: z.string(), segment: z.string() };

/** What a freeze covers: everything, one policy, or one segment of it. */
export const FreezeScope = z.strictObject({ policy: z.string().optional(), segment: z.string().optional() });
export type FreezeScope = z.infer<typeof FreezeScope>;

/** Every change of control-plane state. The state is a fold of these; nothing else changes it. */
export const Event = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("policy.published"),
    policy: Policy,
    /** Every prompt version that the policy's variants name, by `name@version`. */
    prompts: z.record(z.string(), Prompt),
  }),
  z.strictObject({ type: z.literal("signal.recorded"), signal: Signal }),
  z.strictObject({ type: z.literal("switchover.proposed"), switchover: Switchover }),
  z.strictObject({ type: z.literal("switchover.moved"), id: z.string(), phase: Phase }),
  z.strictObject({
    type: z.literal("baseline.frozen"),
    ...SegmentRef,
    variant: z.string(),
    metric: z.string(),
    lossMean: z.number().min(0).max(1),
    labels: z.int().positive(),
  }),
  z.strictObject({
    type: z.literal("escalation.raised"),
    ...SegmentRef,
    variant: z.string(),
    metric: z.string(),
    /** `no-better-rung`: the loop holds because nothing on the ladder is better · `alert-mode`: the policy says to tell people only · `moves-exhausted`, `changes-exhausted`: the guard allows no further move of the policy this hour, or change of the segment this day. */
    reason: z.enum(["no-better-rung", "alert-mode", "moves-exhausted", "changes-exhausted"]),
    detail: z.string(),
  }),
  z.strictObject({ type: z.literal("escalation.resolved"), ...SegmentRef, because: z.string() }),
  z.strictObject({
    type: z.literal("incident.opened"),
    id: z.string().min(1),
    policy: z.string(),
    metric: z.string(),
    scope: IncidentScope,
    evidence: IncidentEvidence,
  }),
  z.strictObject({ type: z.literal("incident.resolved"), id: z.string(), because: z.string() }),
  z.strictObject({ type: z.literal("freeze.set"), scope: FreezeScope, reason: z.string(), until: At.nullable() }),
  z.strictObject({ type: z.literal("freeze.lifted"), scope: FreezeScope, reason: z.string() }),
  z.strictObject({
    type: z.literal("flag.effect-started"),
    ...SegmentRef,
    flag: z.string(),
    /** The variant that is forced, where the flag forces one. */
    variant: z.string().nullable(),
    value: z.string(),
    reason: z.string(),
  }),
  z.strictObject({ type: z.literal("flag.effect-ended"), ...SegmentRef, flag: z.string() }),
  /** A label that a variant's prompt was pinned by is on another text by now. Nothing that is served changes. */
  z.strictObject({
    type: z.literal("prompt.proposed"),
    policy: z.string(),
    variant: z.string(),
    hub: HubId,
    prompt: z.string(),
    label: z.string(),
    /** The version that the label is on. */
    version: z.string(),
    /** Of that version's text. */
    digest: z.string(),
  }),
  z.strictObject({ type: z.literal("prompt.withdrawn"), policy: z.string(), variant: z.string(), because: z.string() }),
  z.strictObject({ type: z.literal("key.created"), key: ApiKey }),
  z.strictObject({ type: z.literal("key.revoked"), id: z.string(), reason: z.string() }),
]);
export type Event = z.infer<typeof Event>;
