import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALARM_THRESHOLD,
  betAbove,
  betBelow,
  betOn,
  degradedLevel,
  type Detector,
  DETECTOR_NUMBERS,
  evidenceOf,
  hasLasted,
  isAlarmed,
  newDetector,
  newEProcess,
  newWeights,
  observeLoss,
  raiseAlarm,
  statisticOf,
} from "../../src/core/detector.ts";
import { fill, numbersOf } from "../../src/core/slab.ts";
import { coinLosses, median, seededRandom } from "./seeded-random.ts";

const loss = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1));
const level = fc.oneof(fc.double({ min: 0.02, max: 0.98, noNaN: true }), fc.constantFrom(0.02, 0.98));
const labels = fc.array(fc.tuple(loss, level), { maxLength: 400 });

const after = (observed: readonly (readonly [number, number])[]): Detector => {
  const detector = newDetector();
  for (const [value, tolerated] of observed) observeLoss(detector, value, tolerated);
  return detector;
};

const restarted = (detector: Detector): Detector => {
  const again = newDetector();
  fill(again, JSON.parse(JSON.stringify(numbersOf(detector, DETECTOR_NUMBERS))));
  return again;
};

/** Labels until the alarm is as wanted, or 20 000. */
function labelsUntil(detector: Detector, alarmed: boolean, next: () => number, tolerated: number) {
  let count = 0;
  while (isAlarmed(detector) !== alarmed && count < 20_000) {
    observeLoss(detector, next(), tolerated);
    count += 1;
  }
  return count;
}

describe("the statistic", () => {
  test("stays finite and bounded below for any losses in [0,1], and the level in (0,1)", () =>
    fc.assert(
      fc.property(labels, (observed) => {
        const detector = after(observed);
        for (const value of detector.cells) expect(Number.isFinite(value)).toBe(true);
        // The last one weighs what came after an alarm, and may speak against it, but not for ever.
        for (const value of detector.cells.slice(0, -1)) expect(value).toBeGreaterThanOrEqual(0);
        expect(detector.cells.at(-1)).toBeGreaterThanOrEqual(-3);
        expect(restarted(detector)).toStrictEqual(detector);
        expect(degradedLevel(detector)).toBeGreaterThan(0);
        expect(degradedLevel(detector)).toBeLessThan(1);
      }),
    ));

  test.each([
    { value: 0, tolerated: 0.02, because: "perfect for ever at the lowest level" },
    { value: 1, tolerated: 0.02, because: "worst for ever at the lowest level" },
    { value: 0, tolerated: 0.98, because: "perfect for ever at the highest level" },
    { value: 1, tolerated: 0.98, because: "worst for ever at the highest level" },
  ])("stays finite over 20 000 labels that are $because", ({ value, tolerated }) => {
    const detector = newDetector();
    for (let label = 0; label < 20_000; label++) observeLoss(detector, value, tolerated);
    expect(detector.cells.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
  });

  test("grows by one a label in the mean while the mean loss is the tolerated one, whatever came before and however the level changes", () =>
    fc.assert(
      fc.property(labels, level, (observed, tolerated) => {
        const before = after(observed);
        fc.pre(!isAlarmed(before) && statisticOf(before) < ALARM_THRESHOLD / 1000);
        const statisticAfter = (value: number): number => {
          const detector = restarted(before);
          observeLoss(detector, value, tolerated);
          return statisticOf(detector);
        };
        const mean = tolerated * statisticAfter(1) + (1 - tolerated) * statisticAfter(0);
        expect(mean).toBeCloseTo(statisticOf(before) + 1, 4);
      }),
    ));

  test("goes on from its JSON as if nothing had happened", () =>
    fc.assert(
      fc.property(labels, labels, (first, second) => {
        const again = restarted(after(first));
        for (const [value, tolerated] of second) observeLoss(again, value, tolerated);
        expect(again).toStrictEqual(after([...first, ...second]));
      }),
    ));

  test("is the same when several detectors share the scratch space for their weights", () =>
    fc.assert(
      fc.property(labels, (observed) => {
        const weights = newWeights();
        const [one, same, other] = [newDetector(), newDetector(), newDetector()];
        for (const [value, tolerated] of observed) {
          observeLoss(one, value, tolerated, weights);
          observeLoss(same, value, tolerated, weights);
        }
        for (const [value] of observed) observeLoss(other, value, 0.3, weights);
        expect(one).toStrictEqual(after(observed));
        expect(same).toStrictEqual(one);
        expect(other).toStrictEqual(after(observed.map(([value]) => [value, 0.3])));
      }),
    ));

  test("is not smaller for a greater loss", () =>
    fc.assert(
      fc.property(labels, loss, loss, level, (observed, one, other, tolerated) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const before = after(observed.slice(0, 50));
        fc.pre(!isAlarmed(before));
        const statistic = (value: number) => statisticOf(after([...observed.slice(0, 50), [value, tolerated]]));
        expect(statistic(less)).toBeLessThanOrEqual(statistic(more) * (1 + 1e-9));
      }),
    ));
});

