import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { annotation, HOUR, numbered, phoenixWorld, SECOND } from "./delivery-world.ts";

let world: Awaited<ReturnType<typeof phoenixWorld>>;
beforeEach(async () => {
  world = await phoenixWorld();
});
afterEach(() => world.close());

describe("feedback on its way to Phoenix", () => {
  test("arrives as an annotation of its span, with who judged and what is known of the answer", async () => {
    const given = annotation(1, { label: "up", comment: "spot on", annotatorKind: "LLM", annotatorId: "judge-v3" });
    await world.known([given]);
    await world.queue.add([given]);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.phoenix.annotations()).toMatchObject([
      {
        spanId: given.spanId,
        name: "thumbs",
        annotatorKind: "LLM",
        identifier: "judge-v3",
        score: 1,
        label: "up",
        explanation: "spot on",
        metadata: {
          policy: "support-chat",
          segment: "eu",
          variant: "warm",
        },
      },
    ]);
    expect(await world.waiting("phoenix")).toBe(0);
  });

  test("is one annotation of each annotator, which a later word of the same one replaces", async () => {
    const [ada, judge] = [annotation(1, { annotatorId: "ada" }), annotation(1, { annotatorId: "judge", score: 0.5 })];
    await world.known([ada]);
    await world.queue.add([ada, judge]);
    await world.crank(30 * SECOND, 30 * SECOND);
    await world.queue.add([{ ...ada, score: 0 }]);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.phoenix.annotations().map(({ identifier, score }) => [identifier, score])).toEqual([
      ["ada", 0],
      ["judge", 0.5],
    ]);
  });

  test("under the name that Phoenix keeps for itself has another", async () => {
    const given = annotation(1, { name: "note" });
    await world.known([given]);
    await world.queue.add([given]);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.phoenix.annotations()).toMatchObject([{ name: "segue_note" }]);
  });

  test("of a thousand spans of which some are unknown takes two requests, because Phoenix names them, and drops none of the late", async () => {
    const thousand = numbered(1000);
    const late = thousand.filter((_, index) => index % 100 === 0);
    await world.known(thousand.filter((one) => !late.includes(one)));
    await world.queue.add(thousand);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.attempts()).toBe(2);
    expect(world.phoenix.annotations()).toHaveLength(990);
    // Past the ten minutes after which Phoenix itself would have dropped them.
    await world.crank(HOUR, 60 * SECOND);
    await world.known(late);
    await world.crank(HOUR, 60 * SECOND);
    expect(world.phoenix.annotations()).toHaveLength(1000);
    expect(world.phoenix.droppedAnnotations()).toBe(0);
  });

  test("waits where the key is a viewer's, and says once what is needed", async () => {
    await world.close();
    world = await phoenixWorld({ apiKey: "phoenix-viewer-key" });
    await world.known([annotation(1)]);
    await world.queue.add([annotation(1)]);
    await world.crank(10 * 60 * SECOND, 20 * SECOND);
    expect(world.attempts()).toBe(10);
    expect(world.logged.filter((line) => line.includes("viewer may not annotate"))).toHaveLength(1);
    expect(world.logged.join()).not.toContain("phoenix-viewer-key");
    expect(await world.waiting("phoenix")).toBe(1);
  });

  test("survives an outage of hours, and arrives after it", async () => {
    const given = numbered(100);
    await world.known(given);
    await world.queue.add(given);
    const lift = world.phoenix.fail("rest", "cut");
    await world.crank(30 * HOUR, 300 * SECOND);
    expect(world.phoenix.annotations()).toEqual([]);
    lift();
    await world.crank(600 * SECOND, 60 * SECOND);
    expect(world.phoenix.annotations()).toHaveLength(100);
    expect(await world.buried("phoenix")).toBe(0);
  });

  test("is kept where a route is not Phoenix's, and where the answer is another page's", async () => {
    for (const fault of [
      { status: 404, body: '{"detail":"Not Found"}' },
      { status: 200, body: "<html>Sign in</html>" },
    ]) {
      const lift = world.phoenix.fail("rest", fault);
      await world.known([annotation(1)]);
      await world.queue.add([annotation(1)]);
      await world.crank(50 * HOUR, HOUR);
      expect([await world.waiting("phoenix"), await world.buried("phoenix")]).toEqual([1, 0]);
      lift();
    }
    await world.crank(HOUR, 600 * SECOND);
    expect(world.phoenix.annotations()).toHaveLength(1);
  });
});
