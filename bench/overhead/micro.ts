/**
 * What is measured within a process, a process of its own: the decision, the compilation of a table, an exposure and a span
 * (that of this checkout, whichever is measured).
 * Takes the folder of the Segue that is measured, and for how long each part runs, in milliseconds.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { measureDecision } from "./decision-cost.ts";
import { measureExposure } from "./exposure-cost.ts";
import type { MicroResult } from "./micro-result.ts";
import { measureSpan } from "./span-cost.ts";

const [checkout = ".", budget = "1000"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "segue-bench-micro-"));
const given = { checkout: resolve(checkout), folder, budgetMs: Number(budget) };
const measure = async (): Promise<MicroResult> => {
  try {
    return {
      decisions: [
        await measureDecision(10, given),
        await measureDecision(1000, given),
        await measureDecision(10_000, given),
      ],
      exposureUs: await measureExposure(given),
      spanUs: (await measureSpan()).sendUs,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
};
const result = await measure();
// Last, because the parent may end this process at once.
if (process.send === undefined) console.log(JSON.stringify(result, undefined, 2));
else process.send(result);
process.disconnect?.();
