import { Policy } from "../core/policy.ts";
import { digestOf } from "../core/digest.ts";
import type { CastSegment } from "./cast.ts";
import { matchesGlob } from "./glob.ts";
import type { Scenario } from "./scenario.ts";

/** The policy that a replay publishes, with the ids that stand for the tables' names. */
export interface ReplayedPolicy {
  readonly policy: Policy;
  /** By place of the segment. */
  readonly segmentIds: readonly string[];
  /** By place of the segment, then of the model. */
  readonly variantIds: readonly (readonly string[])[];
}

export const POLICY_ID = "replay";
/** The metric of the table's score; `VALUE` stands beside it where a judge can be fooled. */
export const SCORE = "score";
export const VALUE = "value";
export const LATENCY = "latency";
export const COST = "cost";

/** The policy as an engineer would write it for these segments: one variant a model, validated ladders, and quality, and latency and cost where the table has them, held to their own baselines. */
export function replayedPolicy(segments: readonly CastSegment[], scenario: Scenario): ReplayedPolicy {
  const models = [...new Set(segments.flatMap(({ table }) => table.models))];
  const modelIds = uniqueIds(models);
  const segmentIds = uniqueIds(segments.map(({ table }) => table.id));
  const variantIds = segments.map(({ table }) => table.models.map((model) => modelIds[models.indexOf(model)] ?? ""));
  const isHacked = scenario.faults.some(({ kind }) => kind === "hack");
  const hasLatency = segments.some(({ table }) => table.latencyMs !== null);
  const hasCost = segments.some(({ table }) => table.costUsd !== null);
  const policy = Policy.parse({
    policy: POLICY_ID,
    attributes: { segment: { type: "string" } },
    metrics: {
      [SCORE]: { from: "feedback" },
      ...(isHacked ? { [VALUE]: { from: "feedback" } } : {}),
      ...(hasLatency ? { [LATENCY]: { from: "latency" } } : {}),
      ...(hasCost ? { [COST]: { from: "cost" } } : {}),
    },
    variants: Object.fromEntries(models.map((model, i) => [modelIds[i], { provider: modelIds[i], model }])),
    default: modelIds[0],
    segments: segments.map((segment, place) => ({
      id: segmentIds[place],
      when: `segment == ${JSON.stringify(segment.table.id.slice(0, 256))}`,
      risk: scenario.risk.high.some((glob) => matchesGlob(segment.table.id, glob)) ? "high" : "low",
      owner: "replay",
      mode: "auto",
      objectives: [
        { metric: SCORE, against: "baseline" },
        ...(isHacked ? [{ metric: VALUE, against: "baseline" }] : []),
        ...(segment.table.latencyMs === null ? [] : [{ metric: LATENCY, against: "baseline" }]),
        ...(segment.table.costUsd === null ? [] : [{ metric: COST, against: "baseline" }]),
      ],
      ladder: segment.ladder.map((model) => ({
        variant: variantIds[place]?.[model],
        validated: {
          score: segment.validated[model],
          items: Math.max(1, segment.validationItems),
          source: "the replayed table",
        },
      })),
      why: `Replays the outcomes of '${segment.table.id}'.`,
    })),
  });
  return { policy, segmentIds, variantIds };
}

const ID_MAX = 48;

/** Ids of the form that policies ask for, one for each name; names that look alike get a digest. */
function uniqueIds(names: readonly string[]): string[] {
  const taken = new Set<string>(["default", "constructor", "prototype"]);
  return names.map((name) => {
    const plain = name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, "");
    const short = (/^[a-z]/.test(plain) ? plain : `n-${plain}`).slice(0, ID_MAX);
    const id = taken.has(short) ? `${short}-${digestOf(name).slice(0, 8)}` : short;
    taken.add(id);
    return id;
  });
}