describe("an alarm", () => {
  test("is false at most as often as its threshold promises at the tolerated mean, over four kinds of losses", () => {
    const random = seededRandom(7);
    const kinds = [
      { tolerated: 0.02, next: () => (random() < 0.02 ? 1 : 0) },
      { tolerated: 0.1, next: () => (random() < 0.1 ? 1 : 0) },
      { tolerated: 0.5, next: random },
      { tolerated: 0.9, next: () => (random() < 0.9 ? 1 : 0) },
    ];
    let alarms = 0;
    const weights = newWeights();
    for (const { tolerated, next } of kinds) {
      const detector = newDetector();
      let was = false;
      for (let label = 0; label < 1e6; label++) {
        observeLoss(detector, next(), tolerated, weights);
        if (isAlarmed(detector) && !was) alarms += 1;
        was = isAlarmed(detector);
      }
    }
    expect(alarms).toBeLessThanOrEqual((kinds.length * 1e6) / ALARM_THRESHOLD);
  });

  test("comes within 20 labels of a fall of the score from .9 to .1", () => {
    for (let seed = 0; seed < 300; seed++) {
      const next = coinLosses(seed);
      const detector = newDetector();
      for (let label = 0; label < 500; label++) observeLoss(detector, next(0.1), 0.14);
      expect(isAlarmed(detector)).toBe(false);
      expect(labelsUntil(detector, true, () => next(0.9), 0.14)).toBeLessThanOrEqual(20);
    }
  });

  test.each([
    { from: 0.1, to: 0.2, tolerated: 0.12, median: 350 },
    { from: 0.1, to: 0.3, tolerated: 0.12, median: 80 },
    { from: 0.3, to: 0.6, tolerated: 0.33, median: 70 },
  ])("comes within $median labels in the median when the loss rises from $from to $to", (given) => {
    const delays = Array.from({ length: 101 }, (_, seed) => {
      const next = coinLosses(seed * 31 + 1);
      const detector = newDetector();
      for (let label = 0; label < 300; label++) observeLoss(detector, next(given.from), given.tolerated);
      return labelsUntil(detector, true, () => next(given.to), given.tolerated);
    });
    expect(median(delays)).toBeLessThanOrEqual(given.median);
  });

  test("stays while the loss stays", () => {
    const next = coinLosses(3);
    const detector = newDetector();
    labelsUntil(detector, true, () => next(0.9), 0.15);
    for (let label = 0; label < 100_000; label++) {
      observeLoss(detector, next(0.9), 0.15);
      if (!isAlarmed(detector)) expect.unreachable("the alarm was called off while nothing had recovered");
    }
  });

  test("is called off once the level is back, and the detector then begins from nothing", () => {
    for (let seed = 0; seed < 50; seed++) {
      const next = coinLosses(seed + 9);
      const detector = newDetector();
      labelsUntil(detector, true, () => next(0.9), 0.15);
      expect(labelsUntil(detector, false, () => next(0.1), 0.15)).toBeLessThanOrEqual(1000);
      expect(detector).toStrictEqual(newDetector());
    }
  });
});

