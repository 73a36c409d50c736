/**
 * A process that keeps feedback and delivers it: `node feedback-writer.ts FILE URL COUNT`. Prints the number of each
 * annotation once it is kept, from when on it must not be lost.
 */
import { writeSync } from "node:fs";
import { createAnnotationQueue, phoenixDestination } from "../../src/annotators/annotation-queue.ts";
import { phoenixAnnotator } from "../../src/annotators/phoenix.ts";
import { outboxDelivery } from "../../src/loop/deliver-outbox.ts";
import { createSqliteOutbox } from "../../src/stores/sqlite-outbox.ts";
import { openDatabase } from "../../src/stores/sqlite.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { numberedFeedback } from "./numbered-feedback.ts";

const [file = "", url = "", count = "0"] = process.argv.slice(2);
const counters = memoryCounters();
const clock = { now: () => Date.now() };
const outbox = createSqliteOutbox(openDatabase(file, { kind: "exposures" }), { counters });
const queue = createAnnotationQueue({ outbox, clock }, [phoenixDestination], { lagMs: 0 });
const nothing = () => undefined;
const log = { info: nothing, warn: nothing, error: nothing };
const random = { bytes: (size: number) => new Uint8Array(size) };
const phoenix = phoenixAnnotator({ fetch, clock }, { url });
const { deliver } = outboxDelivery({ outbox, clock, random, log, counters }, { phoenix });

for (let number = 0; number < Number(count); number++) {
  await queue.add([numberedFeedback(number)]);
  writeSync(1, `${number}\n`);
  // Not waited for: the kill meets batches that are on their way.
  if (number % 5 === 0) void deliver();
}
