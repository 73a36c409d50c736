import { happen } from "./happen.ts";
import { PromiseBroken } from "./promises.ts";
import { placeOf, servedNow, type SegmentRecord } from "./model.ts";
import { places } from "./policies.ts";
import type { Bugs } from "./bugs.ts";
import type { World } from "./world.ts";

const ROUNDS_MAX = 150;
const ROUND_SECONDS = 900;
const COLLAPSED = 0.5;
const WORKING = 0.1;

/** Ends every fault and lets time pass. @throws PromiseBroken 13 when something is still open, or still collapsed */
export async function settle(
  world: World,
  options: { readonly bugs?: Bugs; readonly labels?: "now" | "never" } = {},
): Promise<void> {
  const { bugs = {}, labels = "now" } = options;
  await calmDown(world, bugs);
  const open = [...world.judge.model.switchovers.values()].filter(isOpen);
  const collapsed = places.filter((place) => labels === "now" && mustRecover(world, place));
  const done = () => open.filter(isOpen).length === 0 && collapsed.every((place) => !isCollapsed(world, place));
  for (let round = 0; round < ROUNDS_MAX && !done(); round++) {
    await happen(world, { kind: "pass", seconds: ROUND_SECONDS }, bugs);
    for (const [index, place] of places.entries())
      if (
        open.some((switchover) => isOpen(switchover) && placeOf(switchover.change) === placeOf(place)) ||
        collapsed.includes(place) ||
        isInIncident(world, place)
      )
        await happen(world, { kind: "serve", slot: 0, place: index, count: 24, labels }, bugs);
    for (const slot of [0, 1] as const) await happen(world, { kind: "tick", slot }, bugs);
    await lookAfter(world, bugs);
  }
  const stuck = open.find(isOpen);
  if (stuck !== undefined) throw new PromiseBroken(13, `${stuck.id} is still ${stuck.phase}`);
  const left = collapsed.find((place) => isCollapsed(world, place));
  if (left !== undefined) throw new PromiseBroken(13, `${placeOf(left)} is still served ${incumbentOf(world, left)}`);
}

const isOpen = ({ phase }: { readonly phase: string }): boolean =>
  phase === "proposed" || phase === "approved" || phase === "canary";

/** Faults end, flags and freezes are lifted, and outside sources take back what is not true. */
async function calmDown(world: World, bugs: Bugs): Promise<void> {
  const { flagValues, judge } = world;
  for (const values of Object.values(flagValues)) values.clear();
  await happen(world, { kind: "resume" }, bugs);
  await happen(world, { kind: "fault", slot: "both", fault: null }, bugs);
  await happen(world, { kind: "unfreeze", slot: 0, scope: "everything" }, bugs);
  await lookAfter(world, bugs);
  for (let scope = 0; scope < places.length; scope++) await happen(world, { kind: "unfreeze", slot: 0, scope }, bugs);
  await happen(world, { kind: "pass", seconds: 400 }, bugs);
  for (const { signal } of judge.model.signals.values()) {
    const { policy, segment, variant, status, source } = signal;
    if (status !== "degraded" || source.startsWith("detector:")) continue;
    if (world.upstream.lossOf(policy, segment, variant) > WORKING) continue;
    const place = places.findIndex((known) => placeOf(known) === placeOf(signal));
    const rung = places[place]?.rungs.findIndex((known) => known === variant) ?? -1;
    if (place < 0 || rung < 0 || (source !== "monitor" && source !== "person")) continue;
    const retraction = {
      place,
      rung,
      status: "recovered",
      source,
      ageSeconds: 0,
      twice: false,
      lossMean: null,
    } as const;
    await happen(world, { kind: "signal", slot: 0, signal: retraction }, bugs);
  }
}

/** A person looks at every policy that was frozen, finds that scores mean what they say, and lifts that. */
async function lookAfter(world: World, bugs: Bugs): Promise<void> {
  for (const scope of ["chat", "docs", "voice"] as const)
    if (world.judge.model.freezes.has(scope)) await happen(world, { kind: "unfreeze", slot: 0, scope }, bugs);
}

/** What the first segments of an incident find out is for the others, so their labels flow too. */
const isInIncident = ({ judge: { model } }: World, { policy }: Place): boolean =>
  [...model.incidents.values()].some((incident) => incident.isOpen && incident.policy === policy);

type Place = { readonly policy: string; readonly segment: string };

const recordOf = (world: World, place: Place): SegmentRecord | undefined =>
  world.judge.model.segments.get(placeOf(place));

const incumbentOf = (world: World, place: Place): string => {
  const record = recordOf(world, place);
  return record === undefined ? "" : servedNow(record).incumbent;
};

const lossOf = (world: World, { policy, segment }: Place, variant: string): number =>
  world.upstream.lossOf(policy, segment, variant);

const isCollapsed = (world: World, place: Place): boolean =>
  recordOf(world, place) !== undefined && lossOf(world, place, incumbentOf(world, place)) >= COLLAPSED;

/** A segment that the loop may move by itself, that is served badly, and for which a better rung was validated. */
function mustRecover(world: World, place: Place): boolean {
  const record = recordOf(world, place);
  if (record === undefined || record.definition.risk !== "low" || record.definition.mode !== "auto") return false;
  const works = record.definition.ladder.some(({ variant }) => lossOf(world, place, variant) <= WORKING);
  return works && isCollapsed(world, place);
}
