import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BASELINE_MAX, BASELINE_MIN, baselineLabels, baselineLossSum, baselineMean } from "../../src/core/baseline.ts";
import { cusumOf, isAlarmed, statisticOf } from "../../src/core/detector.ts";
import { fill, numbersOf } from "../../src/core/slab.ts";
import {
  beginIncumbency,
  countLabel,
  feedStream,
  isSuspicious,
  labelsOf,
  lossSumOf,
  newStream,
  newWatch,
  recent,
  STREAM_NUMBERS,
  tolerate,
  toleratedOf,
  WATCH_NUMBERS,
  type Stream,
} from "../../src/core/stream.ts";
import { coinLosses, median } from "./seeded-random.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** On the hour. */
const NOW = 1000 * HOUR;

const observe = (stream: Stream, loss: number, at: number): boolean => {
  countLabel(stream, loss, at);
  return feedStream(stream, loss, at);
};
const fed = (stream: Stream, count: number, loss: number, at = NOW): Stream => {
  for (let label = 0; label < count; label++) observe(stream, loss, at);
  return stream;
};
const watched = (tolerated: number | null = 0.2): Stream => {
  const stream = newStream();
  stream.watches = [newWatch({ against: "bound", metric: "helpful", lossMax: 0.2 })];
  tell(stream, tolerated);
  return stream;
};
const tell = ({ watches: [watch] }: Stream, tolerated: number | null): void => tolerate(watch!, tolerated);
const alarmed = ({ watches: [watch] }: Stream): boolean => isAlarmed(watch!);
const ofOwn = (tolerance: number): Stream => {
  const stream = newStream();
  stream.watches = [newWatch({ against: "baseline", metric: "helpful", tolerance })];
  return stream;
};

const loss = fc.double({ min: 0, max: 1, noNaN: true });

test("a stream with one objective takes no more than 256 bytes", () =>
  expect((STREAM_NUMBERS + WATCH_NUMBERS) * Float64Array.BYTES_PER_ELEMENT).toBeLessThanOrEqual(256));

