import { beforeEach, describe, expect, test } from "vitest";
import { blameText } from "../../src/core/blame.ts";
import { servedWorld, type Asked, type ServedWorld } from "../fakes/served-world.ts";

let world: ServedWorld;
beforeEach(async () => {
  world = await servedWorld();
});

const REGIONS = ["de", "fr", "pl"] as const;
const PRODUCTS = ["billing", "shipping"] as const;
const attributesAt = (turn: number) => ({
  region: REGIONS[turn % 3] ?? "",
  product: PRODUCTS[Math.floor(turn / 3) % 2] ?? "",
});
/** Well-served traffic, but for one answer in twenty. */
const healthy = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++)
    await world.rate(turn % 20 === 7 ? 0 : 1, { attributes: attributesAt(turn) });
};
/** Answers on billing in Poland are bad from now on. @returns their ids */
const collapse = async (turnsMax: number): Promise<readonly string[]> => {
  const bad: string[] = [];
  for (let turn = 0; turn < turnsMax && world.signal() === undefined; turn++) {
    const attributes = attributesAt(turn);
    const isBad = attributes.region === "pl" && attributes.product === "billing";
    const id = await world.rate(isBad ? 0 : 1, { attributes });
    if (isBad) bad.push(id);
  }
  return bad;
};

describe("an alarm", () => {
  test.each([{ isRestarted: false }, { isRestarted: true }])(
    "names the slice whose answers got worse, with answers that were served there (restarted before: $isRestarted)",
    async ({ isRestarted }) => {
      await healthy(300);
      if (isRestarted) await world.restart();
      const bad = await collapse(1500);
      const signal = world.signal();
      expect(signal).toMatchObject({ source: "detector:baseline", segment: "europe", status: "degraded" });
      const blamed = signal?.evidence.blame;
      expect(new Set(blamed?.slice)).toEqual(
        new Set([
          { attribute: "product", value: "billing" },
          { attribute: "region", value: "pl" },
        ]),
      );
      expect(blamed?.how).toBe("worse");
      expect(blamed?.lossMean).toBeGreaterThan(0.8);
      expect(blamed?.examples.length).toBeGreaterThan(0);
      expect(bad).toEqual(expect.arrayContaining([...(blamed?.examples ?? [])]));
    },
  );

  test("says that it is everywhere where no slice is worse than the rest", async () => {
    await healthy(300);
    for (let turn = 0; turn < 200 && world.signal() === undefined; turn++)
      await world.rate(turn % 7 < 3 ? 0 : 1, { attributes: attributesAt(turn) });
    const blamed = world.signal()?.evidence.blame;
    expect(blamed?.slice).toEqual([]);
    expect(blamed === undefined ? "" : blameText(blamed)).toContain("everywhere: loss ");
  });

  test("comes though the labelled answers of before cannot be read, which is said", async () => {
    await healthy(300);
    await world.restart(() => world.checkpoints.save("cases", { version: 99 }));
    expect(world.warnings.filter((warning) => warning.includes("labelled answers"))).toHaveLength(1);
    await collapse(1500);
    expect(world.signal()?.status).toBe("degraded");
  });
});

test("what was labelled outlives a restart", async () => {
  const id = await world.rate(1);
  await world.restart();
  await world.restart();
  expect(JSON.stringify(await world.checkpoints.load("cases"))).toContain(id);
});

describe("labels of one session", () => {
  const bad = async (count: number, asked: (turn: number) => Asked): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await world.rate(0, asked(turn));
    await world.wait();
  };
  const isAlarmed = () => world.signal()?.status === "degraded";

  test("count as one value, however many they are", async () => {
    await healthy(300);
    await bad(40, () => ({ session: "one" }));
    expect(isAlarmed()).toBe(false);
    await bad(40, (turn) => ({ session: `another ${turn}` }));
    expect(isAlarmed()).toBe(true);
  });

  test("are those of a session that was named as one: a user has many", async () => {
    await healthy(300);
    await bad(40, () => ({ user: "ada" }));
    expect(isAlarmed()).toBe(true);
  });
});

describe("a label", () => {
  test.each([{ stream: false }, { stream: true }])(
    "is wanted while the healthy level is being learnt, and not once it is known (stream: $stream)",
    async ({ stream }) => {
      expect((await world.ask({ stream })).wanted).toBe("wanted");
      expect(await world.explain()).toMatchObject({ segment: "europe", feedback_wanted: true });
      await healthy(300);
      expect((await world.ask({ stream })).wanted).toBeNull();
      expect(await world.explain()).toMatchObject({ segment: "europe", feedback_wanted: false });
    },
  );

  test("is wanted again where something may have changed", async () => {
    await healthy(300);
    for (let turn = 0; turn < 4; turn++) await world.rate(0);
    expect((await world.ask()).wanted).toBe("wanted");
  });

  test("is never wanted where no objective asks for feedback", async () => {
    expect((await world.ask({ attributes: { region: "us" } })).wanted).toBeNull();
  });
});

test("labelled answers that were forgotten for want of room are counted", async () => {
  await world.rate(1);
  expect(await world.metrics()).toMatch(/^segue_cases_dropped_total 0$/m);
});
