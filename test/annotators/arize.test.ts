import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { arizeAnnotator } from "../../src/annotators/arize.ts";
import type { Annotation } from "../../src/core/annotation.ts";
import { annotation, arizeWorld, DAY, deliveryWorld, HOUR, numbered, SECOND, SERVED } from "./delivery-world.ts";

let world: Awaited<ReturnType<typeof arizeWorld>>;
beforeEach(async () => {
  world = await arizeWorld();
});
afterEach(() => world.close());

const restart = async (options: Parameters<typeof arizeWorld>[0]) => {
  await world.close();
  world = await arizeWorld(options);
};
const shown = () =>
  world.arize.annotations().map(({ spanId, name, score, label, text }) => ({ spanId, name, score, label, text }));
const bodies = () =>
  world.arize.calls
    .filter(({ url }) => url.pathname === "/v2/spans/annotate")
    .map(({ body }) => JSON.parse(body.toString()));

describe("feedback on its way to Arize AX", () => {
  test("arrives as an annotation of its span, after the lag, with its label and comment", async () => {
    const given = annotation(1, { label: "up", comment: "spot on" });
    await world.known([given]);
    await world.queue.add([given]);
    await world.crank(29 * SECOND, SECOND);
    expect(world.attempts()).toBe(0);
    await world.crank(SECOND, SECOND);
    expect(shown()).toEqual([{ spanId: given.spanId, name: "thumbs", score: 1, label: "up", text: "spot on" }]);
    expect(await world.waiting()).toBe(0);
    expect(world.counters.print()).toContain('segue_annotations_total{destination="arize",result="done"} 1');
  });

  test("goes as one record per span, and as an upsert when it is corrected later", async () => {
    const [one, other] = [annotation(1), annotation(1, { name: "toxicity", score: 0.25 })];
    await world.known([one]);
    await world.queue.add([one, other]);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(bodies()[0].annotations).toHaveLength(1);
    expect(await world.queue.add([{ ...one, score: 0 }])).toEqual(["added"]);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(shown().map(({ name, score }) => [name, score])).toEqual([
      ["thumbs", 0],
      ["toxicity", 0.25],
    ]);
  });

  test("of a thousand spans of which one is unknown reaches all the others in about twenty requests", async () => {
    const thousand = numbered(1000);
    const unknown = thousand[617]!;
    await world.known(thousand.filter((one) => one !== unknown));
    await world.queue.add(thousand);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.arize.annotations()).toHaveLength(999);
    expect(await world.waiting()).toBe(1);
    expect(world.attempts()).toBeLessThanOrEqual(22);
    await world.known([unknown]);
    await world.crank(10 * SECOND, 5 * SECOND);
    expect(world.arize.annotations()).toHaveLength(1000);
  });

  test("waits while its span is unknown, from ten seconds up to an hour, and is given up after a day", async () => {
    await world.queue.add([annotation(1)]);
    const times: number[] = [];
    for (let before = 0; (await world.buried()) === 0; before = world.attempts()) {
      await world.crank(5 * SECOND, 5 * SECOND);
      if (world.attempts() > before) times.push(world.clock.at);
    }
    const waits = times.slice(1).map((at, index) => (at - times[index]!) / SECOND);
    expect(waits.slice(0, 4)).toEqual([10, 20, 40, 80]);
    expect(Math.max(...waits)).toBe(3600);
    expect(times.at(-1)! - times[0]!).toBeGreaterThanOrEqual(DAY);
    expect(times.at(-1)! - times[0]!).toBeLessThanOrEqual(DAY + HOUR);
    expect(await world.outbox.readBuried("arize", 1)).toMatchObject([{ body: { predictionId: "prediction-1" } }]);
    expect(world.counters.print()).toContain('segue_annotations_total{destination="arize",result="buried"} 1');
  });

  test("whose span is unknown holds up nothing that comes after it", async () => {
    const lost = numbered(20);
    const found = numbered(40, 100);
    await world.known(found);
    await world.queue.add(lost);
    await world.crank(30 * SECOND, SECOND);
    const before = world.attempts();
    await world.queue.add(found);
    world.clock.at += 30 * SECOND;
    await world.deliver();
    expect(world.arize.annotations()).toHaveLength(40);
    expect(bodies()[before].annotations).toHaveLength(40);
  });

  test("has its annotation config created by what the policy says of the metric, where it is missing", async () => {
    await restart({ annotationConfigs: [] });
    const given = [
      annotation(1, { label: "up" }),
      annotation(2, { name: "toxicity" }),
      annotation(3, { name: "solved" }),
    ];
    await world.known(given);
    await world.queue.add(given);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.arize.annotations()).toHaveLength(3);
    const values = [
      { label: "up", score: 1 },
      { label: "down", score: 0 },
    ];
    expect(world.arize.annotationConfigs).toMatchObject([
      { name: "thumbs", type: "CATEGORICAL", values, optimization_direction: "MAXIMIZE" },
      { name: "toxicity", type: "CONTINUOUS", minimum_score: 0, maximum_score: 1, optimization_direction: "MINIMIZE" },
      { name: "solved", type: "CONTINUOUS", optimization_direction: "NONE" },
    ]);
  });

  test("waits where the key may not create its config, says once what to create, and lets other metrics pass", async () => {
    await restart({ annotationConfigs: ["thumbs"] });
    const given = [annotation(1), annotation(1, { name: "toxicity" }), annotation(2)];
    await world.known(given);
    await world.queue.add(given);
    const forbidden = async (input: string, init: RequestInit) => {
      const isCreation = input.endsWith("/v2/annotation-configs") && init.method === "POST";
      return isCreation ? new Response("{}", { status: 403 }) : fetch(input, init);
    };
    const said: string[] = [];
    const note = (message: string) => void said.push(message);
    const sender = arizeAnnotator(
      { fetch: forbidden, clock: world.clock, log: { info: note, warn: note, error: note } },
      {
        url: world.arize.url,
        apiKey: "arize-key",
        spaceId: world.arize.space.id,
        projectId: "TW9kZWw6MTIz",
        metricOf: () => null,
      },
    );
    const other = deliveryWorld({ arize: sender }, world);
    await other.crank(HOUR, 30 * SECOND);
    expect(shown().map(({ name }) => name)).toEqual(["thumbs", "thumbs"]);
    expect(said.filter((line) => line.includes("'toxicity'") && line.includes("by hand"))).toHaveLength(1);
    expect(await world.waiting()).toBe(1);
    world.arize.annotationConfigs.push({ ...world.arize.annotationConfigs[0]!, name: "toxicity" });
    await other.crank(600 * SECOND, 30 * SECOND);
    expect(await world.waiting()).toBe(0);
  });

  test.each([
    { ages: [0, 40, 80], requests: 3, because: "a window holds 31 days" },
    { ages: [0, 10, 30], requests: 1, because: "all are within 31 days" },
    { ages: [100, 129, 131.5, 200], requests: 3, because: "windows of old answers end in the past" },
  ])("comes in $requests requests of answers $ages days old, because $because", async ({ ages, requests }) => {
    const given = ages.map((days, number) => annotation(number, { at: SERVED - days * DAY }));
    await world.known(given);
    await world.queue.add(given);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(world.arize.annotations()).toHaveLength(ages.length);
    expect(world.attempts()).toBe(requests);
  });

  test("of an answer older than a year is buried, and said so", async () => {
    await world.queue.add([annotation(1, { at: SERVED - 366 * DAY })]);
    await world.crank(30 * SECOND, 30 * SECOND);
    expect(await world.outbox.readBuried("arize", 1)).toMatchObject([{ problem: expect.stringContaining("365 days") }]);
    expect(world.attempts()).toBe(0);
  });

  test("survives an outage of more than a day, seldom asks meanwhile, and is not given up though its span came late", async () => {
    const given = numbered(100);
    await world.queue.add(given);
    const lift = world.arize.fail("rest", 503);
    await world.crank(30 * HOUR, 300 * SECOND);
    const during = world.attempts();
    expect(during).toBeLessThanOrEqual(30 * 12);
    expect(await world.waiting()).toBe(100);
    lift();
    await world.crank(300 * SECOND, 30 * SECOND);
    expect(await world.waiting()).toBe(100);
    await world.known(given);
    await world.crank(HOUR, 60 * SECOND);
    expect(world.arize.annotations()).toHaveLength(100);
    expect(await world.buried()).toBe(0);
    expect(world.logged.filter((line) => line.includes("nothing can be sent"))).toHaveLength(1);
  });

  test.each([
    { fault: 401, waits: 60, because: "the key is tried again each minute" },
    { fault: 403, waits: 60, because: "the key is tried again each minute" },
    { fault: { status: 429, headers: { "retry-after": "77" } }, waits: 77, because: "it was asked for" },
    { fault: "cut" as const, waits: 1, because: "nobody answered" },
    {
      fault: { status: 302, headers: { location: "http://127.0.0.1:9/" } },
      waits: 1,
      because: "redirects are not followed",
    },
  ])("waits $waits s after $fault, because $because", async ({ fault, waits }) => {
    const given = annotation(1);
    await world.known([given]);
    await world.queue.add([given]);
    world.arize.fail("rest", fault, 1);
    world.clock.at += 30 * SECOND;
    await world.deliver();
    await world.crank((waits - 1) * SECOND, SECOND);
    expect(world.attempts()).toBe(1);
    await world.crank(SECOND, SECOND);
    expect(world.arize.annotations()).toHaveLength(1);
  });

  test("is sent again when its answer was lost, which changes nothing", async () => {
    const given = annotation(1);
    await world.known([given]);
    await world.queue.add([given]);
    world.arize.fail("rest", "lost", 1);
    await world.crank(40 * SECOND, SECOND);
    expect(world.attempts()).toBe(2);
    expect(shown()).toMatchObject([{ score: 1 }]);
  });

  test("is not buried by a refusal before anything was ever taken: the settings may be wrong", async () => {
    const lift = world.arize.fail("rest", 422);
    await world.known(numbered(3));
    await world.queue.add(numbered(3));
    await world.crank(26 * HOUR, HOUR);
    expect([await world.waiting(), await world.buried()]).toEqual([3, 0]);
    lift();
    await world.crank(1200 * SECOND, 600 * SECOND);
    expect(world.arize.annotations()).toHaveLength(3);
    await world.queue.add([annotation(2, { label: "x" })]);
    world.arize.fail("rest", 422);
    await world.crank(60 * SECOND, 30 * SECOND);
    expect(await world.buried()).toBe(1);
  });

  test("is not buried where the project is the wrong one", async () => {
    await restart({ projects: ["other"] });
    const sender = arizeAnnotator(
      { fetch, clock: world.clock, log: world.log },
      {
        url: world.arize.url,
        apiKey: "arize-key",
        spaceId: world.arize.space.id,
        projectId: "wrong",
        metricOf: () => null,
      },
    );
    const other = deliveryWorld({ arize: sender }, world);
    await world.queue.add(numbered(2));
    await other.crank(2 * DAY, HOUR);
    expect([await world.waiting(), await world.buried()]).toEqual([2, 0]);
    expect(other.logged.join()).toContain("SEGUE_ARIZE_PROJECT_ID");
    expect(other.logged.join()).not.toContain("arize-key");
  });

  test("is told a wrong project from an unknown span by the words, not by the path that a problem names", async () => {
    const body = JSON.stringify({ status: 404, detail: "There is no project 'x'.", instance: "/v2/spans/annotate" });
    world.arize.fail("rest", { status: 404, body });
    await world.queue.add([annotation(1)]);
    await world.crank(25 * HOUR, HOUR);
    expect([await world.waiting(), await world.buried()]).toEqual([1, 0]);
    expect(world.logged.join()).toContain("SEGUE_ARIZE_PROJECT_ID");
  });

  test("is kept where an answer is some other page's", async () => {
    world.arize.fail("rest", { status: 200, body: "<html>Sign in</html>" });
    await world.queue.add([annotation(1)]);
    await world.crank(HOUR, 60 * SECOND);
    expect(await world.waiting()).toBe(1);
    expect(world.logged.join()).toContain("SEGUE_ARIZE_URL");
  });
});

test("what comes late, twice and in any order ends as the last word on each span", async () => {
  const answers = numbered(20);
  await world.known(answers);
  const last = new Map<string, number>();
  let seed = 7;
  const next = (below: number) => (seed = (seed * 16_807) % 2_147_483_647) % below;
  for (let step = 0; step < 120; step++) {
    const one: Annotation = { ...answers[next(20)]!, score: next(5) / 4 };
    last.set(one.spanId, one.score);
    await world.queue.add(next(3) === 0 ? [one, one] : [one]);
    if (next(9) === 0) world.arize.fail("rest", next(2) === 0 ? 503 : "lost", 1);
    await world.crank((1 + next(40)) * SECOND, 10 * SECOND);
  }
  await world.crank(HOUR, 10 * SECOND);
  expect(new Map(shown().map(({ spanId, score }) => [spanId, score]))).toEqual(last);
  expect([await world.waiting(), await world.buried()]).toEqual([0, 0]);
});
