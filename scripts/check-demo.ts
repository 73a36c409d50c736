import { text } from "node:stream/consumers";
import { z } from "zod";
import { publishedFigures, TASKS } from "../src/demo/llmdrift.ts";

/** Reads the demo's object on stdin and fails unless it is what the README promises. */
const Result = z.object({
  aggregate: z.object({ before: z.number(), during: z.number(), after: z.number() }),
  segments: z.array(
    z.object({
      id: z.enum(TASKS),
      risk: z.string(),
      after: z.object({ variant: z.string(), mean: z.number() }),
      switchover: z.object({ phase: z.string(), approvedBy: z.string().nullable() }).nullable(),
      held: z.string().nullable(),
    }),
  ),
  wrongSwitchovers: z.number(),
  ledger: z.object({ verified: z.boolean() }),
  wallMs: z.number(),
});

const { aggregate, segments, wrongSwitchovers, ledger, wallMs } = Result.parse(JSON.parse(await text(process.stdin)));
const faults: string[] = [];
const expect = (holds: boolean, what: string): unknown => holds || faults.push(what);

expect(aggregate.during > aggregate.before, "the aggregate rises on the changed model");
expect(wrongSwitchovers === 0, "no switchover is wrong");
expect(ledger.verified, "the ledger verifies");
expect(wallMs < 90_000, "it takes less than 90 s");
for (const { id, risk, after, switchover, held } of segments) {
  const isLeft = id === "composite" || id === "leetcode";
  expect(isLeft === (switchover === null), `${id} is ${isLeft ? "left where it is" : "moved"}`);
  if (id === "leetcode") expect(held !== null, "people are told about leetcode");
  if (isLeft) continue;
  expect(switchover?.phase === "confirmed", `${id} is confirmed`);
  const published = publishedFigures["gpt-3.5-turbo"]["2023-06"][id];
  expect(after.mean >= 0.9 * published, `${id} does at least 0.9 of the published ${published}: ${after.mean}`);
  expect(
    (risk === "high") === (switchover?.approvedBy?.startsWith("user:") === true),
    `${id} is approved as its risk asks`,
  );
}
for (const fault of faults) console.error(`not so: ${fault}`);
console.log(faults.length === 0 ? "The demo did what it promises." : `The demo broke ${faults.length} promise(s).`);
process.exitCode = faults.length === 0 ? 0 : 1;
