import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Exposure } from "../../src/ports.ts";
import { createSqliteExposures, type SqliteExposures } from "../../src/stores/sqlite-exposures.ts";
import { openDatabase, type Database } from "../../src/stores/sqlite.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

let folder: ReturnType<typeof temporaryFolder>;
let database: Database;
beforeEach(() => {
  folder = temporaryFolder();
  database = openDatabase(join(folder.path, "exposures.db"), { kind: "exposures" });
});
afterEach(() => {
  database.close();
  folder.remove();
});

const exposure = (id: number, segment = "emea-free"): Exposure => ({
  predictionId: `prediction-${id}`,
  at: 1_780_000_000_000 + id,
  policy: "support-chat",
  segment,
  variant: "gpt-large",
  revision: 3,
  reason: "TARGETING_MATCH",
  unit: id % 2 === 0 ? null : `user-${id}`,
  keyId: null,
  attributes: { region: "emea", seats: 3, trial: true },
  status: 200,
  latencyMs: 12.5,
  error: id % 2 === 0 ? "upstream cut the stream" : null,
  answered:
    id % 3 === 0
      ? null
      : {
          target: { provider: "main", model: "m1" },
          attempts: 2,
          firstByteMs: 7.5,
          usage: id % 3 === 1 ? { inputTokens: 9, cachedTokens: 1, cacheWriteTokens: 0, outputTokens: 4 } : null,
          costUsd: id % 3 === 1 ? 0.0025 : null,
        },
});

function create(options: Parameters<typeof createSqliteExposures>[2] = {}) {
  const dropped = { total: 0 };
  const warn = vi.fn();
  let tick: () => void = () => undefined;
  const exposures = createSqliteExposures(
    database,
    {
      counters: {
        add: (name, _labels, by = 1) => {
          if (name === "segue_exposures_dropped_total") dropped.total += by;
        },
      },
      log: { info: () => undefined, warn, error: () => undefined },
    },
    {
      every: (_, callback) => {
        tick = callback;
        return () => undefined;
      },
      ...options,
    },
  );
  return { exposures, dropped, warn, tick: () => tick() };
}

const stored = () => Number(database.connection.prepare("SELECT count(*) AS n FROM exposures").get()?.n);
const record = (exposures: SqliteExposures, from: number, to: number) => {
  for (let id = from; id <= to; id++) exposures.record(exposure(id));
};
const breakDisk = () => database.connection.exec("PRAGMA query_only = 1");
const mendDisk = () => database.connection.exec("PRAGMA query_only = 0");

describe("exposures", () => {
  test("are read back as recorded, newest first, by policy and segment", async () => {
    const { exposures } = create();
    for (const [id, segment] of [
      [1, "emea-free"],
      [2, "apac-pro"],
      [3, "emea-free"],
    ] as const)
      exposures.record(exposure(id, segment));
    const query = { policy: "support-chat", limit: 10 };
    expect(await exposures.recent(query)).toEqual([exposure(3), exposure(2, "apac-pro"), exposure(1)]);
    expect(await exposures.recent({ ...query, segment: "emea-free", limit: 1 })).toEqual([exposure(3)]);
    expect(await exposures.recent({ ...query, policy: "search" })).toEqual([]);
  });

  test("are written at the interval, and not before", () => {
    const { exposures, tick } = create();
    record(exposures, 1, 3);
    expect(stored()).toBe(0);
    tick();
    expect(stored()).toBe(3);
  });

  test("are written without waiting once a batch is full, and not within the call that fills it", async () => {
    const { exposures } = create();
    record(exposures, 1, 500);
    expect(stored()).toBe(0);
    await vi.waitUntil(() => stored() === 500);
  });

  test("are kept up to the limit; the oldest go first", async () => {
    const { exposures } = create({ rowsMax: 10 });
    record(exposures, 1, 25);
    await exposures.flush();
    record(exposures, 26, 28);
    const recent = await exposures.recent({ policy: "support-chat", limit: 100 });
    expect(recent.map(({ predictionId }) => predictionId)).toEqual(
      Array.from({ length: 10 }, (_, index) => `prediction-${28 - index}`),
    );
  });

  test("that do not fit the buffer are counted, and the rest is written", async () => {
    const { exposures, dropped } = create({ bufferMax: 5 });
    record(exposures, 1, 8);
    expect(dropped.total).toBe(3);
    await exposures.flush();
    expect(stored()).toBe(5);
  });

  test("survive a failing disk in the buffer, with one warning and no error to anybody", async () => {
    const { exposures, dropped, warn, tick } = create({ bufferMax: 600 });
    breakDisk();
    record(exposures, 1, 610);
    tick();
    await exposures.flush();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(dropped.total).toBe(10);
    mendDisk();
    await exposures.flush();
    expect(stored()).toBe(600);
    record(exposures, 611, 611);
    await exposures.flush();
    expect([stored(), dropped.total]).toEqual([601, 10]);
  });

  test("are all written or counted when it closes", async () => {
    const { exposures, dropped } = create();
    record(exposures, 1, 3);
    await exposures.close();
    expect(stored()).toBe(3);
    exposures.record(exposure(4));
    expect(dropped.total).toBe(1);

    const failing = create();
    record(failing.exposures, 5, 6);
    breakDisk();
    await failing.exposures.close();
    expect(failing.dropped.total).toBe(2);
  });
});

