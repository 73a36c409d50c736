import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAlarmed } from "../../src/core/detector.ts";
import {
  beginIncumbency,
  newStream,
  observeStream,
  recent,
  toleratedByBaseline,
  watch,
  type Stream,
} from "../../src/core/stream.ts";

const MINUTE = 60_000;
const NOW = 1000 * MINUTE;

const fed = (stream: Stream, count: number, loss: number, at = NOW): Stream => {
  for (let label = 0; label < count; label++) observeStream(stream, loss, at);
  return stream;
};
const watched = (tolerated: number | null = 0.2): Stream => {
  const stream = newStream();
  watch(stream, "bound", tolerated);
  return stream;
};
const alarmed = (stream: Stream): boolean => isAlarmed(stream.watches.bound!.detector);

describe("a stream", () => {
  test("alarms on a watched level and not before it is known what is tolerated", () => {
    expect(alarmed(fed(watched(0.2), 30, 1))).toBe(true);
    expect(alarmed(fed(watched(null), 3000, 1))).toBe(false);
  });

  test("applies a new tolerated level only to the losses that come after", () => {
    const stream = fed(watched(0.5), 5, 1);
    const before = structuredClone(stream.watches.bound!.detector);
    watch(stream, "bound", 0.1);
    expect(stream.watches.bound!.detector).toStrictEqual(before);
    fed(stream, 1, 1);
    expect(stream.watches.bound!.detector).not.toStrictEqual(before);
  });

  test("shows its detectors nothing that was served before the incumbency", () => {
    const stream = watched();
    beginIncumbency(stream, NOW);
    watch(stream, "bound", 0.2);
    fed(stream, 100, 1, NOW - 1);
    expect(alarmed(stream)).toBe(false);
    expect(stream.labels).toBe(100);
    fed(stream, 100, 1, NOW);
    expect(alarmed(stream)).toBe(true);
  });

  test("begins its detectors again with a new incumbency and not with the same one told again", () => {
    const stream = fed(watched(), 100, 1);
    beginIncumbency(stream, 0);
    expect(alarmed(stream)).toBe(true);
    beginIncumbency(stream, NOW);
    expect(stream.watches).toStrictEqual({});
    expect(stream.labels).toBe(100);
  });

  test("learns nothing of the healthy level while any of its watches is alarmed", () => {
    const stream = fed(watched(), 300, 0);
    fed(stream, 1000, 1);
    expect(alarmed(stream)).toBe(true);
    expect(stream.baseline).toMatchObject({ labels: 200, lossSum: 0, waiting: [] });
  });

  test("learns nothing of the healthy level from late labels of the time before the incumbency", () => {
    const stream = fed(watched(), 300, 0, NOW - MINUTE);
    fed(stream, 100, 1, NOW - MINUTE);
    beginIncumbency(stream, NOW);
    watch(stream, "bound", 0.2);
    fed(stream, 2000, 1, NOW - MINUTE);
    expect(stream.baseline.lossSum).toBe(0);
  });

  test("learns nothing of the healthy level from an alarm that came before it had enough", () => {
    const stream = fed(watched(), 100, 0);
    fed(stream, 100, 1);
    expect(alarmed(stream)).toBe(true);
    expect(stream.baseline.lossSum).toBe(0);
  });

  test("learns nothing while alarmed, though for the moment nothing is known to compare with", () => {
    const stream = fed(watched(), 300, 0);
    fed(stream, 100, 1);
    watch(stream, "bound", null);
    fed(stream, 1000, 1);
    expect(alarmed(stream)).toBe(true);
    expect(stream.baseline.lossSum).toBe(0);
  });

  test.each([
    { labels: 199, tolerated: null, because: "199 labels are too few" },
    { labels: 200, tolerated: 0.02, because: "200 labels are enough" },
  ])("tolerates $tolerated around its own baseline when $because", ({ labels, tolerated }) =>
    expect(toleratedByBaseline(fed(newStream(), labels, 0), 0.01)).toBe(tolerated),
  );
});

describe("the labels of the last minutes", () => {
  test.each([
    { at: NOW, minutes: 1, labels: 1, because: "it is of this minute" },
    { at: NOW - MINUTE, minutes: 1, labels: 0, because: "it is of the minute before" },
    { at: NOW - 59 * MINUTE, minutes: 60, labels: 1, because: "it is within the hour" },
    { at: NOW - 60 * MINUTE, minutes: 60, labels: 0, because: "it is an hour old" },
  ])("count $labels when $because", ({ at, minutes, labels }) =>
    expect(recent(fed(newStream(), 1, 0.5, at), NOW, minutes)).toStrictEqual({ labels, lossSum: labels / 2 }),
  );

  test("take late labels into the minute that they belong to", () => {
    const stream = fed(fed(fed(newStream(), 1, 0, NOW - MINUTE), 1, 0, NOW), 3, 1, NOW - MINUTE);
    expect(recent(stream, NOW, 60)).toStrictEqual({ labels: 5, lossSum: 3 });
    expect(recent(stream, NOW, 1)).toStrictEqual({ labels: 1, lossSum: 0 });
  });

  test("take in late labels of a minute of which none had come before", () => {
    const stream = fed(fed(newStream(), 1, 0, NOW), 3, 1, NOW - MINUTE);
    expect(recent(stream, NOW, 60)).toStrictEqual({ labels: 4, lossSum: 3 });
  });

  const labels = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(200)));
  test("are in order, at most sixty and never more than there were, however late labels come", () =>
    fc.assert(
      fc.property(labels, (list) => {
        const stream = newStream();
        for (const [loss, minute] of list) observeStream(stream, loss, minute * MINUTE);
        const minutes = stream.minutes.map(([minute]) => minute);
        expect(minutes).toStrictEqual([...new Set(minutes)].sort((a, b) => a - b));
        expect(minutes.length).toBeLessThanOrEqual(60);
        expect(stream.minutes.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(list.length);
        expect(stream.labels).toBe(list.length);
      }),
    ));

  test("goes on from its JSON as if nothing had happened", () =>
    fc.assert(
      fc.property(labels, labels, (first, second) => {
        const feed = (stream: Stream, list: typeof first): Stream => {
          for (const [loss, minute] of list) observeStream(stream, loss, minute * MINUTE);
          return stream;
        };
        const restarted: Stream = JSON.parse(JSON.stringify(feed(watched(0.3), first)));
        expect(feed(restarted, second)).toStrictEqual(feed(watched(0.3), [...first, ...second]));
      }),
    ));
});
