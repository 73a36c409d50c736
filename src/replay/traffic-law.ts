import { RouterError } from "../core/errors.ts";
import type { CastSegment } from "./cast.ts";
import { strengthAt, type SegmentFault } from "./faults.ts";
import { seededRandom, shuffled } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import type { Draw } from "./world.ts";

interface Session {
  segment: number;
  item: number;
  number: number;
  left: number;
}

/** Requests between two looks at traffic that grows or shrinks slowly. */
const RAMP_STEP = 1000;

/** Which segment and item each request is about: by the scenario's law, in sessions where it has any. */
export function createTraffic(
  segments: readonly CastSegment[],
  faults: readonly (readonly SegmentFault[])[],
  { traffic, requests }: Scenario,
  seed: number,
): { readonly next: (request: number, draw: Draw) => void } {
  const random = seededRandom(seed, "traffic");
  const weights = weightsOf(segments, traffic, seed);
  const shifts = faults.map((list) => list.filter(({ kind }) => kind === "mix"));
  const looks = changesOf(shifts.flat(), requests);
  const sums = new Float64Array(segments.length);
  let nextLook = 0;
  const weigh = (request: number): void => {
    let sum = 0;
    for (let place = 0; place < sums.length; place++) {
      let weight = weights[place] ?? 0;
      for (const shift of shifts[place] ?? []) weight *= 1 + (shift.weight - 1) * strengthAt(shift, request);
      sum += weight;
      sums[place] = sum;
    }
    if (sum <= 0)
      throw new RouterError(
        "invalid_request",
        `The scenario's faults take all traffic away from request ${request} on: leave some weight to a segment.`,
        { reason: "no_traffic" },
      );
  };
  weigh(0);
  const { length, correlation, concurrent } = traffic.session;
  const sessions: (Session | undefined)[] = [];
  let lastSession = 0;
  const itemOf = (segment: number): number => Math.floor(random() * (segments[segment]?.table.items ?? 1));
  const begin = (): Session => {
    const segment = placeOf(sums, random());
    lastSession += 1;
    // A geometric length of the given mean, 1 at least.
    const left = length <= 1 ? 1 : 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / length));
    return { segment, item: itemOf(segment), number: lastSession, left };
  };
  return {
    next: (request, draw) => {
      if (request >= (looks[nextLook] ?? Infinity)) {
        while (request >= (looks[nextLook] ?? Infinity)) nextLook += 1;
        weigh(request);
      }
      if (length <= 1) {
        draw.segment = placeOf(sums, random());
        draw.item = itemOf(draw.segment);
        draw.session = 0;
        return;
      }
      const slot = Math.floor(random() * concurrent);
      let session = sessions[slot];
      if (session === undefined) session = sessions[slot] = begin();
      else if (random() >= correlation) session.item = itemOf(session.segment);
      draw.segment = session.segment;
      draw.item = session.item;
      draw.session = session.number;
      session.left -= 1;
      if (session.left <= 0) sessions[slot] = undefined;
    },
  };
}

function weightsOf(segments: readonly CastSegment[], traffic: Scenario["traffic"], seed: number): readonly number[] {
  switch (traffic.law) {
    case "uniform":
      return segments.map(() => 1);
    case "items":
      return segments.map(({ table }) => table.items);
    case "zipf": {
      // Which segment is the busiest is a matter of chance.
      const ranks = shuffled([...segments.keys()], seededRandom(seed, "ranks"));
      return ranks.map((rank) => (rank + 1) ** -traffic.exponent);
    }
  }
}

/** The requests at which weights change. */
function changesOf(shifts: readonly SegmentFault[], requests: number): readonly number[] {
  const changes = new Set<number>();
  for (const { start, end, ramp } of shifts) {
    for (let at = start; at < Math.min(start + ramp, end, requests); at += RAMP_STEP) changes.add(at);
    changes.add(start + ramp);
    changes.add(end);
  }
  return [...changes].filter((at) => at < requests).sort((a, b) => a - b);
}

/** The place whose part of the summed weights holds `draw`, by bisection. */
function placeOf(sums: Float64Array, draw: number): number {
  const at = draw * (sums[sums.length - 1] ?? 0);
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
