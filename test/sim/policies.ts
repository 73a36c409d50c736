import { Policy } from "../../src/core/policy.ts";

const rung = (variant: string, score: number) => ({ variant, validated: { score, items: 300 } });
const ladders = {
  three: [rung("first", 0.95), rung("second", 0.93), rung("third", 0.9)],
  two: [rung("first", 0.95), rung("second", 0.93)],
};
const bound = { metric: "quality", against: "bound", lossMax: 0.15 } as const;

const segment = (id: string, rest: Readonly<Record<string, unknown>>) => ({
  id,
  when: `area == '${id}'`,
  owner: "team",
  why: "A part of the traffic of the simulation.",
  objectives: [bound],
  ladder: ladders.three,
  ...rest,
});

const variant = (model: string) => ({ provider: "simulated", model });
const surface = (policy: string, segments: readonly object[]) => ({
  policy,
  attributes: { area: { type: "string" } },
  metrics: { quality: { from: "feedback" } },
  variants: { first: variant("m1"), second: variant("m2"), third: variant("m3") },
  default: "first",
  segments,
  guard: {
    cooldownSeconds: 300,
    movesPerHour: 2,
    changesPerDay: 4,
    shareInFlightMax: 1,
    proposalSeconds: 7200,
    quarantineSeconds: 10_800,
    revertSeconds: 3600,
  },
  canary: { labelsMax: 60, timeoutSeconds: 21_600 },
});

const chat = [
  segment("low", { risk: "low", mode: "auto" }),
  segment("medium", {
    risk: "medium",
    mode: "auto",
    ladder: ladders.two,
    objectives: [bound, { metric: "quality", against: "baseline", tolerance: 0.05 }],
  }),
  segment("high", { risk: "high", mode: "approve" }),
];
const docs = [
  segment("alerting", { risk: "low", mode: "alert", ladder: ladders.two }),
  segment("watched", { risk: "low", mode: "observe", ladder: ladders.two }),
  segment("careful", { risk: "low", mode: "approve", ladder: ladders.two }),
];

/** Many segments on two upstreams, so that they can fail together. */
const voiceIds = {
  first: ["a-one", "a-two", "a-three", "a-four", "a-five"],
  second: ["b-one", "b-two", "b-three", "b-four"],
} as const;
const shared = (id: string, ladder: readonly object[]) =>
  segment(id, {
    risk: "low",
    mode: "auto",
    objectives: [bound, { metric: "quality", against: "baseline", tolerance: 0.05 }],
    ladder,
  });
const voice = [
  ...voiceIds.first.map((id) => shared(id, ladders.three)),
  ...voiceIds.second.map((id) => shared(id, [rung("second", 0.95), rung("first", 0.93), rung("third", 0.9)])),
];

const surfaces = { chat, docs, voice };
export type PolicyId = keyof typeof surfaces;
/** Published from the beginning; `voice` is when much is to fail at once. */
export const policyIds = ["chat", "docs"] as const satisfies readonly PolicyId[];

const voicePlace = (segment: string) => ({ policy: "voice", segment, rungs: ["first", "second", "third"] }) as const;

/** Every segment that there can be, with the rungs it may have. */
export const places = [
  { policy: "chat", segment: "low", rungs: ["first", "second", "third"] },
  { policy: "chat", segment: "medium", rungs: ["first", "second"] },
  { policy: "chat", segment: "high", rungs: ["first", "second", "third"] },
  { policy: "docs", segment: "alerting", rungs: ["first", "second"] },
  { policy: "docs", segment: "watched", rungs: ["first", "second"] },
  { policy: "docs", segment: "careful", rungs: ["first", "second"] },
  ...voiceIds.first.map(voicePlace),
  ...voiceIds.second.map(voicePlace),
] as const;

/** Changes that a team may publish; each is made to the policy as it was at first. */
export const revisions = [
  "as it was",
  "described",
  "segment removed",
  "rung removed",
  "variant removed",
  "mode changed",
  "risk raised",
] as const;
export type Revision = (typeof revisions)[number];

export function policyAs(id: PolicyId, revision: Revision): Policy {
  const [first = segment("none", {}), ...others] = surfaces[id];
  const changed: Record<Revision, readonly object[]> = {
    "as it was": [first, ...others],
    described: [first, ...others],
    "variant removed": [first, ...others].map((definition) => ({ ...definition, ladder: ladders.three.slice(1) })),
    "segment removed": others,
    "rung removed": [{ ...first, ladder: ladders.three.slice(1) }, ...others],
    "mode changed": [{ ...first, mode: "approve" }, ...others],
    "risk raised": [{ ...first, mode: "approve", risk: "high" }, ...others],
  };
  const source = surface(id, changed[revision]);
  const { first: _removed, ...variants } = source.variants;
  if (revision === "variant removed") return Policy.parse({ ...source, variants, default: "second" });
  return Policy.parse(revision === "described" ? { ...source, description: "Reworded." } : source);
}
