import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { phoenixAnnotator } from "../../src/annotators/phoenix.ts";
import { createSqliteOutbox } from "../../src/stores/sqlite-outbox.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";
import { deliveryWorld, HOUR, numbered } from "./delivery-world.ts";
import { makeKnown } from "./known-spans.ts";

const program = fileURLToPath(new URL("./feedback-writer.ts", import.meta.url));

// A database of a kind that survives a kill and not a power cut: the weaker of the two.
test("feedback that was acknowledged before kill -9 arrives after a restart, whatever was under way", async () => {
  const folder = temporaryFolder();
  const clock = { at: Date.now(), now: () => clock.at };
  const phoenix = await fakePhoenix({ apiKey: null, now: clock.now });
  const file = join(folder.path, "outbox.db");
  await makeKnown(phoenix, {}, numbered(600));
  try {
    const acknowledged = new Set<number>();
    for (const lifetime of [1, 17, 90, 5]) {
      const child = spawn(process.execPath, [program, file, phoenix.url, "600"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "exit");
      let left = lifetime;
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged.add(Number(line));
        if (--left === 0) child.kill("SIGKILL");
      }
      await ended;
      expect(child.signalCode).toBe("SIGKILL");
    }
    const database = openDatabase(file, { kind: "exposures" });
    const counters = memoryCounters();
    const outbox = createSqliteOutbox(database, { counters });
    clock.at = Date.now() + HOUR;
    const sender = phoenixAnnotator({ fetch, clock }, { url: phoenix.url });
    await deliveryWorld({ phoenix: sender }, { clock, outbox, counters }).deliver();
    const arrived = new Set(phoenix.annotations().map(({ spanId }) => Number.parseInt(spanId.slice(1), 16)));
    expect(acknowledged.size).toBeGreaterThanOrEqual(90);
    expect([...acknowledged].filter((number) => !arrived.has(number))).toEqual([]);
    expect(await outbox.counts("phoenix")).toEqual({ waiting: 0, buried: 0 });
    database.close();
  } finally {
    await phoenix.close();
    folder.remove();
  }
});
