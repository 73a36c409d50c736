import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { z } from "zod";
import { EPOCHS } from "./llmdrift.ts";
import { startUpstream } from "./upstream.ts";

/**
 * The model server in a process of its own, `node upstream-process.ts [--port 0] [--seed 1]`: prints `{"url"}`, then takes
 * commands such as `{"epoch":"2023-06"}` as JSON lines on stdin and answers each with a line, `{"error"}` for one it cannot
 * read. Ends when stdin closes, so that it never outlives the process that started it.
 */
const Command = z.strictObject({ epoch: z.enum(EPOCHS) });
const Arguments = z.strictObject({ port: z.coerce.number().int().min(0).max(65_535), seed: z.coerce.number().int() });

const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, seed: { type: "string", default: "1" } },
});
const upstream = await startUpstream(Arguments.parse(values));
console.log(JSON.stringify({ url: upstream.url }));

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { epoch } = Command.parse(JSON.parse(line));
    upstream.setEpoch(epoch);
    console.log(JSON.stringify({ epoch }));
  } catch (error) {
    console.log(JSON.stringify({ error: `Not a command: ${String(error)}` }));
  }
}
await upstream.stop();