describe("a stream", () => {
  test("alarms on a watched level and not before it is known what is tolerated", () => {
    expect(alarmed(fed(watched(0.2), 30, 1))).toBe(true);
    expect(alarmed(fed(watched(null), 3000, 1))).toBe(false);
  });

  test("applies a new tolerated level only to the losses that come after", () => {
    const stream = fed(watched(0.5), 5, 1);
    const [watch] = stream.watches;
    const before = statisticOf(watch!);
    tell(stream, 0.1);
    expect(statisticOf(watch!)).toBe(before);
    fed(stream, 1, 1);
    expect(statisticOf(watch!)).toBeGreaterThan(before);
  });

  test("shows its detectors nothing that was served before the incumbency", () => {
    const stream = watched();
    beginIncumbency(stream, NOW);
    tell(stream, 0.2);
    fed(stream, 100, 1, NOW - 1);
    expect(alarmed(stream)).toBe(false);
    expect(labelsOf(stream)).toBe(100);
    fed(stream, 100, 1, NOW);
    expect(alarmed(stream)).toBe(true);
  });

  test("begins its detectors again with a new incumbency and not with the same one told again", () => {
    const stream = fed(watched(), 100, 1);
    beginIncumbency(stream, 0);
    expect(alarmed(stream)).toBe(true);
    beginIncumbency(stream, NOW);
    expect(alarmed(stream)).toBe(false);
    expect(toleratedOf(stream.watches[0]!)).toBeNull();
    expect(labelsOf(stream)).toBe(100);
  });

  test("learns nothing of the healthy level while any of its watches is alarmed", () => {
    const stream = fed(watched(), 300, 0);
    fed(stream, 1000, 1);
    expect(alarmed(stream)).toBe(true);
    expect([baselineLabels(stream), baselineLossSum(stream)]).toStrictEqual([300, 0]);
  });

  test("never learns the labels that led to an alarm, though it learns on when that is over", () => {
    const stream = fed(fed(watched(), 300, 0), 100, 1);
    expect(alarmed(stream)).toBe(true);
    fed(stream, 1000, 0);
    expect(alarmed(stream)).toBe(false);
    expect(baselineLossSum(stream)).toBe(0);
    expect(baselineLabels(stream)).toBeGreaterThan(300);
  });

  test("learns nothing of the healthy level from late labels of the time before the incumbency", () => {
    const stream = fed(watched(), 300, 0, NOW - MINUTE);
    fed(stream, 100, 1, NOW - MINUTE);
    beginIncumbency(stream, NOW);
    tell(stream, 0.2);
    fed(stream, 2000, 1, NOW - MINUTE);
    expect(baselineLossSum(stream)).toBe(0);
  });

  test("learns nothing of the healthy level from an alarm that came before it had enough", () => {
    const stream = fed(watched(), 100, 0);
    fed(stream, 100, 1);
    expect(alarmed(stream)).toBe(true);
    expect(baselineLossSum(stream)).toBe(0);
  });

  test("learns nothing while alarmed, though for the moment nothing is known to compare with", () => {
    const stream = fed(watched(), 300, 0);
    fed(stream, 100, 1);
    tell(stream, null);
    fed(stream, 1000, 1);
    expect(alarmed(stream)).toBe(true);
    expect(baselineLossSum(stream)).toBe(0);
  });

  test("tolerates nothing in particular around its own baseline until that has its least labels", () => {
    expect(toleratedOf(fed(ofOwn(0.01), BASELINE_MIN - 1, 0).watches[0]!)).toBeNull();
    expect(toleratedOf(fed(ofOwn(0.01), BASELINE_MIN, 0).watches[0]!)).toBeLessThan(0.1);
  });

  test("tolerates less around its own baseline with each label that counts as healthy", () => {
    const stream = ofOwn(0.01);
    for (let label = 0; label < 500; label++) observe(stream, label % 4 === 0 ? 1 : 0, NOW);
    fed(stream, 20, 0);
    const before = toleratedOf(stream.watches[0]!);
    observe(stream, 0, NOW);
    expect(toleratedOf(stream.watches[0]!)).toBeLessThan(before!);
  });

  test("has news exactly when an alarm is raised, when it has lasted, when it is called off, and when the baseline is frozen", () => {
    const stream = watched(0.2);
    const news: string[] = [];
    const feed = (count: number, loss: number, what: string) => {
      for (let label = 0; label < count; label++) if (observe(stream, loss, NOW)) news.push(what);
    };
    feed(BASELINE_MAX - 1, 0, "frozen");
    expect(news).toStrictEqual([]);
    feed(200, 0, "frozen");
    feed(100, 1, "raised");
    feed(500, 0, "called off");
    expect(news).toStrictEqual(["frozen", "raised", "raised", "called off"]);
  });

  const labels = fc.array(fc.tuple(loss, fc.nat(200)));
  test("goes on from its numbers as if nothing had happened", () =>
    fc.assert(
      fc.property(labels, labels, (first, second) => {
        const feed = (stream: Stream, list: typeof first): Stream => {
          for (const [loss, minute] of list) observe(stream, loss, minute * MINUTE);
          return stream;
        };
        const before = feed(watched(0.3), first);
        const restarted = watched(0.3);
        fill(restarted, JSON.parse(JSON.stringify(numbersOf(before, STREAM_NUMBERS))));
        fill(restarted.watches[0]!, JSON.parse(JSON.stringify(numbersOf(before.watches[0]!, WATCH_NUMBERS))));
        expect(feed(restarted, second)).toStrictEqual(feed(watched(0.3), [...first, ...second]));
      }),
    ));
});

describe("labels that may belong to a change", () => {
  /** With a healthy level of .1 that was learnt. */
  const learnt = (): Stream => {
    const stream = ofOwn(0.01);
    for (let label = 0; label < 300; label++) observe(stream, label % 10 === 0 ? 1 : 0, NOW);
    return fed(stream, 10, 0);
  };
  const isDoubted = ({ watches: [watch] }: Stream): boolean => cusumOf(watch!, 0) > 0;
  const learntOf = (stream: Stream) => [baselineLabels(stream), baselineLossSum(stream)];

  test("are never learnt while a rise creeps, however slowly it begins", () =>
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-3, max: 0.02, noNaN: true }), { maxLength: 100 }), (steps) => {
        const stream = learnt();
        const before = learntOf(stream);
        let value = toleratedOf(stream.watches[0]!)!;
        for (const step of steps) observe(stream, (value = Math.min(1, value + step)), NOW);
        expect(learntOf(stream)).toStrictEqual(before);
      }),
    ));

  test("are hardly ever learnt of a rise that creeps over a thousand answers", () => {
    const means = Array.from({ length: 50 }, (_, seed) => {
      const next = coinLosses(seed * 31 + 1);
      const stream = learnt();
      for (let label = 0; label < 1000 && !alarmed(stream); label++) observe(stream, next(0.1 + label * 4e-4), NOW);
      expect(alarmed(stream)).toBe(true);
      return baselineMean(stream);
    });
    expect(median(means)).toBeLessThan(0.13);
    expect(Math.max(...means)).toBeLessThan(0.18);
  });

  test("are all counted once, as soon as the change turns out to be none", () => {
    for (let seed = 0; seed < 20; seed++) {
      const next = coinLosses(seed + 1);
      const stream = learnt();
      let [labels, lossSum] = learntOf(stream) as [number, number];
      for (let label = 0; label < 1000; label++) {
        const value = next(0.1);
        observe(stream, value, NOW);
        labels += 1;
        lossSum += value;
        if (!isDoubted(stream)) expect(learntOf(stream)).toStrictEqual([labels, lossSum]);
      }
      expect(alarmed(stream)).toBe(false);
      while (isDoubted(stream)) fed(stream, 1, 0);
      expect(baselineLabels(stream)).toBeGreaterThanOrEqual(labels);
    }
  });

  test("are not learnt when the variant was left in doubt and comes back", () => {
    const stream = learnt();
    const before = learntOf(stream);
    const tolerated = toleratedOf(stream.watches[0]!);
    fed(stream, 4, 1);
    expect(alarmed(stream)).toBe(false);
    beginIncumbency(stream, NOW + HOUR);
    tell(stream, tolerated);
    fed(stream, 1, 0, NOW + HOUR);
    expect(learntOf(stream)).toStrictEqual([before[0]! + 1, before[1]]);
  });
});