describe("a scan of exposures", () => {
  const START = 1_780_000_000_000;
  const HOUR = 3_600_000;
  const scan = async (exposures: SqliteExposures, since: number, until: number) => {
    const seen: number[] = [];
    const oldest = await exposures.scan({ since, until }, ({ at }) => seen.push(at));
    return { seen, oldest };
  };

  test("shows those that were decided within the period, over many pages, with their figures", async () => {
    const { exposures } = create();
    for (let id = 1; id <= 5000; id++) exposures.record(exposure(id));
    const { seen, oldest } = await scan(exposures, START + 100, START + 4900);
    expect(seen).toEqual(Array.from({ length: 4800 }, (_, index) => START + 100 + index));
    expect(oldest).toBe(START + 1);
    const figures: unknown[] = [];
    await exposures.scan({ since: START + 3, until: START + 5 }, (one) => figures.push(one));
    const about = { policy: "support-chat", segment: "emea-free", variant: "gpt-large", status: 200, latencyMs: 12.5 };
    expect(figures).toEqual([
      { ...about, at: START + 3, error: null, costUsd: null },
      { ...about, at: START + 4, error: "upstream cut the stream", costUsd: 0.0025 },
    ]);
  });

  test("finds answers that took hours, behind those that were decided later", async () => {
    const { exposures } = create();
    for (let hour = 0; hour < 48; hour++) {
      exposures.record({ ...exposure(hour), at: START + hour * HOUR });
      // It ended now, and was decided five hours ago.
      exposures.record({ ...exposure(hour), at: START + (hour - 5) * HOUR + 1 });
    }
    const { seen } = await scan(exposures, START + 20 * HOUR, START + 22 * HOUR);
    expect(seen.sort()).toEqual([20, 21].flatMap((hour) => [START + hour * HOUR, START + hour * HOUR + 1]));
  });

  test("reads no page of what is older than it needs", async () => {
    const { exposures } = create();
    for (let id = 1; id <= 5000; id++) exposures.record({ ...exposure(id), at: START + id * HOUR });
    await exposures.flush();
    // A row that no page may touch: reading its cost would fail.
    database.connection.exec("UPDATE exposures SET answered = 'no JSON' WHERE id < 4800");
    const { seen } = await scan(exposures, START + 4990 * HOUR, START + 6000 * HOUR);
    expect(seen).toHaveLength(11);
  });

  test("of nothing shows nothing", async () => {
    const { exposures } = create();
    expect(await scan(exposures, 0, START * 2)).toEqual({ seen: [], oldest: null });
  });
});
