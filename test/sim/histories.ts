import * as fc from "fast-check";
import { places, policyIds, revisions, type PolicyId, type Revision } from "./policies.ts";
import type { Fault, PausePoint } from "./faulty-ledger.ts";

/** One of two processes, by its place. */
export type Slot = 0 | 1;
/** A segment by its place in `places`. */
export type Place = number;
export type ActorName = "alice" | "bob" | "machine" | "operator" | "impostor";

/** Something that happens to the world. */
export type Step =
  | {
      readonly kind: "serve";
      readonly slot: Slot;
      readonly place: Place | "all";
      readonly count: number;
      readonly labels: Labels;
    }
  | { readonly kind: "deliver"; readonly newestFirst: boolean; readonly count: number; readonly twice: boolean }
  | { readonly kind: "quality"; readonly place: Place; readonly rung: number; readonly loss: number }
  /** What is served collapses, labels say so, and a process acts. */
  | { readonly kind: "collapse"; readonly place: Place; readonly slot: Slot }
  /** One rung works from now on, and no other does. */
  | { readonly kind: "turn"; readonly place: Place; readonly rung: number }
  | { readonly kind: "signal"; readonly slot: Slot; readonly signal: SignalStep }
  | {
      readonly kind: "propose";
      readonly slot: Slot;
      readonly place: Place;
      readonly rung: number;
      readonly actor: ActorName;
    }
  | {
      readonly kind: "decide";
      readonly slot: Slot;
      readonly decision: Decision;
      readonly which: number;
      readonly actor: ActorName;
      readonly wrongDigest: boolean;
    }
  | { readonly kind: "freeze"; readonly slot: Slot; readonly scope: Scope; readonly seconds: number | null }
  | { readonly kind: "unfreeze"; readonly slot: Slot; readonly scope: Scope }
  | { readonly kind: "flag"; readonly place: Place; readonly flag: FlagStep }
  | { readonly kind: "publish"; readonly slot: Slot; readonly policy: PolicyId; readonly revision: Revision }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "fault"; readonly slot: Slot | "both"; readonly fault: Fault | null }
  | { readonly kind: "checkpoint"; readonly slot: Slot }
  | { readonly kind: "crash"; readonly slot: Slot; readonly keepsCheckpoint: boolean }
  /** Many segments of `voice` fail together, those on one model or all; or all work again. */
  | { readonly kind: "outage"; readonly slot: Slot; readonly model: Outage; readonly segments: number }
  | { readonly kind: "tick"; readonly slot: Slot }
  | { readonly kind: "pause"; readonly slot: Slot; readonly where: PausePoint }
  | { readonly kind: "resume" };

export type Labels = "now" | "later" | "never";
export type Decision = "approve" | "reject" | "roll back";
export type Scope = "everything" | PolicyId | Place;
export type Outage = "m1" | "m2" | "all" | "none";
export type FlagStep =
  | { readonly name: "fallback"; readonly value: string }
  | { readonly name: "automation"; readonly value: boolean }
  | { readonly name: "mode"; readonly value: string };
export interface SignalStep {
  readonly place: Place;
  readonly rung: number;
  readonly status: "degraded" | "recovered" | "inconclusive";
  readonly source: "monitor" | "person";
  /** How long ago it was observed; below zero in the sender's future. */
  readonly ageSeconds: number;
  /** The same delivery is sent twice. */
  readonly twice: boolean;
  readonly lossMean: number | null;
}

const slot = fc.constantFrom<Slot>(0, 1);
const isOf = (policy: PolicyId) => places.flatMap((known, i) => (known.policy === policy ? [i] : []));
const place = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...isOf("chat"), ...isOf("docs")) },
  { weight: 1, arbitrary: fc.constantFrom(...isOf("voice")) },
);
/** The segments on which the loop acts, more often than the others. */
const busy = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1, 2, 5) }, { weight: 1, arbitrary: place });
const rung = fc.integer({ min: 0, max: 2 });
const actor = fc.constantFrom<ActorName>(
  "alice",
  "alice",
  "alice",
  "alice",
  "bob",
  "bob",
  "machine",
  "operator",
  "impostor",
);
const scope = fc.oneof(fc.constantFrom<Scope>("everything", "chat", "voice"), place);
const flag = fc.oneof(
  fc.record({
    name: fc.constant("fallback" as const),
    value: fc.constantFrom("", "", "baseline", "second", "unheard-of"),
  }),
  fc.record({ name: fc.constant("automation" as const), value: fc.boolean() }),
  fc.record({
    name: fc.constant("mode" as const),
    value: fc.constantFrom("", "", "auto", "approve", "alert", "observe"),
  }),
);
const signal = fc.record({
  place: busy,
  rung,
  status: fc.constantFrom("degraded" as const, "degraded" as const, "recovered" as const, "inconclusive" as const),
  source: fc.constantFrom("monitor" as const, "person" as const),
  ageSeconds: fc.constantFrom(0, 0, 0, 60, 3600, 86_400, -120, -7200),
  twice: fc.boolean(),
  lossMean: fc.constantFrom(null, 0.3, 0.9),
});
const kind = <K extends Step["kind"]>(name: K) => fc.constant(name);

/** What may happen next; what moves traffic more often than what only disturbs. */
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ kind: kind("tick"), slot }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kind("serve"),
      slot,
      place: fc.oneof({ weight: 2, arbitrary: busy }, { weight: 1, arbitrary: fc.constant("all" as const) }),
      count: fc.integer({ min: 1, max: 40 }),
      labels: fc.constantFrom<Labels>("now", "now", "now", "later", "never"),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: kind("collapse"), place: busy, slot }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("turn"), place: busy, rung }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("outage"),
      slot,
      model: fc.constantFrom<Outage>("m1", "m1", "m2", "all", "none"),
      segments: fc.constantFrom(9, 9, 5, 3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind("deliver"), newestFirst: fc.boolean(), count: fc.nat(60), twice: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind("quality"), place: busy, rung, loss: fc.constantFrom(0.05, 0.05, 0.3, 0.9) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kind("signal"), slot, signal }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("propose"), slot, place: busy, rung, actor }) },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: kind("decide"),
      slot,
      decision: fc.constantFrom<Decision>("approve", "approve", "reject", "roll back", "roll back"),
      which: fc.nat(5),
      actor,
      wrongDigest: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("freeze"), slot, scope, seconds: fc.constantFrom(null, 60, 7200) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("unfreeze"), slot, scope }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("flag"), place, flag }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("publish"),
      slot,
      policy: fc.constantFrom<PolicyId>(...policyIds, ...policyIds, "voice"),
      revision: fc.constantFrom(...revisions),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind("pass"),
      seconds: fc.constantFrom(1, 5, 15, 60, 400, 3600, 8000, 30_000, 86_400),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("fault"),
      slot: fc.oneof(slot, fc.constant("both" as const)),
      fault: fc.constantFrom<Fault | null>("down", "refuses", "loses the answer", "loses the answer", null, null),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("checkpoint"), slot }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("crash"), slot, keepsCheckpoint: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind("pause"),
      slot,
      where: fc.constantFrom<PausePoint>("with the lease", "before the append", "after the append"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("resume") }) },
);

export const history: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 60, size: "max" });
