import { writeSync } from "node:fs";
import { memoryCounters } from "../../../src/telemetry/counters.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { createSpanEncoder } from "../../../src/telemetry/spans/encode-span.ts";
import { openSpanSpool } from "../../../src/telemetry/spans/span-spool.ts";
import { plainRedaction, servedSpan } from "./served-spans.ts";

// Records answers without end and says which ones were, until it is killed.

const [directory = ""] = process.argv.slice(2);
const spool = openSpanSpool({ directory, counters: memoryCounters(), log: silentLog });
const encode = createSpanEncoder(() => plainRedaction);
for (let number = 0; ; number++) {
  spool.add({ ...encode(servedSpan(number)), content: null });
  writeSync(1, `${number}\n`);
}
