import { upstreamOf } from "../../src/core/upstream.ts";
import type { Step } from "./histories.ts";
import { placeOf, servedNow } from "./model.ts";
import { places } from "./policies.ts";
import type { World } from "./world.ts";

const FAILED = 0.9;
const WELL = 0.05;
/** Labels of each segment that tell what is healthy, and those of a round that tell that it is not any more. */
const LABELS = { healthy: 60, failed: 2 };
const ROUNDS = 6;

/** The segments of `voice`, by their place. */
const voice = places.flatMap((place, index) => (place.policy === "voice" ? [{ ...place, index }] : []));

/** What an outage is made of. */
interface Verbs {
  /** Judged by itself. */
  readonly happen: (step: Step) => Promise<void>;
  /** Judged with what follows: to look at everything after every single answer takes too long. */
  readonly perform: (step: Step) => Promise<void>;
}

/** Many segments fail together or work again, labels say so, and a process acts. */
export async function outage(
  world: World,
  { slot, model, segments }: Extract<Step, { kind: "outage" }>,
  verbs: Verbs,
): Promise<void> {
  if (!(await isLearnt(world, slot, verbs))) return;
  const { judge, upstream } = world;
  const policy = judge.model.policies.get("voice");
  if (policy === undefined) return;
  const affected = voice
    .filter((place) => {
      const record = judge.model.segments.get(placeOf(place));
      if (record === undefined) return false;
      return model === "all" || model === "none" || upstreamOf(policy, servedNow(record).incumbent).endsWith(model);
    })
    .slice(0, segments);
  for (const { segment, rungs } of affected)
    for (const variant of rungs) {
      const isHit = model === "all" || upstreamOf(policy, variant).endsWith(model);
      if (model === "none") upstream.degrade("voice", segment, variant, WELL);
      else if (isHit) upstream.degrade("voice", segment, variant, FAILED);
    }
  for (let round = 0; round < ROUNDS; round++) {
    await serveEach(verbs, slot, LABELS.failed);
    await verbs.happen({ kind: "tick", slot });
  }
}

/** Publishes the policy if need be and lets it be learnt what is healthy. @returns false when the ledger cannot be written */
async function isLearnt(world: World, slot: 0 | 1, verbs: Verbs): Promise<boolean> {
  const { policies } = world.judge.model;
  if (policies.has("voice")) return true;
  await verbs.happen({ kind: "publish", slot, policy: "voice", revision: "as it was" });
  if (!policies.has("voice")) return false;
  for (const each of [0, 1] as const) await verbs.happen({ kind: "tick", slot: each });
  await serveEach(verbs, slot, LABELS.healthy);
  return true;
}

/** One after another, as traffic comes, so that no segment is ahead of the others. */
async function serveEach({ perform }: Verbs, slot: 0 | 1, labels: number): Promise<void> {
  for (let served = 0; served < labels; served++)
    for (const { index } of voice) await perform({ kind: "serve", slot, place: index, count: 1, labels: "now" });
}
