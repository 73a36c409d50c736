import { describe, expect, test } from "vitest";
import { readOutcomes } from "../../src/replay/outcome-table.ts";
import { seededRandom } from "../../src/replay/random.ts";
import { replay } from "../../src/replay/replay.ts";
import { COST, LATENCY, SCORE } from "../../src/replay/replayed-policy.ts";
import { parseScenario } from "../../src/replay/scenario.ts";

const ITEMS = 150;

/** Two models in each segment: `usual` answers well; `other` answers as well in `slow`, and much worse in `dear`. */
function outcomes(): string {
  const random = seededRandom(1, "table");
  const rows = ["item,segment,model,score,latency_ms,cost_usd"];
  for (const segment of ["slow", "dear", "calm"])
    for (let item = 0; item < ITEMS; item++)
      for (const model of ["usual", "other"]) {
        const level = model === "usual" ? 0.9 : segment === "slow" ? 0.9 : 0.3;
        const score = random() < level ? 1 : 0;
        const latencyMs = Math.round(-800 * Math.log(1 - random())) + 100;
        const costUsd = 0.001 + 0.004 * random() ** 3;
        rows.push([`i${item}`, segment, model, score, latencyMs, costUsd].join(","));
      }
  return `${rows.join("\n")}\n`;
}

const read = (text: string) =>
  readOutcomes(
    [
      {
        name: "table.csv",
        chunks: (async function* chunks() {
          yield text;
        })(),
      },
    ],
    { ignoreColumns: [] },
  );

const scenario = (faults: readonly object[]) =>
  parseScenario(
    JSON.stringify({
      id: "latency-and-cost",
      requests: 60_000,
      traffic: { law: "uniform" },
      primary: "usual",
      labels: { delay: 500 },
      faults,
    }),
    "scenario.json",
  );

const FAULTS = [
  { kind: "scale", segments: { only: ["slow"] }, latency: 3, start: 0.5 },
  { kind: "scale", segments: { only: ["dear"] }, cost: 3, start: 0.6 },
];

async function replayed(faults: readonly object[], seed = 1, text = outcomes()) {
  const alarms: string[] = [];
  const moves: string[] = [];
  const result = await replay(await read(text), scenario(faults), {
    seed,
    onEntry: ({ event }) => {
      if (event.type === "signal.recorded" && event.signal.status === "degraded")
        alarms.push(`${event.signal.segment} ${event.signal.variant} ${event.signal.metric}`);
      if (event.type === "switchover.moved" && ["confirmed", "rolledBack"].includes(event.phase.kind))
        moves.push(`${event.id.replace(/-\d+$/, "")} ${event.phase.kind}`);
    },
  });
  return { ...result, alarms, moves };
}

describe("latency and cost in a replay", () => {
  test.each([1, 2])(
    "are alarmed about where they rise, each on its own metric, and nothing else is (seed %i)",
    async (seed) => {
      const { alarms, referee } = await replayed(FAULTS, seed);
      expect(alarms).toEqual(["slow usual latency", "dear usual cost"]);
      expect(referee.tally).toMatchObject({ falseAlarms: 0, falseSwitchovers: 0 });
      expect(referee.tally.alarmsByMetric).toEqual({ [LATENCY]: 1, [COST]: 1 });
      expect(referee.faults.map(({ place, metric, alarm }) => [place, metric, alarm !== null])).toEqual([
        [0, LATENCY, true],
        [1, COST, true],
      ]);
    },
  );

  test("lead to a model that is as good, and not to one that is cheaper and worse", async () => {
    const { moves } = await replayed(FAULTS);
    expect(moves[0]).toBe("slow confirmed");
    expect(moves.filter((move) => move.startsWith("dear"))).toEqual(["dear rolledBack"]);
  });

  test("are silent while nothing happens to them, though quality falls", async () => {
    const worse = [{ kind: "scale", segments: { only: ["slow"] }, factor: 0.5, start: 0.5 }];
    const { alarms, referee } = await replayed(worse);
    expect(alarms).toEqual([`slow usual ${SCORE}`]);
    expect(referee.tally.alarmsByMetric).toEqual({ [SCORE]: 1 });
  });

  test("are objectives only where the table has them for every answer", async () => {
    const [header = "", first = "", ...rows] = outcomes().split("\n");
    const partly = [header, first.replace(/,[^,]*$/, ","), ...rows].join("\n");
    const { replayed: made } = await replayed([], 1, partly);
    const metricsOf = (place: number) => made.policy.segments[place]?.objectives.map(({ metric }) => metric);
    expect(metricsOf(0)).toEqual([SCORE, LATENCY]);
    expect(metricsOf(1)).toEqual([SCORE, LATENCY, COST]);
  });
});