describe("the estimate of the degraded level", () => {
  test.each([
    { from: 0.1, to: 0.9, tolerated: 0.12, because: "collapsed" },
    { from: 0.3, to: 0.6, tolerated: 0.33, because: "fell by much" },
  ])("is near the truth in the median when the segment $because", ({ from, to, tolerated }) => {
    const levels = levelsAtAlarm(from, to, tolerated);
    expect(Math.abs(median(levels) - to)).toBeLessThanOrEqual(0.15);
  });

  test.each([
    { from: 0.04, to: 0.1, tolerated: 0.05 },
    { from: 0.08, to: 0.14, tolerated: 0.1 },
    { from: 0.01, to: 0.05, tolerated: 0.02 },
  ])("is at most twice the truth in the median when the loss creeps from $from to $to", (given) => {
    const levels = levelsAtAlarm(given.from, given.to, given.tolerated);
    expect(median(levels)).toBeLessThanOrEqual(2 * given.to);
  });

  test("is not far above what is tolerated where there are hardly labels to estimate it from", () => {
    const detector = newDetector();
    raiseAlarm(detector);
    observeLoss(detector, 0, 0.1);
    expect(degradedLevel(detector)).toBeLessThan(0.2);
  });

  function levelsAtAlarm(from: number, to: number, tolerated: number) {
    return Array.from({ length: 101 }, (_, seed) => {
      const next = coinLosses(seed * 7919 + 1);
      const detector = newDetector();
      for (let label = 0; label < 300; label++) observeLoss(detector, next(from), tolerated);
      labelsUntil(detector, true, () => next(to), tolerated);
      return degradedLevel(detector);
    });
  }
});

describe("a bet", () => {
  test("that the mean is below mirrors the bet that it is above", () =>
    fc.assert(
      fc.property(fc.constantFrom(0.03, 0.25, 0.9), loss, level, (bet, value, reference) => {
        expect(betBelow(bet, value, reference)).toBeCloseTo(betAbove(bet, 1 - value, 1 - reference), 9);
        expect(betAbove(bet, value, reference)).toBeGreaterThan(0);
      }),
    ));

  test.each([
    { side: "above", mean: 0.3 },
    { side: "below", mean: 0.3 },
    { side: "above", mean: 0.05 },
    { side: "below", mean: 0.95 },
  ] as const)("that the mean is $side $mean reaches odds of 20 in at most 5 % of runs when it is not", (given) => {
    let reached = 0;
    for (let seed = 0; seed < 1000; seed++) {
      const next = coinLosses(seed * 17 + 3);
      const process = newEProcess();
      for (let label = 0; label < 300; label++) {
        betOn(process, given.side, next(given.mean), given.mean);
        if (evidenceOf(process) < 20) continue;
        reached += 1;
        break;
      }
    }
    expect(reached).toBeLessThanOrEqual(50);
  });
});

describe("an alarm that lasts", () => {
  test("is one that labels after it bear out: before that nothing is done about it", () => {
    const detector = newDetector();
    let labels = 0;
    while (!isAlarmed(detector) && labels++ < 1000) observeLoss(detector, 1, 0.2);
    expect(hasLasted(detector)).toBe(false);
    for (let more = 0; more < 3; more++) observeLoss(detector, 1, 0.2);
    expect(hasLasted(detector)).toBe(true);
  });

  test("is not one whose later labels are well", () => {
    const detector = newDetector();
    let labels = 0;
    while (!isAlarmed(detector) && labels++ < 1000) observeLoss(detector, 1, 0.2);
    for (let more = 0; more < 5; more++) observeLoss(detector, 0, 0.2);
    expect(hasLasted(detector)).toBe(false);
  });

  test("is taken as such when another process raised it", () => {
    const detector = newDetector();
    raiseAlarm(detector);
    expect(hasLasted(detector)).toBe(true);
  });
});