describe("a stream asks for labels", () => {
  const known = (): Stream => fed(ofOwn(0.01), 1000, 0);

  test("until it is known well what is healthy", () => {
    expect(isSuspicious(ofOwn(0.01))).toBe(true);
    expect(isSuspicious(fed(ofOwn(0.01), BASELINE_MIN, 0))).toBe(true);
    expect(isSuspicious(known())).toBe(false);
  });

  test("while something may have changed, and no more once that is certain or over", () => {
    const stream = known();
    expect(isSuspicious(fed(stream, 1, 1))).toBe(true);
    expect(isSuspicious(fed(stream, 50, 1))).toBe(false);
    expect(alarmed(stream)).toBe(true);
    const over = fed(known(), 1, 1);
    expect(isSuspicious(fed(over, 300, 0))).toBe(false);
  });

  test("seldom without a change", () => {
    const next = coinLosses(5);
    const stream = ofOwn(0.01);
    let asked = 0;
    for (let label = 0; label < 5000; label++) {
      observe(stream, next(0.1), NOW);
      if (label >= 1000 && isSuspicious(stream)) asked += 1;
    }
    expect(asked).toBeLessThan(800);
  });
});

describe("the labels of about the last hour", () => {
  test.each([
    { at: NOW, now: NOW, labels: 1, because: "it is of now" },
    { at: NOW, now: NOW + 59 * MINUTE, labels: 1, because: "it is of this hour" },
    { at: NOW, now: NOW + HOUR + 15 * MINUTE, labels: 0.75, because: "a quarter of the hour before is over" },
    { at: NOW, now: NOW + 2 * HOUR, labels: 0, because: "it is two hours old" },
    { at: NOW, now: NOW - MINUTE, labels: 1, because: "the clock went back" },
  ])("count $labels when $because", ({ at, now, labels }) =>
    expect(recent(fed(newStream(), 1, 0.5, at), now)).toStrictEqual({ labels, lossSum: labels / 2 }),
  );

  test("take late labels into the hour that they belong to, and older ones only into the totals", () => {
    const stream = fed(fed(fed(newStream(), 1, 0, NOW), 3, 1, NOW - 1), 4, 1, NOW - HOUR - 1);
    expect(recent(stream, NOW)).toStrictEqual({ labels: 4, lossSum: 3 });
    expect(recent(stream, NOW + 30 * MINUTE)).toStrictEqual({ labels: 2.5, lossSum: 1.5 });
    expect([labelsOf(stream), lossSumOf(stream)]).toStrictEqual([8, 7]);
  });

  test("are as many as there were, within a tenth, while they come evenly", () => {
    const stream = newStream();
    for (let at = NOW; at < NOW + 5 * HOUR; at += MINUTE / 2) {
      observe(stream, 0, at);
      if (at < NOW + HOUR) continue;
      expect(recent(stream, at).labels).toBeGreaterThan(108);
      expect(recent(stream, at).labels).toBeLessThan(132);
      expect(recent(stream, at, 10).labels).toBeGreaterThan(10);
      expect(recent(stream, at, 10).labels).toBeLessThan(30);
    }
  });
});
